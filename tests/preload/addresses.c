// SPDX-License-Identifier: Apache-2.0
/* Endpoints: IPv6, IPv4 mapped into it, an address that means this host, unix paths plain and abstract.
 * kinds: open
 */
#include <stddef.h>

#include "expect.h"

static void name_of(int fd, bool peer, char text[80])
{
	struct sockaddr_in6 a;
	char addr[64];
	socklen_t len = sizeof a;
	const char *plain;

	must("name", (peer ? getpeername : getsockname)(fd, (struct sockaddr *)&a, &len) == 0);
	must("text", inet_ntop(AF_INET6, &a.sin6_addr, addr, sizeof addr) != NULL);
	plain = strncmp(addr, "::ffff:", 7) == 0 ? addr + 7 : addr;
	snprintf(text, 80, "%s:%d", plain, ntohs(a.sin6_port));
}

static void internet(const struct in6_addr *to, int family)
{
	struct sockaddr_in6 at = {.sin6_family = AF_INET6};
	int listener = socket(AF_INET6, SOCK_STREAM, 0), client = socket(AF_INET6, SOCK_STREAM, 0);
	socklen_t len = sizeof at;
	char local[80], remote[80];

	must("listen", bind(listener, (struct sockaddr *)&at, sizeof at) == 0 && listen(listener, 1) == 0 &&
			   getsockname(listener, (struct sockaddr *)&at, &len) == 0);
	at.sin6_addr = *to;
	must("connect", connect(client, (struct sockaddr *)&at, sizeof at) == 0);
	must("accept", accept(listener, (struct sockaddr *)&at, &len) >= 0);
	printf("accepted from family %d, %d bytes\n", at.sin6_family, len);
	name_of(client, false, local);
	name_of(client, true, remote);
	expect("main", "open conn=c%d family=%d local=%s remote=%s", client, family, local, remote);
	expect("main", "open conn=s%d family=%d local=%s remote=%s", client, family, remote, local);
	close(listener);
}

static void local(const char *path, size_t len)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int listener = socket(AF_UNIX, SOCK_STREAM, 0), client = socket(AF_UNIX, SOCK_STREAM, 0);
	socklen_t bytes = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);

	memcpy(at.sun_path, path, len);
	must("listen", bind(listener, (struct sockaddr *)&at, bytes) == 0 && listen(listener, 1) == 0);
	must("connect", connect(client, (struct sockaddr *)&at, bytes) == 0);
	expect("main", "open conn=c%d family=1 path=%s%s", client, path[0] ? "" : "@",
	       path[0] ? path : path + 1);
	must("accept", accept(listener, NULL, NULL) >= 0);
	expect("main", "open conn=s%d family=1 path=%s%s", client, path[0] ? "" : "@",
	       path[0] ? path : path + 1);
}

int main(void)
{
	struct in6_addr mapped;

	must("address", inet_pton(AF_INET6, "::ffff:127.0.0.1", &mapped) == 1);
	internet(&in6addr_loopback, 6);
	internet(&mapped, 4);
	internet(&in6addr_any, 6);
	local("plain.socket", sizeof "plain.socket");
	local("\0abstract.dprof.test", sizeof "\0abstract.dprof.test" - 1);
	_Exit(0);
}
