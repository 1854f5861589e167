# SPDX-License-Identifier: Apache-2.0
"""An echo server of greenlets: many connections on one thread, whose stacks are copied."""
import sys

from gevent.server import StreamServer


def echo(conn, _):
    while data := conn.recv(65536):
        conn.sendall(data)

StreamServer(("127.0.0.1", int(sys.argv[1])), echo).serve_forever()
