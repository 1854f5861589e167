# SPDX-License-Identifier: Apache-2.0
"""dump_log.py - what dprof says was moved: reads the dumps of a run, in the words of strace_log.py. The reader of tests/preload
does the reading: it knows the format's page and nothing else. Pure: files in, tallies out.
"""

import collections
import os
import sys

from strace_log import Tally

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "preload"))
import reader  # noqa: E402

MOVES = {"in": "in", "out": "out", "dgram_in": "in", "dgram_out": "out"}
UNIX = ("unix", "unix dgram", "unix seqpacket")


def kind_of(end):
    family, kind = end["family"], end.get("type", 0)
    if family == 1:
        return UNIX[kind]
    if family in (2, 3):
        return "pipe" if family == 2 else "eventfd"
    return "udp" if kind == 1 else "tcp"


class Process:
    """All dumps of one pid: a program that execs has several."""

    def __init__(self, pid):
        self.pid, self.tallies = pid, {}
        self.made = collections.Counter()
        self.lost, self.partial = 0, set()      # records dropped; sockets of which dprof says that it does not see all
        self.unseen = collections.Counter()     # (socket, way): bytes that the kernel counted and dprof did not see
        self.before = {}                        # socket: how far each way was when dprof saw it first
        self.open = set()                       # sockets that were told of and never closed, but by the end of the process
        self.first = None


def name_of(call, way):
    """The system call behind a name of libc's."""
    name = call.strip("_").removesuffix("_chk").removesuffix("64")
    name = {"recv": "recvfrom", "send": "sendto", "dprintf": "write", "vdprintf": "write"}.get(name, name)
    return {"syscall": f"syscall ({way})"}.get(name, name)


def made_by(record, kind):
    for flag in ("accept", "connect"):
        if flag in record["flags"]:
            return flag, kind
    return ("socketpair", kind) if "pair" in record["flags"] else None


def take(process, records):
    conns = {}
    for record in records:
        kind, conn = record["kind"], record["conn"]
        if kind == "open" and "tls" not in record["flags"]:
            what = kind_of(record)
            conns[conn] = "eventfd" if what == "eventfd" else record["inode"]
            process.made[made_by(record, what)] += 1
            process.open.add(conns[conn])
            if "partial" in record["flags"]:
                process.partial.add(conns[conn])
            if "seen" in record["flags"]:
                process.before[conns[conn]] = {"in": record["off_in"], "out": record["off_out"]}
        elif kind == "lost":
            process.lost += record["count"]
    for record in records:
        kind, key = record["kind"], conns.get(record["conn"])
        if key is None:
            continue
        if kind in MOVES and "peek" not in record["flags"] and "eof" not in record["flags"]:
            way = MOVES[kind]
            process.tallies.setdefault((key, way), Tally()).add(1, record["len"], name_of(record["call"], way))
        elif kind in ("close", "resync"):
            if kind == "close" and "exit" not in record["flags"]:
                process.open.discard(key)
            for way in ("in", "out"):
                if record[f"{way}_kernel"] is not None:
                    process.unseen[key, way] += max(0, record[f"{way}_kernel"] - record[f"{way}_seen"])


class Dumps:
    def __init__(self, directory):
        self.processes, self.files, self.unended = {}, 0, 0
        for name in sorted(os.listdir(directory)) if os.path.isdir(directory) else []:
            records, header, end = reader.read(os.path.join(directory, name))
            if header is None:
                continue
            self.files += 1
            self.unended += end is None
            process = self.processes.setdefault(header["pid"], Process(header["pid"]))
            take(process, sorted(records, key=lambda r: (r["thread"], r["seq"])))
            process.lost += (end or {}).get("dropped", 0)
