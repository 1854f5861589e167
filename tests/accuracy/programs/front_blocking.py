# SPDX-License-Identifier: Apache-2.0
"""front_blocking.py threads|executor|gevent PORT BACK - a thread or a greenlet per client; `executor` makes the calls of a request
in a pool of workers. Connections to the back are shared: a call takes one that is free. Ends at SIGTERM."""
import sys

MODEL, PORT, BACK = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
if MODEL == "gevent":
    from gevent import monkey
    monkey.patch_all()
import concurrent.futures  # noqa: E402
import queue  # noqa: E402
import signal  # noqa: E402
import socket  # noqa: E402
import threading  # noqa: E402

from wire import Wire  # noqa: E402

free = queue.LifoQueue()
workers = concurrent.futures.ThreadPoolExecutor(32)


def call(message):
    try:
        sock, wire = free.get_nowait()
    except queue.Empty:
        sock = socket.create_connection(("127.0.0.1", BACK))
        wire = Wire(sock)
    sock.sendall(wire.pack(message, "to_back", "C"))
    while not wire.feed(sock.recv(4096), "from_back"):
        pass
    free.put((sock, wire))


def make_calls(message):
    if MODEL == "executor":
        concurrent.futures.wait([workers.submit(call, message) for _ in range(message[1])])
    else:
        for _ in range(message[1]):
            call(message)


def serve(sock):
    wire = Wire(sock)
    while data := sock.recv(4096):
        for message in wire.feed(data, "to_front", "R"):
            make_calls(message)
            sock.sendall(wire.pack(message, "from_front"))
    sock.close()


def stop(*_):
    raise SystemExit


signal.signal(signal.SIGTERM, stop)
listener = socket.create_server(("127.0.0.1", PORT), backlog=256)
print("ready", flush=True)
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
