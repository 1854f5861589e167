# SPDX-License-Identifier: Apache-2.0
"""app.py - the shop: a plain WSGI application that knows nothing of dprof.

Run by gunicorn (gthread): several processes, several threads each, one connection per thread and
database, made when the thread first needs it. What each route sends, and in which order, is written
as a table in shapes.txt; the check compares the traces with that table, so change both together.

It also keeps the truth that the traces are checked against: how often each route, SQL statement and
Redis command was executed, and how many connections were made, one JSON file per process, replaced
atomically after every request (so that a kill -9 leaves a whole file).
"""

import json
import os
import re
import threading

import psycopg2
import pymysql
import redis

LIST_LIMIT = 400  # rows of the long list in /report: some tens of kilobytes


class Truth:
    """Counts of this process, by (host, what)."""

    def __init__(self, directory):
        self.path = os.path.join(directory, f"{os.getpid()}.json")
        self.lock = threading.Lock()
        self.counts = {"routes": {}, "calls": {}, "connects": {}}

    def add(self, kind, *key):
        with self.lock:
            place = self.counts[kind]
            for part in key[:-1]:
                place = place.setdefault(part, {})
            place[key[-1]] = place.get(key[-1], 0) + 1

    def write(self):
        with self.lock:
            with open(self.path + ".new", "w", encoding="utf-8") as out:
                json.dump(self.counts, out)
            os.replace(self.path + ".new", self.path)


truth = Truth(os.environ["SHOP_COUNTS"])
truth.write()
local = threading.local()


def endpoint(name):
    host, _, port = os.environ[name].rpartition(":")
    return {"host": host, "port": int(port)}


class Database:
    """One thread's connection to one SQL server."""

    def __init__(self, host, conn):
        self.host = host
        self.conn = conn
        truth.add("connects", host)

    def run(self, template, *args):
        truth.add("calls", self.host, template)
        with self.conn.cursor() as cursor:
            cursor.execute(template, args)
            return cursor.fetchall() if cursor.description else cursor.rowcount


class Maria(Database):
    """Autocommit; a transaction is begun and committed by name."""

    def __init__(self):
        super().__init__("sql", pymysql.connect(user="shop", password="shop", database="shop",
                                                autocommit=True, **endpoint("SHOP_SQL")))

    def begin(self):
        truth.add("calls", self.host, "BEGIN")
        self.conn.begin()

    def commit(self):
        truth.add("calls", self.host, "COMMIT")
        self.conn.commit()


class Postgres(Database):
    """The driver's default: it sends BEGIN by itself before the first statement."""

    def __init__(self):
        super().__init__("pg", psycopg2.connect(user="shop", password="shop", dbname="shop",
                                                sslmode="disable", **endpoint("SHOP_PG")))

    def run(self, template, *args):
        truth.add("calls", self.host, "BEGIN")
        try:
            return super().run(template, *args)
        finally:
            truth.add("calls", self.host, "COMMIT")
            self.conn.commit()


class Cache:
    """One thread's connection to Redis."""

    def __init__(self):
        self.client = redis.Redis(single_connection_client=True, **endpoint("SHOP_CACHE"))
        truth.add("connects", "cache")

    def run(self, *command):
        truth.add("calls", "cache", command[0])
        return self.client.execute_command(*command)

    def run_together(self, commands):
        """All in one write, the answers read after it."""
        pipe = self.client.pipeline(transaction=False)
        for command in commands:
            truth.add("calls", "cache", command[0])
            pipe.execute_command(*command)
        return pipe.execute()


def mine(kind):
    """This thread's connection, made at first use."""
    held = getattr(local, kind.__name__, None)
    if held is None:
        held = kind()
        setattr(local, kind.__name__, held)
    return held


def order_show(number):
    cache = mine(Cache)
    found = cache.run("GET", f"order:{number}")
    if found is not None:
        return "200 OK", found, "hit"
    sql = mine(Maria)
    rows = sql.run("SELECT id, customer, placed FROM orders WHERE id = %s", number)
    if not rows:
        return "404 Not Found", b'{"error": "no such order"}', "absent"
    lines = sql.run("SELECT item, quantity FROM order_lines WHERE order_id = %s", number)
    body = json.dumps({"order": rows[0], "lines": lines}, default=str).encode()
    cache.run("SET", f"order:{number}", body, "EX", "600")
    return "200 OK", body, "miss"


def order_place(environ):
    wanted = json.loads(environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)))
    sql = mine(Maria)
    sql.begin()
    sql.run("INSERT INTO orders (customer, note) VALUES (%s, %s)", wanted["customer"], wanted["note"])
    number = sql.conn.insert_id()
    for line in wanted["lines"]:
        sql.run("INSERT INTO order_lines (order_id, item, quantity) VALUES (%s, %s, %s)",
                number, line["item"], line["quantity"])
    sql.commit()
    mine(Postgres).run("INSERT INTO audit (what, order_id) VALUES (%s, %s)", "placed", number)
    cache = mine(Cache)
    cache.run("DEL", f"order:{wanted['replaces']}")
    cache.run("INCR", "orders:placed")
    return "201 Created", json.dumps({"id": number}).encode(), f"{len(wanted['lines'])} lines"


def search(environ):
    word = re.sub(r"[^a-z]", "", environ.get("QUERY_STRING", "").partition("q=")[2])
    rows = mine(Postgres).run("SELECT id, title FROM products WHERE title LIKE %s ORDER BY id LIMIT 20",
                              f"%{word}%")
    return "200 OK", json.dumps(rows).encode(), ""


def report():
    sql = mine(Maria)
    parts = [
        sql.run("SELECT COUNT(*), MAX(id) FROM orders"),
        sql.run("SELECT item, SUM(quantity) AS sold FROM order_lines GROUP BY item ORDER BY sold DESC LIMIT 5"),
        sql.run("SELECT customer, COUNT(*) AS placed FROM orders GROUP BY customer ORDER BY placed DESC LIMIT 5"),
        sql.run("SELECT id, customer, note FROM orders ORDER BY id LIMIT %s", LIST_LIMIT),
    ]
    return "200 OK", json.dumps(parts, default=str).encode(), ""


def cart(number):
    answers = mine(Cache).run_together([
        ("INCR", f"cart:{number}:seen"),
        ("GET", f"cart:{number}:items"),
        ("EXISTS", f"order:{number}"),
    ])
    return "200 OK", json.dumps([str(a) for a in answers]).encode(), ""


def fail():
    """Asks MariaDB for a table that is not there: an error in the database becomes a 500."""
    try:
        mine(Maria).run("SELECT id FROM no_such_table")
    except pymysql.err.ProgrammingError as err:
        return "500 Internal Server Error", str(err).encode(), ""
    raise AssertionError("the statement must fail")


def answer(environ):
    """Status, body, route, and which of the route's shapes was taken."""
    method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
    numbered = re.fullmatch(r"/(order|cart)/(\d+)", path)
    if method == "GET" and numbered:
        handler = order_show if numbered[1] == "order" else cart
        return (f"GET /{numbered[1]}/{{id}}", *handler(int(numbered[2])))
    if method == "POST" and path == "/order":
        return ("POST /order", *order_place(environ))
    if method == "GET" and path == "/search":
        return ("GET /search", *search(environ))
    if method == "GET" and path == "/report":
        return ("GET /report", *report())
    if method == "GET" and path == "/fail":
        return ("GET /fail", *fail())
    if method == "GET" and path in ("/health", "/ready"):
        return f"GET {path}", "200 OK", b"fine\n", ""
    return f"{method} {path}", "404 Not Found", b"no such page\n", ""


def application(environ, start_response):
    try:
        route, status, body, shape = answer(environ)
    except Exception:
        # The thread's connections may be broken (a server was killed): make new ones next time.
        local.__dict__.clear()
        truth.add("routes", "broken", "")
        truth.write()
        raise
    truth.add("routes", route, shape)
    truth.write()
    start_response(status, [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
