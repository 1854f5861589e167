# SPDX-License-Identifier: Apache-2.0
"""oracle.py - what the test programs logged (talk.h) against what the analyzer says of the same connections. An end is
found by its pid, its addresses and its turn among those with the same; both ends of one connection have the same token,
which no dump has. A join is right if both of its ends have one token, else wrong; two ends of one token that were left
apart are missed.
"""

import collections
import ipaddress
import json
import os
import subprocess

from hosts import BUILD, Failure, wait_until

Row = collections.namedtuple("Row", "connections right wrong missed bytes joined holes apart classes")


def analyze(command, *argv, dumps):
    done = subprocess.run([os.path.join(BUILD, "dprof-analyze"), command, "--format=json", *argv, *dumps],
                          capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failure(f"dprof-analyze {command}: status {done.returncode}: {done.stderr}")
    return json.loads(done.stdout)


def logged(pair):
    """An address and a port in their one form; ::ffff:10.0.0.1 is 10.0.0.1."""
    address = ipaddress.ip_address(pair[0])
    return (str(getattr(address, "ipv4_mapped", None) or address), int(pair[1]))


def address_of(text):
    """("10.0.0.1", 80) of "10.0.0.1:80" or "[fd00::1]:80"."""
    if text is None or text.startswith("unix"):
        return (text, 0)
    host, _, port = text.rpartition(":")
    return logged((host.strip("[]"), port))


def read_log(path):
    if not os.path.exists(path):
        return []
    with open(path, encoding="ascii") as log:
        return [json.loads(line) for line in log]


def wait_logged(path, role, count):
    """A client is done before its server has noticed; then the server may be stopped."""
    def is_there():
        return sum(entry["role"] == role and entry["token"] != "" for entry in read_log(path)) >= count
    wait_until(f"{path}: {count} connections of a {role}", is_there)


class Joins:
    """The analyzer's answer, and the ends in it by who they are."""

    def __init__(self, dumps):
        self.answer = analyze("info", "--joins", "--all", dumps=dumps)
        internet = [link for link in self.answer["connections"] if not any(
            end and (end["local"] or "").startswith("unix") for end in (link["client"], link["server"]))]
        self.links = [link for link in internet if not link["plain"]]
        self.plain = [link for link in internet if link["plain"]]
        self.ends = collections.defaultdict(list)
        for number, link in enumerate(self.links):
            for side in ("client", "server"):
                end = link[side]
                if end:
                    name = (end["pid"], address_of(end["local"]), address_of(end["remote"]))
                    self.ends[name].append((end["conn"], number))
        for turns in self.ends.values():
            turns.sort()

    def numbers(self, entries):
        """The link of each entry; None if the analyzer knows no such end."""
        turns = collections.defaultdict(list)
        for entry in sorted(entries, key=lambda e: e["opened_ns"]):
            turns[entry["pid"], logged(entry["local"]), logged(entry["remote"])].append(entry)
        found = {}
        for name, same in turns.items():
            there = self.ends.get(name, [])
            for k, entry in enumerate(same):
                found[id(entry)] = there[k][1] if len(there) == len(same) else None
        return found


def compare_proxied(joins, entries, proxy):
    """As compare(), where a traced proxy of that service is between the two: each end of the log must be joined with one of
    the proxy's, at the same addresses, and so with nothing else."""
    number = joins.numbers(entries)
    trouble, classes, apart = [], collections.Counter(), collections.Counter()
    right = wrong = moved = joined = holes = 0
    for entry in entries:
        n = number[id(entry)]
        link = joins.links[n] if n is not None else None
        bytes_ = entry["in"] + entry["out"]
        moved += bytes_
        if link is None:
            trouble.append(f"the analyzer does not know this end: {entry}")
            continue
        other = link["server" if entry["role"] == "client" else "client"]
        if other is None:
            apart[link["apart"]] += 1
            continue
        mirrored = (address_of(other["local"]), address_of(other["remote"])) == (logged(entry["remote"]), logged(entry["local"]))
        if other["service"] != proxy or not mirrored:
            wrong += 1
            trouble.append(f"not joined with {proxy}: {link}")
            continue
        right += 1
        joined += link["bytes_joined"]
        holes += link["holes"]
        classes[link["class"]] += link["bytes_joined"]
        got = (link["bytes_joined"], link["bytes_one_sided"], link["bytes_unseen"], link["bytes_mismatched"])
        if got != (bytes_, 0, 0, 0):
            trouble.append(f"joined, one-sided, unseen, differ {got}, must be {bytes_}, 0, 0, 0: {link}")
    shares = {name: b / moved for name, b in classes.items()}
    return Row(len(entries), right, wrong, len(entries) - right - wrong, moved, joined / moved if moved else 0, holes, dict(apart),
               shares), trouble


def compare_known(joins, pairs, clients, servers, plain=False):
    """As compare(), for programs that log nothing: `pairs` are the addresses (client's local, server's remote) of connections, as
    what is between them (a router, a proxy) has told; clients and servers are services. Every end of theirs must be in a pair."""
    other = dict(pairs)
    trouble, classes, apart = [], collections.Counter(), collections.Counter()
    count = right = wrong = moved = joined = holes = 0
    if len(other) != len(pairs):
        trouble.append("two connections with one address: the pairs do not tell")
    for link in joins.plain if plain else joins.links:
        client, server = link["client"], link["server"]
        if client is None or client["service"] not in clients:
            if server is not None and client is not None and server["service"] in servers:
                wrong += 1
                trouble.append(f"a wrong join: {link}")
            continue
        count += 1
        bytes_ = link["bytes_joined"] + link["bytes_one_sided"]
        if server is None:
            moved += bytes_
            apart[link["apart"]] += 1
            continue
        header = link["shift"]["to_server"]
        moved += bytes_ - (header if link["bytes_one_sided"] else 0)
        if other.get(address_of(client["local"])) != address_of(server["remote"]) or server["service"] not in servers:
            wrong += 1
            trouble.append(f"a wrong join: {link}")
            continue
        right += 1
        joined += link["bytes_joined"]
        holes += link["holes"]
        classes[link["class"]] += link["bytes_joined"]
        if link["bytes_one_sided"] not in (0, header) or link["bytes_unseen"] or link["bytes_mismatched"]:
            trouble.append(f"one-sided, unseen or differing bytes: {link}")
    if count != len(pairs):
        trouble.append(f"{count} connections of {clients}, {len(pairs)} went through")
    shares = {name: b / moved for name, b in classes.items()}
    return Row(count, right, wrong, count - right - wrong, moved, joined / moved if moved else 0, holes, dict(apart), shares), trouble


def compare(joins, entries, traced=lambda entry: True):
    """A Row, and the texts of what is not as it must be whatever the scenario: an end that the analyzer does not know, a
    wrong join, a join whose bytes are not those that were logged. `traced` says whose ends are in the dumps."""
    number = joins.numbers([entry for entry in entries if traced(entry)])
    sides = collections.defaultdict(dict)
    trouble, classes, apart = [], collections.Counter(), collections.Counter()
    tokens = {}
    for entry in entries:
        sides[entry["token"]][entry["role"]] = entry
        if traced(entry):
            tokens.setdefault(number[id(entry)], set()).add(entry["token"])
            if number[id(entry)] is None:
                trouble.append(f"the analyzer does not know this end: {entry}")
    wrong = [n for n, of in tokens.items() if n is not None and len(of) > 1]
    for n in wrong:
        trouble.append(f"a wrong join: {joins.links[n]}")
    right = moved = joined = holes = count = 0
    for both in sides.values():
        if len(both) < 2 or not all(traced(entry) for entry in both.values()):
            continue
        client, server = both["client"], both["server"]
        a, b = number[id(client)], number[id(server)]
        if a is None or b is None:
            continue
        count += 1
        moved += client["in"] + client["out"]
        if a != b:
            apart[joins.links[a]["apart"] or "joined elsewhere"] += 1
            continue
        link = joins.links[a]
        right += 1
        joined += link["bytes_joined"]
        holes += link["holes"]
        classes[link["class"]] += link["bytes_joined"]
        want = (client["in"] + client["out"], server["header"], 0, 0, {"to_server": server["header"], "to_client": 0})
        got = (link["bytes_joined"], link["bytes_one_sided"], link["bytes_unseen"], link["bytes_mismatched"], link["shift"])
        if want[1] and got[1] == 0:  # the header is nobody's message: said by the shift
            got = (got[0], want[1], *got[2:])
        if got != want:
            trouble.append(f"joined, one-sided, unseen, differ, shift {got}, must be {want}: {link}")
    shares = {name: bytes_ / moved for name, bytes_ in classes.items()}
    return Row(count, right, len(wrong), count - right, moved, joined / moved if moved else 0, holes, dict(apart), shares), trouble


HEADING = f"{'scenario':34} {'conns':>6} {'right':>6} {'wrong':>6} {'missed':>6} {'bytes':>10} {'joined':>8} {'holes':>6}  by class; left apart"


def line(name, row):
    classes = ", ".join(f"{c} {100 * s:.1f} %" for c, s in sorted(row.classes.items()))
    apart = ", ".join(f"{n} {why}" for why, n in sorted(row.apart.items()))
    return (f"{name:34} {row.connections:6} {row.right:6} {row.wrong:6} {row.missed:6} {row.bytes:10} {100 * row.joined:6.1f} % {row.holes:6}  "
            f"{classes}{'; ' if apart else ''}{apart}")
