# SPDX-License-Identifier: Apache-2.0
"""compare.py - strace's account against dprof's, per process and socket and way. Pure.

Missed is what strace saw and dprof did not; invented is the other way round, which a stale table of descriptors would cause:
bytes of one socket booked to another show on both sides. Sockets of glibc's own (nscd, resolver, syslog, netlink) are
counted apart, by where they lead. Pipes and eventfds are wake edges: dprof follows them in processes that use sockets.
"""

import collections

STREAMS = ("tcp", "unix")
DATAGRAMS = ("udp", "unix dgram", "unix seqpacket")
WAKES = ("pipe", "eventfd")


class Sum:
    def __init__(self):
        self.calls, self.bytes = 0, 0

    def add(self, calls, size):
        self.calls += calls
        self.bytes += size

    def __bool__(self):
        return bool(self.calls or self.bytes)


class Result:
    def __init__(self):
        self.seen = collections.defaultdict(Sum)    # by kind: what strace saw
        self.missed = collections.defaultdict(Sum)  # by kind
        self.told = collections.defaultdict(Sum)    # by kind: missed, and dprof says so
        self.own = collections.defaultdict(Sum)     # by name: glibc's
        self.invented = Sum()
        self.made, self.made_missed = 0, collections.Counter()
        self.left_open = 0
        self.lost = self.rings = self.submits = 0
        self.processes = self.dumps = 0
        self.details = collections.defaultdict(Sum)

    def detail(self, what, calls, size):
        self.details[what].add(calls, size)

    def clean(self, kinds=STREAMS + DATAGRAMS):
        return not (any(self.missed[kind] for kind in kinds) or self.invented or sum(self.made_missed.values()) or self.left_open
                    or self.lost)


def own_name(log, key):
    return log.own.get(key) or (log.kinds.get(key) if log.kinds.get(key) in ("netlink", "other", None) else None)


def unseen(dump, key, way):
    """Bytes of which dprof itself says that it saw them too late, or not at all."""
    counted = dump.unseen[key, way]
    return counted + dump.before.get(key, {way: 0})[way] if counted else 0


def compare_moves(result, log, process, dump):
    theirs = dump.tallies if dump else {}
    for (key, way), told in process.tallies.items():
        kind, own, mine = log.kinds.get(key, "unknown"), own_name(log, key), theirs.get((key, way))
        if own:
            result.own[own].add(told.calls, told.bytes)
            continue
        if kind in WAKES and not dump:
            continue
        result.seen[kind].add(told.calls, told.bytes)
        calls, size = told.calls - (mine.calls if mine else 0), told.bytes - (mine.bytes if mine else 0)
        if calls == 0 and size == 0:
            continue
        if kind in WAKES:
            result.missed[kind].add(max(0, calls), max(0, size))
            continue
        said = dump and (key in dump.partial or unseen(dump, key, way) >= size > 0)
        (result.told if said else result.missed)[kind].add(max(0, calls), max(0, size))
        result.invented.add(max(0, -calls), max(0, -size))
        names = ", ".join(told.names - mine.names if mine else told.names) or "calls cut otherwise"
        how = "no dump" if not dump else "said" if said else "part of a socket" if mine else "whole socket"
        result.detail(f"{process.program}: {kind} {way}: {names} ({how})", calls, size)
    for key, way in set(theirs) - set(process.tallies):
        kind = log.kinds.get(key, "unknown")
        if kind in WAKES or own_name(log, key):
            continue
        result.invented.add(theirs[key, way].calls, theirs[key, way].bytes)
        result.detail(f"{process.program}: {kind} {way}: only dprof: {', '.join(theirs[key, way].names)}", -theirs[key, way].calls,
                      -theirs[key, way].bytes)


def compare_lives(result, log, process, dump):
    for (call, kind), count in process.made.items():
        if kind not in STREAMS or call == "socketpair":
            continue
        result.made += count
        short = count - (dump.made[call, kind] if dump else 0)
        if short > 0:
            result.made_missed[call] += short
            result.detail(f"{process.program}: {call} {kind}{'' if dump else ' (no dump)'}", short, 0)
    for key in dump.open if dump else ():
        if log.kinds.get(key) not in STREAMS + DATAGRAMS or key in process.old:
            continue
        if process.closes[key] > process.copies[key]:
            result.left_open += 1
            result.detail(f"{process.program}: closed, and dprof does not know", 1, 0)


def compare(log, dumps):
    result = Result()
    for pid, process in sorted(log.processes.items()):
        dump = dumps.processes.get(pid)
        result.processes += 1
        result.rings += process.rings
        result.submits += process.submits
        compare_moves(result, log, process, dump)
        compare_lives(result, log, process, dump)
        result.lost += dump.lost if dump else 0
    result.dumps = dumps.files
    return result
