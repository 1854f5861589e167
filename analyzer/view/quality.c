// SPDX-License-Identifier: Apache-2.0
/*
 * quality.c - how much of what happened the report is about, in words and numbers. JSON has the numbers, text
 * has sentences made of them.
 *
 * Datagrams and wakes stand beside it: they have no offsets, so nothing says which of them were not seen;
 * a datagram that was sent to a traced socket and not taken there is lost.
 * Bytes: seen is every byte of a stream that a record has, once, whichever end it was seen at; joined was
 * seen at both; unseen was moved by the kernel, says the kernel, and no record has it.
 */
#include "analyzer/view/quality.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "analyzer/out/units.h"
#include "analyzer/vec.h"
#include "analyzer/view/addresses.h"
#include "analyzer/view/clocks.h"

#define STRANGERS_SHOWN 10u

struct sums {
	uint64_t dropped, missing, older, untraced_threads, untraced_conns, damaged;
	uint64_t seen, joined, unseen;
	uint64_t calls, parented, lost_spans, open_spans;
};

/* A peer that was not traced, as one service met it. */
struct stranger {
	char address[128];
	const char *service;
	bool asks; /* it is the client */
	uint64_t connections, calls, bytes;
};

static struct sums add_up(const struct model *m)
{
	struct sums s = {0};

	for (uint32_t i = 0; i < m->store.process_count; i++) {
		const struct store_process *p = &m->store.processes[i];

		s.dropped += p->dropped;
		s.missing += p->missing;
		s.older += p->older.records;
		s.untraced_threads += p->untraced_threads;
		s.untraced_conns += p->untraced_conns;
		s.damaged += p->damaged;
	}
	for (uint32_t i = 0; i < m->links.link_count; i++) {
		const struct link *l = &m->links.links[i];

		if (l->plain) /* its bytes are the carrier's */
			continue;
		s.joined += l->bytes_joined[0] + l->bytes_joined[1];
		s.seen += l->bytes_one_sided[0] + l->bytes_one_sided[1];
	}
	s.seen += s.joined;
	for (uint32_t i = 0; i < m->conns.view_count; i++)
		if (!m->conns.views[i].random)
			s.unseen += m->conns.views[i].unseen_in + m->conns.views[i].unseen_out;
	for (uint32_t i = 0; i < m->spans.span_count; i++) {
		s.lost_spans += m->spans.spans[i].lost;
		s.open_spans += m->spans.spans[i].open;
		if (m->spans.spans[i].side == SPAN_CLIENT) {
			s.calls++;
			s.parented += m->parents.edges[i].parent != STORE_NONE;
		}
	}
	return s;
}

/* A line for people: a title and a sentence. */
static void say(struct out *out, const char *title, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void say(struct out *out, const char *title, const char *format, ...)
{
	char text[512];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	out_field(out, NULL, title, out_text(text));
}

static void put_number(struct out *out, const char *key, uint64_t number)
{
	out_field(out, key, NULL, out_count(number));
}

/* ---- numbers, for JSON ---- */

static void put_numbers(const struct model *m, const struct sums *s, struct out *out)
{
	const struct parents *p = &m->parents;

	put_number(out, "records", m->store.record_count);
	put_number(out, "dropped", s->dropped);
	put_number(out, "missing", s->missing);
	if (s->older)
		put_number(out, "older_dropped", s->older);
	put_number(out, "untraced_threads", s->untraced_threads);
	put_number(out, "untraced_conns", s->untraced_conns);
	put_number(out, "damaged_inputs", s->damaged);
	put_number(out, "skipped_inputs", m->store.files_skipped);
	put_number(out, "notes", m->store.note_count);
	put_number(out, "bytes_seen", s->seen);
	put_number(out, "bytes_unseen", s->unseen);
	put_number(out, "bytes_joined", s->joined);
	put_number(out, "partial_connections", m->conns.partial_views);
	put_number(out, "datagrams", m->conns.asides.datagrams);
	put_number(out, "datagram_bytes", m->conns.asides.datagram_bytes);
	put_number(out, "datagrams_sent", m->dgrams.all.sent);
	put_number(out, "datagrams_received", m->dgrams.all.received);
	put_number(out, "datagrams_joined", m->dgrams.all.joined);
	put_number(out, "datagrams_lost", m->dgrams.all.lost);
	put_number(out, "datagrams_ambiguous", m->dgrams.all.ambiguous + m->dgrams.all.unclear);
	put_number(out, "datagrams_to_untraced", m->dgrams.sent_untraced);
	put_number(out, "datagrams_from_untraced", m->dgrams.from_untraced);
	put_number(out, "wakes", m->conns.asides.wakes);
	out_object_begin(out, "calls_by_class", NULL);
	for (unsigned int c = 0; c < EVIDENCE_KINDS; c++)
		put_number(out, parent_evidence_name(c), p->by_class[c]);
	out_object_end(out);
	put_number(out, "ambiguous", p->by_class[EVIDENCE_AMBIGUOUS]);
	put_number(out, "spontaneous", p->by_class[EVIDENCE_ROOT] - p->unexplained);
	put_number(out, "unexplained", p->unexplained);
	put_number(out, "unpaired_responses", m->messages.unpaired_responses);
	put_number(out, "traces", m->root_count);
	put_number(out, "spans", m->spans.span_count);
	put_number(out, "lost_spans", s->lost_spans);
	put_number(out, "open_spans", s->open_spans);
	put_number(out, "clamped", m->spans.clamped);
	put_number(out, "clamped_max_ns", m->spans.clamped_ns);
	put_number(out, "cycles", m->cycles);
}

/* ---- words ---- */

static void say_records(const struct model *m, const struct sums *s, struct out *out)
{
	if (!s->dropped && !s->missing)
		say(out, "records", "%" PRIu64 ", none dropped, none missing", m->store.record_count);
	else
		say(out, "records",
		    "%" PRIu64 "; %" PRIu64 " dropped by full rings, %" PRIu64
		    " missing in damaged or cut dumps: traces that they touch are marked lost",
		    m->store.record_count, s->dropped, s->missing);
	if (s->older)
		say(out, "dropped",
		    "%" PRIu64
		    " older records, to keep within DPROF_MAX_DISK: dprof-analyze info says until when",
		    s->older);
	if (s->untraced_threads || s->untraced_conns)
		say(out, "not recorded",
		    "%" PRIu64 " threads that got no ring, %" PRIu64
		    " connections beyond the descriptor table",
		    s->untraced_threads, s->untraced_conns);
	if (m->store.note_count)
		say(out, "input", "%" PRIu32 " notes about the dumps: dprof-analyze info lists them",
		    m->store.note_count);
}

/* Share in percent; what is not all is never called 100. */
static double share(uint64_t part, uint64_t whole)
{
	double percent = whole ? 100.0 * (double)part / (double)whole : 100;

	return part < whole && percent > 99.99 ? 99.99 : percent;
}

/* Datagrams make no calls. */
static void say_datagrams(const struct dgrams *d, struct out *out)
{
	const struct dgram_flow *a = &d->all;
	uint64_t known = a->sent - d->sent_untraced;

	if (!a->sent && !a->received)
		return;
	if (!known)
		say(out, "datagrams", "%" PRIu64 " sent and %" PRIu64 " taken, none to a traced process",
		    a->sent, a->received);
	else
		say(out, "datagrams",
		    "%" PRIu64 " sent, %" PRIu64 " taken; of %" PRIu64
		    " sent to traced processes %.4g %% joined, %" PRIu64 " lost, %" PRIu64 " not told apart",
		    a->sent, a->received, known, share(a->joined, known), a->lost, a->ambiguous);
}

static void say_bytes(const struct model *m, const struct sums *s, struct out *out)
{
	if (s->unseen)
		say(out, "bytes",
		    "%" PRIu64 " seen, %.4g %% of them at both ends; %" PRIu64
		    " more were moved, says the kernel, and no record has them",
		    s->seen, share(s->joined, s->seen), s->unseen);
	else
		say(out, "bytes", "%" PRIu64 " seen, %.4g %% of them at both ends; none moved unseen",
		    s->seen, share(s->joined, s->seen));
	if (m->conns.partial_views)
		say(out, "",
		    "%" PRIu64 " connections are held by stdio too: unless they are TCP, what it moves is "
		    "not counted",
		    m->conns.partial_views);
	say_datagrams(&m->dgrams, out);
}

static void say_calls(const struct model *m, const struct sums *s, struct out *out)
{
	const struct parents *p = &m->parents;
	char by_class[256] = "";
	size_t at = 0;

	for (unsigned int c = EVIDENCE_THREAD; c < EVIDENCE_AMBIGUOUS; c++)
		if (p->by_class[c])
			at += (size_t)snprintf(by_class + at, sizeof(by_class) - at, "%s%s %" PRIu64,
					       at ? ", " : "", parent_evidence_name(c), p->by_class[c]);
	say(out, "calls", "%" PRIu64 " seen where they were made", s->calls);
	say(out, "", "%" PRIu64 " for a request%s%s", s->parented, at ? ": " : "", by_class);
	if (p->by_class[EVIDENCE_ROOT] > p->unexplained)
		say(out, "", "%" PRIu64 " while none was served: each begins a trace",
		    p->by_class[EVIDENCE_ROOT] - p->unexplained);
	if (p->by_class[EVIDENCE_AMBIGUOUS])
		say(out, "", "%" PRIu64 " fit several requests: ambiguous, none chosen",
		    p->by_class[EVIDENCE_AMBIGUOUS]);
	if (p->unexplained)
		say(out, "",
		    "%" PRIu64 " with nothing to show which of those being served, if any: not guessed",
		    p->unexplained);
	if (m->messages.unpaired_responses)
		say(out, "", "%" PRIu64 " responses without a request", m->messages.unpaired_responses);
}

static void say_spans(const struct model *m, const struct sums *s, struct out *out)
{
	char most[UNITS_TEXT_BYTES];

	units_print(most, out_ns(m->spans.clamped_ns));
	say(out, "spans",
	    "%" PRIu32 ", traces %" PRIu32 "; touched by a loss %" PRIu64 ", without an answer %" PRIu64,
	    m->spans.span_count, m->root_count, s->lost_spans, s->open_spans);
	if (m->spans.clamped)
		say(out, "times",
		    "%" PRIu64 " sends of an answer returned after it had arrived, by at most %s: the "
		    "server's time ends with the arrival",
		    m->spans.clamped, most);
}

/* ---- clocks ---- */

static void put_clocks(const struct model *m, struct out *out)
{
	struct clocks_sum s = clocks_add_up(m);

	out_object_begin(out, "clocks", NULL);
	put_number(out, "count", m->store.clock_count);
	put_number(out, "aligned", s.aligned);
	put_number(out, "not_aligned", s.by_realtime);
	put_number(out, "one_way", s.one_way);
	out_field(out, "bound_median_ns", NULL, clocks_ns(s.bound.median));
	out_field(out, "bound_most_ns", NULL, clocks_ns(s.bound.most));
	put_number(out, "clamped", s.clamped);
	put_number(out, "steps", s.steps);
	out_object_end(out);
}

/* Addresses that do not say whose they are. */
static int say_addresses(const struct model *m, struct out *out)
{
	uint32_t count;
	int err = addresses_count_shared(m, &count);

	if (err)
		return err;
	put_number(out, "shared_addresses", count);
	if (count)
		say(out, "addresses",
		    "%" PRIu32
		    " are those of several hosts (private networks): dprof-analyze info lists them",
		    count);
	return 0;
}

static void say_clocks(const struct model *m, struct out *out)
{
	struct clocks_sum s = clocks_add_up(m);
	char median[UNITS_TEXT_BYTES], most[UNITS_TEXT_BYTES];

	units_print(median, clocks_ns(s.bound.median));
	units_print(most, clocks_ns(s.bound.most));
	if (m->store.clock_count < 2)
		return;
	if (m->options.raw_clock)
		say(out, "clocks",
		    "%" PRIu32 ", as they are: times between their hosts are as wrong as those",
		    m->store.clock_count);
	else if (!s.aligned)
		say(out, "clocks",
		    "%" PRIu32 ", not aligned: times between their hosts are as wrong as they are",
		    m->store.clock_count);
	else if (!s.by_realtime)
		say(out, "clocks", "%" PRIu32 ", aligned by messages to ± %s (median), %s at most",
		    m->store.clock_count, median, most);
	else
		say(out, "clocks",
		    "%" PRIu32 ", %" PRIu32 " of them aligned by messages to ± %s (median), %s at most; of "
		    "the others times are as wrong as their CLOCK_REALTIME",
		    m->store.clock_count, s.aligned, median, most);
	if (s.one_way)
		say(out, "",
		    "%" PRIu32 " pairs have messages one way only: nothing bounds them to the other side",
		    s.one_way);
	if (s.clamped)
		say(out, "", "%" PRIu64 " messages would have arrived before they were sent: moved to 0",
		    s.clamped);
}

/* ---- who was not traced ---- */

static int compare_strangers(const void *left, const void *right)
{
	const struct stranger *a = left, *b = right;
	int order = strcmp(a->address, b->address);

	order = order ? order : strcmp(a->service, b->service);
	return order ? order : vec_compare(a->asks, b->asks);
}

static int compare_busy(const void *left, const void *right)
{
	const struct stranger *a = left, *b = right;
	int order = vec_compare(b->calls, a->calls);

	order = order ? order : vec_compare(b->bytes, a->bytes);
	return order ? order : compare_strangers(left, right);
}

/* Per link: spans whose other side is missing. */
static uint64_t *count_one_sided(const struct model *m)
{
	uint64_t *calls = calloc(m->links.link_count + 1ul, sizeof(*calls));

	for (uint32_t i = 0; calls && i < m->spans.span_count; i++)
		if (m->spans.spans[i].peer == STORE_NONE)
			calls[pair_carrier(&m->conns, &m->links,
					   m->messages.rpcs[m->spans.spans[i].rpc].link)]++;
	return calls;
}

static struct stranger stranger_of(const struct model *m, uint32_t number, enum link_side missing,
				   uint64_t calls)
{
	const struct link *l = &m->links.links[number];
	const struct view *v = &m->conns.views[l->ends[!missing].views[0]];
	struct stranger s = {.service = m->store.processes[v->process].service,
			     .asks = m->messages.protos[number].server != missing,
			     .connections = 1,
			     .calls = calls};

	model_address(m, number, missing, s.address, sizeof(s.address));
	for (int side = 0; side < 2; side++)
		s.bytes += l->bytes_one_sided[side];
	return s;
}

static size_t merge_strangers(struct stranger *s, size_t count)
{
	size_t kept = 0;

	if (count > 1)
		qsort(s, count, sizeof(*s), compare_strangers);
	for (size_t i = 0; i < count; i++) {
		if (kept && !compare_strangers(&s[kept - 1], &s[i])) {
			s[kept - 1].connections += s[i].connections;
			s[kept - 1].calls += s[i].calls;
			s[kept - 1].bytes += s[i].bytes;
		} else {
			s[kept++] = s[i];
		}
	}
	if (kept > 1)
		qsort(s, kept, sizeof(*s), compare_busy);
	return kept;
}

static void put_strangers(const struct model *m, const struct stranger *s, size_t count, struct out *out)
{
	static const struct out_column columns[] = {
	    {"address", NULL, OUT_TEXT},      {"service", NULL, OUT_TEXT}, {"role", NULL, OUT_TEXT},
	    {"connections", NULL, OUT_COUNT}, {"calls", NULL, OUT_COUNT},  {"bytes", NULL, OUT_BYTES},
	};

	out_table_begin(out, "not_traced", NULL, columns, sizeof(columns) / sizeof(columns[0]));
	for (size_t i = 0; i < count; i++)
		out_row(out, (const struct out_value[]){out_text(s[i].address), out_text(s[i].service),
							out_text(s[i].asks ? "client" : "server"),
							out_count(s[i].connections), out_count(s[i].calls),
							out_bytes(s[i].bytes)});
	for (uint32_t i = 0; i < m->store.process_count; i++) {
		const struct store_process *p = &m->store.processes[i];

		if (p->io_uring)
			out_row(out, (const struct out_value[]){out_text("io_uring"), out_text(p->service),
								out_text("io_uring"), out_count(p->io_uring),
								out_null(), out_null()});
	}
	out_table_end(out);
}

static bool captured(const struct store_process *p)
{
	for (uint32_t i = 0; i + 1 < p->setting_count; i += 2)
		if (!strcmp(p->settings[i], "DPROF_CAPTURE"))
			return strcmp(p->settings[i + 1], "off") != 0;
	return true;
}

/* Without payload there are bursts, and no names. */
static void say_uncaptured(const struct model *m, struct out *out)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < m->store.process_count; i++)
		count += !captured(&m->store.processes[i]);
	if (count)
		say(out, "unnamed",
		    "%" PRIu32 " processes ran with DPROF_CAPTURE=off: their operations have no names",
		    count);
}

/* I/O through io_uring passes dprof by: what such a process does there is not in the report. */
static void say_rings(const struct model *m, struct out *out)
{
	for (uint32_t i = 0; i < m->store.process_count; i++) {
		const struct store_process *p = &m->store.processes[i];

		if (p->io_uring)
			say(out, "io_uring",
			    "%s, pid %" PRIu64 ": %" PRIu64
			    " rings, their I/O is not seen (hint: DPROF_IO_URING=refuse)",
			    p->service, p->pid, p->io_uring);
	}
}

static void say_strangers(const struct stranger *s, size_t count, struct out *out)
{
	if (!count)
		say(out, "not traced", "nobody: every connection was seen at both ends");
	for (size_t i = 0; i < count && i < STRANGERS_SHOWN; i++)
		say(out, i ? "" : "not traced", "%s, %s %s: calls %" PRIu64 ", connections %" PRIu64,
		    s[i].address, s[i].asks ? "asking" : "asked by", s[i].service, s[i].calls,
		    s[i].connections);
	if (count > STRANGERS_SHOWN)
		say(out, "", "and %zu more", count - STRANGERS_SHOWN);
}

int quality_put(const struct model *m, struct out *out)
{
	const struct sums s = add_up(m);
	uint64_t *calls = count_one_sided(m);
	VEC(struct stranger) strangers = {0};
	int err = calls ? 0 : -ENOMEM;

	for (uint32_t i = 0; i < m->links.link_count && !err; i++)
		for (unsigned int side = 0; side < 2 && !err; side++)
			if (!m->links.links[i].ends[side].view_count &&
			    m->links.links[i].ends[!side].view_count &&
			    pair_carrier(&m->conns, &m->links, i) == i)
				err = vec_push(&strangers, stranger_of(m, i, side, calls[i]));
	free(calls);
	if (!err) {
		strangers.count = merge_strangers(strangers.items, strangers.count);
		out_object_begin(out, "quality", "quality: what this report is about, and what it is not");
		put_numbers(m, &s, out);
		put_clocks(m, out);
		put_strangers(m, strangers.items, strangers.count, out);
		say_records(m, &s, out);
		say_bytes(m, &s, out);
		say_calls(m, &s, out);
		say_spans(m, &s, out);
		say_clocks(m, out);
		err = say_addresses(m, out);
		say_strangers(strangers.items, strangers.count, out);
		say_rings(m, out);
		say_uncaptured(m, out);
		out_object_end(out);
	}
	vec_free(&strangers);
	return err;
}
