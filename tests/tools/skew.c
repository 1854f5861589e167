// SPDX-License-Identifier: Apache-2.0
/*
 * skew.c - `skew [--truth=FILE] CLOCKS DIR DUMP...`: writes the dumps anew, as if each host that CLOCKS names
 * (host_clock_read.h) were a kernel with a clock of its own: boot id, host name, stamps and their unit,
 * readings and start times. A dump is of the first line of which one `when=` fits it; without `when=`, of
 * that with its host's name; else it is copied as it is. One thread, one frame in memory.
 *
 * True time is the CLOCK_MONOTONIC_RAW of the kernel that recorded, put where its CLOCK_REALTIME stood at its
 * first reading. What went over loopback addresses or unix sockets joins on one kernel only: keep it on one
 * host.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "analyzer/frames.h"
#include "tests/tools/host_clock_read.h"
#include "tests/tools/records.h"

#define TRUTH_STEP_NS 10000000

static const char usage[] = "usage: skew [--truth=FILE] [--seed=N] CLOCKS DIR DUMP...\n";

/* A line of CLOCKS. */
struct rule {
	struct host_clock clock;
	VEC(char *) whens;
	int64_t first_ns, last_ns; /* of its dumps, true time */
};

/* One kernel's stamps of one unit: the readings farthest apart. */
struct ticks {
	char *boot_id, *unit;
	struct anchor low, high;
};

/* One kernel: where its RAW stands on true time. */
struct kernel {
	char *boot_id;
	uint64_t raw_ns, real_ns;
};

static VEC(struct rule) rules;
static VEC(struct ticks) ticks;
static VEC(struct kernel) kernels;
static uint64_t epoch_ns = UINT64_MAX; /* true time 0 */

static char *text(struct slice s)
{
	return strndup((const char *)s.bytes, s.len);
}

static bool is(struct slice s, const char *other)
{
	return s.len == strlen(other) && !memcmp(s.bytes, other, s.len);
}

/* ---- the time that it was ---- */

static struct ticks *ticks_of(const struct dump_header_read *h)
{
	for (size_t i = 0; i < ticks.count; i++) {
		if (is(h->boot_id, ticks.items[i].boot_id) && is(h->stamp, ticks.items[i].unit))
			return &ticks.items[i];
	}
	must(!vec_push(&ticks, (struct ticks){text(h->boot_id), text(h->stamp), h->anchor, h->anchor}));
	return vec_last(&ticks);
}

static struct kernel *kernel_of(const struct dump_header_read *h)
{
	for (size_t i = 0; i < kernels.count; i++) {
		if (is(h->boot_id, kernels.items[i].boot_id))
			return &kernels.items[i];
	}
	must(!vec_push(&kernels, (struct kernel){text(h->boot_id), h->anchor.raw_ns, h->anchor.real_ns}));
	return vec_last(&kernels);
}

/* One file while it is read and written. */
struct passage {
	struct dump_header_read header;
	struct ticks *ticks;
	struct kernel *kernel;
	struct rule *rule; /* NULL: keeps its clock */
	struct host_clock *clock;
	struct records records;
	VEC(struct anchor) anchors;
	FILE *to;
};

static void note_anchor(void *to, const struct anchor *a)
{
	struct ticks *t = ((struct passage *)to)->ticks;

	if (a->stamp < t->low.stamp)
		t->low = *a;
	if (a->stamp > t->high.stamp)
		t->high = *a;
}

static uint64_t raw_of(const struct ticks *t, uint64_t stamp)
{
	__int128 ns = (__int128)stamp - t->low.stamp;

	if (!strcmp(t->unit, "raw"))
		return stamp;
	return (uint64_t)(t->low.raw_ns + ns * (int64_t)(t->high.raw_ns - t->low.raw_ns) /
					      (int64_t)(t->high.stamp - t->low.stamp));
}

static int64_t true_ns(const struct passage *p, uint64_t raw_ns)
{
	int64_t t = (int64_t)(raw_ns - p->kernel->raw_ns + p->kernel->real_ns - epoch_ns);

	if (p->rule && t > p->rule->last_ns)
		p->rule->last_ns = t;
	if (p->rule && t < p->rule->first_ns)
		p->rule->first_ns = t;
	return t;
}

static struct anchor anchor_now(const struct passage *p, const struct anchor *a)
{
	return host_anchor(p->clock, epoch_ns, true_ns(p, raw_of(p->ticks, a->stamp)));
}

/* ---- whose clock ---- */

static bool fits(const struct dump_header_read *h, const char *when)
{
	const char *value = strchr(when, ':');
	size_t len = value ? (size_t)(value - when) : 0;
	const struct {
		const char *name;
		struct slice text;
	} texts[] = {{"host", h->host}, {"service", h->service}, {"program", h->program}};

	if (!value)
		give_up("when=%s: say host: service: program: pid: or netns:", when);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (len == strlen(texts[i].name) && !memcmp(when, texts[i].name, len))
			return is(texts[i].text, value + 1);
	}
	if (len == 3 && !memcmp(when, "pid", len))
		return h->pid == strtoull(value + 1, NULL, 10);
	if (len == 5 && !memcmp(when, "netns", len))
		return h->netns == strtoull(value + 1, NULL, 10);
	give_up("when=%s: say host: service: program: pid: or netns:", when);
}

static struct rule *rule_of(const struct dump_header_read *h)
{
	for (size_t i = 0; i < rules.count; i++) {
		struct rule *r = &rules.items[i];
		bool found = !r->whens.count && is(h->host, r->clock.name);

		for (size_t k = 0; k < r->whens.count; k++)
			found |= fits(h, r->whens.items[k]);
		if (found)
			return r;
	}
	return NULL;
}

static void add_when(void *to, const char *word)
{
	struct rule *r = to;

	must(!vec_push(&r->whens, strdup(word)));
}

static void read_rules(const char *path)
{
	FILE *from = fopen(path, "r");
	char *line = NULL, *rest;
	size_t cap = 0;

	if (!from)
		give_up("%s: %s", path, strerror(errno));
	while (getline(&line, &cap, from) >= 0) {
		char *name = strtok_r(line, " \t\n", &rest);
		struct rule r = {.first_ns = INT64_MAX, .last_ns = INT64_MIN};

		if (!name || *name == '#')
			continue;
		r.clock = plain_clock(name);
		read_clock_line(&r.clock, rest, add_when, &r);
		must(!vec_push(&rules, r));
	}
	free(line);
	fclose(from);
}

/* ---- objects ---- */

/* The texts of a map or an array, and NULL. */
static const char *const *texts_of(struct slice s)
{
	VEC(const char *) list = {0};
	struct slice one;

	while (dump_next_text(&s, &one) > 0)
		must(!vec_push(&list, text(one)));
	must(!vec_push(&list, NULL));
	return list.items;
}

/* CLOCK_REALTIME when the dump was begun. */
static uint64_t start_now(const struct passage *p)
{
	return p->header.start_ns + anchor_now(p, &p->header.anchor).real_ns - p->header.anchor.real_ns;
}

static void write_header(struct passage *p)
{
	const struct dump_header_read *r = &p->header;
	struct dump_header h = {
	    .host = p->clock->host,
	    .boot_id = p->clock->boot_id,
	    .service = text(r->service),
	    .program = text(r->program),
	    .exe = text(r->exe),
	    .version = text(r->version),
	    .stamp = p->clock->tsc_khz ? "tsc" : "raw",
	    .pid = r->pid,
	    .ppid = r->ppid,
	    .uid = r->uid,
	    .netns = r->netns,
	    .start_ns = start_now(p),
	    .boot_start = r->boot_start,
	    .anchor = anchor_now(p, &r->anchor),
	    .plan = r->gated && r->plan.period_ns ? &r->plan : NULL,
	    .paused = r->gated && !r->plan.period_ns,
	    .segment = r->segment,
	    .older = r->older,
	    .settings = texts_of(r->settings),
	    .calls = texts_of(r->calls),
	};
	struct pack pack;

	if (p->clock->no_header_anchor)
		h.anchor = (struct anchor){0};
	if (h.older.segments)
		h.older.until = anchor_now(p, &r->older.until);
	pack_start(&pack, object, sizeof(object));
	dump_pack_header(&pack, &h);
	write_frame(p->to, &pack);
}

static void take_anchor(void *to, const struct anchor *a)
{
	struct passage *p = to;

	must(!vec_push(&p->anchors, anchor_now(p, a)));
}

static void write_anchors(struct passage *p, struct slice o)
{
	struct pack pack;

	vec_clear(&p->anchors);
	if (p->clock->no_anchors || dump_read_anchors(o, take_anchor, p))
		return;
	pack_start(&pack, object, sizeof(object));
	dump_pack_anchors(&pack, p->anchors.items, p->anchors.count);
	write_frame(p->to, &pack);
}

static int take_record(void *to, const struct record *record, struct slice data)
{
	struct passage *p = to;
	struct record r = *record;

	r.t0 = host_stamp(p->clock, true_ns(p, raw_of(p->ticks, r.t0)));
	r.t1 = host_stamp(p->clock, true_ns(p, raw_of(p->ticks, r.t1)));
	add_record(&p->records, r, data.bytes, data.len);
	return 0;
}

static void write_block(struct passage *p, struct slice o)
{
	struct dump_block b;

	if (!dump_read_block(o, &b) && !dump_read_records(o, take_record, p))
		write_blocks(p->to, &p->records, b.thread, b.seq);
	p->records.count = 0;
	vec_clear(&p->records.bytes);
}

static void write_window(struct passage *p, struct slice o)
{
	struct dump_window_read r;
	struct dump_window w;
	struct pack pack;

	if (dump_read_window(o, &r))
		return;
	w = (struct dump_window){.number = r.number,
				 .opened = anchor_now(p, &r.opened),
				 .plan = r.plan,
				 .why = r.why.bytes ? text(r.why) : ""};
	if (r.closed.stamp)
		w.closed = anchor_now(p, &r.closed);
	pack_start(&pack, object, sizeof(object));
	dump_pack_window(&pack, &w);
	write_frame(p->to, &pack);
}

static void write_as_is(struct passage *p, struct slice o)
{
	struct pack pack = {.bytes = (uint8_t *)o.bytes, .len = o.len, .cap = o.len};

	write_frame(p->to, &pack);
}

/* ---- files ---- */

/* The new file: the old one's name, with the new host and start where the old ones were. */
static FILE *open_new(const char *directory, const char *path, const struct passage *p)
{
	const char *name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path, *rest;
	size_t len = p->header.host.len;
	char *new, *start;
	FILE *to;

	must(asprintf(&start, ".%llu.", (unsigned long long)p->header.start_ns) > 0);
	rest = strstr(name, start);
	if (!p->clock || !rest || strncmp(name, (const char *)p->header.host.bytes, len) || name[len] != '.')
		must(asprintf(&new, "%s/%s", directory, name) > 0);
	else
		must(asprintf(&new, "%s/%s%.*s.%llu.%s", directory, p->clock->host,
			      (int)(rest - name - (ptrdiff_t)len), name + len,
			      (unsigned long long)start_now(p), rest + strlen(start)) > 0);
	to = fopen(new, "wbx");
	if (!to)
		give_up("%s: %s", new, strerror(errno));
	free(new);
	free(start);
	return to;
}

/* What passes over a file do with each object. */
typedef void handle(struct passage *p, enum dump_kind kind, struct slice o);

static void note_object(struct passage *p, enum dump_kind kind, struct slice o)
{
	struct dump_window_read w;

	if (kind == DUMP_HEADER) {
		uint64_t begin;

		p->ticks = ticks_of(&p->header);
		p->kernel = kernel_of(&p->header);
		note_anchor(p, &p->header.anchor);
		begin = p->header.anchor.raw_ns - p->kernel->raw_ns + p->kernel->real_ns;
		epoch_ns = begin < epoch_ns ? begin : epoch_ns;
	} else if (kind == DUMP_ANCHORS) {
		dump_read_anchors(o, note_anchor, p);
	} else if (kind == DUMP_WINDOW && !dump_read_window(o, &w)) {
		note_anchor(p, &w.opened);
		if (w.closed.stamp)
			note_anchor(p, &w.closed);
	}
}

static void write_object(struct passage *p, enum dump_kind kind, struct slice o)
{
	if (!p->clock || kind == DUMP_END || kind == DUMP_UNKNOWN)
		write_as_is(p, o);
	else if (kind == DUMP_HEADER)
		write_header(p);
	else if (kind == DUMP_ANCHORS)
		write_anchors(p, o);
	else if (kind == DUMP_BLOCK)
		write_block(p, o);
	else if (kind == DUMP_WINDOW)
		write_window(p, o);
}

/* Goes over a dump; `directory`: writes it anew there. */
static void pass_over(const char *path, const char *directory, handle *each)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct passage p = {0};
	struct slice o, first = {0};
	struct frames *frames;
	enum dump_kind kind;
	uint64_t major;
	struct stat s;

	if (fd < 0 || fstat(fd, &s))
		give_up("%s: %s", path, strerror(errno));
	frames = frames_open(fd, (uint64_t)s.st_size);
	must(frames);
	while (frames_next(frames, &o) > 0) {
		bool begins = !dump_kind(o, &kind, &major) && kind == DUMP_HEADER && !first.bytes;

		if (begins) {
			first = o; /* the header's slices point into it */
			if (dump_read_header(o, &p.header))
				give_up("%s: no header that can be read", path);
			if (directory) {
				p.ticks = ticks_of(&p.header);
				p.kernel = kernel_of(&p.header);
				p.rule = rule_of(&p.header);
				p.clock = p.rule ? &p.rule->clock : NULL;
				p.to = open_new(directory, path, &p);
			}
		}
		if (first.bytes)
			each(&p, kind, o);
		if (!begins)
			free((void *)o.bytes);
	}
	if (!first.bytes)
		give_up("%s: no header", path);
	must(!p.to || !fclose(p.to));
	free((void *)first.bytes);
	vec_free(&p.records.bytes);
	vec_free(&p.anchors);
	frames_close(frames);
	close(fd);
}

static void check_ticks(void)
{
	for (size_t i = 0; i < ticks.count; i++) {
		const struct ticks *t = &ticks.items[i];

		if (strcmp(t->unit, "raw") && t->low.stamp == t->high.stamp)
			give_up("boot %s: one reading of %s, its rate is not known", t->boot_id, t->unit);
	}
}

static void tell_truth(const char *path)
{
	FILE *to = fopen(path, "w");

	if (!to)
		give_up("%s: %s", path, strerror(errno));
	for (size_t i = 0; i < rules.count; i++) {
		struct rule *r = &rules.items[i];

		if (r->first_ns <= r->last_ns)
			write_truth(to, &r->clock, epoch_ns, r->first_ns, r->last_ns, TRUTH_STEP_NS);
	}
	must(!fclose(to));
}

int main(int argc, char **argv)
{
	const char *truth = NULL;
	int i = 1;

	for (; i < argc && !strncmp(argv[i], "--", 2); i++) {
		if (!strncmp(argv[i], "--truth=", 8))
			truth = argv[i] + 8;
		else if (!strncmp(argv[i], "--seed=", 7))
			clock_seed = strtoull(argv[i] + 7, NULL, 10);
		else
			give_up("%s", usage);
	}
	if (argc - i < 3)
		give_up("%s", usage);
	read_rules(argv[i]);
	for (int k = i + 2; k < argc; k++)
		pass_over(argv[k], NULL, note_object);
	check_ticks();
	for (int k = i + 2; k < argc; k++)
		pass_over(argv[k], argv[i + 1], write_object);
	if (truth)
		tell_truth(truth);
	return 0;
}
