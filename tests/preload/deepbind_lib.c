// SPDX-License-Identifier: Apache-2.0
/* For deepbind.c. */
#include <sys/socket.h>

ssize_t deepbind_send(int fd, const void *bytes, size_t len);

ssize_t deepbind_send(int fd, const void *bytes, size_t len)
{
	return send(fd, bytes, len, 0);
}
