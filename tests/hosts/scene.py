# SPDX-License-Identifier: Apache-2.0
"""scene.py - one scenario: clients and servers of talk.c on some hosts, what is between them, and the oracle's verdict."""

import os
import re
import shutil
import subprocess
import tempfile

import zstandard

import oracle
from hosts import Failure, Missing, Network

HERE = os.path.dirname(os.path.abspath(__file__))
ROUNDS = int(os.environ.get("HOSTS_ROUNDS", "1"))


def build_talk():
    """The test programs, compiled once per test."""
    talk = os.path.join(tempfile.mkdtemp(), "talk")
    sources = [os.path.join(HERE, name) for name in ("talk.c", "serve.c", "ask.c")]
    subprocess.run(["gcc", "-std=gnu11", "-D_GNU_SOURCE", "-g", "-O1", *sources, "-o", talk, "-pthread"], check=True)
    return talk


class Verdicts:
    """What all scenarios of a test came to."""

    def __init__(self):
        self.failures = self.passed = self.skipped = 0
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
        self.servers, self.clients, self.asked, self.seed = [], [], 0, 0
        self.untraced = set()  # pids

    def capture(self, how):
        self.settings["DPROF_CAPTURE"] = how
        return self

    def start(self, host, argv, service, trace=True, **more):
        settings = {**self.settings, "DPROF_DIR": os.path.join(self.dumps, host.name)}
        process = host.start(argv, service=service, trace=trace, settings=settings, **more)
        if not trace:
            self.untraced.add(process.pid)
        return process

    def serve(self, host, address, *ports, how="epoll", proxied=False, read=700, trace=True, service="server"):
        argv = [self.talk, "serve", self.log, how, "proxy" if proxied else "plain", str(read), address, *map(str, ports)]
        self.servers.append(self.start(host, argv, service, trace))
        host.wait_listens(*ports)

    def ask(self, host, *targets, connections=60, requests=4, at_once=30, how="threads", shape="mixed", first_port=0, trace=True,
            service="client"):
        """Starts a client; targets are (address, port)."""
        self.seed += 1
        self.asked += connections
        argv = [self.talk, "ask", self.log, how, str(connections), str(requests), str(at_once), str(self.seed), shape, str(first_port),
                *(f"{address},{port}" for address, port in targets)]
        self.clients.append(self.start(host, argv, service, trace))

    def finish(self):
        """All clients have their answers, all servers have said so; the dumps are whole."""
        for client in self.clients:
            client.wait()
        oracle.wait_logged(self.log, "server", self.asked)
        for server in self.servers:
            server.stop()

    def joins(self):
        return oracle.Joins([os.path.join(self.dumps, host) for host in sorted(os.listdir(self.dumps))])

    def say(self, row, trouble, only, whole, name=None):
        """The row, and the claims. `only`: the classes that may be. `whole`: every byte must be joined."""
        claim, name = self.verdicts.claim, name or self.name
        print(oracle.line(name, row), flush=True)
        claim(f"{name}: nothing is wrong", not trouble, f"{len(trouble)}: " + "\n      ".join(trouble[:3]))
        claim(f"{name}: there is something to join", row.connections > 0)
        if only is not None:
            claim(f"{name}: joined by {only}", set(row.classes) <= set(only), str(row.classes))
        if whole:
            claim(f"{name}: every byte is joined", row.joined == 1 and not row.missed, str(row))
        return row

    def judge(self, only=None, whole=True):
        """By the log, where both programs are talk.c."""
        entries = oracle.read_log(self.log)
        row, trouble = oracle.compare(self.joins(), entries, lambda entry: entry["pid"] not in self.untraced)
        if not self.untraced and row.connections != self.asked:
            trouble.append(f"{row.connections} connections in the log, {self.asked} were made")
        return self.say(row, trouble, only, whole)

    def judge_proxied(self, proxy):
        """The same, with a traced proxy of that service between them."""
        row, trouble = oracle.compare_proxied(self.joins(), oracle.read_log(self.log), proxy)
        return self.say(row, trouble, ["address"], True)

    def judge_known(self, pairs, clients, servers, only=None, whole=True, plain=False):
        """By the addresses that what is between them has told."""
        row, trouble = oracle.compare_known(self.joins(), pairs, clients, servers, plain)
        return self.say(row, trouble, only, whole, self.name + (" (plaintext)" if plain else ""))

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


def play_one(net, verdicts, scenario, *given):
    """One that fails, or that this machine cannot play, does not keep the others from being played."""
    try:
        scenario(*given)
    except Missing as why:
        verdicts.skipped += 1
        print(f"skip  {scenario.__name__}: {why} is not there", flush=True)
    except (Failure, subprocess.SubprocessError) as why:
        verdicts.claim(scenario.__name__, False, str(why))
    net.forget()


def play(scenarios, names, more=None):
    """The whole of a test: each scenario on the hosts of these names, then `more(talk, verdicts)`. The exit status."""
    wanted = os.environ.get("T", "")
    talk = build_talk()
    try:
        verdicts = Verdicts()
        for _ in range(ROUNDS):
            with Network() as net:
                places = [net.host(name) for name in names]
                for scenario in scenarios:
                    if wanted in scenario.__name__:
                        play_one(net, verdicts, scenario, Scene(net, scenario.__name__, talk, verdicts), *places)
            if more and wanted in more.__name__:
                more(talk, verdicts)
    except Missing as why:
        print(f"not on this machine: {why}")
        return 77
    finally:
        shutil.rmtree(os.path.dirname(talk))
    return verdicts.end()
