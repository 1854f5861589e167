/* SPDX-License-Identifier: Apache-2.0 */
/* strings.h - each distinct text once, by number; 0 is the empty text. */
#ifndef DPROF_STRINGS_H
#define DPROF_STRINGS_H

#include <stddef.h>
#include <stdint.h>

struct strings;

struct strings *strings_new(void);
void strings_free(struct strings *s);
uint32_t strings_add(struct strings *s, const char *text, size_t len);
const char *strings_get(const struct strings *s, uint32_t number);
uint32_t strings_count(const struct strings *s);

#endif
