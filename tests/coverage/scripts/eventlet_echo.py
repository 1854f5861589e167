# SPDX-License-Identifier: Apache-2.0
"""An echo server of green threads."""
import sys

import eventlet


def echo(conn, _):
    while data := conn.recv(65536):
        conn.sendall(data)

eventlet.serve(eventlet.listen(("127.0.0.1", int(sys.argv[1]))), echo)
