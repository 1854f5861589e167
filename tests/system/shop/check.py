#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""check.py - what dprof-analyze says about a run of the shop, against what the shop itself knows.

  check.py RUN ANALYZER [--killed]

Reads RUN/client/counts.json, RUN/app/counts/*.json and shapes.txt for the truth; asks the analyzer for report,
tree and info as JSON on RUN/dumps. Every claim is one line, `ok` or `FAIL`, with at most a few examples.
With --killed (the application's workers were killed by -9 in mid-load) requests may have failed: then every
answered request must have its shape, and those that the dead workers had served must be among them.
"""

import argparse
import collections
import json
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
PROTOCOLS = {"sql": "mysql", "pg": "postgresql", "cache": "resp"}
IN_FLIGHT = 8  # as many requests can be cut by a kill
EXAMPLES = 5


def canonical(host, text):
    """One spelling for what the application wrote and what the analyzer normalised."""
    if host == "cache":
        return text.split()[0].upper()
    text = re.sub(r"%s|'[^']*'|\b\d+\b", "?", text)
    text = re.sub(r"\(\s*\?(\s*,\s*\?)+\s*\)", "(?)", text)
    return re.sub(r"\s+", " ", text).strip().rstrip(";").upper()


def read_shapes(path):
    """{route: {shape: (chain, [[(host, operation), ...] sent together, ...])}}"""
    shapes, chain, calls = {}, None, None
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            line = line.rstrip("\n")
            if not line or line.startswith("#"):
                continue
            if line.startswith("via "):
                chain = [host.strip() for host in line[4:].split(">")]
            elif line.startswith("\t"):
                words = line.strip()
                together = words.startswith("& ")
                host, _, operation = words.removeprefix("& ").partition(" ")
                call = (host, canonical(host, operation))
                if together:
                    calls[-1].append(call)
                else:
                    calls.append([call])
            else:
                route, _, shape = line.partition(":")
                calls = []
                shapes.setdefault(route, {})[shape.strip()] = (chain, calls)
    return shapes


def read_truth(run, only_pids=None):
    """Sum of what the application's processes counted."""
    total = {"routes": collections.Counter(), "calls": collections.Counter(), "connects": collections.Counter()}
    directory = os.path.join(run, "app", "counts")
    for name in sorted(os.listdir(directory)):
        pid, _, kind = name.partition(".")
        if kind != "json" or (only_pids is not None and int(pid) not in only_pids):
            continue
        with open(os.path.join(directory, name), encoding="utf-8") as file:
            counts = json.load(file)
        for route, by_shape in counts["routes"].items():
            for shape, count in by_shape.items():
                total["routes"][route, shape] += count
        for host, by_call in counts["calls"].items():
            for call, count in by_call.items():
                total["calls"][host, canonical(host, call)] += count
        total["connects"].update(counts["connects"])
    return total


def walk(span, parent=None):
    stack = [(span, parent)]
    while stack:
        span, parent = stack.pop()
        yield span, parent
        stack.extend((child, span) for child in span["children"])


def union_ns(span):
    """Time of the span in which at least one of its children ran."""
    covered, reached = 0, span["start_ns"]
    for child in sorted(span["children"], key=lambda c: c["start_ns"]):
        if child.get("async"):
            continue
        begin = max(child["start_ns"], reached)
        end = min(child["end_ns"], span["end_ns"])
        if end > begin:
            covered += end - begin
            reached = end
    return covered


def sketch(span, depth=0):
    line = "  " * depth + f"{span['host']} {span['side']} {span['operation']} [{span['status']}]"
    return "\n".join([line] + [sketch(child, depth + 1) for child in span["children"]])


class Mismatch(Exception):
    """How a trace differs from its route's shapes."""


class Check:
    def __init__(self, run, analyzer, killed):
        self.run, self.analyzer = run, analyzer
        self.shapes = read_shapes(os.path.join(HERE, "shapes.txt"))
        self.truth = read_truth(run)
        with open(os.path.join(run, "client", "counts.json"), encoding="utf-8") as file:
            self.client = json.load(file)
        self.killed = []
        if killed:
            with open(os.path.join(run, "killed.json"), encoding="utf-8") as file:
                self.killed = json.load(file)
        self.report, self.tree, self.info = (self.ask(view) for view in ("report", "tree", "info"))
        self.roots = [trace["root"] for trace in self.tree["traces"]]
        self.requests = [root for root in self.roots if root["host"] == "client"]
        self.failures = 0

    def ask(self, view):
        done = subprocess.run([self.analyzer, view, "--format=json", os.path.join(self.run, "dumps")],
                              capture_output=True, check=False)
        for line in done.stderr.decode(errors="replace").splitlines():
            print(f"      {view}: {line}")
        if done.returncode:
            sys.exit(f"FAIL  dprof-analyze {view}: status {done.returncode}")
        return json.loads(done.stdout)

    def claim(self, text, wrong):
        """`wrong`: a list of what contradicts the claim."""
        print(f"{'FAIL' if wrong else 'ok'}  {text}")
        for example in wrong[:EXAMPLES]:
            print("\n".join("      " + line for line in str(example).splitlines()))
        if len(wrong) > EXAMPLES:
            print(f"      and {len(wrong) - EXAMPLES} more")
        self.failures += bool(wrong)

    def claim_but_in_flight(self, text, wrong):
        """A kill cuts what is in flight: a call whose record it prevented is seen by the other end alone."""
        if self.killed and len(wrong) <= IN_FLIGHT:
            text, wrong = f"{text}, but for {len(wrong)} that were in flight", []
        self.claim(text, wrong)

    def claim_equal(self, text, is_now, must_be):
        wrong = [f"{key}: dprof says {is_now.get(key, 0)}, true is {must_be.get(key, 0)}"
                 for key in sorted({*is_now, *must_be}, key=str) if is_now.get(key, 0) != must_be.get(key, 0)]
        self.claim(f"{text} ({sum(must_be.values())} in {len(must_be)} kinds)", wrong)

    def name(self, host, text):
        """The application's name of an operation. A statement longer than the head that the library keeps
        ends in an ellipsis: it is the one statement that begins so, if there is only one."""
        text = canonical(host, text or "?")
        if (host, text) in self.truth["calls"] or not text.endswith("…"):
            return text
        stem = re.sub(r"[?,('\s…]*$", "", text)
        fitting = [call for (at, call) in self.truth["calls"] if at == host and call.startswith(stem)]
        return fitting[0] if len(fitting) == 1 else text

    # ---- counts ----

    def operations(self, side, service=None):
        """Counts of the report, {(protocol, operation): count}."""
        found = collections.Counter()
        for row in self.report["operations"]:
            if row["side"] == side and service in (None, row["service"]):
                found[row["protocol"], row["operation"]] += row["count"]
        return found

    def route_counts(self):
        asked = collections.Counter(self.client["unanswered"])
        for route, by_status in self.client["routes"].items():
            asked[route] += sum(by_status.values())
        reported = {operation: count for (protocol, operation), count
                    in self.operations("client", "client").items() if protocol == "http"}
        self.claim_equal("report: requests per route, as the client counted them", reported, asked)
        if not self.killed:
            self.claim("the client got an answer to each request", sorted(self.client["unanswered"].items()))
        errors = {row["operation"]: row["errors"] for row in self.report["operations"]
                  if row["side"] == "client" and row["service"] == "client" and row["errors"]}
        failed = {route: count for route, by_status in self.client["routes"].items()
                  if (count := sum(n for status, n in by_status.items() if int(status) >= 500))}
        # an answer that broke off behind its status is an error that came, to dprof, and none to the client's library
        cut = self.client["unanswered"]
        failed = {route: min(max(errors.get(route, 0), count), count + cut.get(route, 0)) for route, count in failed.items()}
        self.claim_equal("report: errors (5xx) per route, as the client counted them",
                         {route: errors.get(route, 0) for route in failed}, failed)
        if self.killed:
            return
        handled = collections.Counter()
        for (route, _), count in self.truth["routes"].items():
            handled[route] += count
        reported = {operation: count for (protocol, operation), count
                    in self.operations("server", "shop").items() if protocol == "http"}
        self.claim_equal("report: requests per route, as the application counted them", reported, handled)

    def call_counts(self):
        hosts = {protocol: host for host, protocol in PROTOCOLS.items()}
        for side, service in (("client", "shop"), ("server", None)):
            found = collections.Counter()
            for (protocol, operation), count in self.operations(side, service).items():
                if protocol in hosts:
                    host = hosts[protocol]
                    found[host, self.name(host, operation)] += count
            wanted = self.truth["calls"]
            self.claim_equal(f"report: SQL statements and Redis commands, {side} side, as the application counted",
                             {key: found[key] for key in found if key in wanted}, wanted)
            if side == "client":
                others = {key: count for key, count in found.items() if key not in wanted}
                self.claim("report: nothing else but logins, the same number for each connection",
                           [f"{key}: {count}" for key, count in others.items()
                            if count % self.truth["connects"][key[0]]])

    # ---- shapes ----

    def calls_of(self, app):
        """What the application's span called: [(host, operation, position)] without logins, and those hosts
        that it logged in to."""
        calls, logins = [], []
        for child in sorted(app["children"], key=lambda c: c["start_ns"]):
            if child["side"] != "client" or child["host"] != "app":
                raise Mismatch(f"a {child['side']} span of {child['host']} under the application")
            below = child["children"]
            if len(below) != 1 or below[0]["side"] != "server" or below[0]["children"]:
                raise Mismatch(f"{child['operation']}: not answered by exactly one server span")
            host = below[0]["host"]
            call = (host, self.name(host, child["operation"]))
            if host not in PROTOCOLS or self.name(host, below[0]["operation"]) != call[1]:
                raise Mismatch(f"{child['operation']}: answered by {host} {below[0]['operation']}")
            if call in self.truth["calls"]:
                calls.append(call)
            elif any(made[0] == host for made in calls):
                raise Mismatch(f"{call}: not in the application, and not a login")
            elif host not in logins:
                logins.append(host)
        return calls, logins

    def match(self, root):
        """(route, shape, logins, the application's span) of a trace; Mismatch if its route has no such shape."""
        route, span, chain = root["operation"], root, [root["host"]]
        if route not in self.shapes:
            raise Mismatch(f"no such route: {route}")
        while span["side"] == "client" or chain[-1] == "web":
            if not span["children"] and span["side"] == "server":
                break
            below = span["children"]
            if self.killed and len(below) > 1:
                below = [child for child in below if child["status"]]  # the proxy asked again when it was cut
            if len(below) != 1:
                raise Mismatch(f"{len(below)} children of {span['host']} {span['side']}")
            span = below[0]
            if span["operation"] != route:
                raise Mismatch(f"{span['operation']} under {route}")
            if span["side"] == "server":
                chain.append(span["host"])
            elif span["host"] != chain[-1]:
                raise Mismatch(f"a client span of {span['host']} under {chain[-1]}")
        calls, logins = self.calls_of(span) if chain[-1] == "app" else ([], [])
        for shape, (hosts, steps) in self.shapes[route].items():
            flat, at = [], 0
            for step in steps:  # those sent together: in any order
                flat += sorted(step)
            mine = []
            for step in steps:
                mine += sorted(calls[at:at + len(step)])
                at += len(step)
            if hosts == chain and mine == flat and at >= len(calls):
                return route, shape, logins, span
        raise Mismatch(f"{route}: no shape has {' > '.join(chain)} and {calls}")

    def tree_shapes(self):
        found, logins, wrong, served_by_killed = collections.Counter(), collections.Counter(), [], 0
        for root in self.requests:
            try:
                route, shape, made, last = self.match(root)
                found[route, shape] += 1
                logins.update(made)
                served_by_killed += last["pid"] in self.killed
            except Mismatch as why:
                wrong.append(f"{why}\n{sketch(root)}")
        self.claim_but_in_flight(f"tree: every one of {len(self.requests)} requests has the shape of its route", wrong)
        if self.killed:
            counted = sum(read_truth(self.run, self.killed)["routes"].values())
            self.claim(f"tree: {served_by_killed} whole requests of the killed workers, who had counted {counted}",
                       [] if abs(served_by_killed - counted) <= IN_FLIGHT else [served_by_killed])
            return
        truth = collections.Counter({key: count for key, count in self.truth["routes"].items()
                                     if key[0] != "GET /ready"})
        truth["GET /about", ""] = sum(self.client["routes"].get("GET /about", {}).values())
        self.claim_equal("tree: how often each shape was taken, as the application counted", found, +truth)
        self.claim_equal("tree: requests that logged in, as many as the application made connections",
                         logins, {host: count for host, count in self.truth["connects"].items()
                                  if host != "cache"})  # which asks for no login

    def is_work(self, span):
        """Something that only a request makes the application do (not a login or a farewell)."""
        if span["operation"] in self.shapes:
            return span["operation"] != "GET /ready"
        hosts = [span["host"]] if span["host"] in PROTOCOLS else PROTOCOLS
        return any((host, self.name(host, span["operation"])) in self.truth["calls"] for host in hosts)

    def other_roots(self):
        """Not below a request: what the shop asks at its start, untraced, and what servers say among themselves."""
        wrong = [sketch(root) for root in self.roots
                 if root["host"] != "client" and any(self.is_work(span) for span, _ in walk(root))]
        self.claim_but_in_flight("tree: nothing that a request did stands outside of it", wrong)

    # ---- time and loss ----

    def arithmetic(self):
        wrong, seen = collections.defaultdict(list), 0
        for root in self.roots:
            for span, parent in walk(root):
                seen += 1
                name = f"{span['cid']} {span['host']} {span['operation']}"
                if min(span["total_ns"], span["handle_ns"], span["self_ns"]) < 0:
                    wrong["negative"].append(name)
                if span["total_ns"] != span["end_ns"] - span["start_ns"]:
                    wrong["ends"].append(name)
                if span["total_ns"] != span["self_ns"] + union_ns(span):
                    wrong["sum"].append(f"{name}: {span['total_ns']} != {span['self_ns']} + {union_ns(span)}")
                if parent and parent["host"] == span["host"] and not span["async"] and not (
                        parent["start_ns"] <= span["start_ns"] and span["end_ns"] <= parent["end_ns"]):
                    wrong["inside"].append(f"{name}: outside of its parent on the same host")
                if parent and span["start_ns"] < parent["start_ns"]:
                    wrong["before"].append(f"{name}: begins before its parent")
        self.claim(f"tree: no negative time in {seen} spans", wrong["negative"])
        self.claim("tree: total is end - start", wrong["ends"])
        self.claim("tree: total is self plus the union of the children, to the nanosecond", wrong["sum"])
        self.claim("tree: a call lies inside the request that made it", wrong["inside"] + wrong["before"])

    def losses(self):
        quality = self.report["quality"]
        self.claim(f"report: {quality['records']} records; 0 dropped; 0 of {quality['bytes_seen']} bytes not seen",
                   [f"{key}: {quality[key]}" for key in ("dropped", "bytes_unseen") if quality[key] != 0])
        wrong = [f"{process['host']} {process['pid']}: {key}: {process[key]}" for process in self.info["processes"]
                 for key in ("dropped", "missing", "bytes_unseen", "untraced_threads", "untraced_conns", "damaged")
                 if process[key]]
        self.claim(f"info: {len(self.info['processes'])} processes, whole", wrong)
        ends = {process["pid"]: process["end"] for process in self.info["processes"]}
        self.claim("info: each process ended in order, or was killed and salvaged",
                   [f"{pid}: {end}" for pid, end in ends.items()
                    if end != ("salvaged" if pid in self.killed else "exit")] +
                   [f"{pid}: killed, and no dump" for pid in self.killed if pid not in ends])
        if not self.killed:
            self.claim("tree: no trace with a loss", [sketch(trace["root"]) for trace in self.tree["traces"]
                                                      if trace["lost"] and trace["root"]["host"] == "client"])
        self.claim("report: all six hosts are there",
                   [] if {"client", "web", "app", "sql", "pg", "cache"} <= self.host_names() else [self.report["hosts"]])

    def host_names(self):
        return {host if isinstance(host, str) else host.get("host", host.get("name")) for host in self.report["hosts"]}

    def all(self):
        self.losses()
        self.route_counts()
        if not self.killed:
            self.call_counts()
        self.tree_shapes()
        self.other_roots()
        self.arithmetic()
        return self.failures


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run")
    parser.add_argument("analyzer")
    parser.add_argument("--killed", action="store_true")
    options = parser.parse_args()
    sys.exit(1 if Check(options.run, options.analyzer, options.killed).all() else 0)


if __name__ == "__main__":
    main()
