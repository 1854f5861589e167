// SPDX-License-Identifier: Apache-2.0
/*
 * A library opened with RTLD_DEEPBIND, as PHP opens its extensions, is seen; it is found by the RUNPATH of
 * its opener, which libc knows by the address that dlopen returns to.
 * lib: deepbind_lib.c
 * build: -Wl,--as-needed
 */
#include <dlfcn.h>

#include "expect.h"

int main(void)
{
	ssize_t (*send_it)(int, const void *, size_t);
	char buf[8];
	void *lib;
	int fd[2];

	tcp_pair(fd);
	must("is not there", dlopen("deepbind_lib.so", RTLD_NOLOAD | RTLD_LAZY) == NULL);
	lib = dlopen("deepbind_lib.so", RTLD_LAZY | RTLD_DEEPBIND);
	must("is found", lib != NULL);
	send_it = (ssize_t(*)(int, const void *, size_t))dlsym(lib, "deepbind_send");
	must("has it", send_it != NULL);
	said("send", send_it(fd[0], "deep", 4));
	expect("main", "out conn=c call=send off=0 len=4 head=deep");
	said("read", read(fd[1], buf, sizeof buf));
	expect("main", "in conn=s call=read off=0 len=4 head=deep");
	must("is open", dlclose(lib) == 0);
	said("no such library", dlopen("no-such.so", RTLD_NOW | RTLD_DEEPBIND) == NULL);
	puts(dlerror());
	said("bad flags", dlopen("libm.so.6", 0) == NULL);
	expect("main", "close conn=c flags=exit");
	expect("main", "close conn=s flags=exit");
	return 0;
}
