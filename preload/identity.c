/* SPDX-License-Identifier: Apache-2.0 */
/*
 * identity.c - reads /proc. Runs on the flusher and in salvage.
 */
#include "preload/identity.h"

#include "preload/config.h"
#include "preload/process.h"
#include "preload/real.h"
#include "preload/stamp.h"
#include "preload/sys.h"
#include "preload/text.h"

#define STAT_STATE	 3 /* fields of /proc/pid/stat, as in proc(5) */
#define STAT_NUM_THREADS 20
#define STAT_STARTTIME	 22
#define STAT_EXIT_CODE	 52

static void read_text(const char *path, char *to, size_t cap)
{
	int fd = sys_open(path, O_RDONLY, 0);
	long n = fd < 0 ? fd : sys_read_at(fd, to, cap - 1, 0);

	to[n > 0 ? n : 0] = '\0';
	if (fd >= 0)
		sys_close(fd);
}

/* The field of a stat line; "" if it is not there. The name in field 2 may hold anything, also blanks and
 * ')'. */
static const char *stat_field(const char *stat, int field)
{
	const char *at = "";

	for (const char *s = stat; *s != '\0'; s++)
		if (s[0] == ')' && s[1] == ' ')
			at = s + 2;
	for (int i = STAT_STATE; i < field; i++) {
		while (*at != '\0' && *at != ' ')
			at++;
		at += *at == ' ';
	}
	return at;
}

static uint64_t stat_number(const char *stat, int field)
{
	uint64_t v = text_number(stat_field(stat, field), NULL);

	return v == UINT64_MAX ? 0 : v;
}

static void read_stat(uint32_t of, char *to, size_t cap)
{
	char path[64];
	struct text t;

	text_start(&t, path, sizeof path);
	text_add(&t, "/proc/");
	if (of == 0)
		text_add(&t, "self");
	else
		text_add_number(&t, of);
	text_add(&t, "/stat");
	read_text(path, to, cap);
}

/* A process whose first thread has ended is a zombie only when no other thread is left. */
static bool stat_dead(const char *stat)
{
	char state = *stat_field(stat, STAT_STATE);

	return state == '\0' || state == 'X' || (state == 'Z' && stat_number(stat, STAT_NUM_THREADS) <= 1);
}

uint64_t identity_boot_start(uint32_t of)
{
	char stat[1024];

	read_stat(of, stat, sizeof stat);
	return stat_dead(stat) ? 0 : stat_number(stat, STAT_STARTTIME);
}

bool identity_alone(uint32_t *status)
{
	char stat[1024];

	read_stat(0, stat, sizeof stat);
	*status = (uint32_t)(stat_number(stat, STAT_EXIT_CODE) >> 8) & 0xff;
	return *stat_field(stat, STAT_STATE) == 'Z' && stat_number(stat, STAT_NUM_THREADS) == 2;
}

/* A line of /proc/pid/status: real, effective, saved. */
static bool status_ids(const char *status, const char *line, uint32_t ids[3])
{
	uint64_t v;

	for (; *status != '\0'; status++) {
		const char *at = text_after(status, line);

		if (at == NULL)
			continue;
		for (int i = 0; i < 3; i++) {
			v = text_number(at, &at);
			if (v > UINT32_MAX)
				return false;
			ids[i] = (uint32_t)v;
			at += *at == '\t';
		}
		return true;
	}
	return false;
}

bool identity_program_user(uint32_t *uid, uint32_t *gid)
{
	char status[2048];
	uint32_t uids[3], gids[3];

	read_text("/proc/self/status", status, sizeof status);
	if (!status_ids(status, "\nUid:\t", uids) || !status_ids(status, "\nGid:\t", gids))
		return false;
	*uid = uids[1];
	*gid = gids[1];
	return uids[0] != 0 && uids[1] != 0 && uids[2] != 0;
}

bool identity_is_filtered(void)
{
	char status[4096];

	read_text("/proc/thread-self/status", status, sizeof status);
	for (const char *s = status; *s != '\0'; s++)
		if (text_after(s, "\nSeccomp:\t0") != NULL)
			return false;
	return true;
}

static uint64_t read_netns(void)
{
	char link[64];
	long n = sys_call(SYS_readlink, "/proc/self/ns/net", link, sizeof link - 1);
	const char *inode;
	uint64_t v;

	link[n > 0 ? n : 0] = '\0';
	inode = text_after(link, "net:[");
	v = inode == NULL ? UINT64_MAX : text_number(inode, NULL);
	return v == UINT64_MAX ? 0 : v;
}

void identity_read(struct identity *id, struct dump_header *h)
{
	const struct config *config = config_get();

	read_text("/proc/sys/kernel/random/boot_id", id->boot_id, sizeof id->boot_id);
	for (char *s = id->boot_id; *s != '\0'; s++)
		if (*s == '\n')
			*s = '\0';
	id->uid = (uint32_t)sys_call(SYS_geteuid);
	id->boot_start = identity_boot_start(0);
	*h = (struct dump_header){
	    .host = config->host,
	    .boot_id = id->boot_id,
	    .service = config->service,
	    .program = config->program,
	    .exe = config->exe,
	    .version = DPROF_VERSION,
	    .stamp = stamp_name(),
	    .pid = process_pid(),
	    .ppid = (uint64_t)sys_call(SYS_getppid),
	    .uid = id->uid,
	    .netns = read_netns(),
	    .boot_start = id->boot_start,
	    .settings = config_settings(),
	    .calls = real_names,
	};
	stamp_anchor(&h->anchor);
	h->start_ns = h->anchor.real_ns;
}
