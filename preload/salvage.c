/* SPDX-License-Identifier: Apache-2.0 */
/*
 * salvage.c - see salvage.h. Bound by the flusher's rules: raw system calls, no malloc, no stdio.
 *
 * A region is read with pread and never mapped: another user may cut it while we look, and its contents may
 * be anything. Its lengths are checked; its dump must belong to the same user; root takes on that user's
 * rights for it. Invariant: progress is committed to the region as the flusher did, so a salvage that is
 * killed is finished by the next one, and each record is written once.
 */
#include "preload/salvage.h"

#include <sys/file.h>
#include <sys/stat.h>

#include "preload/drain.h"
#include "preload/identity.h"
#include "preload/region.h"
#include "preload/sys.h"
#include "preload/text.h"

#define SALVAGE_FOREIGN_S 60 /* after that what has no head of ours is litter */
#define SALVAGE_ORPHAN_NS 86400000000000u
#define SALVAGE_DYING_NS  100000000u /* a killed process's last thread may still run for a moment */

/* One region on its way. */
struct wreck {
	int fd;
	char path[300];
	struct stat st;
	struct region_head head;
	struct dump_file file;
	struct drain drain;
	uint64_t records; /* in the dump before */
	uint64_t dropped;
};

struct entry {
	uint64_t inode;
	int64_t offset;
	uint16_t bytes;
	uint8_t kind;
	char name[];
};

/* ---- is it ours to finish? ---- */

/* Is `dir` the directory of `path`, or one above it? By identity: there may be symbolic links on the way. */
static bool is_under(const char *path, const char *dir)
{
	char part[FILE_PATH_BYTES];
	struct stat want, st;
	struct text t;

	if (sys_call(SYS_stat, dir, &want) < 0)
		return false;
	text_start(&t, part, sizeof part);
	for (const char *s = path; *s != '\0'; s++) {
		if (*s == '/' && sys_call(SYS_stat, t.len == 0 ? "/" : part, &st) == 0 &&
		    st.st_dev == want.st_dev && st.st_ino == want.st_ino)
			return true;
		text_add_len(&t, s, 1);
	}
	return false;
}

static bool is_sane_path(const char *path)
{
	if (path[0] != '/')
		return false;
	for (const char *s = path; *s != '\0'; s++)
		if (text_after(s, "/../") != NULL)
			return false;
	return true;
}

/* 0 if the head can be trusted as far as its own lengths go; the dump's path is there also if another version
 * of dprof made it. */
static int wreck_read_head(struct wreck *w)
{
	struct timespec now;
	long n;

	w->head.magic = 0; /* also of a file that is too short for one */
	n = sys_read_at(w->fd, &w->head, sizeof w->head, 0);

	if (n < 0)
		return (int)n;
	if (n < (long)sizeof w->head || w->head.magic != REGION_MAGIC) {
		clock_gettime(CLOCK_REALTIME, &now);
		/* we have its lock: who made it was killed before the first record, or sees that it is gone
		 */
		if (w->head.magic == 0 || now.tv_sec - w->st.st_mtime > SALVAGE_FOREIGN_S)
			sys_call(SYS_unlink, w->path);
		return -ESTALE;
	}
	n = sys_read_at(w->fd, w->file.path, sizeof w->file.path, REGION_PATH_AT);
	if (n < (long)sizeof w->file.path || w->file.path[sizeof w->file.path - 1] != '\0' ||
	    !is_sane_path(w->file.path)) {
		w->file.path[0] = '\0';
		return -EBADMSG;
	}
	if (w->head.version != REGION_VERSION || w->head.commit_at > 1 || w->head.anchor_at > 1 ||
	    w->head.ring_count > REGION_RINGS_MAX || w->head.header_bytes > REGION_HEADER_BYTES)
		return -EBADMSG;
	return 0;
}

/* Nobody wants these records any more: the directory of their dump has been gone for a day. */
static bool is_orphan(const struct wreck *w)
{
	const struct anchor *last = &w->head.anchors[w->head.anchor_at];
	char dir[FILE_PATH_BYTES];
	struct stat st;
	struct text t;
	size_t end = 0;

	for (size_t i = 0; w->file.path[i] != '\0'; i++)
		if (w->file.path[i] == '/')
			end = i;
	text_start(&t, dir, sizeof dir);
	text_add_len(&t, w->file.path, end);
	return sys_clock_ns(CLOCK_REALTIME) > last->real_ns + SALVAGE_ORPHAN_NS &&
	       sys_call(SYS_stat, end == 0 ? "/" : dir, &st) == -ENOENT;
}

static bool may_go_on(struct salvage *s)
{
	s->stopped |= s->breathe != NULL && !s->breathe(s->to);
	return !s->stopped;
}

/* Its flusher is gone, which gave back the lock; its other threads are killed, but may not know yet. */
static bool wait_for_death(struct salvage *s, const struct region_head *head)
{
	uint64_t deadline_ns = sys_clock_ns(CLOCK_MONOTONIC) + SALVAGE_DYING_NS;
	uint32_t never = 0;

	if (head->pid == (uint32_t)sys_call(SYS_getpid))
		return true; /* we are what it became by exec */
	while (sys_clock_ns(CLOCK_MONOTONIC) < deadline_ns &&
	       identity_boot_start(head->pid) == head->boot_start) {
		if (!may_go_on(s))
			return false;
		sys_futex_wait(&never, 0, sys_clock_ns(CLOCK_MONOTONIC) + 1000000);
	}
	return true;
}

/* ---- finish it ---- */

static uint32_t owners; /* each wreck's connections are its own */

static int commit_dead(void *to, const struct region_commit *c)
{
	struct wreck *w = to;
	uint32_t other = !w->head.commit_at;
	struct ring place;
	struct region_place at;
	int r;

	w->head.commits[other] = *c;
	r = sys_write_at(w->fd, c, sizeof *c,
			 offsetof(struct region_head, commits) + other * sizeof w->head.commits[0]);
	if (r == 0)
		r = sys_write_at(w->fd, &other, sizeof other, offsetof(struct region_head, commit_at));
	w->head.commit_at = other;
	if (r < 0 || c->ring == REGION_NO_RING)
		return r;
	if (sys_read_at(w->fd, &at, sizeof at, REGION_TABLE_AT + c->ring * sizeof at) != sizeof at)
		return -EBADMSG;
	place.tail = c->tail;
	place.seq = c->seq;
	return sys_write_at(w->fd, &place.tail, sizeof place.tail + sizeof place.seq,
			    at.offset + offsetof(struct ring, tail));
}

/* The last commit may not have come to the ring any more. */
static void apply_commit(const struct wreck *w, uint32_t index, struct ring *ring)
{
	const struct region_commit *c = &w->head.commits[w->head.commit_at];

	if (c->ring != index || c->serial != ring->serial)
		return;
	ring->tail = c->tail;
	ring->seq = c->seq;
}

static int wreck_drain_ring(struct wreck *w, struct salvage *s, uint32_t index)
{
	struct region_place at;
	struct ring ring;
	struct ring_reader reader;
	uint8_t *copy;
	long n;

	n = sys_read_at(w->fd, &at, sizeof at, REGION_TABLE_AT + index * sizeof at);
	if (n != sizeof at || at.offset == 0)
		return 0; /* was in anonymous memory */
	if (at.bytes < RING_BYTES_MIN || at.bytes > RING_BYTES_MAX || (at.bytes & (at.bytes - 1)) != 0 ||
	    at.offset + RING_CONTROL_BYTES + at.bytes > (uint64_t)w->st.st_size)
		return -EBADMSG;
	n = sys_read_at(w->fd, &ring, sizeof ring, at.offset);
	if (n != sizeof ring)
		return -EBADMSG;
	w->dropped += ring.dropped;
	apply_commit(w, index, &ring);
	if (ring.serial == 0 || ring.head == ring.tail)
		return 0;
	copy = sys_map(at.bytes);
	if (copy == NULL)
		return -ENOMEM;
	n = sys_read_at(w->fd, copy, at.bytes, at.offset + RING_CONTROL_BYTES);
	if (n == (long)at.bytes) {
		ring_read(&reader, copy, at.bytes, ring.tail, ring.head);
		n = drain_ring(&w->drain, &reader, index, ring.serial, ring.seq);
	} else {
		n = -EBADMSG;
	}
	sys_unmap(copy, at.bytes);
	return n < 0 || may_go_on(s) ? (int)n : -ECANCELED;
}

/* The dump as it was at the last commit; anew, with its header, if it is not there. */
static int wreck_open_dump(struct wreck *w, struct salvage *s)
{
	const struct region_commit *c = &w->head.commits[w->head.commit_at];
	struct pack *object;
	long n;
	int r = file_reopen(&w->file, w->st.st_uid, c->dump_bytes, false);

	if (r == -EACCES && sys_call(SYS_geteuid) == 0) {
		/* a service gave up root; its directory did not. Never to make a file with root's rights */
		sys_call(SYS_setfsuid, 0);
		r = file_reopen(&w->file, w->st.st_uid, c->dump_bytes, true);
		sys_call(SYS_setfsuid, w->st.st_uid);
	}
	w->drain = (struct drain){.encoder = s->encoder, .file = &w->file, .commit = commit_dead, .to = w};
	w->drain.records = w->records = c->records;
	if (r == 0 && w->file.bytes < c->dump_bytes) /* the next segment, which was not committed yet */
		w->drain.records = w->records = 0;
	w->drain.owner = ++owners;
	if (r != -ENOENT || w->head.header_bytes == 0)
		return r;
	w->file.fd = sys_open(w->file.path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
	if (w->file.fd < 0)
		return w->file.fd;
	w->file.bytes = 0;
	w->drain.records = w->records = 0;
	object = encoder_start(s->encoder);
	n = sys_read_at(w->fd, object->bytes, w->head.header_bytes, REGION_HEADER_AT);
	if (n != (long)w->head.header_bytes)
		return -EBADMSG;
	object->len = w->head.header_bytes;
	return drain_object(&w->drain);
}

static int wreck_end(struct wreck *w, struct salvage *s)
{
	struct dump_end end = {.reason = "salvaged"};
	uint32_t ended = 1;
	int r;

	w->file.ending = true;
	dump_pack_anchors(encoder_start(s->encoder), &w->head.anchors[w->head.anchor_at], 1);
	r = drain_object(&w->drain);
	if (r < 0)
		return r;
	end.records = w->drain.records;
	end.dropped = w->head.dropped + w->head.unheard + w->dropped + w->drain.broken;
	end.untraced_threads = w->head.untraced_threads;
	end.untraced_conns = w->head.untraced_conns;
	end.io_uring = w->head.io_uring;
	dump_pack_end(encoder_start(s->encoder), &end);
	r = drain_object(&w->drain);
	if (r < 0)
		return r;
	return sys_write_at(w->fd, &ended, sizeof ended, offsetof(struct region_head, ended));
}

static int wreck_finish(struct wreck *w, struct salvage *s)
{
	int r;

	if (!wait_for_death(s, &w->head))
		return -ECANCELED;
	r = wreck_read_head(w); /* what it was at the very end */
	if (r < 0)
		return r;
	if (!w->head.ended) {
		r = wreck_open_dump(w, s);
		for (uint32_t i = 0; r == 0 && i < w->head.ring_count; i++) {
			r = wreck_drain_ring(w, s, i);
			if (r == -EBADMSG) { /* costs this ring only */
				w->drain.broken++;
				r = 0;
			}
		}
		if (r == 0)
			r = wreck_end(w, s);
		file_close(&w->file);
	}
	if (r == 0)
		r = (int)sys_call(SYS_unlink, w->path);
	return r;
}

/* ---- find them ---- */

static void tell(struct salvage *s, const struct wreck *w, enum salvage_result result, int error)
{
	struct salvage_report report = {.result = result,
					.region = w->path,
					.dump = w->file.path,
					.records = w->drain.records - w->records,
					.error = error};

	if (s->report != NULL)
		s->report(s->to, &report);
}

/* The file is open: lock it, look at it, finish it. */
static void salvage_opened(struct salvage *s, struct wreck *w)
{
	bool other_user, any_user = s->uid == SALVAGE_ALL_USERS || s->dropped;
	int r = (int)sys_call(SYS_fstat, w->fd, &w->st);

	if (r < 0 || !S_ISREG(w->st.st_mode) || (!any_user && w->st.st_uid != s->uid)) {
		tell(s, w, SALVAGE_FAILED, r < 0 ? r : -EPERM);
		return;
	}
	if (sys_call(SYS_flock, w->fd, LOCK_EX | LOCK_NB) < 0) {
		tell(s, w, SALVAGE_ALIVE, 0);
		return;
	}
	/* somebody may have finished it between our open and our lock */
	if (sys_call(SYS_fstat, w->fd, &w->st) < 0 || w->st.st_nlink != 1)
		return;
	r = wreck_read_head(w);
	if (r == 0 && is_orphan(w)) {
		r = (int)sys_call(SYS_unlink, w->path);
		tell(s, w, r < 0 ? SALVAGE_FAILED : SALVAGE_REMOVED, r);
		return;
	}
	if (w->file.path[0] != '\0' && s->dir != NULL && !is_under(w->file.path, s->dir)) {
		tell(s, w, SALVAGE_ELSEWHERE, 0);
		return;
	}
	other_user = w->st.st_uid != (uint32_t)sys_call(SYS_geteuid);
	if (other_user)
		sys_call(SYS_setfsuid, w->st.st_uid);
	if (r == 0)
		r = wreck_finish(w, s);
	if (r != -ESTALE && r != -ECANCELED)
		tell(s, w, r < 0 ? SALVAGE_FAILED : SALVAGE_DONE, r);
	if (other_user)
		sys_call(SYS_setfsuid, sys_call(SYS_geteuid));
}

static void salvage_one(struct salvage *s, const char *name)
{
	static struct wreck w; /* there is one flusher, one salvage, per process */
	struct text t;

	text_start(&t, w.path, sizeof w.path);
	text_add(&t, REGION_DIR "/");
	text_add(&t, name);
	w.file.path[0] = '\0';
	w.file.fd = -1;
	w.file.ending = false;
	w.records = w.drain.records = w.dropped = 0;
	w.fd = sys_open(w.path, O_RDWR | O_NOFOLLOW | O_NONBLOCK, 0);
	if (w.fd < 0) {
		if (w.fd != -ENOENT)
			tell(s, &w, SALVAGE_FAILED, w.fd);
		return;
	}
	salvage_opened(s, &w);
	sys_close(w.fd);
}

static bool name_fits(const struct salvage *s, const char *name)
{
	const char *uid = text_after(name, REGION_PREFIX);
	uint64_t number = uid == NULL ? UINT64_MAX : text_number(uid, NULL);

	return number <= UINT32_MAX && (s->uid == SALVAGE_ALL_USERS || number == s->uid);
}

int salvage_all(struct salvage *s)
{
	char list[4096] __attribute__((aligned(8)));
	int dir = sys_open(REGION_DIR, O_RDONLY | O_DIRECTORY, 0);
	long n;

	if (dir < 0)
		return dir;
	while ((n = sys_call(SYS_getdents64, dir, list, sizeof list)) > 0) {
		for (long at = 0; at < n;) {
			struct entry *e = (struct entry *)(list + at);

			if (!s->stopped && name_fits(s, e->name))
				salvage_one(s, e->name);
			at += e->bytes;
		}
	}
	sys_close(dir);
	return (int)n;
}
