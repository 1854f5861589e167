// SPDX-License-Identifier: Apache-2.0
/* Births and deaths of threads: returned, left by pthread_exit, detached; one that uses a socket in its last
 * breath. */
#include "expect.h"

static int fd[2];
static pthread_key_t last_words;

static void say_last(void *word)
{
	must("write", write(fd[0], word, 1) == 1);
}

static void *returns(void *name)
{
	must("write", write(fd[0], name, 1) == 1);
	expect(name, "start tid=%d parent=1", gettid());
	expect(name, "out conn=c len=1");
	pthread_setspecific(last_words, name);
	expect(name, "out conn=c len=1");
	expect(name, "end tid=%d", gettid());
	return NULL;
}

static void *leaves(void *name)
{
	must("write", write(fd[0], name, 1) == 1);
	expect(name, "start tid=%d parent=1", gettid());
	expect(name, "out conn=c len=1");
	expect(name, "end tid=%d", gettid());
	pthread_exit(NULL);
}

static void *silent(void *name)
{
	return name;
}

int main(void)
{
	void *(*const runs[])(void *) = {returns, leaves, silent};
	char *names[] = {"r", "l", "s"}, buf[8];

	must("key", pthread_key_create(&last_words, say_last) == 0);
	expect("main", "start tid=%d parent=0", getpid());
	tcp_pair(fd);
	for (int i = 0; i < 3; i++) {
		pthread_t thread;
		void *got = NULL;

		must("create", pthread_create(&thread, NULL, runs[i], names[i]) == 0);
		must("join", pthread_join(thread, &got) == 0);
		printf("%s\n", (char *)got ? (char *)got : "none");
	}
	said("read", recv(fd[1], buf, 3, MSG_WAITALL));
	expect("main", "in conn=s off=0 len=3 flags=burst head=rrl");
	expect("main", "close conn=c flags=exit out_seen=3 out_kernel=3");
	expect("main", "close conn=s flags=exit in_seen=3 in_kernel=3");
	expect("main", "end tid=%d", getpid());
	return 0;
}
