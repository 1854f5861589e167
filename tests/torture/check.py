#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""check.py BOARD DUMPS: compares what the torture program moved (board.h) with what the dumps say it moved.

For each process and each end of each connection: the bytes in its records are those it moved, but for what the dump itself
calls dropped; no record without an open; no offset beyond the stream; ranges neither overlap nor leave a hole (but for the
dropped); the bytes in a record are those that lie at its offset. Prints figures and at most 20 differences; status 1 if there are any."""
import collections
import os
import struct
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "preload"))
import reader  # noqa: E402

HEAD, WIRE, HOLDERS, PATTERN = 4096, 448, 16, 65536
UNORDERED, TCP, SHARED = 1, 2, 4
EOF, PEEK, RACE, LATE = 2, 4, 1 << 10, 16
SHOWN = 20
FAMILIES = (1, 4, 6)  # stream sockets; pipes and events are not on the board


def is_masked(head, wanted):
    """What looks like a secret comes as asterisks; random bytes may look like anything."""
    return len(head) == len(wanted) and all(h in (w, 42) for h, w in zip(head, wanted))


class Wire:
    def __init__(self, data, at):
        self.salt, self.flags, _, _, *rest = struct.unpack_from("<4I6Q", data, at)
        self.cookies, self.sent, self.taken = rest[0:2], rest[2:4], rest[4:6]
        self.held = {}  # (pid, side): [out, in]
        for i in range(HOLDERS):
            pid, side, out, into = struct.unpack_from("<IIQQ", data, at + 64 + 24 * i)
            if side:
                self.held[pid, side - 1] = [out, into]


class Dump:
    """One dump: its conns, and its moves as (conn, way, off, len, head, flags, (thread, seq))."""

    def __init__(self, path):
        self.path, self.conns, self.moves, self.end, self.lost, self.records = path, {}, [], None, 0, 0
        self.closes, self.resyncs, seen, blocks = {}, collections.defaultdict(list), set(), []
        for item in reader.frames(open(path, "rb").read()):
            if item["type"] == "header":
                self.header = item
            elif item["type"] == "end":
                self.end = item
            elif item["type"] == "block":
                blocks.append(item)
        for block in blocks:
            if (block["thread"], block["seq"]) not in seen:
                seen.add((block["thread"], block["seq"]))
                self.read_block(block)
        self.pid, self.dropped = self.header["pid"], self.end["dropped"] if self.end else 0

    def read_block(self, block):
        data, data_at, ends = block["data"], 0, {}
        self.records += block["count"]
        for i, template in enumerate(block["template"]):
            kind, _, flags, conn, size = block["templates"][template]
            off, data_len = block["off"][i], block["data_len"][i]
            head = data[data_at:data_at + data_len]
            data_at += data_len
            if kind in (1, 2):
                off = (off + ends.get((conn, kind), 0)) % 2**64
                ends[conn, kind] = off + size
                if size and not flags & PEEK:
                    self.moves.append((conn, kind - 1, off, size, head, flags, (block["thread"], block["seq"] + i)))
            elif kind == 3:
                end = reader.endpoint(head)
                self.conns[conn] = (end["family"], end["cookie"], end["off_out"], end["off_in"])
            elif kind == 4:
                self.closes[conn] = struct.unpack("<QQQQ", head)
            elif kind == 5:
                self.resyncs[conn].append(struct.unpack("<QQQQ", head))
            elif kind == 12:
                self.lost += off


class Checker:
    def __init__(self, board, dumps):
        data = open(board, "rb").read(HEAD)
        self.wires_n, self.failed = struct.unpack_from("<4xI4xI", data)
        self.acts, self.signals, self.forks, self.calls = struct.unpack_from("<4Q", data, 24)
        data = open(board, "rb").read(HEAD + WIRE * self.wires_n)
        self.why = data[56:312].split(b"\0")[0].decode()
        self.wires = [Wire(data, HEAD + WIRE * i) for i in range(self.wires_n)]
        self.dumps = [Dump(os.path.join(dumps, n)) for n in sorted(os.listdir(dumps))]
        self.by_cookie = {c: (w, side) for w in self.wires for side, c in enumerate(w.cookies)}
        self.pattern = self.make_pattern() * 2
        self.problems, self.bytes, self.unexplained = [], 0, 0

    @staticmethod
    def make_pattern():
        state, out = 1, bytearray()
        for _ in range(PATTERN):
            state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
            out.append(33 + (state >> 33) % 2**32 % 94)
        return bytes(out)

    def problem(self, text):
        self.problems.append(text)

    def gather(self):
        """Moves by (pid, wire, side, way); everything that belongs to nothing is a problem."""
        moved = collections.defaultdict(list)
        for d in self.dumps:
            name = os.path.basename(d.path)
            if d.end is None:
                self.problem(f"{name}: no end")
                continue
            if d.end["records"] != d.records:
                self.problem(f"{name}: {d.records} records, the end object says {d.end['records']}")
            if d.lost > d.dropped:
                self.problem(f"{name}: LOST says {d.lost}, the end object says {d.dropped}")
            for conn, way, off, size, head, flags, where in d.moves:
                family, cookie, *_ = d.conns.get(conn, (0, 0))
                if family == 0 and d.dropped == 0:
                    self.problem(f"{name}: conn {conn} has bytes but no open record")
                elif family in FAMILIES and cookie not in self.by_cookie:
                    self.problem(f"{name}: conn {conn}, cookie {cookie}: the program has no such connection")
                elif family in FAMILIES:
                    wire, side = self.by_cookie[cookie]
                    moved[d.pid, wire.salt, side, way].append((off, size, head, flags, where, d))
        return moved

    def check_sums(self, moved, dropped):
        for w in self.wires:
            for (pid, side), counts in w.held.items():
                for way in (0, 1):
                    want, have = counts[way], sum(m[1] for m in moved.get((pid, w.salt, side, way), ()))
                    self.bytes += want
                    if want == have or (have < want and dropped[pid]):
                        self.unexplained += want - have
                        continue
                    self.problem(f"pid {pid} wire {w.salt} cookie {w.cookies[side]} flags {w.flags} side {side} "
                                 f"{'in' if way else 'out'}: moved {want}, recorded {have}\n{self.story(pid, w, side)}")
        for pid, salt, side, way in moved:
            if (pid, side) not in self.wires[salt - 1].held:
                self.problem(f"pid {pid} wire {salt} side {side}: recorded, but never moved")

    def check_content(self, moved):
        for (pid, salt, side, way), moves in moved.items():
            w = self.wires[salt - 1]
            direction = side if way == 0 else 1 - side
            if w.flags & UNORDERED or (w.flags & SHARED and not w.flags & TCP):
                continue
            for off, size, head, flags, where, d in moves:
                at = (salt * 2654435761 % 2**32 + direction * 40503 + off) % 2**64 % 2**32 % PATTERN
                if head != self.pattern[at:at + len(head)] and not is_masked(head, self.pattern[at:at + len(head)]):
                    self.problem(f"pid {pid} wire {salt} side {side} {'in' if way else 'out'}: {where} at offset {off} "
                                 f"holds other bytes, flags {flags}\n{self.story(pid, w, side)}")
                    break

    def check_ranges(self, moved, dropped):
        streams = collections.defaultdict(list)
        for (pid, salt, side, way), moves in moved.items():
            streams[salt, side, way].extend((off, off + size, pid) for off, size, _, flags, *_ in moves)
        for (salt, side, way), ranges in streams.items():
            w = self.wires[salt - 1]
            total = w.sent[side] if way == 0 else w.taken[1 - side]
            if w.flags & SHARED and not w.flags & TCP:
                continue  # nothing tells a process what others moved over a unix socket
            ranges.sort()
            at, exact = 0, not any(dropped[r[2]] for r in ranges)
            for begin, end, pid in ranges:
                if begin < at or end > total or (exact and begin != at):
                    self.problem(f"wire {salt} flags {w.flags} side {side} {'in' if way else 'out'}: pid {pid} has {begin}..{end}, "
                                 f"expected {at} of {total}\n{self.story(pid, w, side)}")
                    break
                at = end

    def story(self, pid, w, side):
        """What the dumps say of one end; only the first problems are printed."""
        if len(self.problems) > SHOWN:
            return ""
        lines = [f"  held {w.held} sent {w.sent} taken {w.taken}"]
        for d in self.dumps:
            if d.pid != pid:
                continue
            for conn, (family, cookie, *offs) in d.conns.items():
                if cookie == w.cookies[side]:
                    moves = [("out in".split()[m[1]], m[2], m[3], m[5], m[6]) for m in d.moves if m[0] == conn][-12:]
                    lines.append(f"  {os.path.basename(d.path)} conn {conn} family {family} off {offs} close {d.closes.get(conn)} "
                                 f"resync {d.resyncs.get(conn)} dropped {d.dropped} {moves}")
        return "\n".join(lines)

    def run(self):
        dropped, untraced = collections.Counter(), 0
        for d in self.dumps:
            late = d.end["untraced_threads"] + d.end["untraced_conns"] if d.end else 0
            dropped[d.pid] += d.dropped + late
            untraced += late
        if self.failed:
            self.problem("the program: " + self.why)
        moved = self.gather()
        self.check_sums(moved, dropped)
        self.check_content(moved)
        self.check_ranges(moved, dropped)
        print(f"{self.acts} acts, {self.calls} calls, {self.bytes} bytes, {self.wires_n} connections, {self.forks} children, "
              f"{self.signals} signals; {len(self.dumps)} dumps, {sum(d.records for d in self.dumps)} records, "
              f"{sum(dropped.values()) - untraced} dropped and {untraced} threads late with {self.unexplained} bytes, {len(self.problems)} problems")
        for text in self.problems[:SHOWN]:
            print(text)
        return 1 if self.problems else 0


if __name__ == "__main__":
    sys.exit(Checker(sys.argv[1], sys.argv[2]).run())
