# SPDX-License-Identifier: Apache-2.0
"""stage.py - one program's play: a scratch directory, its processes (bare, or under strace and dprof at once), its load's
answers, and the end of it all.

A traced program is the child that was asked for (`strace -DD` makes itself a grandchild), so signals and exit statuses are the
program's own. This process is the reaper of every orphan: what a program leaves behind is found among the descendants.
"""

import contextlib
import ctypes
import hashlib
import json
import os
import pwd
import random
import re
import shutil
import signal
import socket
import subprocess
import time

import strace_log

BUILD = os.path.abspath(os.environ.get("DPROF_BUILD", os.path.join(os.path.dirname(__file__), "..", "..", "build")))
PR_SET_CHILD_SUBREAPER = 36
PORTS = (20000, 32000)
TIMEOUT_S = 40
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"


class Trouble(Exception):
    """The program could not be made to run: not a result."""


def become_reaper():
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def wait_for(what, ask, timeout_s=TIMEOUT_S):
    """Asks until the answer is true; the answer."""
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            answer = ask()
        except (OSError, EOFError, ValueError):
            answer = None
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise Trouble(f"{what}: not within {timeout_s} s")
        time.sleep(0.02)  # between two questions


def parents():
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", encoding="latin-1") as stat:
                    text = stat.read()
                fields = text[text.rindex(")") + 2:].split()
                found[int(name)] = (int(fields[1]), fields[0], text[text.index("(") + 1:text.rindex(")")])
            except OSError:
                pass
    return found


def children(of):
    return {pid for pid, (parent, state, _) in parents().items() if parent == of and state != "Z"}


def descendants():
    """Living processes below this one, without strace's own."""
    table, found, grown = parents(), {os.getpid()}, True
    while grown:
        more = {pid for pid, (parent, _, _) in table.items() if parent in found} - found
        found |= more
        grown = bool(more)
    return {pid: table[pid][2] for pid in found - {os.getpid()} if table[pid][1] != "Z" and table[pid][2] != "strace"}


class Stage:
    def __init__(self, top, traced, settings=()):
        self.top, self.traced, self.settings = top, traced, settings
        self.dumps, self.logs, self.ports = os.path.join(top, "dumps"), [], set()
        self.answers, self.statuses, self.started, self.looks = [], [], [], {}
        os.makedirs(os.path.join(top, "tmp"))
        os.chmod(top, 0o755)
        os.chmod(os.path.join(top, "tmp"), 0o1777)
        if traced:
            os.mkdir(self.dumps)
            os.chmod(self.dumps, 0o1777)
        self.stderr = open(self.place("stderr"), "wb+")  # noqa: SIM115 (closed by finish)

    # ---- things ----

    def place(self, *names):
        return os.path.join(self.top, *names)

    def write(self, name, text, user=None, mode=0o644):
        path = self.place(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as out:
            out.write(text)
        os.chmod(path, mode)
        if user:
            shutil.chown(path, user)
        return path

    def directory(self, name, user=None, mode=0o755):
        path = self.place(name)
        os.makedirs(path, exist_ok=True)
        os.chmod(path, mode)
        if user:
            shutil.chown(path, user, pwd.getpwnam(user).pw_gid)
        return path

    def port(self, kind=socket.SOCK_STREAM):
        """Free, and below those that the kernel gives to clients, so that it stays free."""
        while True:
            number = random.randrange(*PORTS)
            if number in self.ports:
                continue
            with socket.socket(socket.AF_INET, kind) as one, contextlib.suppress(OSError):
                one.bind(("127.0.0.1", number))
                self.ports.add(number)
                return number

    # ---- processes ----

    def command(self, argv, user, bare):
        argv = [str(word) for word in argv]
        if not shutil.which(argv[0], path=PATH):
            raise Trouble(f"{argv[0]} is not there")
        if bare or not self.traced:
            return argv
        log = self.place(f"strace.{len(self.logs)}")
        self.logs.append(log)
        settings = [f"LD_PRELOAD={BUILD}/libdprof.so", f"DPROF_DIR={self.dumps}", *self.settings]
        return ["strace", "-DD", "-f", "--seccomp-bpf", "-q", "-y", "-s", "0", "-e", "abbrev=execve,execveat", "-e", "signal=none",
                "-e", "trace=" + strace_log.TRACED, "-o", log, *(word for one in settings for word in ("-E", one)),
                *(["-u", user] if user else []), "--", *argv]

    def popen(self, argv, user=None, env=None, bare=False, **more):
        rights = {}
        if user and (bare or not self.traced):
            rights = {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": os.getgrouplist(user, pwd.getpwnam(user).pw_gid)}
        basic = {"PATH": PATH, "LANG": "C.UTF-8", "HOME": self.top, "TMPDIR": self.place("tmp")}
        more = {"stdin": subprocess.DEVNULL, "stdout": self.stderr, "stderr": self.stderr, "cwd": self.top, **more}
        return subprocess.Popen(self.command(argv, user, bare), env={**basic, **(env or {})}, start_new_session=True, **rights, **more)

    def start(self, argv, ready=None, user=None, env=None, **more):
        """A server; ready when ready() is true."""
        process = self.popen(argv, user, env, **more)
        self.started.append(process)
        if ready:
            def ask():
                if process.poll() not in (None, 0):
                    raise Trouble(f"{argv[0]} ended at its start, {process.returncode}: {self.tail()}")
                return ready()
            try:
                wait_for(str(argv[0]), ask)
            except Trouble as why:
                raise Trouble(f"{why}: {self.tail()}") from why
        return process

    def call(self, argv, user=None, env=None, told=True, bare=False, stdin=None, ok=(0,)):
        """A client to its end: its stdout. `told`: what it prints is an answer that must be the same bare and traced."""
        process = self.popen(argv, user, env, bare, stdout=subprocess.PIPE, stdin=subprocess.PIPE)
        try:
            out = process.communicate(stdin, timeout=TIMEOUT_S)[0]
        except subprocess.TimeoutExpired:
            process.kill()
            raise Trouble(f"{argv[0]}: not done: {self.tail()}") from None
        if process.returncode not in ok:
            raise Trouble(f"{argv[0]}: status {process.returncode}: {out[-300:]!r} {self.tail()}")
        if not bare:
            self.statuses.append(process.returncode)
        if told:
            self.answer(out)
        return out

    def make(self, argv, **more):
        """A tool that prepares something: never traced."""
        return self.call(argv, told=False, bare=True, **more)

    def answer(self, *values):
        for value in values:
            if isinstance(value, bytes):
                value = hashlib.sha256(value).hexdigest()
            self.answers.append(json.dumps(value, sort_keys=True))

    def tail(self):
        with open(self.place("stderr"), "rb") as said:
            return said.read()[-600:].decode("utf-8", "replace")

    # ---- the end ----

    def look(self):
        """Of each living process: its threads, and descriptors that are dprof's."""
        for pid, name in descendants().items():
            try:
                tids = [int(t) for t in os.listdir(f"/proc/{pid}/task")]
                links = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
            except OSError:
                continue
            ours = [link for link in links if link.startswith((self.dumps, "/dev/shm/dprof"))]
            self.looks[pid] = (name, tids, ours)

    def settle(self):
        """A signal that ends a program between a call and its record costs that record, so strace must have been quiet for a
        moment; some programs never are."""
        quiet, size = 0, -1
        for _ in range(40):
            now = sum(os.path.getsize(log) for log in self.logs if os.path.exists(log))
            quiet, size = (quiet + 1, size) if now == size else (0, now)
            if quiet == 4:
                return
            time.sleep(0.02)  # between two looks

    def stop(self, process, how=signal.SIGTERM):
        """In order; its status is one of the results."""
        if not self.looks:
            self.look()
        self.settle()
        if process.poll() is None:
            process.send_signal(how)
        try:
            self.statuses.append(process.wait(15))
        except subprocess.TimeoutExpired:
            self.statuses.append("had to be killed")
            process.kill()
            process.wait()

    def kill_rest(self):
        self.settle()
        for how in (signal.SIGTERM, signal.SIGKILL):
            for pid in descendants():
                try:
                    os.kill(pid, how)
                except ProcessLookupError:
                    pass
            try:
                wait_for("the end of all processes", lambda: not descendants(), 5)
                return
            except Trouble:
                continue

    def finish(self):
        """Everything ends; strace writes its last line when the last process is gone."""
        self.kill_rest()
        wait_for("strace's end", lambda: not any(name == "strace" and parent == os.getpid() and state != "Z"
                                                 for parent, state, name in parents().values()))
        self.stderr.close()
        if self.traced:
            subprocess.run([os.path.join(BUILD, "dprof-salvage"), self.dumps], capture_output=True, check=False)

    def said(self):
        """Lines of dprof's on stderr."""
        with open(self.place("stderr"), "rb") as said:
            return [line.decode("utf-8", "replace") for line in said.read().split(b"\n") if re.match(rb"dprof\[\d+\]", line)]
