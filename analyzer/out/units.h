/* SPDX-License-Identifier: Apache-2.0 */
/* units.h - numbers the way people read them. Any thread; pure. */
#ifndef DPROF_OUT_UNITS_H
#define DPROF_OUT_UNITS_H

#include "analyzer/out/out.h"

#define UNITS_TEXT_BYTES 40

/* The value as text, for every type but OUT_TEXT and OUT_WORDS. */
void units_print(char to[UNITS_TEXT_BYTES], struct out_value value);

/* Are values of this type aligned to the right? */
bool units_align_right(enum out_type type);

#endif
