/* SPDX-License-Identifier: Apache-2.0 */
/*
 * load.c - files to a store: which files are read, and what of them belongs together. Analyzer, one thread.
 *
 * Invariant: whatever a file holds, the others are read; what could not be read is one line and a number.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "analyzer/err.h"
#include "analyzer/loader.h"

#define SHORT_BOOT 8 /* characters of a boot id that people need to see */

int load_note(struct loader *l, const char *path, const char *format, ...)
{
	struct store *s = l->store;
	struct store_note *notes = realloc(s->notes, (s->note_count + 1) * sizeof(*notes));
	va_list arguments;
	char *text = NULL, *path_copy;

	if (!notes)
		return -ENOMEM;
	s->notes = notes;
	path_copy = strdup(path);
	va_start(arguments, format);
	if (vasprintf(&text, format, arguments) < 0)
		text = NULL;
	va_end(arguments);
	if (!path_copy || !text) {
		free(path_copy);
		free(text);
		return -ENOMEM;
	}
	notes[s->note_count++] = (struct store_note){path_copy, text};
	err_note(path, "%s", text);
	return 0;
}

/* The same for a file that gives nothing. */
#define skip_file(l, path, ...) ((l)->store->files_skipped++, load_note(l, path, __VA_ARGS__))

/* ---- which files ---- */

static bool ends_in_zst(const char *name)
{
	size_t len = strlen(name);

	return *name != '.' && len > 4 && !strcmp(name + len - 4, ".zst");
}

static int list_input(struct loader *l, const char *path);

/* The dumps of a directory. */
static int list_directory(struct loader *l, const char *path)
{
	DIR *directory = opendir(path);
	size_t before = l->paths.count;
	struct dirent *entry;
	int err = 0;

	if (!directory)
		return skip_file(l, path, "%s: not read", strerror(errno));
	while (!err && (entry = readdir(directory)) != NULL) {
		char *name = NULL;

		if (!ends_in_zst(entry->d_name))
			continue;
		if (asprintf(&name, "%s%s%s", path, path[strlen(path) - 1] == '/' ? "" : "/", entry->d_name) <
		    0)
			name = NULL;
		err = name ? list_input(l, name) : -ENOMEM;
		free(name);
	}
	closedir(directory);
	if (!err && l->paths.count == before)
		err = skip_file(l, path, "no dumps (*.zst) in this directory: nothing read");
	return err;
}

static int list_input(struct loader *l, const char *path)
{
	struct stat s;
	char *copy;
	int err;

	if (!stat(path, &s) && S_ISDIR(s.st_mode))
		return list_directory(l, path);
	copy = strdup(path);
	err = copy ? vec_push(&l->paths, copy) : -ENOMEM;
	if (err)
		free(copy);
	return err;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* By name first: the same dumps in any order, in one directory or in one per host, give the same result. */
static int compare_paths(const void *a, const void *b)
{
	const char *x = *(char *const *)a, *y = *(char *const *)b;
	int order = strcmp(base_name(x), base_name(y));

	return order ? order : strcmp(x, y);
}

static const char *kind_of_file(mode_t mode)
{
	return S_ISFIFO(mode)	? "a FIFO"
	       : S_ISSOCK(mode) ? "a socket"
	       : S_ISCHR(mode)	? "a character device"
	       : S_ISBLK(mode)	? "a block device"
				: "not a file";
}

static bool was_given(const struct loader *l, const struct stat *s)
{
	for (size_t i = 0; i < l->inputs.count; i++) {
		if (l->inputs.items[i].device == s->st_dev && l->inputs.items[i].inode == s->st_ino)
			return true;
	}
	return false;
}

static int open_file(struct loader *l, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat s;
	char *copy;
	int err;

	if (fd < 0 || fstat(fd, &s) || !S_ISREG(s.st_mode)) {
		err = skip_file(l, path, "%s: not read", fd < 0 ? strerror(errno) : "not a file any more");
		if (fd >= 0)
			close(fd);
		return err;
	}
	copy = strdup(path);
	err = copy ? vec_push(&l->inputs, (struct input){copy, s.st_dev, s.st_ino}) : -ENOMEM;
	if (!err && !s.st_size)
		err = skip_file(l, path, "empty: not read");
	else if (!err)
		err = intake_file(l, (uint32_t)l->inputs.count - 1, fd, (uint64_t)s.st_size);
	else
		free(copy);
	close(fd);
	return err;
}

/* Looks before it opens: a FIFO would wait, a device may do anything. */
static int open_input(struct loader *l, const char *path)
{
	struct stat s;

	if (stat(path, &s))
		return skip_file(l, path, "%s: not read", strerror(errno));
	if (!S_ISREG(s.st_mode))
		return skip_file(l, path, "%s, not a dump: not read", kind_of_file(s.st_mode));
	if (was_given(l, &s)) {
		l->store->copies++;
		return load_note(l, path, "given twice: read once");
	}
	return open_file(l, path);
}

/* ---- putting the store together ---- */

/* Order of the processes in the store: host name, clock, program, pid, start. */
static int compare_drafts(const void *a, const void *b, void *from)
{
	const struct loader *l = from;
	const struct draft *x = &l->drafts.items[*(const uint32_t *)a],
			   *y = &l->drafts.items[*(const uint32_t *)b];
	int order = strcmp(x->host, y->host);

	if (!order)
		order = strcmp(l->store->clocks[x->clock].boot_id, l->store->clocks[y->clock].boot_id);
	if (!order)
		order = strcmp(x->process.program, y->process.program);
	if (!order)
		order = vec_compare(x->process.pid, y->process.pid);
	if (!order)
		order = vec_compare(x->process.start_ns, y->process.start_ns);
	return order;
}

/* The host of a draft, entered if new: a name on a kernel. Drafts come in order of host name. */
static int find_host(struct store *s, const struct draft *d, uint32_t *host)
{
	char *name;

	for (uint32_t i = s->host_count; i-- && !strcmp(s->hosts[i].name, d->host);) {
		if (s->hosts[i].clock == d->clock) {
			*host = i;
			return 0;
		}
	}
	name = strdup(d->host);
	if (!name)
		return -ENOMEM;
	*host = s->host_count;
	s->hosts[s->host_count++] = (struct store_host){name, d->clock};
	return 0;
}

/* What tells clocks of one boot id apart: "#2", or "". */
static const char *boot_part(const char *boot_id)
{
	const char *part = strrchr(boot_id, '#');

	return part ? part : boot_id + strlen(boot_id);
}

/* How much of the boot ids of hosts [first, end) tells them apart: eight characters, or as many more as it
 * takes. */
static int short_boot(const struct store *s, uint32_t first, uint32_t end)
{
	size_t len = SHORT_BOOT;

	for (uint32_t i = first + 1; i < end; i++) {
		const char *a = s->clocks[s->hosts[i - 1].clock].boot_id, *a_end = boot_part(a);
		const char *b = s->clocks[s->hosts[i].clock].boot_id, *b_end = boot_part(b);
		size_t same = 0;

		while (a + same < a_end && b + same < b_end && a[same] == b[same])
			same++;
		if (same >= len && (a + same < a_end || b + same < b_end))
			len = same + 1;
	}
	return len < INT16_MAX ? (int)len : INT16_MAX;
}

/* Hosts of one name are told apart by their boots, wherever they are named: NAME@BOOT. */
static int name_apart(struct loader *l, uint32_t first, uint32_t end)
{
	struct store *s = l->store;
	int len = short_boot(s, first, end), err;
	char where[300];

	snprintf(where, sizeof(where), "host %.250s", s->hosts[first].name);
	err = load_note(l, where, "%u machines, or boots of one, have this name: shown with their boot ids",
			end - first);
	for (uint32_t i = first; i < end && !err; i++) {
		const char *boot_id = s->clocks[s->hosts[i].clock].boot_id, *part = boot_part(boot_id);
		int most = part - boot_id < len ? (int)(part - boot_id) : len;
		char *name;

		if (asprintf(&name, "%s@%.*s%s", s->hosts[i].name, most, boot_id, part) < 0)
			return -ENOMEM;
		free(s->hosts[i].name);
		s->hosts[i].name = name;
	}
	return err;
}

/* Hosts are in order of their names. */
static int name_hosts(struct loader *l)
{
	const struct store *s = l->store;
	int err = 0;

	for (uint32_t first = 0, end; first < s->host_count && !err; first = end) {
		for (end = first + 1; end < s->host_count; end++)
			if (strcmp(s->hosts[first].name, s->hosts[end].name))
				break;
		if (end - first > 1)
			err = name_apart(l, first, end);
	}
	return err;
}

static int build_process(struct loader *l, struct draft *d, uint64_t *accepted)
{
	struct store *s = l->store;
	struct store_process *p = &s->processes[s->process_count];
	const struct draft_clock readings = d->readings;
	uint32_t host = 0, clock = d->clock;
	int err = find_host(s, d, &host);

	if (err)
		return err;
	err = draft_finish(d, &l->boots.items[clock].clock, l->keep_stamps, accepted, s, p);
	p->host = host;
	p->clock = clock;
	s->process_count++;
	return err ? err : clocks_tell_process(l, &readings, p);
}

/* Processes in their order; process_of[draft] is filled in. */
static int build_processes(struct loader *l, uint64_t *accepted, uint32_t *process_of)
{
	struct store *s = l->store;
	size_t n = l->drafts.count;
	uint32_t *order = calloc(n + 1, sizeof(*order));
	int err = 0;

	s->processes = calloc(n + 1, sizeof(*s->processes));
	s->hosts = calloc(n + 1, sizeof(*s->hosts));
	if (!order || !s->processes || !s->hosts) {
		free(order);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < n; i++)
		order[i] = i;
	if (n)
		qsort_r(order, n, sizeof(*order), compare_drafts, l);
	for (size_t i = 0; !err && i < n; i++) {
		process_of[order[i]] = s->process_count;
		err = build_process(l, &l->drafts.items[order[i]], accepted);
	}
	free(order);
	return err;
}

/* Says which dumps hold what others hold. */
static int report_copies(struct loader *l, const uint64_t *accepted, const uint32_t *process_of)
{
	int err = 0;

	for (size_t i = 0; !err && i < l->parts.count; i++) {
		const struct part *p = &l->parts.items[i];
		const char *path = l->inputs.items[p->input].path;
		const char *other = l->store->processes[process_of[p->draft]].path;

		if (accepted[i] >= p->records)
			continue;
		if (!accepted[i]) {
			l->store->copies++;
			err = load_note(l, path, "the same records as in %s: counted once",
					strcmp(path, other) ? other : "an earlier part of this file");
		} else {
			err = load_note(l, path, "%llu of its %llu records are in %s too: counted once",
					(unsigned long long)(p->records - accepted[i]),
					(unsigned long long)p->records, other);
		}
	}
	return err;
}

static int build_store(struct loader *l)
{
	uint64_t *accepted = calloc(l->parts.count + 1, sizeof(*accepted));
	uint32_t *process_of = calloc(l->drafts.count + 1, sizeof(*process_of));
	int err = accepted && process_of ? clocks_build(l) : -ENOMEM;

	if (!err)
		err = build_processes(l, accepted, process_of);
	if (!err)
		err = name_hosts(l);
	if (!err)
		err = clocks_tell(l);
	if (!err)
		err = report_copies(l, accepted, process_of);
	free(accepted);
	free(process_of);
	return err;
}

static void free_loader(struct loader *l)
{
	for (size_t i = 0; i < l->paths.count; i++)
		free(l->paths.items[i]);
	for (size_t i = 0; i < l->inputs.count; i++)
		free(l->inputs.items[i].path);
	for (size_t i = 0; i < l->drafts.count; i++)
		draft_free(&l->drafts.items[i]);
	for (size_t i = 0; i < l->boots.count; i++) {
		free(l->boots.items[i].id);
		clock_free(&l->boots.items[i].clock);
	}
	vec_free(&l->paths);
	vec_free(&l->inputs);
	vec_free(&l->parts);
	vec_free(&l->drafts);
	vec_free(&l->boots);
	hash_free(&l->drafts_by_name);
}

static int load(struct store *s, char *const *paths, size_t n, bool keep_stamps)
{
	struct loader l = {.store = s, .keep_stamps = keep_stamps};
	int err = 0;

	*s = (struct store){0};
	for (size_t i = 0; !err && i < n; i++)
		err = list_input(&l, paths[i]);
	vec_sort(&l.paths, compare_paths);
	for (size_t i = 0; !err && i < l.paths.count; i++)
		err = open_input(&l, l.paths.items[i]);
	if (!err)
		err = build_store(&l);
	free_loader(&l);
	return err ? err : s->process_count ? 0 : -ENODATA;
}

int store_load(struct store *s, char *const *paths, size_t n)
{
	return load(s, paths, n, false);
}

int store_load_stamps(struct store *s, char *const *paths, size_t n)
{
	return load(s, paths, n, true);
}
