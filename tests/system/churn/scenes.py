# SPDX-License-Identifier: Apache-2.0
"""scenes.py - the scenes of churn_test. Each starts the programs of this directory on two hosts (tests/hosts) and yields a line of
figures per run; what is wrong is raised by verdict.py."""
import os
import shutil
import subprocess

from verdict import HERE, Verdict, Wrong

FLAGS = ["-std=gnu11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Wshadow", "-Werror", "-g", "-O1"]


class Stage:
    """Two hosts, the programs, and a directory that each run begins anew."""

    def __init__(self, net, times):
        self.net, self.times, self.runs, self.port, self.failed = net, times, 0, 20000, 0
        self.near, self.far = net.host("near"), net.host("far")
        self.near.run("sysctl", "-qw", "net.ipv4.tcp_tw_reuse=1")
        for name, more in (("talk", []), ("reuse", [])):
            subprocess.run(["gcc", *FLAGS, *more, os.path.join(HERE, "wire.c"), os.path.join(HERE, name + ".c"),
                            "-o", net.path(name), "-pthread"], check=True)

    def begin(self):
        self.runs += 1
        self.port += 10
        self.log = self.net.path(f"log{self.runs}")
        open(self.log, "w").close()
        for host in ("near", "far"):
            shutil.rmtree(self.net.path("dumps", host), ignore_errors=True)

    def start(self, host, *argv, trace=True, service=None, **settings):
        """A program of this directory; it has said "ready" if it is a server."""
        server = argv[1] == "server"
        more = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE} if server else {}
        process = host.start([self.net.path(argv[0]), *map(str, argv[1:])], service or argv[0] + "-" + argv[1], trace,
                             {"WIRE_LOG": self.log, **settings}, **more)
        if server and process.popen.stdout.readline() != b"ready\n":
            process.wait()
        return process

    def dumps(self, *hosts):
        return [self.net.path("dumps", h) for h in hosts or ("near", "far") if os.path.isdir(self.net.path("dumps", h))]

    def judge(self, name, hosts=(), **allowed):
        """The line of figures of a run; a run that is wrong does not stop the others."""
        try:
            return f"{name}: {Verdict(self.log, self.dumps(*hosts), **allowed).line()}"
        except Wrong as why:
            self.failed += 1
            return f"FAIL  {name}: {why}"


# ---- ports used again ----

def reuse(stage, processes, content, ports=4, count=60, **settings):
    stage.begin()
    server = stage.start(stage.far, "reuse", "server", f"4/{stage.far.ip}/{stage.port}", 22000, processes, content, **settings)
    for _ in range(processes - 1):
        server.popen.stdout.readline()
    stage.start(stage.near, "reuse", "client", f"4/{stage.far.ip}/{stage.port}", f"4/{stage.near.ip}", 22000, ports,
                min(800, count * stage.times), content, **settings).wait()
    server.wait()


def ports(stage):
    """One host after the other missing is one-sided, and never a wrong join."""
    for processes in (1, 4):
        for content in ("own", "same"):
            reuse(stage, processes, content)
            yield stage.judge(f"reuse, {processes} servers, {content} bytes")


# ---- passed from one process to another ----

HOWS = ("plain", "fork", "prefork", "rights", "back", "inetd", "exec", "turns", "dup", "foreign")


SHARED = ("turns", "rights", "back", "foreign", "exec")  # the next holder goes on in the middle


def talk(stage, here, where, how, connections=6, rounds=8, threads=3, **settings):
    """Both ends on hosts of their own, or (unix sockets, ::1) on one."""
    connections *= stage.times
    server = stage.start(here, "talk", "server", where, how, connections, rounds, **settings)
    stage.start(stage.far, "talk", "client", where, stage.runs * 1000, connections, rounds, threads, **settings).wait()
    server.wait()


def places(stage):
    """Where a server can be: its host, its address as the client knows it."""
    return {"IPv4": (stage.near, f"4/{stage.near.ip}/{stage.port}"), "IPv6": (stage.near, f"6/{stage.near.ip6}/{stage.port + 1}"),
            "::1": (stage.far, f"6/::1/{stage.port + 2}"), "unix": (stage.far, "unix/" + stage.net.path(f"socket{stage.runs}")),
            "abstract": (stage.far, f"abstract/churn{stage.runs}")}


def passed(stage):
    for how in HOWS:
        for name in places(stage):
            stage.begin()
            talk(stage, *places(stage)[name], how)
            # what nobody who is traced moved on a unix socket, nobody counts
            loose = how == "foreign" and name in ("unix", "abstract")
            yield stage.judge(f"{how}, {name}", shared=how in SHARED, apart=loose, lossy=loose)


ALL = [("ports", ports), ("passed", passed)]
