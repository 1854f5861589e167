# SPDX-License-Identifier: Apache-2.0
"""servers.py - the shop's servers: Debian's binaries, each with a configuration of its own, as small as it
can be, and data made from nothing. Each is ready when it answers in its own protocol.
"""

import http.client
import os
import pwd
import shutil
import signal
import socket

import psycopg2
import pymysql

from hosts import Trouble, popen, start, tail, wait_ready

HERE = os.path.dirname(os.path.abspath(__file__))
ORDERS = 300  # as in client.py
WORKERS = 2
WORDS = ["lamp", "chair", "table", "rug", "clock", "vase", "shelf"]
USERS = {"client": "nobody", "web": "root", "app": "www-data", "sql": "mysql", "pg": "postgres", "cache": "redis"}
STOP = [("web", signal.SIGQUIT), ("app", signal.SIGTERM), ("cache", signal.SIGTERM), ("pg", signal.SIGINT),
        ("sql", signal.SIGTERM)]

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
	upstream app {{
		server {app[0]}:{app[1]};
		keepalive 16;
	}}
	server {{
		listen {web[0]}:{web[1]};
		location = /about {{ alias {here}/about.html; }}
		location / {{
			proxy_pass http://app;
			proxy_http_version 1.1;
			proxy_set_header Connection "";
			proxy_set_header Host $host;
		}}
	}}
}}
"""

MARIADB = """\
[mariadbd]
datadir={here}/data
tmpdir={here}
socket={here}/socket
pid-file={here}/pid
bind-address={sql[0]}
port={sql[1]}
init-file={here}/seed.sql
skip-name-resolve
performance-schema=off
innodb-buffer-pool-size=32M
innodb-log-file-size=16M
innodb-flush-log-at-trx-commit=2
"""

POSTGRES = """\
listen_addresses = '{pg[0]}'
port = {pg[1]}
unix_socket_directories = ''
max_connections = 50
shared_buffers = 16MB
dynamic_shared_memory_type = mmap
fsync = off
"""

REDIS = """\
bind {cache[0]}
port {cache[1]}
dir {here}
protected-mode no
save ""
appendonly no
"""


def postgres_bin():
    versions = "/usr/lib/postgresql"
    found = sorted(os.listdir(versions), key=float) if os.path.isdir(versions) else []
    if not found:
        raise Trouble("no PostgreSQL server in /usr/lib/postgresql (scripts/setup installs it)")
    return os.path.join(versions, found[-1], "bin")


def maria_seed():
    """One statement a line: the server runs it at its start, before it listens."""
    yield "CREATE DATABASE shop;"
    yield "CREATE USER shop@'%' IDENTIFIED BY 'shop';"
    yield "GRANT ALL ON shop.* TO shop@'%';"
    yield ("CREATE TABLE shop.orders (id INT AUTO_INCREMENT PRIMARY KEY, customer VARCHAR(20), note MEDIUMTEXT, "
           "placed TIMESTAMP DEFAULT CURRENT_TIMESTAMP);")
    yield ("CREATE TABLE shop.order_lines (id INT AUTO_INCREMENT PRIMARY KEY, order_id INT, item VARCHAR(20), "
           "quantity INT, KEY (order_id));")
    for first in range(1, ORDERS + 1, 50):  # a statement there may have 60000 bytes
        orders = ",".join(f"({n},'c{n % 50}','{'n' * (n * 7 % 400)}')" for n in range(first, first + 50))
        yield f"INSERT INTO shop.orders (id, customer, note) VALUES {orders};"
    lines = ",".join(f"({n},'{WORDS[n % 7]}',{n % 9 + 1})" for n in range(1, ORDERS + 1))
    yield f"INSERT INTO shop.order_lines (order_id, item, quantity) VALUES {lines};"


def postgres_seed():
    yield "CREATE TABLE audit (id SERIAL PRIMARY KEY, what TEXT, order_id INT);"
    yield "CREATE TABLE products (id SERIAL PRIMARY KEY, title TEXT);"
    products = ",".join(f"('{WORDS[n % 7]} no. {n}')" for n in range(1, 501))
    yield f"INSERT INTO products (title) VALUES {products};"


def write(path, text):
    with open(path, "w", encoding="utf-8") as out:
        out.write(text)


def prepare(state):
    """Directories and configurations of all hosts."""
    ends = {host: state.endpoint(host) for host in state.hosts}
    configs = {"web": ("nginx.conf", NGINX), "sql": ("my.cnf", MARIADB), "cache": ("redis.conf", REDIS)}
    for host, user in USERS.items():
        here = state.place(host)
        os.mkdir(here)
        if host in configs:
            name, text = configs[host]
            write(os.path.join(here, name), text.format(here=here, **ends))
        os.chmod(here, 0o755)
        shutil.chown(here, user, pwd.getpwnam(user).pw_gid)
    write(state.place("web", "about.html"), "<h1>The shop</h1>\n" * 600)
    os.mkdir(state.place("app", "counts"))
    shutil.chown(state.place("app", "counts"), USERS["app"])
    shutil.copy(os.path.join(HERE, "app.py"), state.place("app"))
    shutil.copy(os.path.join(HERE, "client.py"), state.place("client"))
    write(state.place("sql", "seed.sql"), "\n".join(maria_seed()) + "\n")
    write(state.place("pg", "seed.sql"), "\n".join(postgres_seed()) + "\n")
    write(state.place("pg", "password"), "shop\n")


def untraced(state, host, argv, **more):
    """A program that makes a host's data; it talks to nobody, so it is not traced."""
    return popen(state, host, argv, USERS[host], traced=False, **more)


def finish(state, host, process):
    if process.wait(timeout=120):
        raise Trouble(f"{host}: {process.args[0]} failed:\n{tail(state, host)}")
    log = tail(state, host, 200)
    if "ERROR" in log:  # the single-user server of PostgreSQL goes on after one, and exits 0
        raise Trouble(f"{host}: the data could not be made:\n{log}")


def make_data(state):
    """The databases' files; both at the same time."""
    bin_dir, data = postgres_bin(), state.place("pg", "data")
    maria = untraced(state, "sql", ["mariadb-install-db", f"--defaults-file={state.place('sql', 'my.cnf')}",
                                    "--auth-root-authentication-method=normal", "--skip-test-db"])
    finish(state, "pg", untraced(state, "pg", [
        f"{bin_dir}/initdb", "-D", data, "-U", "shop", "-A", "scram-sha-256", "--no-sync", "--no-clean", "-E", "UTF8",
        "--locale=C.UTF-8", f"--pwfile={state.place('pg', 'password')}"]))
    with open(os.path.join(data, "postgresql.conf"), "a", encoding="utf-8") as out:
        out.write(POSTGRES.format(pg=state.endpoint("pg")))
    with open(os.path.join(data, "pg_hba.conf"), "a", encoding="utf-8") as out:
        out.write("host all all 0.0.0.0/0 scram-sha-256\nhost all all ::/0 scram-sha-256\n")
    for base, seed in (("postgres", ["CREATE DATABASE shop;"]), ("shop", postgres_seed())):
        write(state.place("pg", "seed.sql"), "\n".join(seed) + "\n")
        with open(state.place("pg", "seed.sql"), "rb") as statements:
            finish(state, "pg", untraced(state, "pg", [f"{bin_dir}/postgres", "--single", "-D", data, base],
                                         stdin=statements))
    finish(state, "sql", maria)


def start_databases(state):
    start(state, "sql", ["mariadbd", f"--defaults-file={state.place('sql', 'my.cnf')}"], USERS["sql"])
    start(state, "pg", [f"{postgres_bin()}/postgres", "-D", state.place("pg", "data")], USERS["pg"])
    start(state, "cache", ["redis-server", state.place("cache", "redis.conf")], USERS["cache"])
    wait_ready(state, "cache", probe_redis)
    wait_ready(state, "pg", probe_postgres)
    wait_ready(state, "sql", probe_maria)
    if "ERROR" in tail(state, "sql", 200):  # in its seed: it goes on after one
        raise Trouble(f"sql: the data could not be made:\n{tail(state, 'sql')}")


def start_front(state):
    """The application and the proxy before it; both are ready when a request goes through both."""
    env = {f"SHOP_{host.upper()}": "{}:{}".format(*state.endpoint(host)) for host in ("sql", "pg", "cache")}
    env["SHOP_COUNTS"] = state.place("app", "counts")
    env["OTEL_SERVICE_NAME"] = "shop"
    start(state, "app", [
        "/usr/bin/gunicorn", "--worker-class", "gthread", "--workers", str(WORKERS), "--threads", "4", "--keep-alive", "75",
        "--bind", "{}:{}".format(*state.endpoint("app")), "--worker-tmp-dir", state.place("app"),
        "--graceful-timeout", "10", "--log-level", "warning", "app:application"], USERS["app"], env)
    wait_ready(state, "app", lambda *_: probe_workers(state))
    start(state, "web", ["nginx", "-e", "stderr", "-p", state.place("web"), "-c", state.place("web", "nginx.conf")],
          USERS["web"])
    wait_ready(state, "web", probe_http)


# ---- probes: None if the server answered, else why not ----

def probe_http(address, port):
    conn = http.client.HTTPConnection(address, port, timeout=5)
    try:
        conn.request("GET", "/ready")
        status = conn.getresponse().status
        return None if status == 200 else f"answered {status}"
    except (OSError, http.client.HTTPException) as why:
        return str(why)
    finally:
        conn.close()


def probe_workers(state):
    """A worker writes its counts, all zero, when it has loaded the application."""
    loaded = len([name for name in os.listdir(state.place("app", "counts")) if name.endswith(".json")])
    return None if loaded >= WORKERS else f"{loaded} of {WORKERS} workers"


def probe_redis(address, port):
    try:
        with socket.create_connection((address, port), timeout=5) as conn:
            conn.sendall(b"PING\r\n")
            return None if conn.recv(64).startswith(b"+PONG") else "no PONG"
    except OSError as why:
        return str(why)


def probe_maria(address, port):
    try:
        pymysql.connect(host=address, port=port, user="shop", password="shop", connect_timeout=5).close()
        return None
    except (pymysql.err.Error, OSError) as why:
        return str(why)


def probe_postgres(address, port):
    try:
        psycopg2.connect(host=address, port=port, user="shop", password="shop", dbname="shop",
                         sslmode="disable", connect_timeout=5).close()
        return None
    except psycopg2.Error as why:
        return str(why).strip()
