# SPDX-License-Identifier: Apache-2.0
"""proxies.py - layer 4 proxies and translating routers between the hosts of a scenario, and what they tell of the
connections that they passed on: (the client's address, the address that the server sees).
"""

import re
import shutil
import signal

import oracle
from hosts import PATH, Failure, Missing, wait_until

MODULE = "/usr/lib/nginx/modules/ngx_stream_module.so"


def needs(*tools):
    for tool in tools:
        if not shutil.which(tool, path=PATH):
            raise Missing(tool)


def haproxy(s, host, port, targets, header="", trace=False, accept="", check=False):
    """TCP mode, from `port` to the targets in turn. `header`: send-proxy, send-proxy-v2; `accept`: accept-proxy."""
    needs("haproxy")
    config = s.net.path(f"{host.name}.haproxy")
    servers = "\n".join(f"  server s{n} {ip}:{to} {header} {'check inter 50ms' if check else ''}" for n, (ip, to) in enumerate(targets))
    with open(config, "w", encoding="ascii") as out:
        out.write(f"""global
  maxconn 2000
  log stdout format raw local0
defaults
  mode tcp
  timeout connect 10s
  timeout client 60s
  timeout server 60s
  log global
  log-format "via %ci %cp %bi %bp"
frontend all
  bind :::{port} v4v6 {accept}
  default_backend all
backend all
  balance roundrobin
{servers}
""")
    process = s.start(host, ["haproxy", "-db", "-f", config], "haproxy", trace=trace)
    process.how = signal.SIGUSR1
    host.wait_listens(port)
    return process


def passed_on(process, count):
    """What haproxy logged of `count` connections: it logs each when it is over."""
    def told():
        with open(process.output.name, encoding="utf-8", errors="replace") as log:
            return re.findall(r"^via (\S+) (\d+) (\S+) (\d+)$", log.read(), re.M)
    wait_until(f"haproxy has logged {count} connections", lambda: len(told()) >= count)
    return [(oracle.logged((ci, cp)), oracle.logged((bi, bp))) for ci, cp, bi, bp in told()]


def translated(net, port, count):
    """What the router knows of the TCP connections to that port that it passed on (until a while after they were over)."""
    found = []
    for line in net.router.run("cat", "/proc/net/nf_conntrack").splitlines():
        source = re.findall(r"src=(\S+) dst=(\S+) sport=(\d+) dport=(\d+)", line)
        if " tcp " in line and len(source) == 2:
            (src, _, sport, to), (_, back, _, back_port) = source
            if int(to) == port:
                found.append((oracle.logged((src, sport)), oracle.logged((back, back_port))))
    if len(found) < count:
        raise Failure(f"the router knows {len(found)} connections, must be {count}")
    return found


def nginx(s, host, text, trace=False, service="nginx", modules=""):
    """`text`: the blocks `stream` and `http`."""
    needs("nginx")
    config = s.net.path(f"{host.name}.{service}.conf")
    temp = " ".join(f"{name}_temp_path {s.net.path(name)};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    with open(config, "w", encoding="ascii") as out:
        out.write(f"""{modules} daemon off; user root; worker_processes 2; pid {config}.pid; error_log {config}.errors;
events {{ worker_connections 1024; }}
""" + text.replace("http {", "http { " + temp))
    process = s.start(host, ["nginx", "-c", config, "-p", s.net.top], service, trace=trace)
    process.how = signal.SIGQUIT
    return process


def nginx_stream(s, host, port, targets, header=False, accept=False, trace=False):
    try:
        with open(MODULE, "rb"):
            pass
    except FileNotFoundError as why:
        raise Missing("nginx's module stream") from why
    servers = " ".join(f"server {ip}:{to};" for ip, to in targets)
    process = nginx(s, host, f"""stream {{ upstream all {{ {servers} }}
  server {{ listen {port}{' proxy_protocol' if accept else ''}; listen [::]:{port} ipv6only=on; proxy_pass all; {'proxy_protocol on;' if header else ''} }} }}
""", trace, modules=f"load_module {MODULE};")
    host.wait_listens(port)
    return process
