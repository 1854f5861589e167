/* SPDX-License-Identifier: Apache-2.0 */
/*
 * encoder.c - objects into zstd frames. Runs on the flusher and in salvage. zstd gets its memory from mmap,
 * because the flusher may not call malloc.
 */
#define ZSTD_STATIC_LINKING_ONLY
#include <zstd.h>

#include "preload/encoder.h"
#include "preload/secret.h"
#include "preload/sys.h"

#define ENCODER_LEVEL  1  /* level 3 saves 5 % and costs half as much again */
#define ENCODER_PREFIX 64 /* before each piece: its length, and alignment as from malloc */

static void *encoder_map(size_t bytes)
{
	void *memory = sys_map(bytes);

	if (memory != NULL)
		sys_call(SYS_madvise, memory, bytes, MADV_DONTFORK);
	return memory;
}

static void *zstd_take(void *unused, size_t bytes)
{
	char *piece = encoder_map(bytes + ENCODER_PREFIX);

	(void)unused;
	if (piece == NULL)
		return NULL;
	*(size_t *)piece = bytes + ENCODER_PREFIX;
	return piece + ENCODER_PREFIX;
}

static void zstd_give(void *unused, void *memory)
{
	char *piece = (char *)memory - ENCODER_PREFIX;

	(void)unused;
	if (memory != NULL)
		sys_unmap(piece, *(size_t *)piece);
}

int encoder_open(struct encoder *e)
{
	ZSTD_customMem from = {zstd_take, zstd_give, NULL};

	*e = (struct encoder){.frame_cap = ZSTD_compressBound(ENCODER_OBJECT_BYTES)};
	e->scratch = encoder_map(block_scratch_bytes());
	e->secrets = encoder_map(secrets_bytes());
	e->packed = encoder_map(ENCODER_OBJECT_BYTES);
	e->frame = encoder_map(e->frame_cap);
	e->zstd = ZSTD_createCCtx_advanced(from);
	if (e->scratch == NULL || e->secrets == NULL || e->packed == NULL || e->frame == NULL ||
	    e->zstd == NULL) {
		encoder_close(e);
		return -ENOMEM;
	}
	ZSTD_CCtx_setParameter(e->zstd, ZSTD_c_compressionLevel, ENCODER_LEVEL);
	ZSTD_CCtx_setParameter(e->zstd, ZSTD_c_checksumFlag, 1);
	ZSTD_CCtx_setParameter(e->zstd, ZSTD_c_contentSizeFlag, 1);
	return 0;
}

void encoder_close(struct encoder *e)
{
	ZSTD_freeCCtx(e->zstd);
	if (e->scratch != NULL)
		sys_unmap(e->scratch, block_scratch_bytes());
	if (e->secrets != NULL)
		sys_unmap(e->secrets, secrets_bytes());
	if (e->packed != NULL)
		sys_unmap(e->packed, ENCODER_OBJECT_BYTES);
	if (e->frame != NULL)
		sys_unmap(e->frame, e->frame_cap);
	*e = (struct encoder){0};
}

struct pack *encoder_start(struct encoder *e)
{
	pack_start(&e->object, e->packed, ENCODER_OBJECT_BYTES);
	return &e->object;
}

long encoder_frame(struct encoder *e)
{
	size_t n;

	if (e->object.full)
		return -EMSGSIZE;
	n = ZSTD_compress2(e->zstd, e->frame, e->frame_cap, e->object.bytes, e->object.len);
	return ZSTD_isError(n) ? -ENOMEM : (long)n;
}
