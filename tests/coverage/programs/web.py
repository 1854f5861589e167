# SPDX-License-Identifier: Apache-2.0
"""Web servers and proxies."""

import os
import signal

import loads
from programs import program
from stage import Trouble, children, descendants, wait_for

PATHS = ["/small.txt", "/large.bin", "/none"]
NGINX = """\
user www-data;
worker_processes 2;
daemon off;
pid {here}/pid;
error_log stderr error;
events {{ }}
http {{
	access_log off;
	sendfile on;
	client_body_temp_path {here}/body;
	proxy_temp_path {here}/proxy;
	fastcgi_temp_path {here}/fastcgi;
	uwsgi_temp_path {here}/uwsgi;
	scgi_temp_path {here}/scgi;
	upstream back {{ server 127.0.0.1:{port}; keepalive 4; }}
	server {{ listen 127.0.0.1:{port}; listen unix:{here}/back.sock; root {here}/files; }}
	server {{
		listen 127.0.0.1:{front};
		{tls}
		location / {{ proxy_pass http://back; proxy_http_version 1.1; proxy_set_header Connection ""; }}
		location /unix/ {{ proxy_pass http://unix:{here}/back.sock:/; }}
	}}
}}
"""
TLS = "listen 127.0.0.1:{secure} ssl; ssl_certificate {here}/cert.pem; ssl_certificate_key {here}/key.pem;"
HAPROXY = """\
global
  user nobody
  group nogroup
  chroot {here}/empty
  nbthread 2
  stats socket {here}/admin.sock mode 666
defaults
  timeout connect 10s
  timeout client 20s
  timeout server 20s
frontend web
  mode http
  bind 127.0.0.1:{port}
  default_backend files
frontend raw
  mode tcp
  option splice-auto
  option splice-request
  option splice-response
  bind 127.0.0.1:{raw}
  default_backend bytes
backend files
  mode http
  server one 127.0.0.1:{back} check inter 200ms
backend bytes
  mode tcp
  option splice-auto
  option splice-response
  server one 127.0.0.1:{back}
"""
APACHE = """\
ServerRoot {here}
ServerName localhost
PidFile {here}/pid
Listen 127.0.0.1:{port}
ErrorLog {here}/error.log
User www-data
Group www-data
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule proxy_module /usr/lib/apache2/modules/mod_proxy.so
LoadModule proxy_http_module /usr/lib/apache2/modules/mod_proxy_http.so
StartServers 2
ThreadsPerChild 16
MaxRequestWorkers 64
DocumentRoot {here}/files
<Directory />
  Require all granted
</Directory>
ProxyPass /back/ http://127.0.0.1:{back}/
"""
LIGHTTPD = """\
server.port = {port}
server.bind = "127.0.0.1"
server.document-root = "{here}/files"
server.username = "www-data"
server.groupname = "www-data"
server.modules += ( "mod_proxy" )
$HTTP["url"] =~ "^/back/" {{
  proxy.server = ( "" => ( ( "host" => "127.0.0.1", "port" => {back} ) ) )
  proxy.header = ( "map-urlpath" => ( "/back/" => "/" ) )
}}
"""
SQUID = """\
http_port 127.0.0.1:{port} accel defaultsite=localhost no-vhost
cache_peer 127.0.0.1 parent {back} 0 no-query originserver
http_access allow all
cache_effective_user proxy
access_log none
cache_log {here}/log/cache.log
pid_filename {here}/log/pid
coredump_dir {here}/log
shutdown_lifetime 1 seconds
pinger_enable off
netdb_filename none
"""
TINYPROXY = "Port {port}\nListen 127.0.0.1\nUser nobody\nGroup nogroup\nMaxClients 20\nAllow 127.0.0.1\nLogLevel Error\n"


def files(stage):
    stage.directory("files")
    stage.write("files/small.txt", "small\n" * 10)
    stage.write("files/large.bin", "0123456789abcdef" * 30000)


def certificate(stage):
    stage.make(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", stage.place("key.pem"),
                "-out", stage.place("cert.pem"), "-days", "2", "-subj", "/CN=localhost"])


def nginx_server(stage, tls=""):
    """A front that proxies to a back that serves files; the ports of both."""
    files(stage)
    port, front = stage.port(), stage.port()
    conf = stage.write("nginx.conf", NGINX.format(here=stage.top, port=port, front=front, tls=tls))
    server = stage.start(["nginx", "-e", "stderr", "-p", stage.top, "-c", conf], loads.answers(front))
    return server, front, port


def backend(stage):
    """Files over HTTP for a proxy: an nginx that is not traced."""
    files(stage)
    port = stage.port()
    stage.directory("backend")
    conf = stage.write("backend/nginx.conf", NGINX.format(here=stage.place("backend"), port=port, front=stage.port(), tls="").replace(
        stage.place("backend") + "/files", stage.place("files")))
    stage.start(["nginx", "-e", "stderr", "-p", stage.place("backend"), "-c", conf], loads.answers(port), bare=True)
    return port


@program("nginx", "nginx curl", quick=True)
def nginx(stage):
    server, front, back = nginx_server(stage)
    stage.answer(loads.http_load(front, PATHS + ["/unix/small.txt"]), loads.http_load(back, PATHS))
    stage.call(["curl", "-s", f"http://127.0.0.1:{front}/small.txt", f"http://127.0.0.1:{front}/large.bin"])
    old = children(server.pid)
    server.send_signal(signal.SIGHUP)  # a connection that an old worker has just accepted may be reset, so wait for their end
    wait_for("new workers", lambda: (now := children(server.pid)) and not now & old)
    stage.answer(loads.http_load(front, PATHS, 2, 2))
    stage.stop(server, signal.SIGQUIT)


@program("nginx TLS, curl TLS", "nginx curl openssl", quick=True)
def nginx_tls(stage):
    certificate(stage)
    secure = stage.port()
    server, _, _ = nginx_server(stage, TLS.format(secure=secure, here=stage.top))
    stage.answer(loads.http_load(secure, PATHS, tls=True))
    stage.call(["curl", "-sk", f"https://127.0.0.1:{secure}/small.txt", f"https://127.0.0.1:{secure}/large.bin"])
    stage.stop(server, signal.SIGQUIT)


@program("haproxy", "haproxy nginx")
def haproxy(stage):
    back, port, raw = backend(stage), stage.port(), stage.port()
    stage.directory("empty")
    conf = stage.write("haproxy.cfg", HAPROXY.format(here=stage.top, port=port, raw=raw, back=back))
    server = stage.start(["haproxy", "-W", "-db", "-f", conf], loads.answers(port, "/small.txt"))
    stage.answer(loads.http_load(port, PATHS), loads.http_load(raw, PATHS))
    stage.stop(server)


STREAM = """\
load_module /usr/lib/nginx/modules/ngx_stream_module.so;
user www-data;
worker_processes 2;
daemon off;
pid {here}/stream.pid;
error_log stderr error;
events {{ }}
stream {{
	server {{ listen 127.0.0.1:{tcp}; proxy_pass 127.0.0.1:{back}; }}
	server {{ listen 127.0.0.1:{udp} udp reuseport; proxy_pass 127.0.0.1:{names}; proxy_responses 1; }}
}}
"""


@program("nginx stream", "nginx libnginx-mod-stream dnsmasq-base")
def nginx_stream(stage):
    back, names, tcp, udp = backend(stage), stage.port(), stage.port(), stage.port()
    stage.start(["dnsmasq", "-k", "-C", "/dev/null", "-p", names, "-a", "127.0.0.1", "-z", "-R", "-h", "-x", stage.place("names.pid"),
                 "--address=/www.test/127.0.0.2"], loads.listens(names), bare=True)
    conf = stage.write("stream.conf", STREAM.format(here=stage.top, tcp=tcp, back=back, udp=udp, names=names))
    server = stage.start(["nginx", "-e", "stderr", "-p", stage.top, "-c", conf], loads.answers(tcp, "/small.txt"))
    stage.answer(loads.http_load(tcp, PATHS))
    stage.answer([data.hex() for data in loads.datagrams(udp, [loads.dns("www.test", number=n) for n in range(10)])])
    stage.stop(server, signal.SIGQUIT)


@program("nginx, a new binary in its place", "nginx")
def nginx_upgrade(stage):
    """SIGUSR2: the master execs a second one, with an environment of its own making and the listeners in it."""
    files(stage)
    port, front = stage.port(), stage.port()
    text = NGINX.replace("daemon off;", "").format(here=stage.top, port=port, front=front, tls="")
    argv = ["/usr/sbin/nginx", "-e", "stderr", "-p", stage.top, "-c", stage.write("nginx.conf", text)]  # it execs argv[0]
    started = stage.start(argv, loads.answers(front))
    stage.statuses.append(started.wait(20))  # the master is a daemon: else nginx does not take the signal
    old = master(stage)
    os.kill(old, signal.SIGUSR2)
    new = wait_for("the new master", lambda: (now := master(stage)) != old and len(children(now)) == 2 and now)
    os.kill(old, signal.SIGQUIT)
    wait_for("the old master's end", lambda: old not in descendants())
    stage.look()
    stage.answer(loads.http_load(front, PATHS, 3, 3))
    stage.settle()
    os.kill(new, signal.SIGQUIT)
    wait_for("the new master's end", lambda: new not in descendants())


def master(stage):
    with open(stage.place("pid"), encoding="ascii") as pid:
        return int(pid.read())


@program("haproxy, reloaded", "haproxy nginx")
def haproxy_reload(stage):
    """SIGUSR2: the master execs itself and hands the listeners to new workers."""
    back, port, raw = backend(stage), stage.port(), stage.port()
    stage.directory("empty")
    conf = stage.write("haproxy.cfg", HAPROXY.format(here=stage.top, port=port, raw=raw, back=back))
    server = stage.start(["haproxy", "-W", "-db", "-f", conf], loads.answers(port, "/small.txt"))
    wait_for("the master", lambda: "Loading success" in stage.tail())
    old = children(server.pid)
    for _ in range(10):  # a master that is about to wait loses the signal
        server.send_signal(signal.SIGUSR2)
        try:
            wait_for("the reload", lambda: "Reloading" in stage.tail(), 1)
            break
        except Trouble:
            continue
    wait_for("a new worker", lambda: (now := children(server.pid)) and not now & old)
    stage.answer(loads.http_load(port, PATHS))
    stage.stop(server)


@program("apache prefork", "apache2-bin nginx")
def apache_prefork(stage):
    apache_play(stage, "prefork")


@program("apache event", "apache2-bin nginx")
def apache(stage):
    apache_play(stage, "event")


def apache_play(stage, kind):
    back, port = backend(stage), stage.port()
    text = APACHE.replace("event", kind) if kind == "event" else APACHE.replace("event", kind).replace("ThreadsPerChild 16\n", "")
    conf = stage.write("apache.conf", text.format(here=stage.top, port=port, back=back))
    server = stage.start(["apache2", "-d", stage.top, "-f", conf, "-DFOREGROUND"], loads.answers(port, "/small.txt"))
    stage.answer(loads.http_load(port, PATHS + ["/back/small.txt", "/back/large.bin"]))
    stage.stop(server)


@program("lighttpd", "lighttpd nginx")
def lighttpd(stage):
    back, port = backend(stage), stage.port()
    conf = stage.write("lighttpd.conf", LIGHTTPD.format(here=stage.top, port=port, back=back))
    server = stage.start(["lighttpd", "-D", "-f", conf], loads.answers(port, "/small.txt"))
    stage.answer(loads.http_load(port, PATHS + ["/back/small.txt", "/back/large.bin"]))
    stage.answer(loads.get(port, "/none", method="POST", body=b"z" * 50000))  # thrown away with MSG_TRUNC
    stage.stop(server, signal.SIGINT)


@program("squid", "squid nginx")
def squid(stage):
    back, port = backend(stage), stage.port()
    stage.directory("log", "proxy")
    conf = stage.write("squid.conf", SQUID.format(here=stage.top, port=port, back=back))
    server = stage.start(["squid", "-N", "-f", conf, "-n", f"cover{port}"], loads.answers(port, "/small.txt"))
    stage.answer(loads.http_load(port, ["/small.txt", "/large.bin"]))
    stage.stop(server)


@program("tinyproxy", "tinyproxy-bin nginx")
def tinyproxy(stage):
    back, port = backend(stage), stage.port()
    conf = stage.write("tinyproxy.conf", TINYPROXY.format(port=port))
    server = stage.start(["tinyproxy", "-d", "-c", conf], loads.listens(port))
    stage.answer(loads.http_load(port, [f"http://127.0.0.1:{back}{path}" for path in PATHS], rounds=0))
    stage.stop(server)


@program("varnish", "varnish nginx")
def varnish(stage):
    back, port = backend(stage), stage.port()
    stage.directory("varnish", "vcache")
    server = stage.start(["varnishd", "-F", "-a", f"127.0.0.1:{port}", "-b", f"127.0.0.1:{back}", "-n", stage.place("varnish"),
                          "-s", "malloc,16m", "-p", "thread_pool_min=5", "-T", "none"], loads.answers(port, "/small.txt"))
    stage.answer(loads.http_load(port, PATHS))
    stage.stop(server)


@program("ab and wrk", "apache2-utils wrk nginx")
def ab_and_wrk(stage):
    back = backend(stage)
    stage.call(["ab", "-q", "-k", "-n", "100", "-c", "5", f"http://127.0.0.1:{back}/small.txt"], told=False)
    stage.call(["ab", "-q", "-n", "50", "-c", "3", f"http://127.0.0.1:{back}/large.bin"], told=False)
    stage.call(["wrk", "-d", "1", "-c", "4", "-t", "2", f"http://127.0.0.1:{back}/small.txt"], told=False)


@program("curl", "curl nginx", quick=True)
def curl(stage):
    back = backend(stage)
    for n in range(3):
        stage.call(["curl", "-s", "-Z", "--parallel-max", "4", *[f"http://127.0.0.1:{back}/small.txt?{n}{m}" for m in range(6)]])
    stage.call(["curl", "-s", "--unix-socket", stage.place("backend/back.sock"), "http://localhost/large.bin"])
    stage.call(["curl", "-s", f"http://localhost:{back}/small.txt", "-d", "@" + stage.place("files/large.bin")])
