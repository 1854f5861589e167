/* SPDX-License-Identifier: Apache-2.0 */
/* command.c - the table of commands: a new view is one row here. The first is what runs when none is named.
 */
#include "analyzer/opt.h"

static int run_report(const struct model *m, const struct options *o, struct out *out)
{
	(void)o;
	return view_report(m, out);
}

static int run_tree(const struct model *m, const struct options *o, struct out *out)
{
	return view_tree(m, &o->tree, out);
}

static int run_info(const struct model *m, const struct options *o, struct out *out)
{
	return view_info(m, &o->info, out);
}

static int run_map(const struct model *m, const struct options *o, struct out *out)
{
	return view_map(m, &o->map, out);
}

static int run_dump(const struct model *m, const struct options *o, struct out *out)
{
	(void)o;
	return view_dump(&m->store, out);
}

const struct opt_command opt_commands[] = {
    {"report", "services, operations (count, rate, errors, percentiles), edges, slowest requests, quality",
     OPT_NEEDS_MODEL, false, run_report},
    {"tree", "call trees, with total and handle time of each node", OPT_NEEDS_MODEL, true, run_tree},
    {"map", "services and who talks to whom: rates, bytes, latencies, joins; also a picture", OPT_NEEDS_MODEL,
     true, run_map},
    {"info", "what was recorded and what was not: losses, joins, evidence, clocks", OPT_NEEDS_MODEL, false,
     run_info},
    {"dump", "the raw records, readable", OPT_NEEDS_STAMPS, false, run_dump},
    {0},
};
