// SPDX-License-Identifier: Apache-2.0
/* stdio over a socket reads and writes inside libc: what passed us by is a number in the close record. */
#include "expect.h"

int main(void)
{
	char line[32];
	FILE *out, *in;
	int fd[2];

	tcp_pair(fd);
	out = fdopen(fd[0], "w");
	expect("main", "open conn=c call=fdopen fd=%d flags=seen,partial", fd[0]);
	in = fdopen(fd[1], "r");
	expect("main", "open conn=s call=fdopen fd=%d flags=seen,partial", fd[1]);
	said("fprintf", fprintf(out, "a line\n"));
	said("fflush", fflush(out));
	printf("%s", fgets(line, sizeof line, in));
	said("write", write(fd[0], "direct\n", 7));
	expect("main", "out conn=c off=0 len=7 flags=burst head=direct_");
	said("fputs", fputs("left in the buffer\n", out));
	said("fclose", fclose(out));
	expect("main", "close conn=c call=fclose out_seen=7 out_kernel=33");
	printf("%s", fgets(line, sizeof line, in));
	printf("%s", fgets(line, sizeof line, in));
	said("fclose", fclose(in));
	expect("main", "close conn=s call=fclose in_seen=0 in_kernel=33");
	return 0;
}
