# SPDX-License-Identifier: Apache-2.0
"""client.py - the shop's customers: N requests of several kinds, C at a time, each worker thread on its own
keep-alive connection. What is asked depends on the seed alone; which worker asks it, on who is free.

It writes what it knows to be true: how many requests of each route were answered, with which status, and
how many got no answer. With --signal-fd it writes one byte there when --signal-at answers have come.
"""

import argparse
import http.client
import json
import os
import random
import sys
import threading
import time

WORDS = ["lamp", "chair", "table", "rug", "clock", "vase", "shelf"]
ORDERS = 300  # placed before the shop opens


def order_body(rng):
    lines = [{"item": rng.choice(WORDS), "quantity": rng.randint(1, 9)} for _ in range(rng.randint(1, 2))]
    # A few notes are longer than the buffers of the proxy: they travel through a file.
    note = "x" * (40000 if rng.random() < 0.02 else rng.randint(10, 900))
    return json.dumps({"customer": f"c{rng.randint(1, 50)}", "note": note, "lines": lines,
                       "replaces": rng.randint(1, ORDERS)})


def make_plan(requests, seed):
    """A list of (route, method, path, body)."""
    rng = random.Random(seed)
    kinds = [
        (38, "GET /order/{id}", lambda: ("GET", f"/order/{rng.randint(1, ORDERS)}", None)),
        (12, "POST /order", lambda: ("POST", "/order", order_body(rng))),
        (14, "GET /search", lambda: ("GET", f"/search?q={rng.choice(WORDS)}", None)),
        (4, "GET /report", lambda: ("GET", "/report", None)),
        (12, "GET /cart/{id}", lambda: ("GET", f"/cart/{rng.randint(1, 90)}", None)),
        (8, "GET /health", lambda: ("GET", "/health", None)),
        (6, "GET /about", lambda: ("GET", "/about", None)),
        (3, "GET /missing", lambda: ("GET", "/missing", None)),
        (3, "GET /fail", lambda: ("GET", "/fail", None)),
    ]
    plan = []
    for weight, route, make in rng.choices(kinds, weights=[k[0] for k in kinds], k=requests):
        del weight
        plan.append((route, *make()))
    return plan


class Load:
    """Shared by the workers; everything under the lock."""

    def __init__(self, plan, options):
        self.lock = threading.Lock()
        self.plan = plan
        self.options = options
        self.next = 0
        self.answered = 0
        self.routes = {}
        self.unanswered = {}
        self.connects = 0

    def take(self):
        with self.lock:
            if self.next == len(self.plan):
                return None
            self.next += 1
            return self.plan[self.next - 1]

    def connected(self):
        with self.lock:
            self.connects += 1

    def done(self, route, status):
        with self.lock:
            if status is None:
                self.unanswered[route] = self.unanswered.get(route, 0) + 1
                return
            by_status = self.routes.setdefault(route, {})
            by_status[status] = by_status.get(status, 0) + 1
            self.answered += 1
            if self.answered == self.options.signal_at and self.options.signal_fd is not None:
                os.write(self.options.signal_fd, b"!")

    def result(self):
        with self.lock:
            return {"routes": self.routes, "answered": self.answered, "unanswered": self.unanswered,
                    "connects": self.connects}


def work(load):
    host, _, port = load.options.server.rpartition(":")
    conn = http.client.HTTPConnection(host, int(port), timeout=30)
    while (wanted := load.take()) is not None:
        route, method, path, body = wanted
        try:
            if conn.sock is None:
                conn.connect()
                load.connected()
            conn.request(method, path, body=body)
            response = conn.getresponse()
            response.read()
            load.done(route, response.status)
        except (OSError, http.client.HTTPException):
            conn.close()
            load.done(route, None)
    conn.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--server", required=True, help="HOST:PORT")
    parser.add_argument("--requests", type=int, default=4000)
    parser.add_argument("--concurrency", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--counts", required=True, help="file for what was counted")
    parser.add_argument("--signal-fd", type=int)
    parser.add_argument("--signal-at", type=int, default=0)
    options = parser.parse_args()

    load = Load(make_plan(options.requests, options.seed), options)
    begun = time.monotonic()
    workers = [threading.Thread(target=work, args=(load,)) for _ in range(options.concurrency)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    result = load.result()
    result["seconds"] = round(time.monotonic() - begun, 3)
    with open(options.counts, "w", encoding="utf-8") as out:
        json.dump(result, out, indent=1)
    print(f"{result['answered']} answers, {sum(result['unanswered'].values())} without, in {result['seconds']} s",
          file=sys.stderr)


if __name__ == "__main__":
    main()
