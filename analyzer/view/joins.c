// SPDX-License-Identifier: Apache-2.0
/* joins.c - `dprof-analyze info --joins`: how the ends of the connections were found, and how sure that is.
 */
#include "analyzer/view/view.h"

int view_joins(const struct model *m, bool all, struct out *out)
{
	static const struct out_column columns[] = {{"class", "joined by", OUT_TEXT},
						    {"connections", "connections", OUT_COUNT}};
	uint64_t count[JOIN_CLASSES] = {0};

	(void)all;
	for (uint32_t i = 0; i < m->links.link_count; i++)
		count[m->links.links[i].join]++;
	out_object_begin(out, NULL, NULL);
	out_field(out, "schema", NULL, out_text("dprof.joins/1"));
	out_table_begin(out, "classes", "classes", columns, 2);
	for (unsigned int c = 0; c < JOIN_CLASSES; c++)
		out_row(out, (const struct out_value[]){out_text(pair_join_name(c)), out_count(count[c])});
	out_table_end(out);
	out_object_end(out);
	return 0;
}
