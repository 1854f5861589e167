# SPDX-License-Identifier: Apache-2.0
"""Request and reply over TCP and over a unix socket; I/O threads of ZeroMQ's own."""
import hashlib
import sys
import threading

import zmq


def serve(context, where, ready):
    with context.socket(zmq.REP) as server:
        server.bind(where)
        ready.set()
        for _ in range(20):
            server.send(server.recv() * 2)


digest = hashlib.sha256()
with zmq.Context() as one:
    for where in (f"tcp://127.0.0.1:{sys.argv[1]}", f"ipc://{sys.argv[2]}"):
        bound = threading.Event()
        thread = threading.Thread(target=serve, args=(one, where, bound))
        thread.start()
        bound.wait()
        with one.socket(zmq.REQ) as client:
            client.connect(where)
            for n in range(20):
                client.send(b"z" * n * 3000)
                digest.update(client.recv())
        thread.join()
print(digest.hexdigest())
