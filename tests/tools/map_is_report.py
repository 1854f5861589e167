#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""map_is_report.py ANALYZER DUMPS... - are the numbers of the map those of the report?

Calls per pair of names, and all bytes. Exit status 0, or 1 with what differs."""

import collections
import json
import subprocess
import sys


def ask(command, *options):
    done = subprocess.run([sys.argv[1], command, "-q", "--format=json", *options, *sys.argv[2:]],
                          stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)


def by_names(edges, *counts):
    sums = collections.Counter()
    for edge in edges:
        sums[edge["from"], edge["to"]] += sum(edge[count] for count in counts)
    return {names: count for names, count in sums.items() if count}


def main():
    report = ask("report")
    bad = []

    def compare(what, mapped, reported):
        if mapped != reported:
            bad.append(f"{what}: map {mapped}, report {reported}")

    for grouping in ("service", "process", "host"):
        drawn = ask("map", f"--by={grouping}", "--peers=4294967295")
        edges = [e for e in drawn["edges"] if e["protocol"] != "datagram"]
        met = {e[end] for e in edges for end in ("from_id", "to_id")}
        compare(f"calls by {grouping}", sum(e["calls"] + e["control"] for e in edges),
                sum(e["count"] for e in report["edges"]))
        compare(f"bytes by {grouping}", sum(e["bytes_there"] + e["bytes_back"] for e in edges),
                report["quality"]["bytes_seen"])
        if grouping != "service":
            continue
        compare("calls", by_names(edges, "calls", "control"), by_names(report["edges"], "count"))
        for service in report["services"]:
            nodes = [n for n in drawn["nodes"] if n.get("service") == service["service"]]
            compare(f"processes of {service['service']}", sum(n["processes"] for n in nodes), service["processes"])
        peers = [p for p in report["quality"]["not_traced"] if p["role"] != "io_uring"]
        compare("peers", {n["address"] for n in drawn["nodes"] if n["kind"] == "peer" and n["id"] in met}, {p["address"] for p in peers})
        compare("connections with one end", sum(e["joins"]["one_end_only"] for e in edges),
                sum(p["connections"] for p in peers))
    print("\n".join(bad) if bad else f"the same: {sum(e['count'] for e in report['edges'])} calls, "
          f"{report['quality']['bytes_seen']} bytes")
    return 1 if bad else 0


sys.exit(main())
