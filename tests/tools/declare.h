/* SPDX-License-Identifier: Apache-2.0 */
/* declare.h - the declarations of a scenario: process, thread, conn. For mkdump.c only. */
#ifndef TESTS_TOOLS_DECLARE_H
#define TESTS_TOOLS_DECLARE_H

#include "tests/tools/kernel_clock.h"

static void declare_process(const struct word *w, unsigned int n)
{
	struct process p = {.name = strdup(n > 1 ? w[1].name : "")};
	const char *format = text_of(w, n, "format", "1.0"), *end = text_of(w, n, "end", "exit"), *rest;
	uint64_t order = processes.count + 1;

	p.tsc = !strcmp(text_of(w, n, "stamp", "raw"), "tsc");
	p.header = (struct dump_header){
	    .host = text_of(w, n, "host", p.name),
	    .boot_id = text_of(w, n, "boot", "boot-1"),
	    .program = text_of(w, n, "program", p.name),
	    .version = "0.1.0",
	    .stamp = text_of(w, n, "stamp", "raw"),
	    .pid = number_of(w, n, "pid", 100 * order),
	    .ppid = number_of(w, n, "ppid", 1),
	    .uid = number_of(w, n, "uid", 1000),
	    .netns = number_of(w, n, "netns", 4026531840),
	    .start_ns = EPOCH_NS + time_in(text_of(w, n, "start", "0"), &rest),
	    .boot_start = number_of(w, n, "boot_start", 100000 + order),
	};
	p.header.service = text_of(w, n, "service", p.header.program);
	p.header.exe = text_of(w, n, "exe", "/usr/bin/program");
	if (find(w, n, "window"))
		must(window_parse(text_of(w, n, "window", ""), &p.plan));
	p.paused = find(w, n, "paused") != NULL;
	declare_clock(&p, w, n);
	p.block_records = number_of(w, n, "block", DUMP_BLOCK_RECORDS);
	p.head_bytes = number_of(w, n, "head", 256);
	p.major = number_in(strtok(strdup(format), "."));
	p.minor = strchr(format, '.') ? number_in(strchr(format, '.') + 1) : 0;
	p.no_end = !strcmp(end, "none");
	p.end = (struct dump_end){.reason = end,
				  .dropped = number_of(w, n, "dropped", 0),
				  .untraced_threads = number_of(w, n, "untraced_threads", 0),
				  .untraced_conns = number_of(w, n, "untraced_conns", 0),
				  .io_uring = number_of(w, n, "io_uring", 0)};
	for (unsigned int i = 2; i < n; i++) {
		if (w[i].name && !strncmp(w[i].name, "DPROF_", 6) && w[i].value)
			must(!vec_push(&p.settings, strdup(w[i].name)) &&
			     !vec_push(&p.settings, strdup(w[i].value)));
	}
	must(!vec_push(&processes, p));
}

/* window PROCESS from=T to=T [why=plan]: of the process's plan, if it has one. */
static void declare_window(const struct word *w, unsigned int n)
{
	struct process *p = n > 1 && w[1].name ? process_named(w[1].name, strlen(w[1].name)) : NULL;
	const char *rest;
	struct opening o;

	if (!p)
		fail("window PROCESS");
	o = (struct opening){.from_ns = time_in(text_of(w, n, "from", "0"), &rest),
			     .to_ns = time_in(text_of(w, n, "to", "0"), &rest)};
	o.window = (struct dump_window){.number = p->windows.count + 1, .plan = p->plan};
	o.window.why = text_of(w, n, "why", o.to_ns ? "plan" : "");
	must(!vec_push(&p->windows, o));
}

static void declare_thread(const struct word *w, unsigned int n)
{
	const char *dot = n > 1 && w[1].name ? strchr(w[1].name, '.') : NULL;
	struct process *p = dot ? process_named(w[1].name, (size_t)(dot - w[1].name)) : NULL;
	const struct word *title = find(w, n, "name");
	struct thread *t;

	if (!p)
		fail("thread PROCESS.NAME");
	t = thread_named(p, dot + 1);
	if (title && title->value) {
		t->title = memcpy(malloc(title->len + 1), title->value, title->len);
		t->title_len = title->len;
	}
	t->tid = (uint32_t)number_of(w, n, "tid", t->tid);
	t->parent = (uint32_t)number_of(w, n, "parent", 0);
	t->begun = find(w, n, "nostart") != NULL;
	for (unsigned int i = 2; i < n; i++) {
		if (w[i].name && !strcmp(w[i].name, "lose_block"))
			must(!vec_push(&t->lost_blocks, (uint32_t)number_in(w[i].value)));
	}
}

/* PROCESS:ADDRESS:PORT, ?:[IPV6]:PORT, or PROCESS alone for a unix socket. */
static struct side parse_side(const char *text)
{
	struct side s = {.process = strdup(text), .family = ENDPOINT_UNIX};
	char *addr = strchr(s.process, ':'), *port = strrchr(s.process, ':');

	if (!addr)
		return s;
	if (port == addr)
		fail("not PROCESS:ADDRESS:PORT: %s", text);
	*addr++ = 0;
	*port++ = 0;
	if (*addr == '[' && addr[strlen(addr) - 1] == ']') {
		addr[strlen(addr) - 1] = 0;
		addr++;
	}
	s.port = (uint16_t)number_in(port);
	s.family = strchr(addr, ':') ? ENDPOINT_IPV6 : ENDPOINT_IPV4;
	if (inet_pton(s.family == ENDPOINT_IPV6 ? AF_INET6 : AF_INET, addr, s.addr) != 1)
		fail("not an address: %s", addr);
	return s;
}

static void declare_conn(const struct word *w, unsigned int n)
{
	const struct word *path = find(w, n, "unix");
	struct conn c = {0};

	if (n < 5 || strcmp(w[3].name, ">"))
		fail("conn NAME CLIENT > SERVER");
	c.name = strdup(w[1].name);
	c.sides[0] = parse_side(w[2].name);
	c.sides[1] = parse_side(w[4].name);
	if (path && path->value)
		c.path = memcpy(malloc(path->len + 1), path->value, c.path_len = path->len);
	c.taken[0] = c.base[0] = number_of(w, n, "client_sent", 0);
	c.taken[1] = c.base[1] = number_of(w, n, "server_sent", 0);
	must(!vec_push(&conns, c));
}

/* Flags of record.def by their names, with commas between. */
static uint16_t flags_in(const char *list)
{
	uint16_t flags = 0;
	char *copy = strdup(list);

	for (char *name = strtok(copy, ","); name; name = strtok(NULL, ",")) {
		unsigned int bit = 0;

		while (bit < 16 && (!record_flag_name(bit) || strcmp(record_flag_name(bit), name)))
			bit++;
		if (bit == 16)
			fail("no such flag: %s", name);
		flags |= (uint16_t)(1u << bit);
	}
	free(copy);
	return flags;
}

#endif
