/* SPDX-License-Identifier: Apache-2.0 */
/*
 * id.h - which parts of a name are identifiers of one thing, so that names of operations stay few.
 * Analyzer, any thread; pure. The rules are in README.md.
 */
#ifndef DPROF_PROTO_ID_H
#define DPROF_PROTO_ID_H

#include <stddef.h>
#include <stdint.h>

#include "text.h"

#define ID_PLACE "{id}"

/* Writes the name with every identifier in it replaced. The name is cut into parts at any character of
 * `separators`; those are kept. */
void id_replace(struct text *out, const uint8_t *name, size_t len, const char *separators);

/* The same for identifiers of a program text (SQL): only what no one writes by hand is replaced, hex of
 * 8 digits and more and numbers of 5 and more; with `every_number` all of them are. */
void id_replace_numbers(struct text *out, const uint8_t *name, size_t len, bool every_number);

#endif
