# SPDX-License-Identifier: Apache-2.0
"""Names, mail, files, tunnels and tools."""

import os
import re
import signal
import socket

import loads
from programs import program
from programs.web import backend, certificate

NAMED = """\
options {{ directory "{here}/named"; pid-file none; listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }}; recursion no;
  session-keyfile none; dnssec-validation no; }};
zone "test" {{ type master; file "{here}/zone"; }};
controls {{ }};
"""
ZONE = "$TTL 60\n@ IN SOA ns.test. a.test. 1 60 60 60 60\n  IN NS ns.test.\nns IN A 127.0.0.1\nwww IN A 127.0.0.2\n"
UNBOUND = """\
server:
  interface: 127.0.0.1@{port}
  do-daemonize: no
  chroot: ""
  username: unbound
  directory: {here}
  pidfile: ""
  use-syslog: no
  num-threads: 2
  module-config: iterator
  do-not-query-localhost: no
  local-zone: "own." static
  local-data: "www.own. A 127.0.0.3"
remote-control:
  control-enable: no
"""


VSFTPD = """\
listen=YES
listen_address=127.0.0.1
listen_port={port}
anonymous_enable=YES
anon_root={here}
secure_chroot_dir={here}/empty
pasv_min_port={data}
pasv_max_port={data}
background=NO
xferlog_enable=NO
"""
EXIM = """\
spool_directory = {here}
log_file_path = {here}/%slog
pid_file_path = {here}/pid
primary_hostname = localhost
daemon_smtp_ports = {port}
local_interfaces = 127.0.0.1
acl_smtp_rcpt = yes
acl_smtp_data = yes
queue_only
host_lookup =
rfc1413_query_timeout = 0s
keep_environment =
begin acl
yes:
  accept
begin routers
"""
DOVECOT = """\
base_dir = {here}/run
state_dir = {here}/run
protocols = imap
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
log_path = /dev/stderr
mail_location = maildir:{here}/mail/box
first_valid_uid = 1
passdb {{
  driver = passwd-file
  args = {here}/users
}}
userdb {{
  driver = static
  args = uid=mail gid=mail home={here}/mail
}}
service imap-login {{
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
"""
SSHD = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {here}/host
AuthorizedKeysFile {here}/me.pub
StrictModes no
UsePAM no
PermitRootLogin yes
PidFile none
"""
STUNNEL = """\
foreground = yes
pid =
setuid = nobody
setgid = nogroup
debug = 3
[web]
accept = 127.0.0.1:{port}
connect = 127.0.0.1:{back}
cert = {here}/cert.pem
key = {here}/key.pem
"""


def ask_names(stage, port, name="www.test"):
    asks = [loads.dns(name, number=n) for n in range(10)]
    stage.answer([data.hex() for data in loads.datagrams(port, asks)])
    with loads.connect(port) as one:
        one.sendall(len(asks[0]).to_bytes(2, "big") + asks[0])
        size = int.from_bytes(loads.read_exactly(one, 2), "big")
        stage.answer(loads.read_exactly(one, size).hex())
    stage.call(["dig", "+short", "+tries=1", "-p", port, "@127.0.0.1", name])


@program("bind", "bind9 bind9-dnsutils")
def bind(stage):
    port = stage.port()
    stage.directory("named", "bind")
    stage.write("zone", ZONE)
    conf = stage.write("named.conf", NAMED.format(here=stage.top, port=port))
    server = stage.start(["named", "-f", "-u", "bind", "-n", "2", "-c", conf],
                         lambda: loads.datagrams(port, [loads.dns("www.test")], 1)[0][3] & 15 == 0)
    ask_names(stage, port)
    stage.stop(server)


@program("unbound", "unbound bind9-dnsutils")
def unbound(stage):
    port = stage.port()
    conf = stage.write("unbound.conf", UNBOUND.format(here=stage.top, port=port))
    server = stage.start(["unbound", "-d", "-c", conf], loads.listens(port))
    ask_names(stage, port, "www.own")
    stage.stop(server)


@program("dnsmasq", "dnsmasq-base bind9-dnsutils")
def dnsmasq(stage):
    port = stage.port()
    server = stage.start(["dnsmasq", "-k", "-C", "/dev/null", "-p", port, "-a", "127.0.0.1", "-z", "-u", "nobody", "-R", "-h",
                          "-x", stage.place("dnsmasq.pid"), "--address=/www.test/127.0.0.2"], loads.listens(port))
    ask_names(stage, port)
    stage.stop(server)


@program("snmpd", "snmpd snmp")
def snmpd(stage):
    port = stage.port(socket.SOCK_DGRAM)
    conf = stage.write("snmpd.conf", "rocommunity planted 127.0.0.1\nsyslocation here\n")
    ask = ["snmpget", "-v2c", "-c", "planted", "-t", "1", "-r", "0", f"127.0.0.1:{port}", "1.3.6.1.2.1.1.6.0"]
    server = stage.start(["snmpd", "-f", "-Lo", "-C", "-c", conf, "-I", "system_mib", f"udp:127.0.0.1:{port}"],
                         lambda: b"here" in stage.make(ask, ok=(0, 1)), env={"SNMP_PERSISTENT_DIR": stage.place("snmp")})
    stage.call(ask)
    stage.stop(server)


@program("vsftpd", "vsftpd curl")
def vsftpd(stage):
    port, data = stage.port(), stage.port()
    stage.directory("ftp/empty")
    stage.write("ftp/file", "file\n" * 20000)
    conf = stage.write("vsftpd.conf", VSFTPD.format(port=port, data=data, here=stage.place("ftp")))
    server = stage.start(["vsftpd", conf], loads.listens(port))
    stage.call(["curl", "-s", f"ftp://127.0.0.1:{port}/file"])
    stage.stop(server)


@program("exim", "exim4-daemon-light")
def exim(stage):
    port = stage.port()
    stage.directory("spool", "Debian-exim")
    conf = stage.write("exim.conf", EXIM.format(port=port, here=stage.place("spool")))
    server = stage.start(["exim4", "-bdf", "-C", conf, "-oX", str(port)], loads.listens(port))
    asks = [(b"HELO me\r\n", 1), (b"MAIL FROM:<a@localhost>\r\n", 1), (b"RCPT TO:<b@localhost>\r\n", 1), (b"DATA\r\n", 1)]
    stage.answer(loads.talk(port, asks, greeting=True))
    stage.stop(server)


@program("dovecot", "dovecot-imapd")
def dovecot(stage):
    port = stage.port()
    stage.directory("mail", "mail")
    stage.write("users", "me:{PLAIN}planted\n")
    conf = stage.write("dovecot.conf", DOVECOT.format(here=stage.top, port=port))
    server = stage.start(["dovecot", "-F", "-c", conf], loads.listens(port))
    stage.answer(loads.talk(port, [(b"a login me planted\r\n", 1), (b"b list \"\" *\r\n", 2), (b"c logout\r\n", 2)], 2, greeting=True))
    stage.stop(server)


@program("sshd, ssh", "openssh-server openssh-client",
         known="the child that authenticates allows itself too few system calls to record: it is not traced")
def sshd(stage):
    port = stage.port()
    stage.make(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", stage.place("host")])
    stage.make(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", stage.place("me")])
    os.makedirs("/run/sshd", exist_ok=True)
    conf = stage.write("sshd_config", SSHD.format(port=port, here=stage.top))
    server = stage.start(["/usr/sbin/sshd", "-D", "-e", "-f", conf], loads.says(port, b"SSH-2.0-me\r\n", b"SSH"))
    stage.call(["ssh", "-F", "/dev/null", "-i", stage.place("me"), "-p", port, "-o", "StrictHostKeyChecking=no",
                "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "root@127.0.0.1", "seq 1 20000; cat"],
               stdin=b"some input\n" * 1000)
    stage.stop(server)


@program("stunnel", "stunnel4 openssl nginx")
def stunnel(stage):
    back, port = backend(stage), stage.port()
    certificate(stage)
    conf = stage.write("stunnel.conf", STUNNEL.format(port=port, back=back, here=stage.top))
    server = stage.start(["stunnel4", conf], loads.answers(port, "/small.txt", tls=True))
    stage.answer(loads.http_load(port, ["/small.txt", "/large.bin"], tls=True))
    stage.stop(server)


@program("socat", "socat nginx")
def socat(stage):
    back, port, path = backend(stage), stage.port(), stage.place("socat.sock")
    one = stage.start(["socat", f"UNIX-LISTEN:{path},fork", f"TCP:127.0.0.1:{back}"], loads.listens(path))
    two = stage.start(["socat", f"TCP-LISTEN:{port},bind=127.0.0.1,fork,reuseaddr", f"UNIX-CONNECT:{path}"],
                      loads.answers(port, "/small.txt"))
    stage.answer(loads.http_load(port, ["/small.txt", "/large.bin"], 2, 2))
    stage.stop(two)
    stage.stop(one)


@program("ncat", "ncat")
def ncat(stage):
    port = stage.port()
    server = stage.start(["ncat", "-lk", "127.0.0.1", port, "-e", "/bin/cat"], loads.listens(port))
    stage.answer(loads.echo(port, connections=2))
    stage.stop(server)


@program("iperf3", "iperf3")
def iperf3(stage):
    port = stage.port()
    server = stage.start(["iperf3", "-s", "-B", "127.0.0.1", "-p", port, "--forceflush"],
                         lambda: "listening" in stage.tail())  # a connection would be a test to it
    stage.call(["iperf3", "-c", "127.0.0.1", "-p", port, "-n", "20M", "-P", "2"], told=False)
    stage.call(["iperf3", "-c", "127.0.0.1", "-p", port, "-n", "1M", "-Z"], told=False)
    stage.call(["iperf3", "-c", "127.0.0.1", "-p", port, "-u", "-n", "200K", "-b", "20M"], told=False)
    stage.stop(server, signal.SIGTERM)


@program("wget", "wget nginx")
def wget(stage):
    back = backend(stage)
    stage.call(["wget", "-q", "-O", "-", f"http://127.0.0.1:{back}/small.txt", f"http://localhost:{back}/large.bin"])


@program("inetd-like, bash /dev/tcp", "socat bash")
def bash(stage):
    port = stage.port()
    server = stage.start(["socat", f"TCP-LISTEN:{port},bind=127.0.0.1,fork,reuseaddr", "EXEC:'/bin/cat',nofork"], loads.listens(port))
    out = stage.call(["bash", "-c", f"exec 5<>/dev/tcp/127.0.0.1/{port}; echo planted >&5; read -r line <&5; echo $line"])
    stage.answer(re.sub(rb"\s", b"", out))
    stage.stop(server)
