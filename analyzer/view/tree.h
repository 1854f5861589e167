/* SPDX-License-Identifier: Apache-2.0 */
/* tree.h - one trace as a document's tree, for the views that show traces. */
#ifndef DPROF_VIEW_TREE_H
#define DPROF_VIEW_TREE_H

#include "analyzer/model.h"
#include "analyzer/out/out.h"

#define TREE_CERTAIN .98f /* an edge below is marked in text */

/* Every span under its parent, for JSON: member `key`. */
void tree_put_spans(const struct model *m, struct out *out, const char *key, uint32_t root);

/* One line for each RPC, for people: both its sides together. */
void tree_draw(const struct model *m, struct out *out, uint32_t root);

/* Roots that are requests and were answered, the slowest first; free(*slowest) when done. 0 or -ENOMEM. */
int tree_slowest(const struct model *m, uint32_t **slowest, uint32_t *count);

#endif
