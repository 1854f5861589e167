# SPDX-License-Identifier: Apache-2.0
"""hosts.py - several hosts on one machine: a network namespace with an address each, cabled to a bridge in
a namespace of its own; and the processes that run in them.

Nothing outside the namespaces is touched: no interface, route or rule of the machine. Where namespaces are
not permitted, every host is an address 127.0.0.x and has ports that were free a moment ago.

Invariant: what is made is written to RUN/state.json before it is made, so that `down` finds it whatever
happened in between. A process is ours if its working directory is under RUN: servers rewrite their titles,
environments, sessions and parents, but all of them stay in the directory that they were given.
"""

import contextlib
import ctypes
import json
import os
import pwd
import re
import select
import signal
import socket
import subprocess
import sys
import time

CLONE_NEWNET = 0x40000000
NAMES = ["client", "web", "app", "sql", "pg", "cache"]
PORTS = {"web": 80, "app": 8000, "sql": 3306, "pg": 5432, "cache": 6379}
IPV6 = ["pg"]  # reached over IPv6, where there is any
libc = ctypes.CDLL(None, use_errno=True)


class Trouble(Exception):
    """Said to the user as one line."""


def say(text):
    print(f"shop: {text}", file=sys.stderr, flush=True)


class State:
    """RUN/state.json."""

    def __init__(self, run):
        self.run = os.path.abspath(run)
        self.path = os.path.join(self.run, "state.json")
        self.hosts, self.namespaces, self.processes, self.trace = {}, [], [], {}
        if os.path.exists(self.path):
            with open(self.path, encoding="utf-8") as file:
                self.__dict__.update(json.load(file))

    def save(self):
        kept = {key: self.__dict__[key] for key in ("hosts", "namespaces", "processes", "trace")}
        with open(self.path + ".new", "w", encoding="utf-8") as out:
            json.dump(kept, out, indent=1)
        os.replace(self.path + ".new", self.path)

    def place(self, host, *more):
        return os.path.join(self.run, host, *more)

    def endpoint(self, host):
        return self.hosts[host]["address"], self.hosts[host]["port"]


# ---- network ----

def enter(path):
    with open(path, "rb") as space:
        if libc.setns(space.fileno(), CLONE_NEWNET):
            raise Trouble(f"{path}: {os.strerror(ctypes.get_errno())}")


@contextlib.contextmanager
def within(space):
    """This thread is in the network namespace, and so is what it starts; None: where it was. Not `ip netns exec`
    or `ip -n`: those want to mount, which is not permitted everywhere."""
    if space is None:
        yield
        return
    with open("/proc/thread-self/ns/net", "rb") as own:
        enter(f"/run/netns/{space}")
        try:
            yield
        finally:
            libc.setns(own.fileno(), CLONE_NEWNET)


def inside(state, host):
    return within(state.hosts[host]["namespace"])


def ip(words, space=None):
    with within(space):
        done = subprocess.run(["ip", *words.split()], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              check=False)
    if done.returncode:
        raise Trouble(f"ip {words}: {done.stderr.strip() or done.returncode}")


def make_namespaces(state):
    prefix = "dprof-" + re.sub("[^A-Za-z0-9]", "", os.path.basename(state.run))[-6:] + "-"
    switch = prefix + "switch"
    state.namespaces = [switch] + [prefix + name for name in NAMES]
    state.save()
    ip(f"netns add {switch}")
    ip("link add bridge type bridge", switch)
    ip("link set bridge up", switch)
    for number, name in enumerate(NAMES, start=1):
        space = prefix + name
        ip(f"netns add {space}")
        ip(f"link add {name} type veth peer name eth0 netns {space}", switch)
        ip(f"link set {name} master bridge up", switch)
        ip(f"addr add 10.77.0.{number}/24 dev eth0", space)
        ip("link set lo up", space)
        ip("link set eth0 up", space)
        address = f"10.77.0.{number}"
        if os.path.exists("/proc/net/if_inet6"):
            ip(f"addr add fd77::{number}/64 dev eth0 nodad", space)
            address = f"fd77::{number}" if name in IPV6 else address
        state.hosts[name] = {"address": address, "port": PORTS.get(name, 0), "namespace": space}
    state.save()


def free_port(address):
    with socket.socket() as probe:
        probe.bind((address, 0))
        return probe.getsockname()[1]


def make_hosts(state, loopback):
    if not loopback:
        try:
            make_namespaces(state)
            return
        except (Trouble, OSError) as why:
            say(f"no network namespaces here ({why}): all hosts share one network, on 127.0.0.x")
            remove_namespaces(state)
    for number, name in enumerate(NAMES, start=11):
        address = f"127.0.0.{number}"
        state.hosts[name] = {"address": address, "port": free_port(address), "namespace": None}
    state.save()


def remove_namespaces(state):
    for space in state.namespaces:
        if os.path.exists(f"/run/netns/{space}"):
            ip(f"netns del {space}")
    state.namespaces = []
    state.save()


# ---- processes ----

def stat_fields(pid):
    """Fields of /proc/PID/stat from the third on (state, ppid, ...); None if there is no such process."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()
    except OSError:
        return None


def begun_at(pid):
    fields = stat_fields(pid)
    return int(fields[19]) if fields else None


def environment(state, host, extra, traced):
    """What a program sees: a small fixed environment, and dprof's settings if it is to be traced."""
    env = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8",
           "HOME": state.place(host), "PYTHONDONTWRITEBYTECODE": "1", **extra}
    if state.trace and traced:
        env.update({key: value for key, value in os.environ.items() if key.startswith("DPROF_") and key != "DPROF_BUILD"})
        env.update({"LD_PRELOAD": state.trace["library"], "DPROF_DIR": state.trace["dumps"], "DPROF_HOST": host})
    return env


def popen(state, host, argv, user, extra_env=None, traced=True, **more):
    """A process on the host, as the user, in the host's directory; what it says goes to the host's log."""
    own = pwd.getpwnam(user)
    env = environment(state, host, extra_env or {}, traced)
    with inside(state, host), open(state.place(host, "log"), "ab") as log:
        given = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log, **more}
        return subprocess.Popen(argv, cwd=state.place(host), env=env, user=own.pw_uid, group=own.pw_gid,
                                extra_groups=[], **given)


def start(state, host, argv, user="root", extra_env=None):
    """Starts a server of the host in its own session: a Ctrl-C at the terminal is ours to handle."""
    process = popen(state, host, argv, user, extra_env, start_new_session=True)
    process.returncode = 0  # it outlives us: no warning about that
    state.processes.append({"host": host, "pid": process.pid, "begun": begun_at(process.pid)})
    state.save()


def main_process(state, host):
    """Pid of the host's server, None if it is gone (a zombie is gone)."""
    for entry in state.processes:
        if entry["host"] == host:
            fields = stat_fields(entry["pid"])
            if fields and int(fields[19]) == entry["begun"] and fields[0] not in "ZX":
                return entry["pid"]
    return None


def children(pid):
    every = (int(name) for name in os.listdir("/proc") if name.isdigit())
    return [child for child in every if (fields := stat_fields(child)) and int(fields[1]) == pid]


def wait_gone(pid, timeout_s):
    """True once the process has ended."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        poller = select.poll()
        poller.register(handle, select.POLLIN)
        return bool(poller.poll(timeout_s * 1000))
    finally:
        os.close(handle)


def ours(state):
    """Pids of all that runs in RUN, without ourselves."""
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) == os.getpid():
            continue
        try:
            where = os.readlink(f"/proc/{name}/cwd")
        except OSError:
            continue
        if (where + "/").startswith(state.run + "/") and not (where == state.run):
            found.append(int(name))
    return found


def wait_ready(state, host, probe, timeout_s=60):
    """Asks until the server answers in its own language; fails at once if it died."""
    deadline = time.monotonic() + timeout_s
    while True:
        with inside(state, "client"):
            why = probe(*state.endpoint(host))
        if why is None:
            return
        pid = main_process(state, host)
        if pid is None or wait_gone(pid, 0.02):
            raise Trouble(f"{host}: the server ended at its start:\n{tail(state, host)}")
        if time.monotonic() > deadline:
            raise Trouble(f"{host}: not ready after {timeout_s} s ({why}):\n{tail(state, host)}")


def tail(state, host, lines=15):
    try:
        with open(state.place(host, "log"), encoding="utf-8", errors="replace") as log:
            return "".join(log.readlines()[-lines:])
    except OSError:
        return ""


def stop(state, host, how, timeout_s=30):
    """Asks the host's server to end. True if there is nothing left to say about it."""
    pid = main_process(state, host)
    if pid is None:
        return not any(entry["host"] == host for entry in state.processes)
    os.kill(pid, how)
    return wait_gone(pid, timeout_s)


def shared_memory(pids):
    """What PostgreSQL holds in /dev/shm, and leaves there if it does not end by itself."""
    found = set()
    for pid in pids:
        with contextlib.suppress(OSError), open(f"/proc/{pid}/maps", encoding="utf-8", errors="replace") as maps:
            found.update(re.findall(r"/dev/shm/PostgreSQL\.\d+", maps.read()))
    return found


def kill_rest(state):
    """Ends everything in RUN: asked once, then by SIGKILL until nothing is left. The pids that it took."""
    needed, segments = set(), set()
    how, patience_s = signal.SIGTERM, 5
    while left := ours(state):
        needed.update(left)
        segments |= shared_memory(left)
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, how)
        for pid in left:
            wait_gone(pid, patience_s)
        how, patience_s = signal.SIGKILL, 10
    for segment in segments:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(segment)
    return sorted(needed)
