/* SPDX-License-Identifier: Apache-2.0 */
/*
 * flush.c - the flusher's life: opens region and dump, hands out rings, drains them when one fills up and
 * each DPROF_FLUSH_MS, ends the dump. What flush.h names runs on the program's threads, all else on ours.
 *
 * The flusher has no libc thread (spawn.c): no malloc, no stdio, no lock, raw system calls only. Its
 * descriptors are its own. What it has to say it leaves for a thread of the program (SAY_LATER).
 * Invariant: threads never wait for it without a limit.
 */
#include "preload/flush.h"

#include <sys/resource.h>

#include "preload/config.h"
#include "preload/conn.h"
#include "preload/control.h"
#include "preload/drain.h"
#include "preload/emit.h"
#include "preload/identity.h"
#include "preload/peer.h"
#include "preload/process.h"
#include "preload/region.h"
#include "preload/salvage.h"
#include "preload/say.h"
#include "preload/seccomp.h"
#include "preload/segment.h"
#include "preload/spawn.h"
#include "preload/stamp.h"
#include "preload/sys.h"
#include "preload/text.h"
#include "preload/thread.h"
#include "preload/uring.h"

#define MS		   1000000ull
#define FLUSH_BIRTH_NS	   (200 * MS)
#define FLUSH_END_NS	   (2000 * MS)
#define FLUSH_ANCHOR_NS	   (1000 * MS)
#define FLUSH_SPARES	   2		 /* once the program has more than one thread */
#define FLUSH_MEMORY_BYTES (16ull << 20) /* about what tracing maps, the rings of a few threads included */

enum flush_state { FLUSH_NONE, FLUSH_STARTING, FLUSH_RUNNING, FLUSH_FAILED, FLUSH_DONE };
enum flush_wish { WISH_DRAIN = 1, WISH_RING = 2, WISH_END = 4, WISH_USER = 8 };

/* Shared with the program's threads. */
static uint32_t flush_state;	/* enum flush_state; a futex */
static uint32_t flush_wishes;	/* enum flush_wish; a futex */
static uint32_t rings_made;	/* changes when there are more; a futex */
static uint32_t users_followed; /* a futex */
static uint32_t wished_uid, wished_gid;
static int flush_error;
static const char *flush_reason;
static uint32_t spawn_failed; /* said once */

/* The flusher's own. */
static struct region region;
static struct encoder encoder;
static struct dump_file file;
static struct drain drain;
static struct anchor first_anchor;
static uint64_t peer_seq;
static bool disk_full;
static bool ring_trouble; /* said once */
static uint32_t flush_uid;

/* ---- what threads ask for ---- */

static void flush_wish(uint32_t wish)
{
	/* release: what was written before is seen by the drain that follows */
	if (!(__atomic_fetch_or(&flush_wishes, wish, __ATOMIC_ACQ_REL) & wish))
		sys_futex_wake(&flush_wishes);
}

static bool many_threads(void)
{
	return __atomic_load_n(&thread_many, __ATOMIC_RELAXED);
}

void flush_wake(void)
{
	flush_wish(WISH_DRAIN);
}

static void flush_main(void);

static int flush_spawn(void)
{
	uint32_t none = FLUSH_NONE;
	int r;

	if (!__atomic_compare_exchange_n(&flush_state, &none, FLUSH_STARTING, false, __ATOMIC_ACQ_REL,
					 __ATOMIC_ACQUIRE))
		return 0;
	r = spawn_thread(flush_main);
	if (r == 0)
		return 0;
	if (!__atomic_exchange_n(&spawn_failed, 1, __ATOMIC_RELAXED))
		SAY("not traced for now: cannot start a thread: ", say_error(r), " (hint: ulimit -u, -v)");
	__atomic_store_n(&flush_state, FLUSH_NONE, __ATOMIC_RELEASE);
	return -EAGAIN;
}

int flush_start(void)
{
	uint64_t deadline_ns = sys_clock_ns(CLOCK_MONOTONIC) + FLUSH_BIRTH_NS;
	uint32_t state;
	int r = flush_spawn();

	if (r < 0)
		return r;
	while ((state = __atomic_load_n(&flush_state, __ATOMIC_ACQUIRE)) == FLUSH_STARTING) {
		if (sys_clock_ns(CLOCK_MONOTONIC) >= deadline_ns)
			return -EAGAIN;
		sys_futex_wait(&flush_state, FLUSH_STARTING, deadline_ns);
	}
	if (state == FLUSH_RUNNING)
		return 0;
	return state == FLUSH_NONE ? -EAGAIN : state == FLUSH_FAILED ? flush_error : -ESRCH;
}

struct ring *flush_take_ring(bool wait)
{
	uint64_t deadline_ns = sys_clock_ns(CLOCK_MONOTONIC) + FLUSH_BIRTH_NS;
	struct ring *ring;

	for (;;) {
		uint32_t made = __atomic_load_n(&rings_made, __ATOMIC_ACQUIRE);

		ring = region_take(&region);
		if (ring == NULL || many_threads())
			flush_wish(WISH_RING); /* for us, or for the next one */
		if (ring != NULL || !wait || sys_clock_ns(CLOCK_MONOTONIC) >= deadline_ns)
			return ring;
		if (made == UINT32_MAX) /* there will be no more */
			return NULL;
		sys_futex_wait(&rings_made, made, deadline_ns);
	}
}

void flush_note_untraced(void)
{
	uint32_t state =
	    __atomic_load_n(&flush_state, __ATOMIC_ACQUIRE); /* behind it the region's head is there */

	if (state != FLUSH_RUNNING)
		return;
	__atomic_store_n(&region.head->untraced_threads, __atomic_load_n(&thread_untraced, __ATOMIC_RELAXED),
			 __ATOMIC_RELAXED);
	__atomic_store_n(&region.head->untraced_conns, conn_untraced(), __ATOMIC_RELAXED);
	__atomic_store_n(&region.head->unheard, __atomic_load_n(&emit_unheard, __ATOMIC_RELAXED),
			 __ATOMIC_RELAXED);
	__atomic_store_n(&region.head->io_uring, uring_rings(), __ATOMIC_RELAXED);
}

bool flush_is_starting(void)
{
	return __atomic_load_n(&flush_state, __ATOMIC_ACQUIRE) == FLUSH_STARTING;
}

void flush_finish(const char *reason)
{
	uint64_t deadline_ns = sys_clock_ns(CLOCK_MONOTONIC) + FLUSH_END_NS;
	uint32_t state;

	flush_reason = reason;
	flush_wish(WISH_END);
	while ((state = __atomic_load_n(&flush_state, __ATOMIC_ACQUIRE)) == FLUSH_RUNNING ||
	       state == FLUSH_STARTING) {
		if (sys_clock_ns(CLOCK_MONOTONIC) >= deadline_ns)
			return; /* the region stays: salvage finishes the dump */
		sys_futex_wait(&flush_state, state, deadline_ns);
	}
}

void flush_follow_user(uint32_t uid, uint32_t gid)
{
	uint64_t deadline_ns = sys_clock_ns(CLOCK_MONOTONIC) + FLUSH_BIRTH_NS;
	uint32_t before = __atomic_load_n(&users_followed, __ATOMIC_ACQUIRE);

	if (__atomic_load_n(&flush_uid, __ATOMIC_RELAXED) != 0)
		return;
	wished_uid = uid;
	wished_gid = gid;
	flush_wish(WISH_USER);
	while (__atomic_load_n(&users_followed, __ATOMIC_ACQUIRE) == before &&
	       __atomic_load_n(&flush_state, __ATOMIC_ACQUIRE) == FLUSH_RUNNING &&
	       sys_clock_ns(CLOCK_MONOTONIC) < deadline_ns)
		sys_futex_wait(&users_followed, before, deadline_ns);
}

bool flush_is_over(void)
{
	return __atomic_load_n(&flush_state, __ATOMIC_ACQUIRE) == FLUSH_DONE && spawn_is_over();
}

void flush_after_fork(bool unmap)
{
	spawn_after_fork();
	region_drop_inherited(&region, unmap);
	peer_after_fork();
	drain = (struct drain){0};
	encoder = (struct encoder){0}; /* its memory was not inherited */
	file.fd = -1;
	flush_state = FLUSH_NONE;
	flush_wishes = 0;
	rings_made = 0;
	spawn_failed = 0;
	emit_unheard = 0;
	peer_seq = 0;
	disk_full = false;
	ring_trouble = false;
}

/* ---- start ---- */

static void flush_publish(uint32_t *word, uint32_t value)
{
	__atomic_store_n(word, value, __ATOMIC_RELEASE);
	sys_futex_wake(word);
}

static int commit_live(void *to, const struct region_commit *c)
{
	region_commit(to, c);
	return 0;
}

/* Where the program may only have so much memory, ours must not be what it lacks. */
static bool memory_is_scarce(void)
{
	struct rlimit limit;
	char text[64] = "";
	uint64_t pages;
	int fd;

	if (sys_call(SYS_prlimit64, 0, RLIMIT_AS, NULL, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY)
		return false;
	fd = sys_open("/proc/self/statm", O_RDONLY, 0);
	if (fd < 0)
		return true;
	sys_read_at(fd, text, sizeof text - 1, 0);
	sys_close(fd);
	pages = text_number(text, NULL);
	return limit.rlim_cur / 4096 < pages + 4 * FLUSH_MEMORY_BYTES / 4096;
}

/* Region trouble is no reason not to trace. RLIMIT_FSIZE will be told of when it stops the dump. */
static void tell_region_error(int error)
{
	if (error == 0 || error == -EFBIG || ring_trouble)
		return;
	ring_trouble = true;
	SAY_LATER(REGION_DIR ": ", say_error(error),
		  ": traced all the same, but a kill -9 would lose the last moments (hint: make room there)");
}

static int flush_open_dump(struct region *r)
{
	struct dump_header header;
	struct identity id;
	struct pack *object = encoder_start(&encoder);
	int error;

	identity_read(&id, &header);
	flush_uid = id.uid;
	first_anchor = header.anchor;
	error = region_create(r, id.uid, (uint32_t)header.pid, id.boot_start);
	if (r->head == NULL)
		return error;
	tell_region_error(error);
	region_note_anchor(r, &header.anchor);
	control_begin((void *)((char *)r->head + REGION_CONTROL_AT), &header);
	error = file_make_dir(config_get()->dir);
	if (error == 0)
		error = file_create(&file, config_get()->dir, &header);
	if (error < 0)
		return error;
	segment_begin(&header, &id);
	dump_pack_header(object, &header);
	error = region_describe(r, &file, object);
	if (error < 0)
		tell_region_error(error);
	error = drain_object(&drain);
	if (error == 0)
		control_turn(&drain);
	return error;
}

static int flush_open(void)
{
	int r = spawn_own_files();

	file.fd = -1;
	region.fd = -1;
	if (r < 0)
		return r;
	if (memory_is_scarce())
		return -ENOMEM;
	r = encoder_open(&encoder);
	if (r < 0)
		return r;
	drain = (struct drain){.encoder = &encoder, .file = &file, .commit = commit_live, .to = &region};
	r = flush_open_dump(&region);
	if (r == 0) {
		r = region_add_ring(&region, (uint32_t)config_get()->ring_bytes);
		tell_region_error(r == -ENOMEM ? 0 : r);
		r = r == -ENOMEM ? r : 0;
	}
	return r;
}

/* There will be no dump: leave nothing behind. */
static void flush_give_up(int error)
{
	const char *what = error == -ENOMEM ? "memory" : file.path;

	if (file.fd >= 0)
		sys_call(SYS_unlink, file.path);
	file_close(&file);
	region_remove(&region);
	encoder_close(&encoder);
	flush_error = error;
	if (error == -ENOMEM)
		SAY_LATER("not traced: ", what, ": ", say_error(error),
			  " (hint: ulimit -v, or a smaller DPROF_RING)");
	else
		SAY_LATER("not traced, no dump: ", what[0] != '\0' ? what : config_get()->dir, ": ",
			  say_error(error),
			  " (hint: DPROF_DIR must be a directory that this user can write to)");
	flush_publish(&flush_state, FLUSH_FAILED);
}

/* ---- work ---- */

static void flush_stopped(int error)
{
	if (disk_full)
		return;
	disk_full = true;
	SAY_LATER("dump paused: ", file.path, ": ", say_error(error),
		  ": records are dropped and counted until it can be written again");
}

/* Drains rings that hold at least such a part of their size (0: all), and those whose thread has ended. */
static int drain_rings(uint32_t least_part)
{
	for (uint32_t i = 0; i < region.count; i++) {
		struct ring *ring = region.rings[i];
		uint32_t state = __atomic_load_n(&ring->state, __ATOMIC_ACQUIRE);
		uint64_t head =
		    __atomic_load_n(&ring->head, __ATOMIC_ACQUIRE); /* records before it are whole */
		struct ring_reader reader;
		int r;

		if (head != ring->tail && (least_part == 0 || state == RING_GONE ||
					   head - ring->tail >= ring->bytes / least_part)) {
			ring_read(&reader, ring_bytes(ring), ring->bytes, ring->tail, head);
			r = drain_ring(&drain, &reader, i, ring->serial, ring->seq);
			r = r < 0 ? r : segment_turn(&drain, &region);
			if (r < 0)
				return r;
		}
		if (state == RING_GONE && ring->head == ring->tail)
			region_recycle(&region, ring);
	}
	return 0;
}

static int drain_peers(void)
{
	static struct record answers[PEER_QUESTIONS];
	struct ring_reader reader;
	uint32_t n = disk_full ? 0 : peer_answer(answers);

	if (n == 0)
		return 0;
	/* they need no ring: the reader walks them where they are, as a block of thread 0 */
	ring_read(&reader, (const uint8_t *)answers, 1u << 31, 0, n * sizeof answers[0]);
	peer_seq += n;
	return drain_loose(&drain, &reader, 0, peer_seq - n);
}

static int drain_anchor(void)
{
	struct anchor now;

	stamp_anchor(&now);
	stamp_learn(&first_anchor, &now);
	dump_pack_anchors(encoder_start(&encoder), &now, 1);
	region_note_anchor(&region, &now);
	return drain_object(&drain);
}

static void flush_drain(uint32_t least_part, bool anchor)
{
	uint64_t before = drain.records;
	int r, no_room = 0;

	region_grow(&region, &no_room);
	tell_region_error(no_room);
	r = drain_rings(least_part);

	if (r == 0)
		r = drain_peers();
	if (r == 0 && anchor && drain.records != before)
		r = drain_anchor();
	flush_note_untraced();
	if (r < 0)
		flush_stopped(r);
	else
		disk_full = false;
}

static void flush_add_rings(void)
{
	uint32_t want = many_threads() ? FLUSH_SPARES : 1;
	int r = 0;

	/* a program that makes a thread per task gets back the rings of those that have ended */
	if (region_spares(&region) < want && region.count > FLUSH_SPARES)
		flush_drain(2 * RING_WAKE_PART, false);
	while (region_spares(&region) < want && r != -ENOMEM) {
		r = region_add_ring(&region, (uint32_t)config_get()->ring_bytes);
		tell_region_error(r == -ENOMEM ? 0 : r);
	}
	flush_publish(&rings_made, r == -ENOMEM ? UINT32_MAX : (rings_made + 1) & INT32_MAX);
}

static uint64_t dropped_so_far(void)
{
	uint64_t dropped = __atomic_load_n(&region.head->unheard, __ATOMIC_RELAXED);

	dropped += region.head->dropped + drain.broken;
	for (uint32_t i = 0; i < region.count; i++)
		dropped += __atomic_load_n(&region.rings[i]->dropped, __ATOMIC_RELAXED);
	return dropped;
}

/* Records for which there was no room to the end. */
static uint64_t left_in_rings(void)
{
	uint64_t left = 0;

	for (uint32_t i = 0; i < region.count; i++) {
		struct ring *ring = region.rings[i];
		struct ring_reader reader;

		ring_read(&reader, ring_bytes(ring), ring->bytes, ring->tail,
			  __atomic_load_n(&ring->head, __ATOMIC_ACQUIRE));
		while (ring_next(&reader) != NULL)
			left++;
	}
	return left;
}

static void flush_end(void)
{
	struct dump_end end = {.reason = flush_reason != NULL ? flush_reason : "exit"};
	int r;

	flush_drain(0, true);
	file.ending = true;
	if (segment_records() > 0)
		drain_anchor(); /* the last file may be too young to have one */
	control_end(&drain);
	end.records = drain.records;
	end.dropped = dropped_so_far() + (disk_full ? left_in_rings() : 0);
	end.untraced_threads = __atomic_load_n(&region.head->untraced_threads, __ATOMIC_RELAXED);
	end.untraced_conns = __atomic_load_n(&region.head->untraced_conns, __ATOMIC_RELAXED);
	end.io_uring = __atomic_load_n(&region.head->io_uring, __ATOMIC_RELAXED);
	dump_pack_end(encoder_start(&encoder), &end);
	r = drain_object(&drain);
	if (r < 0)
		flush_stopped(r);
	region.head->ended = 1;
	if (end.records == 0 && end.dropped == 0 && end.untraced_threads == 0 && segment_records() == 0 &&
	    !control_was_shut()) /* opened early, then nothing came */
		sys_call(SYS_unlink, file.path);
	region_remove(&region);
	file_close(&file);
	encoder_close(&encoder);
	flush_publish(&flush_state, FLUSH_DONE);
}

/*
 * The program gave up root's rights; libc does not know our thread and could not do it for us. A thread with
 * those rights must not stay behind. The files go with us, else we could not take the region away.
 */
static void flush_become(uint32_t uid, uint32_t gid)
{
	if (flush_uid != 0 || uid == 0)
		return;
	region_give(&region, uid, gid);
	sys_call(SYS_fchown, file.fd, uid, gid);
	sys_call(SYS_setgroups, 0, NULL);
	sys_call(SYS_setresgid, gid, gid, gid);
	sys_call(SYS_setresuid, uid, uid, uid);
	__atomic_store_n(&flush_uid, uid, __ATOMIC_RELAXED);
}

/* By a raw system call, of which nobody told us. */
static void flush_look_at_user(void)
{
	uint32_t uid, gid;

	if (flush_uid == 0 && seccomp_allows(SECCOMP_RIGHTS) && identity_program_user(&uid, &gid))
		flush_become(uid, gid);
}

/* A wish of flush_follow_user(). */
static void flush_obey(void)
{
	flush_become(wished_uid, wished_gid);
	flush_publish(&users_followed, users_followed + 1);
}

/* Between two blocks of somebody else's dump: our own rings come first, and a program that ends does not
 * wait. */
static bool breathe(void *unused)
{
	uint32_t wishes = __atomic_fetch_and(&flush_wishes, WISH_END, __ATOMIC_ACQ_REL);

	(void)unused;
	if (wishes & WISH_USER) {
		if (flush_uid == 0)
			sys_call(SYS_setfsuid,
				 0); /* salvage may be another user just now, who owns nothing */
		flush_obey();
	}
	if (wishes & WISH_RING)
		flush_add_rings();
	if (wishes & WISH_DRAIN)
		flush_drain(2 * RING_WAKE_PART, false);
	return !(wishes & WISH_END);
}

/* Dumps that processes killed in this directory left unfinished. */
static void flush_salvage(void)
{
	struct salvage s = {.encoder = &encoder,
			    .dir = config_get()->dir,
			    .uid = flush_uid,
			    .dropped = flush_uid == 0 && !identity_is_filtered(),
			    .breathe = breathe};

	salvage_all(&s);
}

static void flush_loop(void)
{
	uint64_t period_ns = config_get()->flush_ms * MS;
	uint64_t now_ns = sys_clock_ns(CLOCK_MONOTONIC), due_ns = now_ns + period_ns, anchor_ns = now_ns;

	for (;;) {
		uint32_t wishes = __atomic_exchange_n(&flush_wishes, 0, __ATOMIC_ACQ_REL), status;

		now_ns = sys_clock_ns(CLOCK_MONOTONIC);
		if (wishes & WISH_USER)
			flush_obey();
		if (wishes & WISH_RING)
			flush_add_rings();
		control_turn(&drain);
		if (now_ns >= due_ns) {
			bool anchor = now_ns - anchor_ns >= FLUSH_ANCHOR_NS;

			flush_drain(0, anchor);
			anchor_ns = anchor ? now_ns : anchor_ns;
			due_ns = now_ns + period_ns;
			control_tell(&drain, dropped_so_far());
			flush_look_at_user();
			if (identity_alone(&status)) {
				flush_end();
				sys_call(SYS_exit, status); /* the last thread's is the process's */
			}
		} else if (wishes & WISH_DRAIN) {
			flush_drain(2 * RING_WAKE_PART, false);
		}
		if (wishes & WISH_END) {
			flush_end();
			return;
		}
		sys_futex_wait(&flush_wishes, 0, control_due_ns(due_ns));
	}
}

static void flush_main(void)
{
	int r = flush_open();

	if (r < 0) {
		flush_give_up(r);
		return;
	}
	if (config_get()->verbose)
		SAY_LATER("dump: ", file.path);
	flush_publish(&rings_made, 1);
	flush_publish(&flush_state, FLUSH_RUNNING);
	flush_salvage();
	flush_loop();
}
