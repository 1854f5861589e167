// SPDX-License-Identifier: Apache-2.0
/* Calls before our constructor and after our destructor.
 * lib: early_lib.c
 */
#include "expect.h"

extern int early_pair[2];

int main(void)
{
	char buf[8];

	said("read", read(early_pair[1], buf, sizeof buf));
	expect("main", "open conn=p flags=seen family=1 off_out=0");
	expect("main", "out conn=p call=write off=0 len=5 flags=burst head=early");
	expect("main", "open conn=q flags=seen family=1 off_in=0");
	expect("main", "in conn=q call=read off=0 len=5 flags=burst head=early");
	expect("main", "close conn=p flags=exit out_seen=5");
	expect("main", "close conn=q flags=exit in_seen=5");
	return 0;
}
