// SPDX-License-Identifier: Apache-2.0
/* A library whose constructor runs before ours and whose destructor runs after main: it uses sockets in both.
 */
#include <sys/socket.h>
#include <unistd.h>

int early_pair[2];

__attribute__((constructor)) static void early_start(void)
{
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, early_pair) != 0 || write(early_pair[0], "early", 5) != 5)
		_exit(98);
}

__attribute__((destructor)) static void late_end(void)
{
	if (write(early_pair[0], "late", 4) != 4)
		_exit(97);
}
