# SPDX-License-Identifier: Apache-2.0
"""table.py - the result of one program as a line of text and as a row of the documentation."""

import os
import time

from compare import DATAGRAMS, STREAMS, WAKES, Sum


def total(sums, kinds):
    out = Sum()
    for kind in kinds:
        if kind in sums:
            out.add(sums[kind].calls, sums[kind].bytes)
    return out


def pair(one):
    return f"{one.calls} / {one.bytes}" if one else "0"


class Row:
    def __init__(self, program):
        self.program, self.version = program, None
        self.skipped = self.trouble = self.result = self.threads = None
        self.felt, self.said, self.took_s = [], [], 0

    def failed(self):
        if self.skipped:
            return False
        if self.trouble:
            return True
        return bool(self.felt or self.said or not (self.result.clean() or self.program.known))

    def sockets(self):
        """Seen by strace, and of that missed: all sockets but glibc's own."""
        kinds = STREAMS + DATAGRAMS + ("unknown",)
        return total(self.result.seen, kinds), total(self.result.missed, kinds)

    def remarks(self):
        r, found = self.result, []
        if r.invented:
            found.append(f"invented {pair(r.invented)}")
        if r.made_missed:
            found.append("opens missed: " + ", ".join(f"{call} {n}" for call, n in sorted(r.made_missed.items())))
        if r.left_open:
            found.append(f"closes missed: {r.left_open}")
        if r.lost:
            found.append(f"records dropped: {r.lost}")
        if total(r.told, r.told):
            found.append(f"told as unseen {pair(total(r.told, r.told))}")
        if r.rings:
            found.append(f"io_uring: {r.rings} rings, {r.submits} submissions")
        return found

    def line(self, verbose):
        if self.skipped:
            return f"skip  {self.program.name}: {self.skipped}"
        if self.trouble:
            return f"FAIL  {self.program.name}: {self.trouble}"
        seen, missed = self.sockets()
        out = [f"{'FAIL' if self.failed() else 'ok':5} {self.program.name}: missed {pair(missed)} of {pair(seen)}"]
        for kind in STREAMS + DATAGRAMS + WAKES + ("unknown",):
            if self.result.seen[kind]:
                out.append(f"{kind} {pair(self.result.missed[kind])} of {pair(self.result.seen[kind])}")
        out += self.remarks() + self.felt + [f"stderr: {line}" for line in self.said[:3]]
        if self.result.own:
            out.append("glibc: " + ", ".join(f"{name} {pair(one)}" for name, one in sorted(self.result.own.items())))
        if verbose and self.threads[0] != self.threads[1]:
            out.append(f"threads {self.threads[0]}, traced {self.threads[1]}")
        text = "; ".join(out) + f" ({self.took_s:.0f} s)"
        more = [f"{what}: {one.calls} / {one.bytes}" for what, one in sorted(self.result.details.items())] if verbose else []
        return "\n      ".join([text, *more])


def machine():
    with open("/etc/debian_version", encoding="utf-8") as debian:
        return f"Debian {debian.read().strip()}, Linux {os.uname().release.split('-')[0]}, {os.confstr('CS_GNU_LIBC_VERSION')}"


def markdown(rows):
    columns = ["program", "version", "processes", "socket calls / bytes that strace saw", "of these dprof missed",
               "pipes, eventfds missed", "glibc's own, seen by nobody", "remarks"]
    out = ["# What strace saw and dprof did not",
           f"Made by `tests/coverage/run --markdown` on {time.strftime('%Y-%m-%d', time.gmtime())}, {machine()}. README.md beside "
           "this page says what is compared.",
           "Calls are those that moved bytes; `n / m` is n calls, m bytes.",
           "",
           "| " + " | ".join(columns) + " |",
           "|" + "---|" * len(columns)]
    for row in rows:
        if row.skipped or row.trouble:
            out.append(f"| {row.program.name} | {row.version or ''} | | | | | | {row.skipped or 'did not run'} |")
            continue
        seen, missed = row.sockets()
        wakes, wakes_missed = total(row.result.seen, WAKES), total(row.result.missed, WAKES)
        own = ", ".join(f"{name} {one.calls}" for name, one in sorted(row.result.own.items()))
        remarks = "; ".join(([row.program.known] if row.program.known else []) + row.remarks() + row.felt)
        out.append(f"| {row.program.name} | {row.version} | {row.result.processes} | {pair(seen)} | {pair(missed)} "
                   f"| {wakes_missed.calls} of {wakes.calls} | {own} | {remarks} |")
    return "\n".join([*out, "", summary(rows)])


def summary(rows):
    ran = [row for row in rows if row.result]
    clean = [row for row in ran if not row.failed()]
    troubled = [row.program.name for row in rows if row.failed()]
    return "\n".join(([f"failed: {', '.join(troubled)}"] if troubled else [])
                     + [f"{len(clean)} passed, {len(troubled)} failed, {len([r for r in rows if r.skipped])} skipped"])
