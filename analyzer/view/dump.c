/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dump.c - `dprof-analyze dump`: every record as it was dumped, process by process, thread by thread, and
 * where records are missing. Needs a store with stamps, no passes. The fields of a record have the names that
 * record.def gives them for its kind.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "analyzer/vec.h"
#include "analyzer/view/view.h"

/* The members of a record. Those with a key only are for JSON, those with a title only for people. */
#define COLUMNS(COLUMN)                                                                                      \
	COLUMN(THREAD, "thread", "thread", OUT_COUNT)                                                        \
	COLUMN(SEQ, "seq", "seq", OUT_COUNT)                                                                 \
	COLUMN(TIME, "t0_ns", "time", OUT_TIME)                                                              \
	COLUMN(T1_NS, "t1_ns", NULL, OUT_TIME)                                                               \
	COLUMN(TOOK, NULL, "took", OUT_NS)                                                                   \
	COLUMN(T0, "t0", NULL, OUT_COUNT)                                                                    \
	COLUMN(T1, "t1", NULL, OUT_COUNT)                                                                    \
	COLUMN(KIND, "kind", "kind", OUT_TEXT)                                                               \
	COLUMN(CALL, "call", "call", OUT_TEXT)                                                               \
	COLUMN(FLAGS, "flags", NULL, OUT_WORDS)                                                              \
	COLUMN(CONN, "conn", "conn", OUT_COUNT)                                                              \
	COLUMN(OFF, "off", "off", OUT_COUNT)                                                                 \
	COLUMN(LEN, "len", "len", OUT_COUNT)                                                                 \
	COLUMN(DETAIL, NULL, "", OUT_TEXT)                                                                   \
	COLUMN(FD, "fd", NULL, OUT_COUNT)                                                                    \
	COLUMN(INODE, "inode", NULL, OUT_COUNT)                                                              \
	COLUMN(OBJECT, "object", NULL, OUT_COUNT)                                                            \
	COLUMN(PARENT, "parent", NULL, OUT_COUNT)                                                            \
	COLUMN(CHILD, "child", NULL, OUT_COUNT)                                                              \
	COLUMN(COUNT, "count", NULL, OUT_COUNT)                                                              \
	COLUMN(HOW, "how", NULL, OUT_COUNT)                                                                  \
	COLUMN(READY, "ready", NULL, OUT_COUNT)                                                              \
	COLUMN(TID, "tid", NULL, OUT_COUNT)                                                                  \
	COLUMN(HEAD, "head", NULL, OUT_TEXT)                                                                 \
	COLUMN(NAME, "name", NULL, OUT_TEXT)                                                                 \
	COLUMN(OUT_SEEN, "counts.out_seen", NULL, OUT_COUNT)                                                 \
	COLUMN(IN_SEEN, "counts.in_seen", NULL, OUT_COUNT)                                                   \
	COLUMN(OUT_KERNEL, "counts.out_kernel", NULL, OUT_COUNT)                                             \
	COLUMN(IN_KERNEL, "counts.in_kernel", NULL, OUT_COUNT)                                               \
	COLUMN(TO_FAMILY, "datagram.family", NULL, OUT_TEXT)                                                 \
	COLUMN(TO_ADDR, "datagram.addr", NULL, OUT_TEXT)                                                     \
	COLUMN(TO_PORT, "datagram.port", NULL, OUT_COUNT)                                                    \
	COLUMN(FAMILY, "endpoint.family", NULL, OUT_TEXT)                                                    \
	COLUMN(TYPE, "endpoint.type", NULL, OUT_TEXT)                                                        \
	COLUMN(LOCAL_ADDR, "endpoint.local_addr", NULL, OUT_TEXT)                                            \
	COLUMN(LOCAL_PORT, "endpoint.local_port", NULL, OUT_COUNT)                                           \
	COLUMN(REMOTE_ADDR, "endpoint.remote_addr", NULL, OUT_TEXT)                                          \
	COLUMN(REMOTE_PORT, "endpoint.remote_port", NULL, OUT_COUNT)                                         \
	COLUMN(NETNS, "endpoint.netns", NULL, OUT_COUNT)                                                     \
	COLUMN(SOCKET, "endpoint.inode", NULL, OUT_COUNT)                                                    \
	COLUMN(COOKIE, "endpoint.cookie", NULL, OUT_COUNT)                                                   \
	COLUMN(OFF_IN, "endpoint.off_in", NULL, OUT_COUNT)                                                   \
	COLUMN(OFF_OUT, "endpoint.off_out", NULL, OUT_COUNT)                                                 \
	COLUMN(PEER_PID, "endpoint.peer_pid", NULL, OUT_COUNT)                                               \
	COLUMN(PATH, "endpoint.path", NULL, OUT_TEXT)                                                        \
	COLUMN(RANDOM, "session.random", NULL, OUT_TEXT)                                                     \
	COLUMN(PLAIN_IN, "session.off_in", NULL, OUT_COUNT)                                                  \
	COLUMN(PLAIN_OUT, "session.off_out", NULL, OUT_COUNT)                                                \
	COLUMN(DATA, "data", NULL, OUT_TEXT)

enum column {
#define ENUMERATE(word, key, title, type) COLUMN_##word,
	COLUMNS(ENUMERATE) COLUMN_COUNT_OF
};

static const struct out_column columns[] = {
#define DESCRIBE(word, key, title, type) {key, title, type},
    COLUMNS(DESCRIBE)};

/* What is built while the records go by. */
struct dumping {
	const struct store_process *process;
	struct out *out;
	struct out_value values[COLUMN_COUNT_OF];
	VEC(char) hex;	  /* of the data */
	VEC(char) plain;  /* the data as a text */
	VEC(char) detail; /* for people */
	char flags[256];
	char kind[16];
	char addresses[2][INET6_ADDRSTRLEN];
	int err;
};

static void put_detail(struct dumping *d, const char *text)
{
	if (!*text)
		return;
	if (d->detail.count)
		d->detail.count--; /* over the NUL */
	if ((d->detail.count && vec_push(&d->detail, ' ')) || vec_append(&d->detail, text, strlen(text) + 1))
		d->err = -ENOMEM;
}

static void put_detail_number(struct dumping *d, const char *name, uint64_t v)
{
	char text[64];

	snprintf(text, sizeof(text), "%s=%" PRIu64, name, v);
	put_detail(d, text);
}

/* Lower-case hex: exact, and as easy to read back in any language as it is to write. */
static const char *hex(struct dumping *d, const uint8_t *bytes, size_t len)
{
	static const char digits[] = "0123456789abcdef";

	vec_clear(&d->hex);
	if (vec_reserve(&d->hex, 2 * len + 1)) {
		d->err = -ENOMEM;
		return NULL;
	}
	for (size_t i = 0; i < len; i++) {
		d->hex.items[d->hex.count++] = digits[bytes[i] >> 4];
		d->hex.items[d->hex.count++] = digits[bytes[i] & 15];
	}
	d->hex.items[d->hex.count] = 0;
	return d->hex.items;
}

/* Text that may hold zero bytes; those are shown as control characters are. */
static const char *plain(struct dumping *d, const uint8_t *bytes, size_t len)
{
	vec_clear(&d->plain);
	if (vec_reserve(&d->plain, 4 * len + 1)) {
		d->err = -ENOMEM;
		return NULL;
	}
	for (size_t i = 0; i < len; i++) {
		if (bytes[i]) {
			d->plain.items[d->plain.count++] = (char)bytes[i];
		} else {
			memcpy(d->plain.items + d->plain.count, "\\0", 2);
			d->plain.count += 2;
		}
	}
	d->plain.items[d->plain.count] = 0;
	return d->plain.items;
}

/* ---- the data, by its layout ---- */

static struct out_value known(uint64_t v)
{
	return v == COUNT_UNKNOWN ? out_null() : out_count(v);
}

static void put_counts(struct dumping *d, const struct store_record *r)
{
	struct counts c;

	memcpy(&c, r->data, sizeof(c));
	d->values[COLUMN_OUT_SEEN] = known(c.out_seen);
	d->values[COLUMN_IN_SEEN] = known(c.in_seen);
	d->values[COLUMN_OUT_KERNEL] = known(c.out_kernel);
	d->values[COLUMN_IN_KERNEL] = known(c.in_kernel);
	put_detail_number(d, "out", c.out_seen);
	put_detail_number(d, "in", c.in_seen);
	if (c.out_kernel != COUNT_UNKNOWN && c.out_kernel != c.out_seen)
		put_detail_number(d, "out_kernel", c.out_kernel);
	if (c.in_kernel != COUNT_UNKNOWN && c.in_kernel != c.in_seen)
		put_detail_number(d, "in_kernel", c.in_kernel);
}

static void put_addresses(struct dumping *d, const struct endpoint *e)
{
	int family = e->family == ENDPOINT_IPV6 ? AF_INET6 : AF_INET;
	const char *form = e->family == ENDPOINT_IPV6 ? "[%s]:%u > [%s]:%u" : "%s:%u > %s:%u";
	char text[2 * INET6_ADDRSTRLEN + 40];

	inet_ntop(family, e->local_addr, d->addresses[0], sizeof(d->addresses[0]));
	inet_ntop(family, e->remote_addr, d->addresses[1], sizeof(d->addresses[1]));
	d->values[COLUMN_LOCAL_ADDR] = out_text(d->addresses[0]);
	d->values[COLUMN_LOCAL_PORT] = out_count(e->local_port);
	d->values[COLUMN_REMOTE_ADDR] = out_text(d->addresses[1]);
	d->values[COLUMN_REMOTE_PORT] = out_count(e->remote_port);
	snprintf(text, sizeof(text), form, d->addresses[0], e->local_port, d->addresses[1], e->remote_port);
	put_detail(d, text);
}

/* A number's name; one from a newer writer has none. */
static struct out_value word_of(const char *const *words, size_t count, unsigned int number)
{
	return number < count && words[number] ? out_text(words[number]) : out_null();
}

static struct out_value family_of(unsigned int family)
{
	static const char *const families[] = {[0] = "unknown",		 [ENDPOINT_UNIX] = "unix",
					       [ENDPOINT_PIPE] = "pipe", [ENDPOINT_EVENT] = "eventfd",
					       [ENDPOINT_IPV4] = "ipv4", [ENDPOINT_IPV6] = "ipv6"};

	return word_of(families, sizeof(families) / sizeof(families[0]), family);
}

static struct out_value type_of(unsigned int type)
{
	static const char *const types[] = {[ENDPOINT_STREAM] = "stream",
					    [ENDPOINT_DATAGRAM] = "datagram",
					    [ENDPOINT_SEQPACKET] = "seqpacket"};

	return word_of(types, sizeof(types) / sizeof(types[0]), type);
}

/* Who a datagram went to or came from, then its head. */
static void put_datagram(struct dumping *d, const struct store_record *r)
{
	const uint8_t *head = r->data + sizeof(struct datagram);
	size_t head_len = r->data_len - sizeof(struct datagram);
	struct datagram to;
	char text[INET6_ADDRSTRLEN + 16];

	memcpy(&to, r->data, sizeof(to));
	d->values[COLUMN_TO_FAMILY] = family_of(to.family);
	if (to.family == ENDPOINT_IPV4 || to.family == ENDPOINT_IPV6) {
		inet_ntop(to.family == ENDPOINT_IPV6 ? AF_INET6 : AF_INET, to.addr, d->addresses[0],
			  sizeof(d->addresses[0]));
		d->values[COLUMN_TO_ADDR] = out_text(d->addresses[0]);
		d->values[COLUMN_TO_PORT] = out_count(to.port);
		snprintf(text, sizeof(text), to.family == ENDPOINT_IPV6 ? "[%s]:%u" : "%s:%u",
			 d->addresses[0], to.port);
		put_detail(d, text);
	}
	d->values[COLUMN_HEAD] = out_text(hex(d, head, head_len));
	put_detail(d, plain(d, head, head_len) ? d->plain.items : "");
}

static void put_endpoint(struct dumping *d, const struct store_record *r)
{
	struct endpoint e;
	size_t path_len;

	memcpy(&e, r->data, sizeof(e));
	path_len = r->data_len - sizeof(e) < e.path_bytes ? r->data_len - sizeof(e) : e.path_bytes;
	d->values[COLUMN_FAMILY] = family_of(e.family);
	d->values[COLUMN_TYPE] = type_of(e.type);
	if (e.type != ENDPOINT_STREAM)
		put_detail(d, e.type == ENDPOINT_DATAGRAM ? "datagram" : "seqpacket");
	if (e.family == ENDPOINT_IPV4 || e.family == ENDPOINT_IPV6)
		put_addresses(d, &e);
	d->values[COLUMN_NETNS] = out_count(e.netns);
	d->values[COLUMN_SOCKET] = out_count(e.inode);
	d->values[COLUMN_COOKIE] = out_count(e.cookie);
	d->values[COLUMN_OFF_IN] = out_count(e.off_in);
	d->values[COLUMN_OFF_OUT] = out_count(e.off_out);
	if (e.family == ENDPOINT_UNIX) {
		const char *path = plain(d, r->data + sizeof(e), path_len);

		d->values[COLUMN_PEER_PID] = out_count(e.peer_pid);
		d->values[COLUMN_PATH] = out_text(path);
		put_detail(d, "unix");
		put_detail(d, path ? path : "");
	}
	if (e.family == ENDPOINT_PIPE)
		put_detail_number(d, "pipe", e.inode);
	if (e.family == ENDPOINT_EVENT)
		put_detail_number(d, "eventfd", e.cookie);
	if (e.off_in || e.off_out) {
		put_detail_number(d, "off_in", e.off_in);
		put_detail_number(d, "off_out", e.off_out);
	}
}

static void put_session(struct dumping *d, const struct store_record *r)
{
	struct tls_session s;

	memcpy(&s, r->data, sizeof(s));
	d->values[COLUMN_RANDOM] = out_text(hex(d, s.random, sizeof(s.random)));
	d->values[COLUMN_PLAIN_IN] = out_count(s.off_in);
	d->values[COLUMN_PLAIN_OUT] = out_count(s.off_out);
	put_detail(d, "random");
	put_detail(d, d->hex.items ? d->hex.items : "");
	if (s.off_in || s.off_out) {
		put_detail_number(d, "off_in", s.off_in);
		put_detail_number(d, "off_out", s.off_out);
	}
}

/* Data that is not laid out as its kind says (from another writer, or damaged) is shown raw. */
static void put_data(struct dumping *d, const struct store_record *r, const struct record_info *info)
{
	enum record_data layout = info ? info->data : RECORD_DATA_NONE;

	if (layout == RECORD_DATA_HEAD) {
		d->values[COLUMN_HEAD] = out_text(hex(d, r->data, r->data_len));
		put_detail(d, plain(d, r->data, r->data_len) ? d->plain.items : "");
	} else if (layout == RECORD_DATA_COUNTS && r->data_len == sizeof(struct counts)) {
		put_counts(d, r);
	} else if (layout == RECORD_DATA_ENDPOINT && r->data_len >= sizeof(struct endpoint)) {
		put_endpoint(d, r);
	} else if (layout == RECORD_DATA_DATAGRAM && r->data_len >= sizeof(struct datagram)) {
		put_datagram(d, r);
	} else if (layout == RECORD_DATA_SESSION && r->data_len == sizeof(struct tls_session)) {
		put_session(d, r);
	} else if (layout == RECORD_DATA_NAME) {
		d->values[COLUMN_NAME] = out_text(plain(d, r->data, r->data_len));
		put_detail(d, d->plain.items ? d->plain.items : "");
	} else if (r->data_len) {
		d->values[COLUMN_DATA] = out_text(hex(d, r->data, r->data_len));
	}
}

/* ---- records ---- */

/* A number under the name that record.def gives it for this kind; one that should be zero and is not, under
 * its plain name. */
static void put_named(struct dumping *d, const char *name, const char *plain_name, uint64_t v)
{
	if (!name || (!*name && v))
		name = plain_name;
	if (!*name)
		return;
	for (unsigned int i = 0; i < COLUMN_COUNT_OF; i++) {
		if (!columns[i].key || strcmp(columns[i].key, name))
			continue;
		d->values[i] = out_count(v);
		if (!columns[i].title)
			put_detail_number(d, name, v);
	}
}

static void put_flags(struct dumping *d, uint16_t flags)
{
	size_t len = 0;

	d->flags[0] = 0;
	for (unsigned int bit = 0; bit < 16; bit++) {
		const char *name = record_flag_name(bit);

		if (!(flags >> bit & 1))
			continue;
		if (name)
			len += (size_t)snprintf(d->flags + len, sizeof(d->flags) - len, "%s%s",
						len ? " " : "", name);
		else
			len += (size_t)snprintf(d->flags + len, sizeof(d->flags) - len, "%sflag-%u",
						len ? " " : "", bit);
	}
	d->values[COLUMN_FLAGS] = out_words(d->flags);
	if (len)
		put_detail(d, d->flags);
}

static void put_record(struct dumping *d, uint32_t index, uint64_t seq)
{
	const struct store_process *p = d->process;
	const struct store_record *r = &p->records[index];
	const struct record_info *info = record_info(r->kind);

	for (unsigned int i = 0; i < COLUMN_COUNT_OF; i++)
		d->values[i] = out_absent();
	vec_clear(&d->detail);
	d->values[COLUMN_THREAD] = out_count(p->threads[r->thread].number);
	d->values[COLUMN_SEQ] = out_count(seq);
	d->values[COLUMN_TIME] = out_time(r->t0_ns);
	d->values[COLUMN_T1_NS] = out_time(r->t1_ns);
	d->values[COLUMN_TOOK] = out_ns(r->t1_ns - r->t0_ns);
	if (p->stamps) {
		d->values[COLUMN_T0] = out_count(p->stamps[index].t0);
		d->values[COLUMN_T1] = out_count(p->stamps[index].t1);
	}
	snprintf(d->kind, sizeof(d->kind), "kind-%u", r->kind);
	d->values[COLUMN_KIND] = out_text(info ? info->name : d->kind);
	d->values[COLUMN_CALL] = out_text(r->call < p->call_count ? p->calls[r->call] : "");
	put_flags(d, r->flags);
	put_named(d, info ? info->conn : NULL, "conn", r->conn);
	put_named(d, info ? info->off : NULL, "off", r->off);
	put_named(d, info ? info->len : NULL, "len", r->len);
	put_data(d, r, info);
	d->values[COLUMN_DETAIL] = out_text(d->detail.count ? d->detail.items : "");
	out_row(d->out, d->values);
}

/* ---- processes ---- */

static void put_gaps(struct dumping *d)
{
	static const struct out_column gap_columns[] = {{"thread", "thread", OUT_COUNT},
							{"seq", "from seq", OUT_COUNT},
							{"missing", "missing", OUT_COUNT}};
	const struct store_process *p = d->process;
	bool any = false;

	for (uint32_t i = 0; i < p->thread_count; i++)
		any |= p->threads[i].gap_count > 0;
	out_table_begin(d->out, "gaps", any ? "missing records" : NULL, gap_columns, 3);
	for (uint32_t i = 0; i < p->thread_count; i++) {
		const struct store_thread *t = &p->threads[i];
		uint64_t before = 0; /* records missing so far */

		for (uint32_t k = 0; k < t->gap_count; k++) {
			const struct out_value values[] = {out_count(t->number),
							   out_count(t->gaps[k].before - t->first + before),
							   out_count(t->gaps[k].missing)};

			out_row(d->out, values);
			before += t->gaps[k].missing;
		}
	}
	out_table_end(d->out);
}

static void put_thread(struct dumping *d, const struct store_thread *t)
{
	uint64_t seq = 0;
	uint32_t gap = 0;

	for (uint32_t i = t->first; i < t->first + t->count; i++) {
		for (; gap < t->gap_count && t->gaps[gap].before <= i; gap++)
			seq += t->gaps[gap].missing;
		put_record(d, i, seq++);
	}
}

static void put_settings(struct out *out, const struct store_process *p)
{
	out_object_begin(out, "settings", NULL);
	for (uint32_t i = 0; i + 1 < p->setting_count; i += 2)
		out_field(out, p->settings[i], p->settings[i], out_text(p->settings[i + 1]));
	out_object_end(out);
}

static void put_header(struct out *out, const struct store *s, const struct store_process *p)
{
	out_field(out, "path", "file", out_text(p->path));
	out_field(out, "host", "host", out_text(s->hosts[p->host].name));
	out_field(out, "boot_id", "boot", out_text(s->clocks[p->clock].boot_id));
	out_field(out, "service", "service", out_text(p->service));
	out_field(out, "program", "program", out_text(p->program));
	out_field(out, "exe", "executable", out_text(p->exe));
	out_field(out, "version", "dprof", out_text(p->version));
	out_field(out, "pid", "pid", out_count(p->pid));
	out_field(out, "ppid", "parent", out_count(p->ppid));
	out_field(out, "uid", "uid", out_count(p->uid));
	out_field(out, "netns", "network", out_count(p->netns));
	out_field(out, "start_ns", "begun", out_time(p->start_ns));
	out_field(out, "boot_start", NULL, out_count(p->boot_start));
	out_field(out, "stamp", "stamps", out_text(p->stamp));
	out_field(out, "end", "end", out_text(p->end_reason));
	out_field(out, "record_count", "records", out_count(p->record_count));
	out_field(out, "dropped", "dropped", out_count(p->dropped));
	out_field(out, "missing", "missing", out_count(p->missing));
	put_settings(out, p);
}

static int put_process(struct dumping *d, const struct store *s, const struct store_process *p)
{
	char title[128];

	d->process = p;
	snprintf(title, sizeof(title), "process %" PRIu64, p->pid);
	out_object_begin(d->out, NULL, title);
	put_header(d->out, s, p);
	put_gaps(d);
	out_table_begin(d->out, "records", "records", columns, COLUMN_COUNT_OF);
	for (uint32_t i = 0; i < p->thread_count; i++)
		put_thread(d, &p->threads[i]);
	out_table_end(d->out);
	out_object_end(d->out);
	return d->err;
}

int view_dump(const struct store *s, struct out *out)
{
	struct dumping d = {.out = out};
	int err = 0;

	out_object_begin(out, NULL, NULL);
	out_field(out, "schema", NULL, out_text("dprof.dump/1"));
	out_list_begin(out, "processes", NULL);
	for (uint32_t i = 0; !err && i < s->process_count; i++)
		err = put_process(&d, s, &s->processes[i]);
	out_list_end(out);
	out_object_end(out);
	vec_free(&d.hex);
	vec_free(&d.plain);
	vec_free(&d.detail);
	return err;
}
