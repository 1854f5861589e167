// SPDX-License-Identifier: Apache-2.0
/* clocks.c - `dprof-analyze info --clocks`: how the clocks of the hosts were put on one timeline, and how
 * well. */
#include "analyzer/view/view.h"

static const char *const how_names[] = {
    [ALIGN_REFERENCE] = "reference", [ALIGN_MESSAGES] = "messages", [ALIGN_REALTIME] = "realtime"};

int view_clocks(const struct model *m, bool all, struct out *out)
{
	static const struct out_column columns[] = {{"boot_id", "boot", OUT_TEXT},
						    {"how", "aligned by", OUT_TEXT}};

	(void)all;
	out_object_begin(out, NULL, NULL);
	out_field(out, "schema", NULL, out_text("dprof.clocks/1"));
	out_table_begin(out, "clocks", "clocks", columns, 2);
	for (uint32_t i = 0; i < m->alignment.clock_count; i++)
		out_row(out, (const struct out_value[]){out_text(m->store.clocks[i].boot_id),
							out_text(how_names[m->alignment.clocks[i].how])});
	out_table_end(out);
	out_object_end(out);
	return 0;
}
