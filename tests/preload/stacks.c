// SPDX-License-Identifier: Apache-2.0
/*
 * Calls on stacks of the program's own: how much of them the library needs, on the smallest thread stack, on
 * an alternate stack for signals, and on a stack that is left for good in the middle of a call. COVERAGE
 * traps 17, 18.
 */
#include <limits.h>
#include <setjmp.h>
#include <ucontext.h>

#include "expect.h"

#define STACK_BYTES 65536
#define PAINT	    0x5a
#define HOT_MOST    2048 /* once the connection and the thread are known */
#define COLD_MOST   8192 /* the first call of a process: settings, region, connection */

static unsigned char stack[STACK_BYTES] __attribute__((aligned(4096)));
static ucontext_t home, there;
static int fd[2];
static sigjmp_buf back;

static void write_one(void)
{
	must("write", write(fd[0], "x", 1) == 1);
}

static void read_one(void)
{
	char byte;

	must("read", read(fd[1], &byte, 1) == 1);
}

/* How deep into the stack a call goes. */
static long depth(void (*call)(void))
{
	long untouched = 0;

	memset(stack, PAINT, sizeof stack);
	getcontext(&there);
	there.uc_stack.ss_sp = stack;
	there.uc_stack.ss_size = sizeof stack;
	there.uc_link = &home;
	makecontext(&there, call, 0);
	swapcontext(&home, &there);
	while (untouched < STACK_BYTES && stack[untouched] == PAINT)
		untouched++;
	return STACK_BYTES - untouched;
}

static void check_depth(const char *what, void (*call)(void), long most)
{
	long bytes = depth(call);

	if (getenv("STACKS") != NULL)
		fprintf(stderr, "%s: %ld\n", what, bytes);
	printf("%s: %s\n", what, bytes <= most ? "fits" : "too much");
}

static void *tiny(void *unused)
{
	write_one();
	read_one();
	return unused;
}

static void tiny_thread(void)
{
	pthread_attr_t attr;
	pthread_t thread;

	pthread_attr_init(&attr);
	must("size", pthread_attr_setstacksize(&attr, PTHREAD_STACK_MIN) == 0);
	must("thread", pthread_create(&thread, &attr, tiny, NULL) == 0 && pthread_join(thread, NULL) == 0);
}

static void on_signal(int number)
{
	(void)number;
	write_one();
	read_one();
}

/* The smallest stack that the system promises for a handler, and room for what it calls. */
static void small_handler(void)
{
	stack_t small = {.ss_sp = stack, .ss_size = (size_t)sysconf(_SC_MINSIGSTKSZ) + HOT_MOST};
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_ONSTACK};

	must("stack", sigaltstack(&small, NULL) == 0 && sigaction(SIGUSR1, &action, NULL) == 0);
	memset(stack + small.ss_size, PAINT, 4096);
	must("signal", raise(SIGUSR1) == 0);
	small.ss_flags = SS_DISABLE;
	must("no stack", sigaltstack(&small, NULL) == 0);
}

static void leave(int number)
{
	(void)number;
	siglongjmp(back, 1);
}

static void *interrupt(void *main_thread)
{
	until_blocked(getpid(), SYS_read);
	pthread_kill(*(pthread_t *)main_thread, SIGUSR2);
	return NULL;
}

/* A handler leaves a read that waits, and with it our frames. */
static void leave_read(void)
{
	pthread_t thread, self = pthread_self();
	char byte;

	signal(SIGUSR2, leave);
	if (sigsetjmp(back, 1) == 0) {
		must("thread", pthread_create(&thread, NULL, interrupt, &self) == 0);
		said("never", read(fd[1], &byte, 1));
	}
	must("join", pthread_join(thread, NULL) == 0);
	write_one();
	read_one();
}

int main(void)
{
	must("pair", socketpair(AF_UNIX, SOCK_STREAM, 0, fd) == 0);
	expect("main", "open conn=a flags=seen");
	check_depth("first write", write_one, COLD_MOST);
	expect("main", "out conn=a off=0 len=1");
	check_depth("first read", read_one, COLD_MOST);
	expect("main", "open conn=b flags=seen");
	expect("main", "in conn=b off=0 len=1");
	check_depth("write", write_one, HOT_MOST);
	expect("main", "out conn=a off=1 len=1");
	check_depth("read", read_one, HOT_MOST);
	expect("main", "in conn=b off=1 len=1");
	tiny_thread();
	expect("tiny", "out conn=a off=2 len=1");
	expect("tiny", "in conn=b off=2 len=1");
	small_handler();
	expect("main", "out conn=a off=3 len=1");
	expect("main", "in conn=b off=3 len=1");
	leave_read();
	expect("main", "out conn=a off=4 len=1");
	expect("main", "in conn=b off=4 len=1");
	expect("main", "close conn=a flags=exit out_seen=5");
	expect("main", "close conn=b flags=exit in_seen=5");
	puts("done");
	return 0;
}
