# SPDX-License-Identifier: Apache-2.0
"""Tools, buses and small servers: what else passes descriptors on, forks per connection, or is started by others."""

import glob
import os

import loads
from programs import program
from programs.runtimes import LARGE, PYTHON, echo_server, script
from programs.web import backend

DBUS = """\
<busconfig>
 <type>session</type>
 <listen>unix:path={here}/bus</listen>
 <auth>EXTERNAL</auth>
 <policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy>
</busconfig>
"""
PGBOUNCER = """\
[databases]
postgres = host=127.0.0.1 port={back} user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir = {here}
logfile = {here}/pgbouncer.log
auth_type = any
user = postgres
"""
RSYNC = "port = {port}\naddress = 127.0.0.1\nuse chroot = no\nlock file = {here}/tmp/rsync.lock\n[files]\npath = {here}/files\n"
PRIVOXY = "listen-address 127.0.0.1:{port}\ntoggle 0\nlogdir {here}/tmp\nconfdir {here}/tmp\n"
NSD = """\
server:
  ip-address: 127.0.0.1@{port}
  server-count: 2
  username: nsd
  zonesdir: "{here}"
  database: ""
  pidfile: ""
  xfrdfile: "{here}/tmp/xfrd"
  zonelistfile: "{here}/tmp/zones"
  xfrdir: "{here}/tmp"
remote-control:
  control-enable: no
zone:
  name: test
  zonefile: zone
"""


@program("dbus-daemon", "dbus-daemon dbus-bin")
def dbus(stage):
    conf = stage.write("bus.conf", DBUS.format(here=stage.top))
    server = stage.start(["dbus-daemon", "--nofork", f"--config-file={conf}"], loads.listens(stage.place("bus")))
    for _ in range(3):
        stage.call(["dbus-send", f"--bus=unix:path={stage.place('bus')}", "--print-reply=literal", "--dest=org.freedesktop.DBus",
                    "/org/freedesktop/DBus", "org.freedesktop.DBus.ListActivatableNames"])
    stage.stop(server)


@program("pgbouncer", "pgbouncer postgresql")
def pgbouncer(stage):
    back, port, here = stage.port(), stage.port(), stage.directory("pg", "postgres")
    tools = sorted(glob.glob("/usr/lib/postgresql/*/bin"))[-1]
    stage.make([f"{tools}/initdb", "-D", f"{here}/data", "-A", "trust", "--no-sync"], user="postgres")
    psql = ["psql", "-q", "-U", "postgres", "-h", "127.0.0.1", "-p"]
    stage.start([f"{tools}/postgres", "-D", f"{here}/data", "-p", back, "-c", "fsync=off", "-c", f"unix_socket_directories={here}"],
                lambda: stage.make([*psql, back, "-c", "SELECT 1"], ok=(0, 2)), "postgres", bare=True)
    conf = stage.write("bouncer.ini", PGBOUNCER.format(back=back, port=port, here=stage.place("tmp")))
    server = stage.start(["pgbouncer", "-q", "-u", "postgres", conf], loads.listens(port))
    for _ in range(3):
        stage.call([*psql, port, "-c", "SELECT generate_series(1, 1000)"])
    stage.stop(server)


@program("rsync", "rsync")
def rsync(stage):
    port = stage.port()
    stage.write("files/large.bin", "0123456789abcdef" * 60000)
    conf = stage.write("rsyncd.conf", RSYNC.format(port=port, here=stage.top))
    server = stage.start(["rsync", "--daemon", "--no-detach", f"--config={conf}"], loads.listens(port))
    stage.call(["rsync", "-r", f"rsync://127.0.0.1:{port}/files/", stage.place("copy/")])
    stage.answer(open(stage.place("copy/large.bin"), "rb").read())
    stage.stop(server)


@program("git daemon, git clone", "git")
def git(stage):
    port = stage.port()
    stage.make(["git", "init", "-q", "-b", "main", stage.place("one")])
    stage.write("one/file", "line\n" * 20000)
    stage.make(["git", "-C", stage.place("one"), "-c", "user.name=a", "-c", "user.email=a@b", "-c", "core.fsync=none", "fetch", "-q", "."],
               ok=(0, 1, 128))
    stage.make(["git", "-C", stage.place("one"), "add", "file"])
    stage.make(["git", "-C", stage.place("one"), "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "-m", "one"],
               env={"GIT_AUTHOR_DATE": "2020-01-01T00:00:00Z", "GIT_COMMITTER_DATE": "2020-01-01T00:00:00Z"})
    server = stage.start(["/usr/lib/git-core/git-daemon", f"--port={port}", "--listen=127.0.0.1", "--export-all", f"--base-path={stage.top}"],
                         loads.listens(port))
    stage.call(["git", "clone", "-q", f"git://127.0.0.1:{port}/one", stage.place("two")])
    stage.call(["git", "-C", stage.place("two"), "rev-parse", "HEAD"])
    stage.stop(server)


@program("inetd", "openbsd-inetd")
def inetd(stage):
    tcp, udp = stage.port(), stage.port()
    conf = stage.write("inetd.conf", f"127.0.0.1:{tcp} stream tcp nowait root /bin/cat cat\n127.0.0.1:{udp} dgram udp wait root internal\n")
    server = stage.start(["inetd", "-i", "-d", conf], loads.listens(tcp))
    stage.answer(loads.echo(tcp, connections=2))
    stage.stop(server)


@program("nsd", "nsd bind9-dnsutils")
def nsd(stage):
    from programs.others import ZONE, ask_names
    port = stage.port()
    stage.write("zone", ZONE)
    conf = stage.write("nsd.conf", NSD.format(port=port, here=stage.top))
    server = stage.start(["nsd", "-d", "-c", conf], loads.listens(port))
    ask_names(stage, port)
    stage.stop(server)


@program("beanstalkd", "beanstalkd")
def beanstalkd(stage):
    port = stage.port()
    server = stage.start(["beanstalkd", "-l", "127.0.0.1", "-p", port], loads.listens(port))
    asks = [(b"put 0 0 60 1000\r\n" + b"b" * 1000 + b"\r\n", 1), (b"reserve\r\n", 2)] * 3
    stage.answer(loads.talk(port, asks, 1))
    stage.stop(server)


@program("privoxy", "privoxy nginx")
def privoxy(stage):
    back, port = backend(stage), stage.port()
    conf = stage.write("privoxy.conf", PRIVOXY.format(port=port, here=stage.top))
    server = stage.start(["privoxy", "--no-daemon", "--user", "privoxy", conf], loads.listens(port))
    stage.answer(loads.http_load(port, [f"http://127.0.0.1:{back}{path}" for path in ("/small.txt", "/large.bin")], rounds=0))
    stage.stop(server)


@program("mini-httpd", "mini-httpd nginx")
def mini_httpd(stage):
    backend(stage)
    port = stage.port()
    server = stage.start(["mini_httpd", "-D", "-p", port, "-h", "127.0.0.1", "-d", stage.place("files"), "-u", "www-data"], loads.listens(port))
    stage.answer(loads.http_load(port, ["/small.txt", "/large.bin"], rounds=0))
    stage.stop(server)


@program("python twisted", "python3-twisted")
def twisted(stage):
    echo_server(stage, [PYTHON, script("twisted_echo.py")])


@program("python tornado", "python3-tornado")
def tornado(stage):
    port = stage.port()
    server = stage.start([PYTHON, script("tornado_echo.py"), port], loads.answers(port))
    stage.answer(loads.http_load(port, ["/", LARGE]))
    stage.stop(server)


@program("python eventlet", "python3-eventlet")
def eventlet(stage):
    echo_server(stage, [PYTHON, script("eventlet_echo.py")])


@program("zeromq", "python3-zmq")
def zeromq(stage):
    stage.call([PYTHON, script("zmq_pair.py"), stage.port(), stage.place("zmq.sock")])


@program("python multiprocessing", "python3", quick=True)
def multiprocessing(stage):
    # the manager's socket lies in TMPDIR, and its path may have 107 characters
    stage.call([PYTHON, script("processes.py"), stage.port()], env={"TMPDIR": "/tmp"})


@program("waitress", "python3-waitress")
def waitress(stage):
    port = stage.port()
    server = stage.start(["waitress-serve", f"--listen=127.0.0.1:{port}", "wsgi:app"], loads.answers(port),
                         env={"PYTHONPATH": os.path.dirname(script("wsgi.py")), "PYTHONDONTWRITEBYTECODE": "1"})
    stage.answer(loads.http_load(port, ["/", LARGE]))
    stage.stop(server)


@program("node cluster", "nodejs")
def node_cluster(stage):
    port = stage.port()
    server = stage.start(["node", script("cluster.js"), port], loads.answers(port))
    stage.answer(loads.http_load(port, ["/", LARGE]))
    stage.stop(server)


@program("lua", "lua5.4 lua-socket nginx")
def lua(stage):
    back = backend(stage)
    stage.call(["lua5.4", script("get.lua"), f"http://127.0.0.1:{back}/small.txt"])


@program("php streams", "php8.2-cli")
def php_streams(stage):
    echo_server(stage, ["php", script("echo.php")])


NGIRCD = "[Global]\nName = irc.test.local\nInfo = test\nListen = 127.0.0.1\nPorts = {port}\n[Options]\nPAM = no\nDNS = no\nIdent = no\n"
KNOT = """\
server:
    rundir: "{here}/tmp"
    user: knot:knot
    listen: 127.0.0.1@{port}
database:
    storage: "{here}/tmp"
zone:
  - domain: test
    storage: "{here}"
    file: zone
    zonefile-sync: -1
    journal-content: none
"""
SMB = """\
[global]
server role = standalone server
map to guest = Bad User
smb ports = {port}
interfaces = 127.0.0.1
bind interfaces only = yes
private dir = {here}/tmp
lock directory = {here}/tmp
state directory = {here}/tmp
cache directory = {here}/tmp
pid directory = {here}/tmp
ncalrpc dir = {here}/tmp/nc
log file = {here}/tmp/log
load printers = no
disable spoolss = yes
[files]
path = {here}/files
guest ok = yes
"""
MONO = """\
// SPDX-License-Identifier: Apache-2.0
using System; using System.Net; using System.Net.Sockets; using System.Threading;
class Echo {
	static void Main(string[] a) {
		var listener = new TcpListener(IPAddress.Loopback, int.Parse(a[0]));
		listener.Start();
		for (;;) {
			var c = listener.AcceptTcpClient();
			new Thread(() => {
				var s = c.GetStream(); var room = new byte[65536]; int n;
				while ((n = s.Read(room, 0, room.Length)) > 0) s.Write(room, 0, n);
				c.Close();
			}).Start();
		}
	}
}
"""


@program("ngircd", "ngircd")
def ngircd(stage):
    port = stage.port()
    conf = stage.write("ngircd.conf", NGIRCD.format(port=port))
    server = stage.start(["ngircd", "-n", "-f", conf], loads.listens(port))
    stage.answer(loads.talk(port, [(b"PING a\r\n", 1), (b"NICK a%d\r\nUSER a 0 * :a\r\n" % 1, 0), (b"QUIT\r\n", 1)], 1) != "")
    stage.stop(server)


@program("knot", "knot bind9-dnsutils")
def knot(stage):
    from programs.others import ZONE, ask_names
    port = stage.port()
    stage.write("zone", ZONE)
    conf = stage.write("knot.conf", KNOT.format(port=port, here=stage.top))
    server = stage.start(["knotd", "-c", conf], lambda: loads.datagrams(port, [loads.dns("www.test")], 1)[0][3] & 15 == 0)
    ask_names(stage, port)
    stage.stop(server)


@program("samba, smbclient", "samba smbclient")
def samba(stage):
    port = stage.port()
    stage.directory("files")
    stage.write("files/large.bin", "0123456789abcdef" * 60000)
    conf = stage.write("smb.conf", SMB.format(port=port, here=stage.top))
    server = stage.start(["smbd", "-F", "--no-process-group", "-s", conf], loads.listens(port))
    stage.call(["smbclient", "-s", conf, "-N", "-p", port, "//127.0.0.1/files", "-c", f"get large.bin {stage.place('tmp/copy')}"], told=False)
    stage.answer(open(stage.place("tmp/copy"), "rb").read())
    stage.stop(server)


@program("mono", "mono-runtime mono-mcs")
def mono(stage):
    stage.write("echo.cs", MONO)
    stage.make(["mcs", "-out:" + stage.place("echo.exe"), stage.place("echo.cs")])
    echo_server(stage, ["mono", stage.place("echo.exe")])
