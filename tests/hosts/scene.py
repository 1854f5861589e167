# SPDX-License-Identifier: Apache-2.0
"""scene.py - one scenario: clients and servers of talk.c on some hosts, what is between them, and the oracle's verdict."""

import collections
import os
import re
import shutil
import subprocess
import tempfile

import zstandard

import oracle
from hosts import BUILD, Failure, Missing, Network

HERE = os.path.dirname(os.path.abspath(__file__))
OFFSETS_S = (0, 95, 260, -7, 0.4, 3600)  # of the hosts' clocks, when they are skewed
ATTEMPTS = 4
ROUNDS = int(os.environ.get("HOSTS_ROUNDS", "1"))


def build_talk():
    """The test programs, compiled once per test."""
    talk = os.path.join(tempfile.mkdtemp(), "talk")
    sources = [os.path.join(HERE, name) for name in ("talk.c", "serve.c", "ask.c")]
    subprocess.run(["gcc", "-std=gnu11", "-D_GNU_SOURCE", "-g", "-O1", *sources, "-o", talk, "-pthread"], check=True)
    return talk


class Lost(Failure):
    """dprof says that it could not record everything."""


class Verdicts:
    """What all scenarios of a test came to."""

    def __init__(self):
        self.failures = self.passed = self.skipped = self.round = 0
        print(oracle.HEADING, flush=True)

    def claim(self, what, holds, detail=""):
        self.passed += bool(holds)
        if not holds:
            self.failures += 1
            print(f"FAIL  {what}{': ' if detail else ''}{detail}", flush=True)

    def end(self):
        print(f"{self.passed} passed, {self.failures} failed, {self.skipped} skipped")
        return 1 if self.failures else 0


class Scene:
    """Traffic of one scenario in dumps and a log of its own. CONNECTIONS of each client, AT_ONCE open at any time."""

    def __init__(self, net, name, talk, verdicts):
        self.net, self.name, self.talk, self.verdicts, self.settings = net, name, talk, verdicts, {}
        place = re.sub("[^a-z0-9]+", "-", name)
        self.log = net.path(place + ".log")
        self.dumps = net.path("dumps-" + place)
        self.servers, self.clients, self.asked = [], [], 0
        self.seed = verdicts.round * 100
        self.untraced = set()  # pids
        self.pids = collections.defaultdict(set)  # by the host's name

    def capture(self, how):
        self.settings["DPROF_CAPTURE"] = how
        return self

    def start(self, host, argv, service, trace=True, **more):
        settings = {**self.settings, "DPROF_DIR": os.path.join(self.dumps, host.name)}
        process = host.start(argv, service=service, trace=trace, settings=settings, **more)
        self.pids[host.name].add(process.pid)
        if not trace:
            self.untraced.add(process.pid)
        return process

    def program(self, how):
        return ["/usr/bin/python3", os.path.join(HERE, "talk.py")] if how == "asyncio" else [self.talk]

    def serve(self, host, address, *ports, how="epoll", proxied=False, read=700, trace=True, service="server"):
        argv = [*self.program(how), "serve", self.log, how, "proxy" if proxied else "plain", str(read), address, *map(str, ports)]
        self.servers.append(self.start(host, argv, service, trace))
        host.wait_listens(*ports)

    def ask(self, host, *targets, connections=60, requests=4, at_once=None, how="threads", shape="mixed", first_port=0, trace=True,
            service="client"):
        """Starts a client; targets are (address, port)."""
        self.seed += 1
        at_once = at_once or (12 if how == "threads" else 30)
        self.asked += connections
        argv = [*self.program(how), "ask", self.log, how, str(connections), str(requests), str(at_once), str(self.seed), shape, str(first_port),
                *(f"{address},{port}" for address, port in targets)]
        self.clients.append(self.start(host, argv, service, trace))

    def finish(self):
        """All clients have their answers, all servers have said so; the dumps are whole. A machine that is too busy to give each
        thread its ring in time makes dprof lose calls; it counts them, and the scenario is played again."""
        for client in self.clients:
            client.wait()
        oracle.wait_logged(self.log, "server", self.asked)
        for server in self.servers:
            server.stop()
        self.none_lost()

    def none_lost(self):
        lost = [process for process in oracle.analyze("info", dumps=self.places())["processes"]
                if process["dropped"] or process["untraced_threads"] or process["untraced_conns"]]
        if lost:
            raise Lost(f"dprof lost calls of {len(lost)} processes, the first is {lost[0]}")

    def places(self):
        return [os.path.join(self.dumps, host) for host in sorted(os.listdir(self.dumps))]

    def joins(self, skewed=False):
        """What the analyzer says; `skewed`: of the same dumps as if the hosts' clocks were minutes apart and ran apart."""
        if not skewed:
            return oracle.Joins(self.places())
        clocks, there = self.dumps + ".clocks", self.dumps + ".skewed"
        if os.path.exists(there):
            return oracle.Joins([there])
        os.makedirs(there)
        with open(clocks, "w", encoding="ascii") as out:
            for number, host in enumerate(sorted(os.listdir(self.dumps))):
                out.write(f"{host} offset={OFFSETS_S[number % len(OFFSETS_S)]}s drift={50 * number - 100}ppm\n")
        dumps = [os.path.join(place, name) for place in self.places() for name in sorted(os.listdir(place))]
        done = subprocess.run([os.path.join(BUILD, "tools", "skew"), clocks, there, *dumps], capture_output=True, text=True, check=False)
        if "one reading" in done.stderr:  # too short a run to say how fast the host's clock was
            shutil.rmtree(there)
            return None
        if done.returncode:
            raise Failure(f"skew: {done.stderr}")
        return oracle.Joins([there])

    def one_kernel(self):
        return any(host.kernel for host in self.net.hosts.values())

    def both_clocks(self, compare, only, whole, name=""):
        """The verdict with the clocks as they were, which are all alike here, and with clocks that are not."""
        row = self.say(*compare(self.joins()), only, whole, self.name + name)
        skewed = None if self.one_kernel() else self.joins(skewed=True)
        if skewed:
            self.say(*compare(skewed), only, whole, self.name + name + " (skewed)")
        return row

    def say(self, row, trouble, only, whole, name):
        """The row, and the claims. `only`: the classes that may be. `whole`: every byte must be joined, or that share."""
        claim = self.verdicts.claim
        print(oracle.line(name, row), flush=True)
        claim(f"{name}: nothing is wrong", not trouble, f"{len(trouble)}: " + "\n      ".join(trouble[:3]))
        claim(f"{name}: there is something to join", row.connections > 0)
        if only is not None:
            claim(f"{name}: joined by {only}", set(row.classes) <= set(only), str(row.classes))
        if whole is True:
            claim(f"{name}: every byte is joined", row.joined == 1 and not row.missed, str(row))
        else:
            claim(f"{name}: enough is joined", row.joined >= whole, str(row))
        return row

    def judge(self, only=None, whole=True):
        """By the log, where both programs are talk.c."""
        entries = oracle.read_log(self.log)

        def compare(joins, missing=frozenset()):
            return oracle.compare(joins, entries, lambda entry: entry["pid"] not in self.untraced | missing)
        row = self.both_clocks(compare, only, whole)
        self.verdicts.claim(f"{self.name}: all are in the log", self.untraced or row.connections == self.asked, str(row))
        self.judge_without(compare)
        return row

    def judge_without(self, compare):
        """Had one host not been traced: its peers find nobody, whoever else is like it, and the others find each other."""
        for name in (min(self.pids), max(self.pids)):
            joins = oracle.Joins([place for place in self.places() if os.path.basename(place) != name])
            row, trouble = compare(joins, self.pids[name])
            print(oracle.line(f"{self.name} (without {name})", row), flush=True)
            self.verdicts.claim(f"{self.name} without {name}: nothing is wrong", not trouble, f"{len(trouble)}: " + "\n      ".join(trouble[:3]))

    def judge_proxied(self, proxy):
        """The same, with a traced proxy of that service between them."""
        entries = oracle.read_log(self.log)
        return self.both_clocks(lambda joins: oracle.compare_proxied(joins, entries, proxy), ["address"], True)

    def judge_known(self, pairs, clients, servers, only=None, whole=True, plain=False):
        """By the addresses that what is between them has told."""
        def compare(joins):
            return oracle.compare_known(joins, pairs, clients, servers, plain)
        return self.both_clocks(compare, only, whole, " (plaintext)" if plain else "")

    def wrong_if_exchanged(self):
        """Wrong joins, had two servers heard each other's client: the oracle's own test."""
        entries = oracle.read_log(self.log)
        first, second = [entry for entry in entries if entry["role"] == "server"][:2]
        first["token"], second["token"] = second["token"], first["token"]
        return oracle.compare(self.joins(), entries)[0].wrong

    def tokens_hidden(self):
        """The log is no help to the analyzer: no token is in any dump."""
        tokens = [entry["token"].encode() for entry in oracle.read_log(self.log)]
        for folder, _, names in os.walk(self.dumps):
            for name in names:
                with open(os.path.join(folder, name), "rb") as dump:
                    content = zstandard.ZstdDecompressor().stream_reader(dump, read_across_frames=True).read()
                if any(token in content for token in tokens):
                    return False
        return bool(tokens)


def play_one(net, name, verdicts, talk, scenario, *given):
    """One that fails, or that this machine cannot play, does not keep the others from being played."""
    for attempt in range(ATTEMPTS):
        try:
            scenario(Scene(net, name + (f" {attempt + 1}" if attempt else ""), talk, verdicts), *given)
            break
        except Missing as why:
            verdicts.skipped += 1
            print(f"skip  {name}: {why} is not there", flush=True)
            break
        except Lost as why:
            print(f"again {name}: {why}", flush=True)
            if attempt + 1 == ATTEMPTS:
                verdicts.claim(name, False, str(why))
        except (Failure, subprocess.SubprocessError) as why:
            verdicts.claim(name, False, str(why))
            break
        finally:
            net.forget()


def play(scenarios, names, one_kernel=(), more=None):
    """The whole of a test: each scenario on hosts of these names, then those of `one_kernel` on hosts that are containers of one,
    then `more(talk, verdicts)`. The exit status."""
    wanted = os.environ.get("T", "")
    talk = build_talk()
    try:
        verdicts = Verdicts()
        for verdicts.round in range(ROUNDS):
            for kernel, chosen in ((None, scenarios), ("one", one_kernel)):
                if not chosen:
                    continue
                with Network() as net:
                    places = [net.host(name, kernel) for name in names]
                    for scenario in chosen:
                        name = scenario.__name__ + ("_one_kernel" if kernel else "")
                        if wanted in name:
                            play_one(net, name, verdicts, talk, scenario, *places)
            if more and wanted in more.__name__:
                more(talk, verdicts)
    except Missing as why:
        print(f"not on this machine: {why}")
        return 77
    finally:
        shutil.rmtree(os.path.dirname(talk))
    return verdicts.end()
