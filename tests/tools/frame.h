/* SPDX-License-Identifier: Apache-2.0 */
/*
 * frame.h - what the tools that write dumps share: one object as one zstd frame, and what cannot fail. For
 * the .c files of this directory only; one thread.
 */
#ifndef TESTS_TOOLS_FRAME_H
#define TESTS_TOOLS_FRAME_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <zstd.h>

#include "common/dump.h"

static uint8_t object[DUMP_OBJECT_BYTES_MAX];

static inline _Noreturn void give_up(const char *format, ...) __attribute__((format(printf, 1, 2)));

static inline void give_up(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	exit(2);
}

/* What cannot fail in a test tool. */
#ifndef must
#define must(condition)                                                                                      \
	do {                                                                                                 \
		if (!(condition))                                                                            \
			give_up("no memory, or cannot write: %s", #condition);                               \
	} while (0)
#endif

static inline void write_frame(FILE *to, const struct pack *p)
{
	static ZSTD_CCtx *zstd;
	static void *frame;
	size_t cap = ZSTD_compressBound(sizeof(object)), len;

	if (!zstd) {
		zstd = ZSTD_createCCtx();
		frame = malloc(cap);
		must(zstd && frame);
		ZSTD_CCtx_setParameter(zstd, ZSTD_c_checksumFlag, 1);
	}
	must(!p->full);
	len = ZSTD_compress2(zstd, frame, cap, p->bytes, p->len);
	must(!ZSTD_isError(len) && fwrite(frame, 1, len, to) == len);
}

#endif
