/* SPDX-License-Identifier: Apache-2.0 */
/*
 * region.c - makes the shared file, hands out rings in it, keeps the commit. Runs on the flusher; region_take
 * also on the program's threads. Raw system calls only.
 *
 * Invariant: no byte of a mapping is touched that the kernel has not given memory (fallocate, ring_grow), so
 * a full /dev/shm is an error here and never a SIGBUS in the program.
 */
#include "preload/region.h"

#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "preload/sys.h"
#include "preload/text.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

#define REGION_NAME_TRIES 100
#define REGION_FULL_RINGS 16 /* of the size asked for; then the threads are many, and each does less */
#define REGION_MORE_RINGS 64

static bool region_grows; /* this kernel can give a mapping memory: ring_grow() */

static void region_path(struct region *r, uint32_t uid, uint32_t pid, uint64_t boot_start, uint64_t n)
{
	struct text t;

	text_start(&t, r->path, sizeof r->path);
	text_add(&t, REGION_DIR "/" REGION_PREFIX);
	text_add_number(&t, uid);
	text_add(&t, ".");
	text_add_number(&t, pid);
	text_add(&t, ".");
	text_add_number(&t, boot_start);
	if (n > 0) {
		text_add(&t, ".");
		text_add_number(&t, n);
	}
}

/* A new file, locked, that no salvage has taken away in between. */
static int region_open(struct region *r, uint32_t uid, uint32_t pid, uint64_t boot_start)
{
	struct stat st;
	int fd;

	for (uint64_t n = 0; n < REGION_NAME_TRIES; n++) {
		region_path(r, uid, pid, boot_start, n);
		fd = sys_open(r->path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
		if (fd == -EEXIST)
			continue;
		if (fd < 0)
			return fd;
		sys_call(SYS_fchmod, fd, 0600); /* the program's umask may have taken more */
		r->lock = sys_open(r->path, O_RDONLY | O_NOFOLLOW, 0);
		if (r->lock >= 0 && sys_call(SYS_flock, r->lock, LOCK_EX) == 0 &&
		    sys_call(SYS_fstat, fd, &st) == 0 && st.st_nlink == 1)
			return fd;
		sys_close(r->lock);
		sys_close(fd);
	}
	return -EEXIST;
}

/* Half of /dev/shm is the program's: it may need that for itself (PostgreSQL does). */
static bool region_has_room(int fd, uint64_t bytes)
{
	struct statfs fs;

	return sys_call(SYS_fstatfs, fd, &fs) < 0 || fs.f_blocks == 0 ||
	       fs.f_bavail >= fs.f_blocks / 2 + bytes / (uint64_t)fs.f_bsize;
}

static int region_reserve(int fd, uint64_t at, uint64_t bytes)
{
	long r;

	if (!region_has_room(fd, bytes))
		return -ENOSPC;
	do
		r = sys_call(SYS_fallocate, fd, 0, at, bytes);
	while (r == -EINTR);
	return (int)r;
}

static void *region_map_file(int fd, uint64_t at, size_t bytes)
{
	long p = sys_call(SYS_mmap, 0, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, at);

	return sys_failed(p) ? NULL : (void *)p;
}

/* Shared, so that a fork makes no copies of it. */
static void *region_map_anonymous(size_t bytes)
{
	long p = sys_call(SYS_mmap, 0, bytes, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return sys_failed(p) ? NULL : (void *)p;
}

static int region_open_file(struct region *r, uint32_t uid, uint32_t pid, uint64_t boot_start)
{
	int error;

	r->fd = region_open(r, uid, pid, boot_start);
	if (r->fd < 0)
		return r->fd;
	error = region_reserve(r->fd, 0, REGION_FIRST_RING_AT);
	if (error == 0) {
		r->head = region_map_file(r->fd, 0, REGION_PATH_AT);
		error = r->head == NULL ? -ENOMEM : 0;
	}
	if (error == 0)
		region_grows = sys_call(SYS_madvise, r->head, REGION_PATH_AT, MADV_POPULATE_WRITE) == 0;
	if (error < 0)
		region_remove(r);
	return error;
}

int region_create(struct region *r, uint32_t uid, uint32_t pid, uint64_t boot_start)
{
	int error;

	*r = (struct region){.fd = -1};
	error = region_open_file(r, uid, pid, boot_start);
	if (error < 0) {
		r->fd = -1;
		r->head = region_map_anonymous(REGION_PATH_AT);
		if (r->head == NULL)
			return -ENOMEM;
	}
	r->file_bytes = REGION_FIRST_RING_AT;
	r->head->version = REGION_VERSION;
	r->head->pid = pid;
	r->head->boot_start = boot_start;
	r->head->commits[0].ring = REGION_NO_RING;
	return error;
}

int region_describe(struct region *r, const struct dump_file *f, const struct pack *header)
{
	int error;

	if (r->fd < 0)
		return 0;
	if (header->full || header->len > REGION_HEADER_BYTES)
		return -EMSGSIZE;
	error = sys_write_at(r->fd, f->path, sizeof f->path, REGION_PATH_AT);
	if (error == 0)
		error = sys_write_at(r->fd, header->bytes, header->len, REGION_HEADER_AT);
	if (error < 0)
		return error;
	r->head->header_bytes = (uint32_t)header->len;
	__atomic_store_n(&r->head->magic, REGION_MAGIC,
			 __ATOMIC_RELEASE); /* publishes the region to salvage */
	return 0;
}

/* Lengthens the file by a ring, and gets memory for its first part: threads wait for us. */
static int region_begin_ring(struct region *r, uint32_t bytes, uint32_t *first)
{
	uint64_t end = r->file_bytes + RING_CONTROL_BYTES + bytes;
	int error;

	*first = !region_grows || bytes < RING_FIRST_BYTES ? bytes : RING_FIRST_BYTES;
	if (!region_has_room(r->fd, bytes))
		return -ENOSPC;
	error = region_reserve(r->fd, r->file_bytes, RING_CONTROL_BYTES + (uint64_t)*first);
	if (error == 0 && *first < bytes)
		error = (int)sys_call(SYS_ftruncate, r->fd, end);
	return error;
}

/* Tells where in the file it lies; where it does not, *error says why. */
static struct ring *region_map_ring(struct region *r, uint32_t bytes, uint64_t *offset, int *error)
{
	size_t all = (size_t)bytes + RING_CONTROL_BYTES;
	uint32_t first;
	struct ring *ring;

	*offset = 0;
	*error = 0;
	if (r->fd >= 0) {
		*error = region_begin_ring(r, bytes, &first);
		ring = *error == 0 ? region_map_file(r->fd, r->file_bytes, all) : NULL;
		if (ring != NULL) {
			*offset = r->file_bytes;
			r->file_bytes += all;
			ring->ready = first;
			return ring;
		}
	}
	ring = region_map_anonymous(all);
	if (ring != NULL)
		ring->ready = bytes;
	return ring;
}

static uint32_t region_ring_bytes(const struct region *r, uint32_t bytes)
{
	if (r->count >= REGION_MORE_RINGS)
		bytes /= 32;
	else if (r->count >= REGION_FULL_RINGS)
		bytes /= 8;
	return bytes < RING_BYTES_MIN ? RING_BYTES_MIN : bytes;
}

int region_add_ring(struct region *r, uint32_t bytes)
{
	struct region_place place = {.bytes = region_ring_bytes(r, bytes)};
	struct ring *ring = NULL;
	uint32_t index = r->count;
	int error = 0;

	if (index == REGION_RINGS_MAX)
		return -ENOMEM;
	for (; place.bytes >= RING_BYTES_MIN; place.bytes /= 2) {
		ring = region_map_ring(r, place.bytes, &place.offset, &error);
		if (ring != NULL)
			break;
	}
	if (ring == NULL)
		return -ENOMEM;
	sys_call(SYS_madvise, ring, (size_t)place.bytes + RING_CONTROL_BYTES, MADV_DONTDUMP);
	ring->bytes = place.bytes;
	if (r->fd >= 0)
		sys_write_at(r->fd, &place, sizeof place, REGION_TABLE_AT + index * sizeof place);
	r->rings[index] = ring;
	__atomic_store_n(&r->head->ring_count, index + 1,
			 __ATOMIC_RELEASE); /* publishes the place to salvage */
	__atomic_store_n(&ring->state, RING_SPARE, __ATOMIC_RELEASE);
	__atomic_store_n(&r->count, index + 1, __ATOMIC_RELEASE); /* publishes the ring to threads */
	return error;
}

struct ring *region_take(struct region *r)
{
	uint32_t count = __atomic_load_n(&r->count, __ATOMIC_ACQUIRE);

	for (uint32_t i = 0; i < count; i++) {
		uint32_t spare = RING_SPARE;

		/* acquire: what the flusher reset before it made the ring spare */
		if (__atomic_compare_exchange_n(&r->rings[i]->state, &spare, RING_USED, false,
						__ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
			return r->rings[i];
	}
	return NULL;
}

/* There is no room for the ring's rest: that lies in anonymous memory from now on, and a kill -9 would lose
 * it. */
static void region_replace_rest(struct ring *ring, uint32_t ready)
{
	uint32_t after = ready;
	long p;

	/* from here on its thread does not grow it */
	if (!__atomic_compare_exchange_n(&ring->ready, &after, ready | 1, false, __ATOMIC_ACQ_REL,
					 __ATOMIC_RELAXED))
		return;
	p = sys_call(SYS_mmap, ring_bytes(ring) + ready, ring->bytes - ready, PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
	__atomic_store_n(&ring->ready, sys_failed(p) ? ready : ring->bytes, __ATOMIC_RELEASE);
}

void region_grow(struct region *r, int *error)
{
	for (uint32_t i = 0; i < r->count; i++) {
		struct ring *ring = r->rings[i];
		uint32_t ready = ring_ready(ring);
		int failed;

		if (ready == ring->bytes || __atomic_load_n(&ring->head, __ATOMIC_RELAXED) < ready / 2)
			continue;
		failed = region_has_room(r->fd, ready) ? ring_grow(ring, ready + 1ull) : -ENOSPC;
		if (failed < 0) {
			*error = failed;
			region_replace_rest(ring, ready);
		}
	}
}

uint32_t region_spares(const struct region *r)
{
	uint32_t spares = 0;

	for (uint32_t i = 0; i < r->count; i++)
		spares += __atomic_load_n(&r->rings[i]->state, __ATOMIC_RELAXED) == RING_SPARE;
	return spares;
}

void region_recycle(struct region *r, struct ring *ring)
{
	ring->serial = 0; /* first: from here on no commit speaks of this ring */
	r->head->dropped += ring->dropped;
	ring->dropped = 0;
	ring->tid = 0;
	ring->seq = 0;
	/* head first: a ring with head < tail is a broken one, not one full of old records */
	__atomic_store_n(&ring->head, 0, __ATOMIC_RELEASE);
	__atomic_store_n(&ring->tail, 0, __ATOMIC_RELEASE);
	__atomic_store_n(&ring->state, RING_SPARE,
			 __ATOMIC_RELEASE); /* publishes the reset to the next thread */
}

void region_commit(struct region *r, const struct region_commit *c)
{
	uint32_t other = !r->head->commit_at;
	struct ring *ring;

	r->head->commits[other] = *c;
	__atomic_store_n(&r->head->commit_at, other,
			 __ATOMIC_RELEASE); /* here the frame counts, for salvage */
	if (c->ring == REGION_NO_RING)
		return;
	ring = r->rings[c->ring];
	__atomic_store_n(&ring->seq, c->seq, __ATOMIC_RELAXED);
	__atomic_store_n(&ring->tail, c->tail, __ATOMIC_RELEASE); /* gives the room back to the producer */
}

void region_note_anchor(struct region *r, const struct anchor *a)
{
	uint32_t other = !r->head->anchor_at;

	r->head->anchors[other] = *a;
	__atomic_store_n(&r->head->anchor_at, other, __ATOMIC_RELEASE);
}

void region_give(struct region *r, uint32_t uid, uint32_t gid)
{
	if (r->fd >= 0)
		sys_call(SYS_fchown, r->fd, uid, gid);
}

void region_remove(struct region *r)
{
	if (r->fd < 0)
		return;
	sys_call(SYS_unlink, r->path);
	sys_close(r->fd);
	sys_close(r->lock);
	r->fd = -1;
}

void region_drop_inherited(struct region *r, bool unmap)
{
	for (uint32_t i = 0; unmap && i < r->count; i++)
		sys_unmap(r->rings[i], (size_t)r->rings[i]->bytes + RING_CONTROL_BYTES);
	if (unmap && r->head != NULL)
		sys_unmap(r->head, REGION_PATH_AT);
	*r = (struct region){.fd = -1};
}
