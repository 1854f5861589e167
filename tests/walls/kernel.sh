#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Wall: preload/kernel.def has every system call that the library makes, and none that it does not; what hardened services are
# killed for (systemd's @privileged and @resources) is made only where the table says RIGHTS or SETUP.
set -u
cd "$(dirname "$0")/../.." || exit 2
bad=0
scratch=$(mktemp -d) || exit 2
trap 'rm -rf "$scratch"' EXIT

# The program's own numbers (raw.c, uring.c) are handed on, not made. Whole programs of ours are no part of the library.
sources=$(find preload -name '*.[chS]' ! -name '*_main.c' ! -name raw.c ! -name uring.c ! -path 'preload/outside/*')
# shellcheck disable=SC2086
cat $sources | tr -d '\n\t ' | grep -oE '(sys_call|arch_syscall)\(SYS_[a-z0-9_]+' | sed 's/.*SYS_//' | sort -u >"$scratch/made"
printf 'clone\nexit\n' >>"$scratch/made" # numbers in arch.h
grep -vxE 'name' "$scratch/made" | sort -u >"$scratch/used"
sed -n 's/^KERNEL(\([a-z0-9_]*\),.*/\1/p' preload/kernel.def | sort -u >"$scratch/rows"
[ "$(wc -l <"$scratch/used")" -gt 30 ] || { echo "found hardly any system calls: is the search right?"; bad=1; }
diff -u "$scratch/rows" "$scratch/used" || { echo "'-' is a row that nothing uses, '+' a call without a row"; bad=1; }

costly='chown fchown lchown fchownat chroot pivot_root acct bpf capset setfsuid setfsgid setgroups setuid setreuid setresuid setresgid
	clock_settime quotactl mount umount2 open_by_handle_at fanotify_init sethostname
	nice setpriority sched_setscheduler sched_setparam sched_setattr sched_setaffinity ioprio_set setrlimit mbind set_mempolicy
	perf_event_open ptrace process_vm_readv'
for number in $costly; do
	grep -E "^KERNEL\($number, (PROGRAM|BEGIN|OURS|PAUSE|SAY)," preload/kernel.def && { echo "$number kills a hardened service"; bad=1; }
done
exit $bad
