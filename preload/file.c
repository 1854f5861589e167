/* SPDX-License-Identifier: Apache-2.0 */
/*
 * file.c - the only file that writes dumps. Runs on the flusher and in salvage: raw system calls, which
 * nobody intercepts, on descriptors that the program cannot see.
 */
#include "preload/file.h"

#include <linux/falloc.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "preload/sys.h"
#include "preload/text.h"

#define FILE_NAME_TRIES	   100
#define FILE_RESERVE_BYTES 4096u /* more than the frames of anchors and end */

int file_make_dir(const char *dir)
{
	char part[FILE_PATH_BYTES];
	struct text t;
	long r = 0;

	text_start(&t, part, sizeof part);
	for (const char *s = dir; *s != '\0'; s++) {
		text_add_len(&t, s, 1);
		if (s == dir || (s[1] != '/' && s[1] != '\0'))
			continue;
		r = sys_call(SYS_mkdir, part, 0700);
	}
	/* above the last, whatever goes wrong shows there; EEXIST may be a file, which open will tell */
	return t.full ? -ENAMETOOLONG : r == -EEXIST ? 0 : (int)r;
}

/* A name's part: nothing in it that a shell, a URL or a directory would take for its own. */
static void add_word(struct text *t, const char *s)
{
	for (size_t n = 0; *s != '\0' && n < 64; s++, n++) {
		char c = *s;
		bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
			     c == '-' || c == '_' || c == '.';

		if (c == '.' && n == 0)
			plain = false;
		text_add_len(t, plain ? s : "_", 1);
	}
}

int file_create(struct dump_file *f, const char *dir, const struct dump_header *h)
{
	struct text t;

	f->bytes = 0;
	f->ending = false;
	for (uint64_t n = 0; n < FILE_NAME_TRIES; n++) {
		text_start(&t, f->path, sizeof f->path);
		text_add(&t, dir);
		text_add(&t, "/");
		add_word(&t, h->host);
		text_add(&t, ".");
		add_word(&t, h->program);
		text_add(&t, ".");
		text_add_number(&t, h->pid);
		text_add(&t, ".");
		text_add_number(&t, h->start_ns / 1000000);
		if (n > 0) {
			text_add(&t, ".");
			text_add_number(&t, n);
		}
		text_add(&t, ".zst");
		if (t.full)
			return -ENAMETOOLONG;
		f->fd = sys_open(f->path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
		if (f->fd != -EEXIST)
			break;
	}
	if (f->fd < 0)
		return f->fd;
	sys_call(SYS_fchmod, f->fd, 0600); /* the program's umask may have taken more */
	return 0;
}

/* Only a plain file of this user, under one name: whatever else lies there is none of ours. */
static int file_verify(int fd, uint32_t uid, struct stat *st)
{
	long r = sys_call(SYS_fstat, fd, st);

	if (r == 0 && (!S_ISREG(st->st_mode) || st->st_uid != uid || st->st_nlink != 1))
		r = -EPERM;
	return (int)r;
}

/* With root's rights on the way to it: the directory may be root's own. Looked at before it is opened. */
static int file_open_as_root(const char *path, uint32_t uid)
{
	int place = sys_open(path, O_PATH | O_NOFOLLOW, 0), fd;
	char link[64];
	struct stat st;
	struct text t;

	if (place < 0)
		return place;
	fd = file_verify(place, uid, &st);
	if (fd == 0) {
		text_start(&t, link, sizeof link);
		text_add(&t, "/proc/thread-self/fd/");
		text_add_number(&t, (uint64_t)place);
		fd = sys_open(link, O_RDWR, 0);
	}
	sys_close(place);
	return fd;
}

int file_reopen(struct dump_file *f, uint32_t uid, uint64_t bytes, bool root)
{
	struct stat st;
	long r;

	f->fd =
	    root ? file_open_as_root(f->path, uid) : sys_open(f->path, O_RDWR | O_NOFOLLOW | O_NONBLOCK, 0);
	if (f->fd < 0)
		return f->fd;
	r = file_verify(f->fd, uid, &st);
	if (r == 0 && (uint64_t)st.st_size > bytes)
		r = sys_call(SYS_ftruncate, f->fd, bytes);
	if (r < 0) {
		file_close(f);
		return (int)r;
	}
	f->bytes = (uint64_t)st.st_size < bytes ? (uint64_t)st.st_size : bytes;
	return 0;
}

/*
 * Room for a frame, and behind it for the last ones: how much was lost must find its place also where nothing
 * else does any more. -EOPNOTSUPP is not for us to mind.
 */
static int file_reserve(const struct dump_file *f, size_t bytes)
{
	uint64_t end = f->bytes + bytes + FILE_RESERVE_BYTES;
	struct rlimit limit;
	long r;

	if (f->ending)
		return 0;
	if (sys_call(SYS_prlimit64, 0, RLIMIT_FSIZE, NULL, &limit) == 0 && end > limit.rlim_cur)
		return -EFBIG;
	do
		r = sys_call(SYS_fallocate, f->fd, FALLOC_FL_KEEP_SIZE, f->bytes, end - f->bytes);
	while (r == -EINTR);
	return r == -ENOSPC || r == -EDQUOT ? (int)r : 0;
}

int file_append(struct dump_file *f, struct encoder *e)
{
	long n = encoder_frame(e);
	int r;

	if (n < 0)
		return (int)n;
	r = file_reserve(f, (size_t)n);
	if (r < 0)
		return r;
	r = sys_write_at(f->fd, e->frame, (size_t)n, f->bytes);
	if (r < 0) {
		sys_call(SYS_ftruncate, f->fd, f->bytes);
		return r;
	}
	f->bytes += (uint64_t)n;
	return 0;
}

void file_close(struct dump_file *f)
{
	if (f->fd >= 0) {
		if (f->ending)
			sys_call(SYS_ftruncate, f->fd, f->bytes); /* gives back what was reserved */
		sys_close(f->fd);
	}
	f->fd = -1;
}
