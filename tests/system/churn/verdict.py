# SPDX-License-Identifier: Apache-2.0
"""verdict.py - compares what the analyzer says of connections (`info --joins --all`) with what the programs wrote down
themselves (wire.h), which it does not see. A socket's cookie names it in the log and in the dumps."""
import json
import os
import subprocess
import sys

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "preload"))
import reader  # noqa: E402

BUILD = os.path.abspath(os.environ.get("DPROF_BUILD", os.path.join(HERE, "../../../build")))
WAYS = ("out", "in")
NOTHING = {"out": {}, "in": {}}


class Wrong(Exception):
    """The analyzer, or the library, is not right."""


def union(ranges):
    """Sorted, without overlaps."""
    out = []
    for begin, end in sorted(ranges):
        if out and begin <= out[-1][1]:
            out[-1][1] = max(out[-1][1], end)
        else:
            out.append([begin, end])
    return out


def size(ranges):
    return sum(end - begin for begin, end in union(ranges))


def common(one, other):
    return size(one) + size(other) - size(list(one) + list(other))


class Log:
    """What the programs did: by (wire, side) the calls of each way, and who held it."""

    def __init__(self, path):
        self.calls, self.of_cookie, self.untraced = {}, {}, {}
        for line in open(path, encoding="ascii"):
            what, wire, side, *rest = line.split()
            end = (int(wire), side)
            *rest, pid, cookie, traced = rest
            self.of_cookie[int(cookie)] = end
            calls = self.calls.setdefault(end, {"out": {}, "in": {}})
            if what != "io":
                continue
            way, off, n = rest[0], int(rest[1]), int(rest[2])
            if int(traced):
                calls[way][off, n] = int(pid)
            else:
                self.untraced.setdefault(end, {"out": [], "in": []})[way].append((off, off + n))

    def ranges(self, end, way):
        return [(off, off + n) for off, n in self.calls.get(end, NOTHING)[way]]


class Dumps:
    """What was recorded: by (wire, side) the calls of each way; and which conns are which end of which wire."""

    def __init__(self, log, directories):
        self.calls, self.of_conn, self.dropped, self.files, self.resyncs, self.strangers = {}, {}, 0, 0, 0, 0
        self.lengths, self.first = {}, {}  # of each call; where the first holder came in
        for where in directories:
            for name in sorted(os.listdir(where)) if os.path.isdir(where) else []:
                self.read(log, os.path.join(where, name))

    def read(self, log, path):
        records, header, end = reader.read(path)
        host, pid = header["host"], header["pid"]
        self.files += 1
        self.dropped += end["dropped"] if end else 0
        ends = {}
        for r in records:
            if r["kind"] == "open" and r["cookie"] in log.of_cookie:
                end = ends[r["conn"]] = log.of_cookie[r["cookie"]]
                for way in WAYS:
                    self.first[end, way] = min(r["off_" + way], self.first.get((end, way), r["off_" + way]))
        for conn, which in ends.items():
            self.of_conn.setdefault((host, pid, conn), set()).add(which)
        for r in records:
            self.resyncs += r["kind"] == "resync"
            if r["kind"] not in WAYS or "peek" in r["flags"] or r["len"] == 0:
                continue
            if r["conn"] not in ends:
                self.strangers += 1
                continue
            self.lengths.setdefault((ends[r["conn"]], r["kind"]), []).append((pid, r["len"]))
            self.calls.setdefault(ends[r["conn"]], {"out": {}, "in": {}})[r["kind"]].setdefault((r["off"], r["len"]), pid)

    def ranges(self, end, way):
        return [(off, off + n) for off, n in self.calls.get(end, NOTHING)[way]]


def analyze(directories):
    done = subprocess.run([os.path.join(BUILD, "dprof-analyze"), "info", "--joins", "--all", "--format=json", *directories],
                          capture_output=True, text=True, check=False)
    if done.returncode:
        raise Wrong(f"dprof-analyze: status {done.returncode}: {done.stderr}")
    return json.loads(done.stdout)


class Verdict:
    """One run, compared. `lossy`: records may be missing (but never wrong); `apart`: ends may be left without a partner, and `share`
    of the bytes that both ends have must be joined all the same;
    `shared`: holders know each other's bytes only from the kernel or not at all, so their offsets are the analyzer's to find; `cut`: the programs were killed, and may have made calls that they did not write down."""

    def __init__(self, log, directories, lossy=False, apart=False, shared=False, cut=False, share=1.0):
        self.log, self.lossy, self.apart, self.shared, self.cut = Log(log), lossy or cut, apart, shared, cut
        self.share = share
        self.problems, self.classes, self.joined_wires, self.holes = [], {}, set(), 0
        self.lost = self.told = 0
        self.dumps = Dumps(self.log, directories)
        self.info = analyze(directories)
        self.check_offsets()
        self.check_links()
        self.check_whole()
        if self.problems:
            raise Wrong("\n".join(self.problems[:12]) + f"\n{len(self.problems)} problems; {self.line()}")

    def check_offsets(self):
        """Every record is a call that was made, at its true offset; without loss every call has a record."""
        if self.shared:
            self.check_lengths()
            self.dumps.calls = self.log.calls
        for end, ways in self.dumps.calls.items():
            for way in WAYS:
                wrong = [c for c in ways[way] if c not in self.log.calls.get(end, NOTHING)[way]]
                if wrong and not (self.cut and wrong == [max(ways[way])]):
                    self.problems.append(f"wire {end}: recorded {way} that were not made: {sorted(wrong)[:4]}")
        for end, ways in self.log.calls.items():
            for way in WAYS:
                have = self.dumps.calls.get(end, NOTHING)[way]
                lost = [c for c in ways[way] if c not in have]
                if lost and not self.lossy:
                    self.problems.append(f"wire {end}: {way} without a record: {sorted(lost)[:4]}")

    def check_lengths(self):
        """Each holder has a record of each of its calls."""
        for end, ways in self.log.calls.items():
            for way in WAYS:
                made = sorted((pid, n) for (_, n), pid in ways[way].items())
                if made != sorted(self.dumps.lengths.get((end, way), [])):
                    self.problems.append(f"wire {end}: other calls were recorded {way} than were made")

    def end_of(self, said):
        """The (wire, side)s that an end of the analyzer's may be; a process that replaced itself has two of one number."""
        return self.dumps.of_conn.get((said["host"], said["pid"], said["conn"]), set()) if said else set()

    def check_links(self):
        for link in self.info["connections"]:
            client, server = self.end_of(link["client"]), self.end_of(link["server"])
            if not client and not server:
                continue  # of the programs' own
            if link["client"] and link["server"]:
                self.check_joined(link, client, server)
            elif link["class"] != "one end only":
                self.problems.append(f"class {link['class']} with one end: {link}")

    def check_joined(self, link, client, server):
        wires = {w for w, side in client if side == "c"} & {w for w, side in server if side == "s"}
        self.holes += link["holes"]
        if not wires:
            self.problems.append(f"WRONG JOIN by {link['class']}: {client} with {server}")
            return
        if link["bytes_mismatched"]:
            self.problems.append(f"wires {wires}: {link['bytes_mismatched']} bytes differ")
        fits = [w for w in wires if self.counts(w) == (link["bytes_joined"], link["bytes_one_sided"])]
        if not fits:
            self.problems.append(f"wires {wires} by {link['class']}: joined, one-sided {link['bytes_joined'], link['bytes_one_sided']}, "
                                 f"recorded {[self.counts(w) for w in wires]}")
        wire = (fits or sorted(wires))[0]
        unseen = sum(size(self.by_others((wire, side), way)) for side in "cs" for way in WAYS)
        self.check_unseen(wire, link["bytes_unseen"])
        if not self.lossy and link["bytes_unseen"] != unseen:
            self.problems.append(f"wire {wire}: {link['bytes_unseen']} bytes unseen, {unseen} were moved by others")
        self.joined_wires.add(wire)
        count, n = self.classes.get(link["class"], (0, 0))
        self.classes[link["class"]] = count + 1, n + link["bytes_joined"]

    def by_others(self, end, way):
        """What processes that are not traced moved behind where the first one came in that is."""
        first = self.dumps.first.get((end, way), 0)
        return [(max(a, first), b) for a, b in self.log.untraced.get(end, {"out": [], "in": []})[way] if b > first]

    def check_unseen(self, wire, said):
        """What a traced process moved and no record has is unseen, or, behind the last record of all, unknown; never more."""
        lost = sum(size(self.log.ranges((wire, side), way)) - size(self.dumps.ranges((wire, side), way)) for side in "cs" for way in WAYS)
        self.lost, self.told = self.lost + lost, self.told + said
        if self.lossy and not self.cut and said > lost:
            self.problems.append(f"wire {wire}: {said} bytes unseen, {lost} were lost")

    def counts(self, wire):
        joined = one_sided = 0
        for sender, receiver in ("cs", "sc"):
            sent, taken = self.dumps.ranges((wire, sender), "out"), self.dumps.ranges((wire, receiver), "in")
            both = common(sent, taken)
            joined, one_sided = joined + both, one_sided + size(sent) + size(taken) - 2 * both
        return joined, one_sided

    def both(self):
        """Wires both ends of which are in the dumps, and the bytes that are recorded at both."""
        wires = {w for w, side in self.dumps_ends() if side == "c"} & {w for w, side in self.dumps_ends() if side == "s"}
        return wires, sum(self.counts(w)[0] for w in wires)

    def dumps_ends(self):
        return {end for ends in self.dumps.of_conn.values() for end in ends}

    def check_whole(self):
        wires, self.could = self.both()
        left = wires - self.joined_wires
        if left and not self.apart:
            self.problems.append(f"{len(left)} of {len(wires)} wires not joined: {sorted(left)[:10]}")
        if (not self.lossy or self.cut) and self.joined() < self.share * self.could:
            self.problems.append(f"{self.joined()} of {self.could} bytes that both ends have are joined")
        if not self.apart and self.info["ambiguous"]:
            self.problems.append(f"{self.info['ambiguous']} ends are ambiguous")

    def joined(self):
        return sum(n for _, n in self.classes.values())

    def line(self):
        could = getattr(self, "could", 0)
        share = ", ".join(f"{name} {100 * n / could if could else 100:.2f} % of bytes in {count} connections"
                          for name, (count, n) in sorted(self.classes.items()))
        return (f"{share or 'none joined'}; wrong 0, holes {self.holes}, ambiguous {self.info['ambiguous']}, "
                f"dropped {self.dumps.dropped}" + (f", bytes without a record {self.lost}, unseen {self.told}" if self.lossy else ""))
