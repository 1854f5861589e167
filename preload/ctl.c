// SPDX-License-Identifier: Apache-2.0
/* ctl.c - see ctl.h. An ordinary program. */
#include "preload/ctl.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "preload/sys.h"

#define CTL_LOOK_NS 5000000 /* between two looks at the answer: nothing tells another process of it */

const char *ctl_state_name(enum ctl_state state)
{
	static const char *const names[] = {
	    [CTL_RECORDS] = "recording",      [CTL_BETWEEN] = "between windows",
	    [CTL_PAUSED] = "paused",	      [CTL_DEAD] = "dead",
	    [CTL_FOREIGN] = "not accessible", [CTL_UNKNOWN] = "of another version"};

	return names[state];
}

/* ---- who they are ---- */

static void copy_text(char *to, size_t size, struct slice text)
{
	size_t n = text.len < size - 1 ? text.len : size - 1;

	memcpy(to, text.bytes, n);
	to[n] = '\0';
	for (size_t i = 0; i < n; i++) /* it goes to a terminal */
		if ((unsigned char)to[i] < ' ' || to[i] == 127)
			to[i] = '?';
}

static void read_header(struct ctl_process *p, uint32_t bytes)
{
	static uint8_t packed[REGION_HEADER_BYTES];
	struct dump_header_read h;

	if (bytes > sizeof(packed) || sys_read_at(p->fd, packed, bytes, REGION_HEADER_AT) != (long)bytes ||
	    dump_read_header((struct slice){packed, bytes}, &h) < 0)
		return;
	copy_text(p->host, sizeof(p->host), h.host);
	copy_text(p->service, sizeof(p->service), h.service);
	copy_text(p->program, sizeof(p->program), h.program);
	p->start_ns = h.start_ns;
}

static int read_block(struct ctl_process *p)
{
	return sys_read_at(p->fd, &p->block, sizeof(p->block), REGION_CONTROL_AT) == sizeof(p->block)
		   ? 0
		   : -EBADMSG;
}

/* Its flusher holds a lock as long as it lives. */
static bool is_dead(int fd)
{
	if (flock(fd, LOCK_SH | LOCK_NB) < 0)
		return false;
	flock(fd, LOCK_UN);
	return true;
}

static void examine(struct ctl_process *p)
{
	static const enum ctl_state states[] = {
	    [CONTROL_OPEN] = CTL_RECORDS, [CONTROL_BETWEEN] = CTL_BETWEEN, [CONTROL_PAUSED] = CTL_PAUSED};
	struct region_head head;
	struct stat st;

	p->state = CTL_FOREIGN;
	p->fd = sys_open(p->region, O_RDWR | O_NOFOLLOW | O_NONBLOCK, 0);
	if (p->fd < 0)
		return;
	p->state = CTL_UNKNOWN;
	if (fstat(p->fd, &st) < 0 || !S_ISREG(st.st_mode) ||
	    sys_read_at(p->fd, &head, sizeof(head), 0) != sizeof(head) || head.magic != REGION_MAGIC ||
	    head.version != REGION_VERSION || read_block(p) < 0)
		return;
	p->uid = st.st_uid;
	p->state = is_dead(p->fd)					  ? CTL_DEAD
		   : p->block.flush_ms && p->block.state < CONTROL_STATES ? states[p->block.state]
									  : CTL_UNKNOWN;
	read_header(p, head.header_bytes);
	if (sys_read_at(p->fd, p->dump, sizeof(p->dump), REGION_PATH_AT) != sizeof(p->dump) ||
	    p->dump[sizeof(p->dump) - 1] != '\0')
		p->dump[0] = '\0';
	if (stat(p->dump, &st) == 0)
		p->size_bytes = (uint64_t)st.st_size;
}

static int compare(const void *left, const void *right)
{
	const struct ctl_process *a = left, *b = right;

	return a->pid != b->pid ? (a->pid > b->pid) - (a->pid < b->pid) : strcmp(a->region, b->region);
}

int ctl_scan(struct ctl_list *list)
{
	DIR *directory = opendir(REGION_DIR);
	struct dirent *entry;
	int err = 0;

	*list = (struct ctl_list){0};
	if (!directory)
		return -errno;
	while ((entry = readdir(directory)) != NULL && !err) {
		struct ctl_process *items, p = {.fd = -1};

		if (sscanf(entry->d_name, REGION_PREFIX "%" SCNu32 ".%" SCNu32 ".", &p.uid, &p.pid) != 2)
			continue;
		snprintf(p.region, sizeof(p.region), REGION_DIR "/%s", entry->d_name);
		items = realloc(list->items, (list->count + 1) * sizeof(*items));
		if (!items) {
			err = -ENOMEM;
			break;
		}
		examine(&p);
		list->items = items;
		list->items[list->count++] = p;
	}
	closedir(directory);
	if (list->count > 1)
		qsort(list->items, list->count, sizeof(*list->items), compare);
	return err;
}

void ctl_free(struct ctl_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		if (list->items[i].fd >= 0)
			close(list->items[i].fd);
	free(list->items);
	*list = (struct ctl_list){0};
}

/* ---- what they shall do ---- */

#define BLOCK_AT(field) (REGION_CONTROL_AT + offsetof(struct control_block, field))

int ctl_ask(struct ctl_process *p, enum control_command command, const struct window_plan *plan)
{
	struct flock lock = {
	    .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = REGION_CONTROL_AT, .l_len = 1};
	uint32_t word = command;
	int err;

	if (fcntl(p->fd, F_OFD_SETLK, &lock) < 0) /* until it is closed */
		return -EBUSY;
	err = read_block(p);
	if (!err && plan)
		err = sys_write_at(p->fd, plan, sizeof(*plan), BLOCK_AT(wish));
	if (!err)
		err = sys_write_at(p->fd, &word, sizeof(word), BLOCK_AT(command));
	p->asked = p->block.asked + 1;
	return err ? err : sys_write_at(p->fd, &p->asked, sizeof(p->asked), BLOCK_AT(asked));
}

int ctl_wait(struct ctl_process *p, uint64_t deadline_ns)
{
	struct timespec look = {0, CTL_LOOK_NS};

	while (read_block(p) == 0 && p->block.answered != p->asked) {
		if (is_dead(p->fd) || access(p->region, F_OK) < 0)
			return -ESRCH;
		if (sys_clock_ns(CLOCK_MONOTONIC) >= deadline_ns)
			return -ETIMEDOUT;
		nanosleep(&look, NULL);
	}
	return p->block.answered == p->asked ? 0 : -EBADMSG;
}

/* ---- plans ---- */

static void print_time(char *text, size_t size, uint64_t ns)
{
	uint64_t ms = ns / 1000000;

	if (ms % 1000)
		snprintf(text, size, "%" PRIu64 "ms", ms);
	else if (ms % 60000 || !ms)
		snprintf(text, size, "%" PRIu64 "s", ms / 1000);
	else
		snprintf(text, size, "%" PRIu64 "m", ms / 60000);
}

void ctl_print_plan(const struct window_plan *plan, char *text, size_t size)
{
	char window[32], period[32], margin[32];

	if (!plan->period_ns) {
		snprintf(text, size, "off");
		return;
	}
	print_time(window, sizeof(window), plan->window_ns);
	print_time(period, sizeof(period), plan->period_ns);
	print_time(margin, sizeof(margin), plan->margin_ns);
	snprintf(text, size, "%s/%s,seed=%" PRIu64 ",margin=%s", window, period, plan->seed, margin);
}
