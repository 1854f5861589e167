/* SPDX-License-Identifier: Apache-2.0 */
/* dot.h - what dot.c keeps, so that graphviz.c can go on with what it printed. */
#ifndef DPROF_OUT_DOT_H
#define DPROF_OUT_DOT_H

#include "analyzer/out/format.h"
#include "analyzer/vec.h"

struct dot {
	VEC(char) text; /* scratch */
	unsigned int groups;
	bool grouped;  /* inside one */
	FILE *picture; /* graphviz.c: where that goes, while out.to is what dot is to read */
};

int dot_open(struct out *o);
void dot_close(struct out *o);

extern const struct out_drawing dot_drawing;

#endif
