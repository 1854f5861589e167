# SPDX-License-Identifier: Apache-2.0
"""truth.py - what traffic and skew wrote down as true, against what the analyzer says of it. For the clock tests of tests/system."""
import bisect
import json
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.path.abspath(os.environ.get("DPROF_BUILD", os.path.join(HERE, "..", "..", "build")))
DURATIONS = 0.003  # clocks that drift apart by up to 1500 ppm, and what ends of short spans lose to it


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)}: status {done.returncode}\n{done.stderr[-2000:]}")
    return done.stdout


def tool(name, *arguments):
    return run(os.path.join(BUILD, "tools", name), *arguments)


def analyze(*arguments):
    return run(os.path.join(BUILD, "dprof-analyze"), *arguments)


def raw_clocks(directory):
    """Host -> {true time: what its clock read}."""
    clocks = {}
    for line in tool("rawclock", directory + ".truth", directory).splitlines():
        host, true, raw = line.split()
        clocks.setdefault(host, {})[int(true)] = int(raw)
    return clocks


def percentile(values, p):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * p))] if values else 0


class Line:
    """A clock's knots."""

    def __init__(self, knots):
        self.knots = sorted(((k["at_ns"], k["offset_ns"], k["low_ns"], k["high_ns"]) for k in knots))
        self.at = [k[0] for k in self.knots]

    def read(self, at):
        """Offset, low and high at a time of the clock: straight lines between knots, constant outside."""
        i = bisect.bisect_right(self.at, at)
        if i == 0 or i == len(self.at):
            return self.knots[0 if i == 0 else -1][1:]
        a, b = self.knots[i - 1], self.knots[i]
        if b[0] == a[0]:
            return b[1:]
        return tuple(x + (y - x) * (at - a[0]) / (b[0] - a[0]) for x, y in zip(a[1:], b[1:]))


def check_offsets(name, directory, limits, away=(), least=50):
    """Compares knots with the truth; `away`: true times (ns) around which a clock was no line."""
    info = json.loads(analyze("info", "--clocks", "--all", "--format=json", directory))
    raw = raw_clocks(directory)
    knots = {}
    for knot in info["knots"]:
        knots.setdefault(knot["host"], []).append(knot)
    reference = [c for c in info["clocks"] if c["how"] == "reference"]
    assert len(reference) == 1, f"{name}: {len(reference)} clocks of reference"
    reference = host_of(reference[0])
    errors, widths, outside, samples = [], [], [], 0
    # Before the last host came, and after the first one went, nothing went between them all.
    begin, end = max(min(times) for times in raw.values()), min(max(times) for times in raw.values())
    for host in sorted(raw):
        if host == reference:
            continue
        line = Line(knots[host])
        for true, at in raw[host].items():
            if not begin <= true <= end or true not in raw[reference] or any(abs(true - t) < 2 * 10**8 for t in away):
                continue
            truth = at - raw[reference][true]
            offset, low, high = line.read(at)
            samples += 1
            errors.append(abs(offset - truth))
            widths.append((high - low) / 2)
            if not low - 1 <= truth <= high + 1:
                outside.append((host, true, truth - low, high - truth))
    assert samples > least * (len(raw) - 1), f"{name}: {samples} moments compared"
    figures = percentile(errors, 0.5) / 1000, percentile(errors, 0.99) / 1000, percentile(widths, 0.5) / 1000
    print(f"{name}: {len(raw)} hosts, {samples} moments: outside the bound {len(outside)}; error p50 {figures[0]:.2f} p99 {figures[1]:.2f} "
          f"most {max(errors) / 1000:.2f} us, half-width p50 {figures[2]:.1f} us (limits {limits})")
    problems = []
    if outside:
        problems.append(f"true offset outside the printed bound: {outside[:3]}")
    if any(is_ > limit for is_, limit in zip(figures, limits)):
        problems.append(f"{figures} is above {limits}")
    return problems


def host_of(clock):
    return clock["host"] if "host" in clock else clock["hosts"][0]


def spans_of(document):
    """Each span with the one above it."""
    stack = [(trace["root"], None) for trace in document["traces"]]
    while stack:
        span, above = stack.pop()
        yield span, above
        stack.extend((child, span) for child in span["children"])


def shape_of(span):
    inner = " ".join(sorted(shape_of(child) for child in span["children"]))
    return f"{span['cid']}{span['side'][0]}{span['host']}{span['target']}{span['evidence']['class']}({inner})"


def check_nesting(document):
    """What is below on another host lies within; no part is negative."""
    negative = 0
    for span, above in spans_of(document):
        if above and not span["async"]:
            negative += span["start_ns"] < above["start_ns"] or span["end_ns"] > above["end_ns"]
        negative += span["end_ns"] < span["start_ns"] or span["self_ns"] < 0
        negative += any((span.get(part) or 0) < 0 for part in ("outside_ns", "request_ns", "response_ns"))
    return [f"{negative} negative latencies"] if negative else []


def check_durations(one, other, slack_ns):
    """Same spans, same durations but for the drift, and for ends that are clipped where the other side had the bytes: that is known to
    the offset's error (`slack_ns`). Of 1000, one may lie where the offset is corrected within it."""
    lengths = {(s["cid"], s["side"]): (s["total_ns"], s["handle_ns"]) for s, _ in spans_of(other)}
    wrong = 0
    for span, _ in spans_of(one):
        for mine, true in zip((span["total_ns"], span["handle_ns"]), lengths[span["cid"], span["side"]]):
            wrong += abs(mine - true) > 200 + slack_ns + DURATIONS * true
    return [f"{wrong} durations differ from those with right clocks"] if wrong > len(lengths) / 1000 else []


def check_trees(directory, right, slack_ns=0):
    skewed, plain = (json.loads(analyze("tree", "--format=json", d)) for d in (directory, right))
    ours, theirs = (sorted(shape_of(t["root"]) for t in d["traces"]) for d in (skewed, plain))
    if ours != theirs:
        different = [pair for pair in zip(ours, theirs) if pair[0] != pair[1]]
        return [f"trees differ: {len(ours)} and {len(theirs)} traces, first {different[:1]}"]
    return check_nesting(skewed) + check_durations(skewed, plain, slack_ns)
