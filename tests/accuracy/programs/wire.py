# SPDX-License-Identifier: Apache-2.0
"""wire.h for Python: messages, and the oracle's log."""
import atexit
import os
import random
import struct

KEYS = {"to_front": 0x5bd1e995a3c4f871, "from_front": 0xc2b2ae3d27d4eb4f, "to_back": 0x165667b19e3779f9, "from_back": 0x94d049bb133111eb}
lines = []


def write_log():
    with open(os.path.join(os.environ["ORACLE"], f"{os.getpid()}.log"), "w") as to:
        to.writelines(lines)


atexit.register(write_log)


class Wire:
    """The two streams of a connection; the bytes themselves are moved by whoever has it."""

    def __init__(self, sock):
        self.local, self.remote = ("%s:%d" % a[:2] for a in (sock.getsockname(), sock.getpeername()))
        self.sent = self.taken = 0
        self.buffer = b""

    def pack(self, message, hop, what=None):
        """A message (uid, fan, work_us) as bytes that will be sent next."""
        uid, fan, work = message
        padding = random.randbytes(random.randrange(200))
        data = struct.pack(">IQII", 16 + len(padding), uid ^ KEYS[hop], fan, work) + padding
        if what:
            lines.append(f"{what} {uid} {self.local} {self.remote} {self.sent}\n")
        self.sent += len(data)
        return data

    def feed(self, data, hop, what=None):
        """The whole messages that there are with these bytes."""
        self.buffer += data
        found = []
        while len(self.buffer) >= 4:
            size = 4 + struct.unpack_from(">I", self.buffer)[0]
            if len(self.buffer) < size:
                break
            uid, fan, work = struct.unpack_from(">QII", self.buffer, 4)
            uid ^= KEYS[hop]
            if what:
                lines.append(f"{what} {uid} {self.local} {self.remote} {self.taken}\n")
            self.taken += size
            self.buffer = self.buffer[size:]
            found.append((uid, fan, work))
        return found
