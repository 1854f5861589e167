/* SPDX-License-Identifier: Apache-2.0 */
/*
 * view.h - one function per subcommand: asks the model, builds a document. A view changes nothing, prints
 * nothing itself and does not know the format. 0 or -errno (-ENOENT: what was asked for is not in the dumps;
 * the view has said so with err_fail()).
 */
#ifndef DPROF_VIEW_H
#define DPROF_VIEW_H

#include "analyzer/model.h"
#include "analyzer/out/out.h"

/* Which traces `tree` shows; none of them set: all. */
struct tree_options {
	bool has_slowest, has_cid;
	uint64_t slowest;
	uint64_t cid;
	const char *operation; /* NULL: any */
};

/* What `info` shows; neither: everything in short. */
struct info_options {
	bool clocks, joins;
	bool all; /* every connection, every knot */
};

/* What a node of the map is, and how many peers that were not traced have one of their own. */
enum map_by { MAP_BY_SERVICE, MAP_BY_HOST, MAP_BY_PROCESS };

struct map_options {
	enum map_by by;
	uint32_t peers;
};

#define MAP_PEERS_DEFAULT 20u

int view_report(const struct model *m, struct out *out);
int view_tree(const struct model *m, const struct tree_options *options, struct out *out);
int view_info(const struct model *m, const struct info_options *options, struct out *out);
int view_clocks(const struct model *m, bool all, struct out *out);
int view_joins(const struct model *m, bool all, struct out *out);
int view_map(const struct model *m, const struct map_options *options, struct out *out);
int view_dump(const struct store *s, struct out *out);

#endif
