/* SPDX-License-Identifier: Apache-2.0 */
/*
 * say.c - one line on the program's stderr. Any thread of the program, also in a signal handler; never the
 * flusher, whose descriptors are its own (it posts what it has to say, see flush.c).
 *
 * Descriptor 2 may have become something else meanwhile, a database for instance: it is written to only if
 * it is what it was at the start, or a log that is only appended to. Invariant: the line neither blocks,
 * stops nor kills the program: it is not written if that would block, and the signals that it causes are
 * taken back.
 */
#include "preload/say.h"

#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "preload/sys.h"
#include "preload/text.h"

#define SAY_BYTES 1024
#define SIGNAL(n) (1ull << ((n)-1))

enum note_state { NOTE_EMPTY, NOTE_READY, NOTE_TAKEN };

#define NOTES 4

/* Lines that the flusher left. */
static struct note {
	uint32_t state;
	char text[600];
} notes[NOTES];
static uint32_t notes_ready;
static uint32_t note_next; /* flusher only */

static uint64_t stderr_device, stderr_inode;
static bool muted;

void say_mute(void)
{
	__atomic_store_n(&muted, true, __ATOMIC_RELAXED);
}

__attribute__((constructor(101))) static void say_start(void)
{
	struct stat st;

	if (sys_call(SYS_fstat, 2, &st) == 0) {
		stderr_device = st.st_dev;
		stderr_inode = st.st_ino;
	}
}

static bool may_write(void)
{
	struct stat st;
	int family = AF_UNIX;
	socklen_t family_bytes = sizeof family;
	struct pollfd ready = {.fd = 2, .events = POLLOUT};
	struct timespec now = {0};
	long flags;

	if (sys_call(SYS_fstat, 2, &st) < 0)
		return false;
	if (st.st_dev != stderr_device || st.st_ino != stderr_inode) {
		flags = sys_call(SYS_fcntl, 2, F_GETFL);
		if (!S_ISREG(st.st_mode) || flags < 0 || !(flags & O_APPEND))
			return false;
	}
	/* a log's socket is local; a connection (inetd) is none */
	sys_call(SYS_getsockopt, 2, SOL_SOCKET, SO_DOMAIN, &family, &family_bytes);
	if (family != AF_UNIX)
		return false;
	return sys_call(SYS_ppoll, &ready, 1, &now, NULL, 8) == 1 && (ready.revents & POLLOUT);
}

/* Writes with all signals held off; those that the write itself caused are taken back. */
static void write_quietly(const char *line, size_t len)
{
	uint64_t mine = SIGNAL(SIGPIPE) | SIGNAL(SIGXFSZ), old = sys_hold_signals(), before = 0;
	struct timespec now = {0};

	sys_call(SYS_rt_sigpending, &before, 8);
	if (sys_call(SYS_write, 2, line, len) < 0) {
		mine &= ~before;
		if (mine != 0)
			sys_call(SYS_rt_sigtimedwait, &mine, NULL, &now, 8);
	}
	sys_release_signals(old);
}

static void say_list(const char *first, va_list more)
{
	char line[SAY_BYTES];
	struct text t;

	if (__atomic_load_n(&muted, __ATOMIC_RELAXED) || !may_write())
		return;
	text_start(&t, line, sizeof line - 1);
	text_add(&t, "dprof[");
	text_add_number(&t, (uint64_t)sys_call(SYS_getpid));
	text_add(&t, "]: ");
	for (const char *s = first; s != NULL; s = va_arg(more, const char *))
		text_add(&t, s);
	line[t.len++] = '\n';
	write_quietly(line, t.len);
}

void say(const char *first, ...)
{
	va_list more;

	va_start(more, first);
	say_list(first, more);
	va_end(more);
}

void say_later(const char *first, ...)
{
	struct note *note = &notes[note_next];
	struct text t;
	va_list more;

	/* acquire: its last reader is done with the text */
	if (__atomic_load_n(&note->state, __ATOMIC_ACQUIRE) != NOTE_EMPTY)
		return;
	text_start(&t, note->text, sizeof note->text);
	va_start(more, first);
	for (const char *s = first; s != NULL; s = va_arg(more, const char *))
		text_add(&t, s);
	va_end(more);
	note_next = (note_next + 1) % NOTES;
	__atomic_store_n(&note->state, NOTE_READY, __ATOMIC_RELEASE);
	__atomic_fetch_add(&notes_ready, 1, __ATOMIC_RELEASE);
}

void say_pending(void)
{
	if (__builtin_expect(__atomic_load_n(&notes_ready, __ATOMIC_RELAXED) == 0, 1))
		return;
	for (int i = 0; i < NOTES; i++) {
		uint32_t ready = NOTE_READY;

		if (!__atomic_compare_exchange_n(&notes[i].state, &ready, NOTE_TAKEN, false, __ATOMIC_ACQUIRE,
						 __ATOMIC_RELAXED))
			continue;
		__atomic_fetch_sub(&notes_ready, 1, __ATOMIC_RELAXED);
		SAY(notes[i].text);
		__atomic_store_n(&notes[i].state, NOTE_EMPTY, __ATOMIC_RELEASE);
	}
}

const char *say_error(int error)
{
	static const struct {
		int number;
		const char *words;
	} known[] = {
	    {EPERM, "Operation not permitted"},
	    {ENOENT, "No such file or directory"},
	    {EIO, "Input/output error"},
	    {EAGAIN, "Resource temporarily unavailable"},
	    {ENOMEM, "Cannot allocate memory"},
	    {EACCES, "Permission denied"},
	    {EEXIST, "File exists"},
	    {ENOTDIR, "Not a directory"},
	    {EMFILE, "Too many open files"},
	    {ENFILE, "Too many open files in system"},
	    {EFBIG, "File too large"},
	    {ENOSPC, "No space left on device"},
	    {EROFS, "Read-only file system"},
	    {EDQUOT, "Disk quota exceeded"},
	    {ENAMETOOLONG, "File name too long"},
	    {ENOSYS, "Function not implemented"},
	    {ELOOP, "Too many levels of symbolic links"},
	    {ESTALE, "Stale file handle"},
	    {EINVAL, "Invalid argument"},
	    {EBADMSG, "Bad message"},
	    {ETIMEDOUT, "Timed out"},
	};

	for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
		if (known[i].number == -error)
			return known[i].words;
	return "unexpected error";
}
