// SPDX-License-Identifier: Apache-2.0
/*
 * report.c - `dprof-analyze report`, the default: hosts, services, operations, who calls whom, the slowest
 * requests, and how much of what happened all this is about. Analyzer, one thread.
 */
#include <errno.h>
#include <stdlib.h>

#include "analyzer/view/operations.h"
#include "analyzer/view/quality.h"
#include "analyzer/view/sampling.h"
#include "analyzer/view/tree.h"
#include "analyzer/view/view.h"

#define SLOWEST_SHOWN 10u

static int put_hosts(const struct model *m, struct out *out)
{
	static const struct out_column columns[] = {
	    {"host", NULL, OUT_TEXT}, {"processes", NULL, OUT_COUNT}, {"records", NULL, OUT_COUNT}};
	uint64_t *sums = calloc(2ul * m->store.host_count + 1, sizeof(*sums));

	if (!sums)
		return -ENOMEM;
	for (uint32_t i = 0; i < m->store.process_count; i++) {
		sums[2 * m->store.processes[i].host]++;
		sums[2 * m->store.processes[i].host + 1] += m->store.processes[i].record_count;
	}
	out_table_begin(out, "hosts", NULL, columns, 3);
	for (uint32_t i = 0; i < m->store.host_count; i++)
		out_row(out, (const struct out_value[]){out_text(m->store.hosts[i].name),
							out_count(sums[2 * i]), out_count(sums[2 * i + 1])});
	out_table_end(out);
	free(sums);
	return 0;
}

static int put_slowest(const struct model *m, struct out *out)
{
	static const struct out_column columns[] = {
	    {"cid", "cid", OUT_CID},
	    {"operation", "operation", OUT_TEXT},
	    {"side", NULL, OUT_TEXT},
	    {"host", "host", OUT_TEXT},
	    {"service", "service", OUT_TEXT},
	    {"start_ns", "start", OUT_TIME},
	    {"total_ns", "total", OUT_NS},
	    {"status", "status", OUT_TEXT},
	    {"probability", "sure", OUT_PROBABILITY},
	    {"lost", NULL, OUT_BOOL},
	};
	uint32_t *slowest, count;
	int err = tree_slowest(m, &slowest, &count);

	if (err)
		return err;
	out_table_begin(out, "slowest", "slowest requests", columns, sizeof(columns) / sizeof(columns[0]));
	for (uint32_t i = 0; i < count && i < SLOWEST_SHOWN; i++) {
		uint32_t root = slowest[i];

		out_row(out, (const struct out_value[]){
				 out_cid(m->spans.spans[root].cid), out_text(model_operation(m, root)),
				 out_text(m->spans.spans[root].side == SPAN_SERVER ? "server" : "client"),
				 out_text(model_host(m, root)), out_text(model_service(m, root)),
				 out_time(m->nodes[root].start_ns), out_ns(model_total_ns(m, root)),
				 out_text(model_status(m, root)), out_probability(m->nodes[root].least),
				 out_bool(m->nodes[root].lost)});
	}
	out_table_end(out);
	if (count)
		tree_draw(m, out, slowest[0]);
	free(slowest);
	return 0;
}

int view_report(const struct model *m, struct out *out)
{
	int err;

	out_object_begin(out, NULL, NULL);
	out_field(out, "schema", NULL, out_text("dprof.report/1"));
	err = put_hosts(m, out);
	sampling_put(m, out);
	err = err ? err : operations_put_services(m, out);
	err = err ? err : operations_put(m, out);
	err = err ? err : operations_put_edges(m, out);
	err = err ? err : put_slowest(m, out);
	err = err ? err : quality_put(m, out);
	out_object_end(out);
	return err;
}
