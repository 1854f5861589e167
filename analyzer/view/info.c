/* SPDX-License-Identifier: Apache-2.0 */
/*
 * info.c - `dprof-analyze info`: what was recorded and what was not. Every number here is either work that
 * dprof saw, or a loss with its reason, so that nobody has to trust silence.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "analyzer/view/addresses.h"
#include "analyzer/view/clocks.h"
#include "analyzer/view/datagrams.h"
#include "analyzer/view/sampling.h"
#include "analyzer/view/view.h"

static void put_input(const struct store *s, struct out *out)
{
	out_object_begin(out, "input", "input");
	out_field(out, "files_read", "files read", out_count(s->files_read));
	out_field(out, "files_skipped", "files not read", out_count(s->files_skipped));
	out_field(out, "copies", "files given twice", out_count(s->copies));
	out_field(out, "bytes_read", "size", out_bytes(s->bytes_read));
	out_field(out, "processes", "processes", out_count(s->process_count));
	out_field(out, "records", "records", out_count(s->record_count));
	out_field(out, "duplicate_records", "records given twice", out_count(s->duplicate_records));
	out_object_end(out);
}

static void put_notes(const struct store *s, struct out *out)
{
	static const struct out_column columns[] = {{"path", "file", OUT_TEXT}, {"text", "what", OUT_TEXT}};

	out_table_begin(out, "notes", s->note_count ? "trouble with the input" : NULL, columns, 2);
	for (uint32_t i = 0; i < s->note_count; i++) {
		const struct out_value values[] = {out_text(s->notes[i].path), out_text(s->notes[i].text)};

		out_row(out, values);
	}
	out_table_end(out);
}

/* ---- hosts and their clocks ---- */

static void put_host(const struct model *m, uint32_t host, struct out *out)
{
	const struct store *s = &m->store;
	const struct store_clock *c = &s->clocks[s->hosts[host].clock];
	uint64_t processes = 0, records = 0;
	char aligned[CLOCKS_TEXT_BYTES];

	for (uint32_t i = 0; i < s->process_count; i++) {
		if (s->processes[i].host != host)
			continue;
		processes++;
		records += s->processes[i].record_count;
	}
	clocks_words(m, s->hosts[host].clock, aligned);
	out_row(out, (const struct out_value[]){
			 out_text(s->hosts[host].name), out_text(c->boot_id), out_count(processes),
			 out_count(records), out_count(c->anchors), out_count(c->bad_anchors),
			 c->guessed ? out_null() : out_ns(c->error_ns), out_text(aligned)});
}

/* What the hosts' times are worth beside each other. */
static void put_clock_note(const struct model *m, struct out *out)
{
	struct clocks_sum sum = clocks_add_up(m);
	char text[256];

	if (m->store.clock_count < 2 || (!sum.by_realtime && sum.references == 1))
		return;
	if (m->options.raw_clock)
		snprintf(text, sizeof(text),
			 "--clock=raw: each host's times are as its own CLOCK_REALTIME has them");
	else
		snprintf(text, sizeof(text),
			 "%" PRIu32 " clocks had no joined bytes with the others, or none that agree, and "
			 "stand by their own CLOCK_REALTIME: times between those are as wrong as that is",
			 sum.by_realtime + (sum.references ? sum.references - !sum.by_realtime : 0));
	out_field(out, NULL, "note", out_text(text));
}

static void put_hosts(const struct model *m, struct out *out)
{
	static const struct out_column columns[] = {
	    {"host", "host", OUT_TEXT},
	    {"boot_id", "boot", OUT_TEXT},
	    {"processes", "processes", OUT_COUNT},
	    {"records", "records", OUT_COUNT},
	    {"clock.readings", "readings", OUT_COUNT},
	    {"clock.bad", "bad", OUT_COUNT},
	    {"clock.error_ns", "error", OUT_NS},
	    {"clock.alignment", "clocks", OUT_TEXT},
	};

	out_table_begin(out, "hosts", "hosts", columns, 8);
	for (uint32_t i = 0; i < m->store.host_count; i++)
		put_host(m, i, out);
	out_table_end(out);
	put_clock_note(m, out);
}

/* ---- processes ---- */

/* What the views of one process moved. */
struct moved {
	uint64_t conns, seen, unseen;
};

static void put_process(const struct model *m, const struct store_process *p, const struct moved *moved,
			struct out *out)
{
	out_row(out, (const struct out_value[]){
			 out_text(m->store.hosts[p->host].name), out_text(p->service), out_text(p->program),
			 out_count(p->pid), out_count(p->record_count), out_count(p->thread_count),
			 out_count(moved->conns), out_bytes(moved->seen), out_bytes(moved->unseen),
			 out_count(p->dropped), out_count(p->missing), out_count(p->untraced_threads),
			 out_count(p->untraced_conns), out_count(p->io_uring), out_text(p->end_reason),
			 out_bool(p->damaged), out_text(p->path)});
}

static int put_processes(const struct model *m, struct out *out)
{
	static const struct out_column columns[] = {
	    {"host", "host", OUT_TEXT},
	    {"service", "service", OUT_TEXT},
	    {"program", NULL, OUT_TEXT},
	    {"pid", "pid", OUT_COUNT},
	    {"records", "records", OUT_COUNT},
	    {"threads", "threads", OUT_COUNT},
	    {"connections", "conns", OUT_COUNT},
	    {"bytes_seen", "seen", OUT_BYTES},
	    {"bytes_unseen", "unseen", OUT_BYTES},
	    {"dropped", "dropped", OUT_COUNT},
	    {"missing", "missing", OUT_COUNT},
	    {"untraced_threads", "untraced threads", OUT_COUNT},
	    {"untraced_conns", "untraced conns", OUT_COUNT},
	    {"io_uring", "io_uring", OUT_COUNT},
	    {"end", "end", OUT_TEXT},
	    {"damaged", "damaged", OUT_BOOL},
	    {"path", NULL, OUT_TEXT},
	};
	struct moved *moved = calloc(m->store.process_count + 1, sizeof(*moved));

	if (!moved)
		return -ENOMEM;
	for (uint32_t i = 0; i < m->conns.view_count; i++) {
		const struct view *v = &m->conns.views[i];
		struct moved *of = &moved[v->process];

		if (v->random) /* its bytes are the carrier's */
			continue;
		of->conns++;
		of->seen += v->seen_in + v->seen_out;
		of->unseen += v->unseen_in + v->unseen_out;
	}
	out_table_begin(out, "processes", "processes", columns, sizeof(columns) / sizeof(columns[0]));
	for (uint32_t i = 0; i < m->store.process_count; i++)
		put_process(m, &m->store.processes[i], &moved[i], out);
	out_table_end(out);
	free(moved);
	return 0;
}

/* What is gone because DPROF_MAX_DISK said so. */
static void put_older(const struct store *s, struct out *out)
{
	static const struct out_column columns[] = {
	    {"host", "host", OUT_TEXT},
	    {"service", "service", OUT_TEXT},
	    {"pid", "pid", OUT_COUNT},
	    {"segments", "files", OUT_COUNT},
	    {"records", "records", OUT_COUNT},
	    {"bytes", "size", OUT_BYTES},
	    {"until_ns", "all before", OUT_TIME},
	};
	bool any = false;

	for (uint32_t i = 0; i < s->process_count; i++)
		any |= s->processes[i].older.segments > 0;
	if (!any)
		return;
	out_table_begin(out, "older", "dropped to keep within DPROF_MAX_DISK", columns,
			sizeof(columns) / sizeof(columns[0]));
	for (uint32_t i = 0; i < s->process_count; i++) {
		const struct store_process *p = &s->processes[i];

		if (p->older.segments)
			out_row(out,
				(const struct out_value[]){
				    out_text(s->hosts[p->host].name), out_text(p->service), out_count(p->pid),
				    out_count(p->older.segments), out_count(p->older.records),
				    out_bytes(p->older.bytes), out_time(p->older.until_ns)});
	}
	out_table_end(out);
}

/* ---- connections ---- */

struct joined {
	uint64_t links, joined, one_sided, unseen, mismatched;
};

static void put_links(const struct model *m, struct out *out)
{
	static const struct out_column columns[] = {
	    {"class", "joined by", OUT_TEXT},
	    {"connections", "connections", OUT_COUNT},
	    {"bytes_joined", "seen at both ends", OUT_BYTES},
	    {"bytes_one_sided", "at one end", OUT_BYTES},
	    {"bytes_unseen", "not seen", OUT_BYTES},
	    {"bytes_mismatched", "differ", OUT_BYTES},
	};
	struct joined by_class[JOIN_CLASSES] = {{0}};

	for (uint32_t i = 0; i < m->links.link_count; i++) {
		const struct link *l = &m->links.links[i];
		struct joined *j = &by_class[l->join];

		if (l->plain)
			continue;
		j->links++;
		j->joined += l->bytes_joined[0] + l->bytes_joined[1];
		j->one_sided += l->bytes_one_sided[0] + l->bytes_one_sided[1];
		j->mismatched += l->mismatched;
	}
	for (uint32_t i = 0; i < m->conns.view_count; i++) {
		const struct view *v = &m->conns.views[i];
		uint32_t link = m->links.of_view[i];

		if (link < m->links.link_count && !v->random)
			by_class[m->links.links[link].join].unseen += v->unseen_in + v->unseen_out;
	}
	out_table_begin(out, "connections", "connections", columns, 6);
	for (unsigned int c = 0; c < JOIN_CLASSES; c++) {
		const struct joined *j = &by_class[c];

		if (c == JOIN_TLS) /* has a table of its own */
			continue;
		out_row(out, (const struct out_value[]){out_text(pair_join_name(c)), out_count(j->links),
							out_bytes(j->joined), out_bytes(j->one_sided),
							out_bytes(j->unseen), out_bytes(j->mismatched)});
	}
	out_table_end(out);
}

/* What is no stream. */
static void put_asides(const struct model *m, struct out *out)
{
	const struct asides *a = &m->conns.asides;

	out_object_begin(out, "asides", "beside the streams");
	datagrams_put_sums(m, out);
	out_field(out, "datagrams", NULL, out_count(a->datagrams));
	out_field(out, "datagram_bytes", "their bytes", out_bytes(a->datagram_bytes));
	out_field(out, "datagram_sockets", "on sockets of processes", out_count(a->datagram_conns));
	out_field(out, "wakes", "wakes through pipes and eventfds", out_count(a->wakes));
	out_field(out, "wake_descriptors", "on descriptors", out_count(a->wake_conns));
	out_field(out, "partial_connections", "connections that stdio holds too",
		  out_count(m->conns.partial_views));
	out_object_end(out);
}

/* ---- TLS ---- */

/* Plaintext is not part of the sums above: its bytes are there already, as ciphertext. */
static void put_sessions(const struct model *m, struct out *out)
{
	uint64_t sessions = 0, joined = 0, untied = 0, both = 0, one = 0, differ = 0;

	for (uint32_t i = 0; i < m->links.link_count; i++) {
		const struct link *l = &m->links.links[i];

		if (!l->plain)
			continue;
		sessions++;
		joined += l->join == JOIN_TLS;
		both += l->bytes_joined[0] + l->bytes_joined[1];
		one += l->bytes_one_sided[0] + l->bytes_one_sided[1];
		differ += l->mismatched;
	}
	for (uint32_t i = 0; i < m->conns.view_count; i++)
		untied += m->conns.views[i].random && m->conns.views[i].carrier == STORE_NONE;
	out_object_begin(out, "tls", sessions ? "inside TLS" : NULL);
	out_field(out, "sessions", sessions ? "sessions with plaintext" : NULL, out_count(sessions));
	out_field(out, "joined", sessions ? "of them at both ends" : NULL, out_count(joined));
	out_field(out, "untied", sessions ? "sights of which the connection below is not known" : NULL,
		  out_count(untied));
	out_field(out, "bytes_joined", sessions ? "plaintext seen at both ends" : NULL, out_bytes(both));
	out_field(out, "bytes_one_sided", sessions ? "at one end" : NULL, out_bytes(one));
	out_field(out, "bytes_mismatched", sessions ? "differ" : NULL, out_bytes(differ));
	out_object_end(out);
}

/* ---- causality ---- */

static void put_evidence(const struct model *m, struct out *out)
{
	static const struct out_column columns[] = {{"class", "class", OUT_TEXT},
						    {"spans", "spans", OUT_COUNT}};

	out_table_begin(out, "evidence", "evidence of the parents", columns, 2);
	for (unsigned int c = 0; c < EVIDENCE_KINDS; c++)
		out_row(out, (const struct out_value[]){out_text(parent_evidence_name(c)),
							out_count(m->parents.by_class[c])});
	out_table_end(out);
}

/* What the passes found odd; each is explained in analyzer/pass/README.md. */
static void put_oddities(const struct model *m, struct out *out)
{
	out_object_begin(out, "passes", "passes");
	out_field(out, "views", "sights of connections", out_count(m->conns.view_count));
	out_field(out, "messages", "messages", out_count(m->messages.message_count));
	out_field(out, "rpcs", "calls", out_count(m->messages.rpc_count));
	out_field(out, "spans", "spans", out_count(m->spans.span_count));
	out_field(out, "traces", "traces", out_count(m->root_count));
	out_field(out, "unexplained_spans",
		  "calls made while requests were served, but for none that is known",
		  out_count(m->parents.unexplained));
	out_field(out, "orphan_records", "records of connections whose opening is lost",
		  out_count(m->conns.orphan_records));
	out_field(out, "placed_records", "of sockets in several processes: offsets that the others tell",
		  out_count(m->placing.records));
	out_field(out, "ambiguous_views", "connections that fit several others",
		  out_count(m->links.ambiguous));
	out_field(out, "unpaired_responses", "responses without a request",
		  out_count(m->messages.unpaired_responses));
	out_field(out, "clamped_spans", "ends moved to when the other side had the bytes",
		  out_count(m->spans.clamped));
	out_field(out, "clamped_ns", "by at most", out_ns(m->spans.clamped_ns));
	out_field(out, "cycles", "edges cut because they led back", out_count(m->cycles));
	out_field(out, "early_spans", "requests whose calls began before they were there in full",
		  out_count(m->early));
	out_object_end(out);
}

int view_info(const struct model *m, const struct info_options *options, struct out *out)
{
	int err;

	if (options->clocks)
		return view_clocks(m, options->all, out);
	if (options->joins)
		return view_joins(m, options->all, out);

	out_object_begin(out, NULL, NULL);
	out_field(out, "schema", NULL, out_text("dprof.info/1"));
	put_input(&m->store, out);
	put_notes(&m->store, out);
	put_hosts(m, out);
	err = addresses_put_shared(m, out);
	err = err ? err : put_processes(m, out);
	put_older(&m->store, out);
	sampling_put_windows(m, out);
	put_links(m, out);
	put_asides(m, out);
	put_sessions(m, out);
	put_evidence(m, out);
	put_oddities(m, out);
	out_object_end(out);
	return err;
}
