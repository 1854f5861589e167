# SPDX-License-Identifier: Apache-2.0
"""strace_log.py - what the kernel was asked: reads the logs of `strace -f -y -s 0` and tells, per process and socket, how many
calls moved how many bytes. Pure: files in, tallies out.

Sockets are told apart by their inode, which strace prints with -y and which a dump holds too; what kind a socket is follows
from the call that made it. dprof's own thread is the one that was cloned with CLONE_THREAD but without CLONE_FS: no thread of
libc's is. What it does is left out.
"""

import collections
import re

TRACED = ("read,readv,preadv2,recvfrom,recvmsg,recvmmsg,write,writev,pwritev2,sendto,sendmsg,sendmmsg,sendfile,splice,vmsplice,tee,"
          "socket,socketpair,connect,accept,accept4,shutdown,close,close_range,dup,dup2,dup3,fcntl,pipe,pipe2,eventfd,eventfd2,"
          "io_uring_setup,io_uring_enter,clone,clone3,fork,vfork,execve,execveat")
LINE = re.compile(r"^(\d+)\s+(.*)$")
CALL = re.compile(r"^(\w+)\((.*)\)\s+= (-?\d+|0x[0-9a-f]+|\?)(.*)$", re.S)
UNFINISHED = " <unfinished ...>"
RESUMED = re.compile(r"^<\.\.\. (\w+) resumed>(.*)$", re.S)
DESCRIPTOR = re.compile(r"(?<![\w-])(\d+)<((?:socket|pipe):\[\d+\]|anon_inode:\[eventfd\]|[^>]*)>")
OBJECT = re.compile(r"^(socket|pipe):\[(\d+)\]$")
WAYS = {**dict.fromkeys(("read", "readv", "preadv2", "recvfrom", "recvmsg", "recvmmsg"), "in"),
        **dict.fromkeys(("write", "writev", "pwritev2", "sendto", "sendmsg", "sendmmsg", "sendfile"), "out")}
BIRTHS = ("clone", "clone3", "fork", "vfork")
COPIES = ("dup", "dup2", "dup3")
# Where glibc itself talks to, inside getpwnam, getaddrinfo and syslog: never through a symbol that can be interposed.
OWN_PATHS = re.compile(r'sun_path=@?"(/var/run/nscd/socket|/run/nscd/socket|/dev/log|/run/systemd/[^"]*)"')
OWN_NAMES = {"/dev/log": "syslog", "socket": "nscd"}

Call = collections.namedtuple("Call", "tid name args result rest")


class Tally:
    """One way of one socket in one process."""

    def __init__(self):
        self.calls, self.bytes, self.names = 0, 0, collections.Counter()

    def add(self, calls, size, name):
        self.calls += calls
        self.bytes += size
        self.names[name] += calls


class Process:
    def __init__(self, pid):
        self.pid, self.program, self.tallies = pid, "", {}
        self.made = collections.Counter()       # (call, kind) of what yielded a connection
        self.copies, self.closes = collections.Counter(), collections.Counter()  # by socket
        self.rings, self.submits = 0, 0         # io_uring
        self.recorded = False                   # has a thread of dprof's
        self.old = set()                        # sockets used before an exec: the new image may close them, but never told of them

    def add(self, key, way, calls, size, name):
        self.tallies.setdefault((key, way), Tally()).add(calls, size, name)


def calls_of(path):
    """The calls of a log in the order in which they returned."""
    begun = {}
    with open(path, encoding="utf-8", errors="replace") as log:
        for line in log:
            found = LINE.match(line.rstrip("\n"))
            if not found:
                continue
            tid, text = int(found[1]), found[2]
            if text.endswith(UNFINISHED):
                begun[tid] = text[:-len(UNFINISHED)]
                continue
            resumed = RESUMED.match(text)
            if resumed:
                text = begun.pop(tid, resumed[1] + "(") + resumed[2]
            call = CALL.match(text)
            if call:
                result = None if call[3] == "?" else int(call[3], 0)
                yield Call(tid, call[1], call[2], result, call[4])


def kind_of(args):
    """Of socket() and socketpair(): the kind, in the words of dump_log.py."""
    family, kind, protocol = (args.split(", ") + ["", "", ""])[:3]
    stream = "SOCK_STREAM" in kind
    if family in ("AF_INET", "AF_INET6"):
        if stream and protocol in ("IPPROTO_IP", "IPPROTO_TCP", "IPPROTO_MPTCP"):
            return "tcp"
        return "udp" if "SOCK_DGRAM" in kind and protocol in ("IPPROTO_IP", "IPPROTO_UDP") else "other"
    if family == "AF_UNIX":
        return "unix" if stream else "unix seqpacket" if "SOCK_SEQPACKET" in kind else "unix dgram"
    return "netlink" if family == "AF_NETLINK" else "other"


def descriptors(text):
    """(number, object) of each descriptor that is named: an inode, "eventfd", or None for what is not ours to look at."""
    found = []
    for number, what in DESCRIPTOR.findall(text):
        known = OBJECT.match(what)
        found.append((int(number), int(known[2]) if known else "eventfd" if what == "anon_inode:[eventfd]" else None))
    return found


class Log:
    """All logs of one run."""

    def __init__(self, paths):
        self.processes, self.kinds, self.own = {}, {"eventfd": "eventfd"}, {}
        self.leader, self.ours = {}, set()      # thread -> process; dprof's own threads
        calls = [list(calls_of(path)) for path in paths]
        for log in calls:
            for call in log:
                self.births(call)
            for call in log:
                self.sockets(call)
        for log in calls:
            for call in log:
                self.count(call)

    def process(self, tid):
        pid = tid
        while pid in self.leader:
            pid = self.leader[pid]
        if pid not in self.processes:
            self.processes[pid] = Process(pid)
        return self.processes[pid]

    def births(self, call):
        if call.name in BIRTHS and (call.result or 0) > 0 and "CLONE_THREAD" in call.args:
            self.leader[call.result] = call.tid
            if "CLONE_FS" not in call.args.replace("CLONE_FSGSBASE", ""):
                self.ours.add(call.result)

    def sockets(self, call):
        """Of what kind each inode is, and whether it is glibc's own."""
        if call.result is None or call.result < 0 and call.name != "connect":
            return
        if call.name == "socket":
            for _, inode in descriptors(f"{call.result}{call.rest}"):
                self.kinds[inode] = kind_of(call.args)
        elif call.name == "socketpair":
            for _, inode in descriptors(call.args):
                self.kinds[inode] = kind_of(call.args)
        elif call.name in ("pipe", "pipe2"):
            for _, inode in descriptors(call.args):
                self.kinds[inode] = "pipe"
        elif call.name in ("accept", "accept4"):
            listener, made = descriptors(call.args), descriptors(f"{call.result}{call.rest}")
            if listener and made:
                self.kinds[made[0][1]] = self.kinds.get(listener[0][1], "unknown")
        elif call.name in ("connect", "sendto", "sendmsg", "sendmmsg"):
            self.destination(call)

    def destination(self, call):
        ends = descriptors(call.args)
        if not ends:
            return
        path = OWN_PATHS.search(call.args)
        if path:
            self.own[ends[0][1]] = OWN_NAMES.get(path[1].rsplit("/", 1)[-1], "syslog" if path[1] == "/dev/log" else "systemd")
        elif self.kinds.get(ends[0][1]) == "udp" and "htons(53)" in call.args:
            self.own[ends[0][1]] = "resolver"

    def count(self, call):
        if call.tid in self.ours:
            return
        process = self.process(call.tid)
        if call.name in ("execve", "execveat") and call.result == 0:
            process.program = call.args.split('"')[1].rsplit("/", 1)[-1] if '"' in call.args else process.program
            process.recorded = False
            process.old |= {key for key, _ in process.tallies}
        elif call.name == "io_uring_setup" and (call.result or -1) >= 0:
            process.rings += 1
        elif call.name == "io_uring_enter" and (call.result or 0) > 0:
            process.submits += call.result
        elif call.name in BIRTHS and call.result in self.ours:
            process.recorded = True
        elif call.name in BIRTHS and (call.result or 0) > 0 and "CLONE_THREAD" not in call.args:
            self.process(call.result).program = self.process(call.result).program or process.program
        elif call.result is not None and call.result >= 0:
            self.lives(process, call)
            self.moves(process, call)

    def lives(self, process, call):
        ends = descriptors(call.args)
        if not ends:
            return
        key = ends[0][1]
        kind = self.kinds.get(key)
        if call.name in ("accept", "accept4", "connect", "socketpair") and key not in self.own:
            process.made[call.name.rstrip("4"), kind] += 1
        elif call.name == "close":
            process.closes[key] += 1
        elif call.name in COPIES or (call.name == "fcntl" and "F_DUPFD" in call.args):
            process.copies[key] += 1

    def moves(self, process, call):
        if "MSG_PEEK" in call.args or "MSG_ERRQUEUE" in call.args:
            return
        ends = descriptors(call.args)
        if call.name == "splice" and len(ends) == 2:
            self.move(process, call, ends[0][1], "in", call.result)
            self.move(process, call, ends[1][1], "out", call.result)
        elif call.name in WAYS and ends:
            self.move(process, call, ends[0][1], WAYS[call.name], call.result)

    def move(self, process, call, key, way, result):
        if key is None:
            return
        kind = self.kinds.setdefault(key, "pipe" if f"<pipe:[{key}]>" in call.args else "unknown")
        if kind == "pipe" and call.name == "splice":
            return  # a buffer between two sockets, which wakes nobody
        calls, size = 1, result
        if call.name in ("recvmmsg", "sendmmsg"):
            sizes = [int(n) for n in re.findall(r"msg_len=(\d+)", call.args)][:result]
            calls, size = len(sizes), sum(sizes)
        if kind in ("pipe", "eventfd") and not process.recorded:
            return  # no reason to record, so dprof does not follow it yet
        if size > 0 or kind in ("udp", "unix dgram"):
            process.add(key, way, calls, size, call.name)
