# SPDX-License-Identifier: Apache-2.0
"""hosts.py - several hosts on one machine, for tests. A host is a network, a host name and a boot of its own (the file
that names the boot is covered by another), with a /dev/shm that no other host sees: to dprof and its analyzer these are
different kernels, whose clocks have nothing to do with each other. With `kernel="shared"` they are containers of one
kernel. Each host hangs on a router, in a subnet of its own; the router forwards and translates (nftables).

    with Network() as net:
        web = net.host("web")               # 10.61.1.2/24 and fd61:1::2/64, gateway .1 and ::1
        net.translate("tcp dport 80 ip daddr 10.61.9.9 dnat to 10.61.1.2:8080")
        server = web.start(["./server"], service="web")      # traced; trace=False: not
        server.stop()

Invariant: nothing outlives the test, however it ends. The namespaces have no names: they end with the process that
holds them, which ends with the pipe from us, and what runs in them gets a SIGKILL when we end.
"""

import ctypes
import os
import shutil
import signal
import subprocess
import tempfile
import time
import uuid

BUILD = os.path.abspath(os.environ.get("DPROF_BUILD", os.path.join(os.path.dirname(__file__), "../../build")))
SPACE = uuid.UUID("5a0e0f5e-3d1b-4a76-9a57-0a1c6f0d9b11")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
HOLD = """set -e
hostname "$1"; ip link set lo up; mount -t tmpfs -o size=1g none /dev/shm
[ -z "$2" ] || mount --bind "$2" /proc/sys/kernel/random/boot_id
echo 1 >/proc/sys/net/ipv4/ip_forward; echo 1 >/proc/sys/net/ipv6/conf/all/forwarding; for c in all default; do echo 0 >/proc/sys/net/ipv6/conf/$c/accept_dad; done
echo 20000 32000 >/proc/sys/net/ipv4/ip_local_port_range
echo ready; exec cat >/dev/null"""
RULES = """table {0} dpn{1} {{
  chain before {{ type nat hook prerouting priority dstnat;
    {2}
  }}
  chain after {{ type nat hook postrouting priority srcnat;
    {3}
  }}
}}
"""
libc = ctypes.CDLL(None, use_errno=True)


class Missing(Exception):
    """What this machine cannot do: the test is skipped."""


class Failure(Exception):
    """A scenario that could not be played to its end."""


def die_with_parent():
    libc.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def wait_until(what, probe, timeout_s=30):
    deadline = time.monotonic() + timeout_s
    while not probe():
        if time.monotonic() > deadline:
            raise Failure(f"{what}: not after {timeout_s} s")
        time.sleep(0.01)


class Process:
    def __init__(self, host, argv, env, **more):
        self.how = signal.SIGTERM  # ends it with status 0
        host.network.started += 1
        self.output = open(host.network.path(f"{host.network.started}.{host.name}.{os.path.basename(argv[0])}.out"), "wb")
        given = {"stdin": subprocess.DEVNULL, "stdout": self.output, "stderr": self.output, **more}
        self.popen = subprocess.Popen([*host.enter, *argv], env=env, preexec_fn=die_with_parent, cwd=host.network.top, **given)
        self.pid = self.popen.pid  # nsenter becomes the program

    def wait(self, timeout_s=60):
        """What it said, if that was asked for (stdout=PIPE). A status other than 0 is a failure of the test."""
        said, _ = self.popen.communicate(timeout=timeout_s)
        self.output.close()
        if self.popen.returncode:
            with open(self.output.name, encoding="utf-8", errors="replace") as log:
                raise Failure(f"{self.output.name}: status {self.popen.returncode}\n{log.read()[-2000:]}")
        return said

    def stop(self):
        self.popen.send_signal(self.how)
        self.wait(30)


class Host:
    def __init__(self, network, name, number, kernel):
        self.network, self.name, self.number, self.kernel = network, name, number, kernel
        self.boot = str(uuid.uuid5(SPACE, name if kernel is None else kernel))
        boot_file = ""
        if kernel != "shared":
            boot_file = network.path(f"{name}.boot")
            with open(boot_file, "w", encoding="ascii") as out:
                out.write(self.boot + "\n")
        self.holder = subprocess.Popen(["unshare", "--net", "--mount", "--uts", "sh", "-c", HOLD, "hold", name, boot_file],
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE, preexec_fn=die_with_parent, text=True)
        if self.holder.stdout.readline() != "ready\n":
            raise Missing("network, mount and host name namespaces")
        self.enter = ["nsenter", "--target", str(self.holder.pid), "--net", "--mount", "--uts", "--"]
        self.running = []

    @property
    def ip(self):
        return self.network.address(self.number)

    @property
    def ip6(self):
        return self.network.address6(self.number)

    def run(self, *argv, text=None):
        done = subprocess.run([*self.enter, *argv], input=text, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Failure(f"{self.name}: {' '.join(argv)}: {done.stderr}{text or ''}")
        return done.stdout

    def start(self, argv, service=None, trace=True, settings=None, **more):
        env = {"PATH": PATH, "LANG": "C.UTF-8", "HOME": self.network.top, "PYTHONDONTWRITEBYTECODE": "1"}
        if trace:
            env.update({"LD_PRELOAD": os.path.join(BUILD, "libdprof.so"), "DPROF_DIR": self.network.path("dumps", self.name)})
            env.update({"DPROF_SERVICE": service} if service else {})
            env.update(settings or {})
        self.running.append(Process(self, argv, env, **more))
        return self.running[-1]

    def wait_listens(self, *ports):
        """Until somebody on this host listens on each TCP port; asks nobody, so that no server sees a connection."""
        def listens():
            found = self.run("ss", "-Hltn").split("\n")
            return all(any(line.split()[3].endswith(f":{port}") for line in found if line) for port in ports)
        wait_until(f"{self.name}: somebody listens on {ports}", listens)

    def kill_rest(self):
        for process in self.running:
            if process.popen.poll() is None:
                process.popen.kill()
            process.popen.wait()
        self.running.clear()

    def end(self):
        self.kill_rest()
        self.holder.stdin.close()
        self.holder.wait()


class Network:
    """The router, and the hosts at it. All files are in `top`, a directory that goes at the end unless KEEP is set."""

    def __init__(self, net=61):
        for tool in ("unshare", "nsenter", "ip", "nft", "ss"):
            if not shutil.which(tool, path=PATH):
                raise Missing(tool)
        self.net, self.hosts, self.tables, self.started = net, {}, 0, 0
        self.top = tempfile.mkdtemp(prefix="dpn-")
        os.chmod(self.top, 0o755)
        self.router = None

    def __enter__(self):
        try:
            self.router = Host(self, "router", 0, None)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for host in [*self.hosts.values(), *([self.router] if self.router else [])]:
            host.end()
        if os.environ.get("KEEP"):
            print(f"kept: {self.top}")
        else:
            shutil.rmtree(self.top, ignore_errors=True)

    def path(self, *parts):
        return os.path.join(self.top, *parts)

    def address(self, number, last=2):
        return f"10.{self.net}.{number}.{last}"

    def address6(self, number, last=2):
        return f"fd{self.net:02x}:{number}::{last}"

    def host(self, name, kernel=None):
        """kernel: None, a boot of its own; "shared", that of the machine; else the name of one that hosts share."""
        number = len(self.hosts) + 1
        host = self.hosts[name] = Host(self, name, number, kernel)
        port = f"dpn{number}"
        self.router.run("ip", "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", str(host.holder.pid))
        for at, dev, last in ((self.router, port, 1), (host, "eth0", 2)):
            at.run("ip", "-batch", "-", text=f"addr add {self.address(number, last)}/24 dev {dev}\n"
                   f"addr add {self.address6(number, last)}/64 dev {dev} nodad\nlink set {dev} up\n")
        host.run("ip", "-batch", "-", text=f"route add default via {self.address(number, 1)}\n"
                 f"route add default via {self.address6(number, 1)}\n")
        return host

    def translate(self, before="", after="", family="ip"):
        """Rules of the router: `before` routing (dnat), `after` it (snat, masquerade). Those of earlier calls hold on."""
        if not self.tables:
            self.prove_translation()
        self.tables += 1
        self.router.run("nft", "-f", "-", text=RULES.format(family, self.tables, before, after))

    def prove_translation(self):
        try:
            self.router.run("nft", "-f", "-", text=RULES.format("ip", 0, "", "masquerade"))
            self.router.run("nft", "flush", "ruleset")
        except Failure as why:
            raise Missing("translation of addresses by nftables") from why

    def forget(self):
        """Nothing runs any more, no address is translated."""
        for host in self.hosts.values():
            host.kill_rest()
        self.router.run("nft", "flush", "ruleset")
