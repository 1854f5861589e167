/* SPDX-License-Identifier: Apache-2.0 */
/* record.c - record.def as a table for printing. Any thread; pure. */
#include "record.h"

#include <stddef.h>

static const struct record_info infos[RECORD_KINDS] = {
#define RECORD(word, name, conn, off, len, data, text)                                                       \
	[RECORD_##word] = {name, conn, off, len, RECORD_DATA_##data, text},
#include "record.def"
};

static const char *const flag_names[16] = {
#define FLAG(word, bit, name, text) [bit] = name,
#include "record.def"
};

const struct record_info *record_info(unsigned int kind)
{
	return kind < RECORD_KINDS ? &infos[kind] : NULL;
}

const char *record_flag_name(unsigned int bit)
{
	return bit < 16 ? flag_names[bit] : NULL;
}
