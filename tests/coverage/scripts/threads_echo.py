# SPDX-License-Identifier: Apache-2.0
"""A thread per connection; recv_into, sendmsg, a socketpair to a forked child and subprocesses in between."""
import os
import signal
import socketserver
import socket
import subprocess
import sys
import threading


class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        room = bytearray(65536)
        while size := self.request.recv_into(room):
            while size > 0:
                sent = self.request.sendmsg([room[:1], room[1:size]] if size > 1 else [room[:1]])
                room, size = room[sent:] + bytearray(sent), size - sent
        subprocess.run(["/bin/true"], check=True)


def child():
    ours, theirs = socket.socketpair()
    if os.fork() == 0:
        theirs.sendall(theirs.recv(100) * 2)
        os._exit(0)
    ours.sendall(b"hello")
    ours.recv(100)
    os.wait()


child()
socketserver.ThreadingTCPServer.daemon_threads = True
server = socketserver.ThreadingTCPServer(("127.0.0.1", int(sys.argv[1])), Echo)
signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
server.serve_forever()
