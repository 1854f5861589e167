# SPDX-License-Identifier: Apache-2.0
"""scenes.py - the scenes of churn_test. Each starts the programs of this directory on two hosts (tests/hosts) and yields a line of
figures per run; what is wrong is raised by verdict.py."""
import os
import shutil
import signal
import subprocess

from hosts import wait_until
from verdict import BUILD, HERE, Verdict, Wrong, analyze

FLAGS = ["-std=gnu11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Wshadow", "-Werror", "-g", "-O1"]


class Stage:
    """Two hosts, the programs, and a directory that each run begins anew."""

    def __init__(self, net, times):
        self.net, self.times, self.runs, self.port, self.failed = net, times, 0, 20000, 0
        self.near, self.far = net.host("near"), net.host("far")
        self.near.run("sysctl", "-qw", "net.ipv4.tcp_tw_reuse=1")
        for name, source, more in (("talk", "talk.c", []), ("reuse", "reuse.c", []), ("static", "talk.c", ["-static", "-DWIRE_STATIC"])):
            subprocess.run(["gcc", *FLAGS, *more, os.path.join(HERE, "wire.c"), os.path.join(HERE, source),
                            "-o", net.path(name), "-pthread"], check=True)

    def begin(self):
        self.runs += 1
        self.port += 10
        self.log = self.net.path(f"log{self.runs}")
        open(self.log, "w").close()
        for host in ("near", "far", "router"):
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
        return [self.net.path("dumps", h) for h in hosts or ("near", "far", "router") if os.path.isdir(self.net.path("dumps", h))]

    def judge(self, name, where=None, **allowed):
        """The line of figures of a run; a run that is wrong does not stop the others."""
        try:
            return f"{name}: {Verdict(self.log, where or self.dumps(), **allowed).line()}"
        except Wrong as why:
            return self.fail(name, why)

    def compare(self, name, top):
        """What nginx says of each connection, and what the analyzer does."""
        said, got, whole = {}, {}, True
        for line in open(os.path.join(top, "nginx.log"), encoding="ascii"):
            _, port, taken, sent = map(int, line.split())
            said[port] = said.get(port, 0) + taken + sent
        info = analyze(self.dumps())
        for link in info["connections"]:
            client, server = link["client"], link["server"]
            if not client or client["service"] != "curl" or client["remote"] != f"{self.near.ip}:{self.port}":
                continue
            whole &= bool(server) and server["service"] == "nginx" and server["remote"] == client["local"] and not link["bytes_one_sided"]
            port = int(client["local"].rpartition(":")[2])
            got[port] = got.get(port, 0) + link["bytes_joined"]
        if not whole or got != said or len(said) < 15:
            return self.fail(name, f"nginx counted {said}, joined are {got}")
        return f"{name}: address 100.00 % of bytes in {len(got)} connections; wrong 0, ambiguous {info['ambiguous']}"

    def fail(self, name, why):
        self.failed += 1
        return f"FAIL  {name}: {why}"


# ---- ports used again ----

def reuse(stage, processes, content, ports=4, count=60, **settings):
    stage.begin()
    server = stage.start(stage.far, "reuse", "server", f"4/{stage.far.ip}/{stage.port}", 22000, processes, content, **settings)
    for _ in range(abs(processes) - 1):
        server.popen.stdout.readline()
    stage.start(stage.near, "reuse", "client", f"4/{stage.far.ip}/{stage.port}", f"4/{stage.near.ip}", 22000, ports,
                min(800, count * stage.times), content, **settings).wait()
    server.wait()


def without(stage, host, which):
    """The dumps of a host's processes whose place in the list is not a multiple of `which` are gone."""
    where = stage.net.path("dumps", host)
    for number, name in enumerate(sorted(os.listdir(where))):
        if number % which:
            os.unlink(os.path.join(where, name))


def skewed(stage):
    """The dumps as if the hosts' clocks were minutes apart and of other rates."""
    clocks, out = stage.net.path("clocks"), stage.net.path("skewed")
    shutil.rmtree(out, ignore_errors=True)
    os.mkdir(out)
    with open(clocks, "w", encoding="ascii") as f:
        f.write("near offset=-7s drift=150ppm boot=a\nfar offset=301s drift=-200ppm boot=b\n")
    subprocess.run([os.path.join(BUILD, "tools", "skew"), clocks, out,
                    *(os.path.join(d, n) for d in stage.dumps() for n in sorted(os.listdir(d)))], check=True)
    return [out]


def ports(stage):
    """Tens of incarnations of one pair of ports in a second."""
    for processes, content, capture in ((1, "own", "256"), (4, "own", "off"), (-4, "own", "256"), (1, "same", "256"), (4, "same", "off"),
                                        (-4, "same", "256"), (-4, "same", "off")):
        reuse(stage, processes, content, DPROF_CAPTURE=capture)
        name = f"ports, {processes} servers, {content} bytes, capture {capture}"
        # Two that were accepted by two threads at one moment, with bytes and lengths that are the same, or without any, are nobody's
        # to tell apart.
        share = 1.0 if content == "own" else 0.8
        yield stage.judge(name, apart=True, share=share)
        yield stage.judge(name + ", clocks apart", where=skewed(stage), apart=True, share=share)


def missing(stage):
    """The same without some of the dumps: what is left is joined, or said to be ambiguous, and never wrong."""
    for content, capture in (("own", "256"), ("same", "256"), ("same", "off")):
        reuse(stage, -4, content, DPROF_CAPTURE=capture)
        name = f"missing, {content} bytes, capture {capture}"
        yield stage.judge(name + ", the client only", where=stage.dumps("near"), apart=True, lossy=True)
        yield stage.judge(name + ", the servers only", where=stage.dumps("far"), apart=True, lossy=True)
        without(stage, "far", 2)
        yield stage.judge(name + ", half of the servers", apart=True, lossy=True)
        yield stage.judge(name + ", half of the servers, clocks apart", where=skewed(stage), apart=True, lossy=True)


# ---- passed from one process to another ----

HOWS = ("plain", "fork", "prefork", "rights", "back", "inetd", "exec", "turns", "dup", "foreign")


SHARED = ("turns", "rights", "back", "foreign", "exec")  # the next holder goes on in the middle


def talk(stage, here, where, how, connections=6, rounds=8, threads=3, called=None, **settings):
    """Both ends on hosts of their own, or (unix sockets, ::1) on one."""
    connections *= stage.times
    server = stage.start(here, "talk", "server", where, how, connections, rounds, **settings)
    stage.start(stage.far, "talk", "client", called or where, stage.runs * 1000, connections, rounds, threads, **settings).wait()
    server.wait()


def places(stage):
    """Where a server can be: its host, its address as the client knows it."""
    return {"IPv4": (stage.near, f"4/{stage.near.ip}/{stage.port}"), "IPv6": (stage.near, f"6/{stage.near.ip6}/{stage.port + 1}"),
            "::1": (stage.far, f"6/::1/{stage.port + 2}"), "unix": (stage.far, "unix/" + stage.net.path(f"socket{stage.runs}")),
            "abstract": (stage.far, f"abstract/churn{stage.runs}")}


def passed(stage):
    """Every way to hand a connection on, over TCP and unix; over the other families two of them, or (CHURN_LONG) all."""
    for how in HOWS:
        for name in places(stage) if how in ("plain", "back") or stage.times > 1 else ("IPv4", "unix"):
            stage.begin()
            talk(stage, *places(stage)[name], how)
            # what nobody who is traced moved on a unix socket, nobody counts
            loose = how == "foreign" and name in ("unix", "abstract")
            yield stage.judge(f"{how}, {name}", shared=how in SHARED, apart=loose, lossy=loose)


def families(stage):
    """One address in two forms at its ends: mapped into IPv6; link-local, with the name of the device on each host."""
    stage.begin()
    talk(stage, stage.near, f"4/{stage.near.ip}/{stage.port}", "plain", called=f"6/::ffff:{stage.near.ip}/{stage.port}")
    yield stage.judge("mapped into IPv6")
    stage.begin()
    router, device = stage.net.router, f"dpn{stage.far.number}"
    listed = lambda: router.run("ip", "-6", "-o", "addr", "show", "dev", device, "scope", "link", "-tentative").split()
    wait_until("the router has a link-local address", listed)
    address = listed()[3].split("/")[0]
    talk(stage, router, f"6/{address}%{device}/{stage.port}", "plain", called=f"6/{address}%eth0/{stage.port}")
    yield stage.judge("link-local")


def many(stage):
    """Many at once on one path, accepted by several processes: who is whose other end?"""
    for name, (host, where) in places(stage).items():
        stage.begin()
        where = places(stage)[name][1]
        talk(stage, host, where, "prefork", connections=80, rounds=3, threads=40)
        yield stage.judge(f"many, {name}")


# ---- records lost ----

def overflow(stage):
    """Rings too small for what is recorded: holes, and no byte at another offset."""
    for where in (0, 3):
        for rounds in (20, 60, 180, 540):  # until it is too much for this machine
            stage.begin()
            host, at = list(places(stage).values())[where]
            talk(stage, host, at, "plain", connections=4, rounds=rounds, threads=4, DPROF_RING="64K", DPROF_FLUSH_MS="1000",
                 DPROF_CAPTURE="4096", WIRE_PIECES="1")
            line = stage.judge(f"overflow, {'unix' if where else 'IPv4'}", lossy=True)
            if "dropped 0" not in line:
                break
        else:
            line = stage.fail("overflow", "nothing was dropped")
        yield line


def killed(stage):
    """kill -9 of the server in mid-load, then salvage."""
    for where in (0, 3):
        stage.begin()
        host, at = list(places(stage).values())[where]
        server = stage.start(host, "talk", "server", at, "plain", 400, 40)
        client = stage.start(stage.far, "talk", "client", at, stage.runs * 1000, 400, 40, 4)
        wait_until("a few thousand calls", lambda: os.path.getsize(stage.log) > 30000)
        server.popen.kill()
        server.popen.wait()
        client.popen.kill()
        client.popen.wait()
        for dumps in stage.dumps():
            getattr(stage, os.path.basename(dumps)).run(os.path.join(BUILD, "dprof-salvage"), dumps)
        # what was accepted and not yet read from may be anybody's
        yield stage.judge(f"killed, {'unix' if where else 'IPv4'}", cut=True, apart=True)


# ---- not there from the beginning ----

def late(stage):
    """What somebody moved whom the library is no part of, before a traced process had the connection or while it had not."""
    library = os.path.join(BUILD, "libdprof.so")
    for how in ("late", "static"):
        for where in (0, 3):
            stage.begin()
            host, at = list(places(stage).values())[where]
            more = {"LD_PRELOAD": ""} if how == "late" else {}
            server = stage.start(host, "talk", "server", at, how, 6, 8, WIRE_LATE=library, WIRE_STATIC=stage.net.path("static"), **more)
            stage.start(stage.far, "talk", "client", at, stage.runs * 1000, 6, 8, 3).wait()
            server.wait()
            loose = where == 3
            yield stage.judge(f"{how}, {'unix' if where else 'IPv4'}", shared=True, apart=loose, lossy=loose)


def windows(stage):
    """Connections that began, and went on, while nobody recorded."""
    for where in (0, 3):
        stage.begin()
        host, at = list(places(stage).values())[where]
        talk(stage, host, at, "plain", connections=30, rounds=8, threads=8, DPROF_WINDOW="20ms/100ms,margin=1ms")
        yield stage.judge(f"windows, {'unix' if where else 'IPv4'}", lossy=True, apart=True)


def shut(stage):
    """The gate is shut by hand in the middle of connections, and opens again."""
    for where in (0, 3):
        stage.begin()
        host, at = list(places(stage).values())[where]
        server = stage.start(host, "talk", "server", at, "plain", 4, 100, DPROF_FLUSH_MS="20")
        client = stage.start(stage.far, "talk", "client", at, stage.runs * 1000, 4, 100, 4, DPROF_FLUSH_MS="20")
        steps = ((word, on, process) for word in ("pause", "resume") for on, process in ((host, server), (stage.far, client)))
        for number, (word, on, process) in enumerate(steps):
            wait_until("the programs go on", lambda least=10000 * (number + 1): os.path.getsize(stage.log) > least)
            other = server if process is client else client  # which stands still, so that nobody is done before that
            other.popen.send_signal(signal.SIGSTOP)
            on.run(os.path.join(BUILD, "dprof-ctl"), word, str(process.pid))
            other.popen.send_signal(signal.SIGCONT)
        client.wait()
        server.wait()
        yield stage.judge(f"shut, {'unix' if where else 'IPv4'}", lossy=True)


# ---- a real server ----

NGINX = """daemon on; worker_processes 2; pid {top}/nginx.pid; error_log {top}/nginx.err; events {{ }}
http {{
  log_format wire "$connection $remote_port $request_length $bytes_sent"; access_log {top}/nginx.log wire;
  client_body_temp_path {top}/b; proxy_temp_path {top}/p; fastcgi_temp_path {top}/f; uwsgi_temp_path {top}/u; scgi_temp_path {top}/s;
  keepalive_requests 7;
  server {{ listen {ip}:{port} reuseport; location / {{ return 200 "$request_id $request_id"; }} }}
}}
"""


def nginx(stage):
    """nginx is told to read its configuration anew, and to hand its listeners to another image of itself (USR2), under load; its own
    log says how many bytes each connection had."""
    stage.begin()
    top, pid_file = stage.net.path("nginx"), stage.net.path("nginx", "nginx.pid")
    os.makedirs(top, exist_ok=True)
    with open(os.path.join(top, "conf"), "w", encoding="ascii") as f:
        f.write(NGINX.format(top=top, ip=stage.near.ip, port=stage.port))
    stage.near.start(["/usr/sbin/nginx", "-p", top, "-c", os.path.join(top, "conf")]).wait()
    wait_until("nginx runs", lambda: os.path.exists(pid_file) and open(pid_file).read().strip())
    masters = [int(open(pid_file).read())]
    url = f"http://{stage.near.ip}:{stage.port}/"
    ask = lambda: stage.far.start(["curl", "-s", "-o", "/dev/null", *[url] * 40])
    try:
        first = ask()
        os.kill(masters[0], signal.SIGHUP)
        first.wait()
        second = ask()
        os.kill(masters[0], signal.SIGUSR2)
        wait_until("the other image runs", lambda: os.path.exists(pid_file + ".oldbin") and os.path.exists(pid_file))
        wait_until("it has a number", lambda: open(pid_file).read().strip() not in ("", str(masters[0])))
        masters.append(int(open(pid_file).read()))
        second.wait()
        os.kill(masters[0], signal.SIGQUIT)
        ask().wait()
    finally:
        for pid in masters:
            end_of(pid)
    yield stage.compare("nginx", top)


def end_of(pid):
    """Until the process is gone, with those that it started."""
    try:
        os.kill(pid, signal.SIGQUIT)
    except ProcessLookupError:
        pass
    wait_until("nginx is over", lambda: not os.path.exists(f"/proc/{pid}"))


ALL = [("ports", ports), ("missing", missing), ("passed", passed), ("families", families), ("many", many), ("overflow", overflow), ("killed", killed), ("late", late), ("windows", windows), ("shut", shut), ("nginx", nginx)]
