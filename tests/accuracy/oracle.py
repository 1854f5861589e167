# SPDX-License-Identifier: Apache-2.0
"""What the programs say they did, as correlation IDs: a line of the log tells where a message stands in which stream, and
analyzer/pass/README.md how an ID is made of that. Nothing here knows a time."""
import os
import socket

MASK = 2**64 - 1


def mix(v):
    v = (v ^ v >> 30) * 0xbf58476d1ce4e5b9 & MASK
    v = (v ^ v >> 27) * 0x94d049bb133111eb & MASK
    return v ^ v >> 31


def fold(h, w):
    return mix(mix((h + 0x9e3779b97f4a7c15) & MASK) ^ w)


def text(s):
    h = 0xcbf29ce484222325
    for byte in s.encode():
        h = (h ^ byte) * 0x100000001b3 & MASK
    return h


class Ids:
    """Correlation IDs of messages between IPv4 addresses of this kernel."""

    def __init__(self):
        self.boot = text(open("/proc/sys/kernel/random/boot_id").read().strip())
        self.netns = os.stat("/proc/self/ns/net").st_ino
        self.ends, self.bases = {}, {}

    def end(self, address):
        if address not in self.ends:
            host, port = address.rsplit(":", 1)
            raw = socket.inet_aton(host)
            e = fold(fold(fold(1, 4 << 16 | int(port)), int.from_bytes(raw, "little")), 0)
            if raw[0] == 127:
                e = fold(fold(e, self.boot), self.netns)
            self.ends[address] = e
        return self.ends[address]

    def cid(self, sender, receiver, off):
        """Of the first connection between the two; the programs use no port twice."""
        a, b = self.end(sender), self.end(receiver)
        low, high = min(a, b), max(a, b)
        if (low, high) not in self.bases:
            self.bases[low, high] = fold(fold(fold(2, low), high), 0)
        return fold(fold(self.bases[low, high] >> 1, int(a == high)), off) or 1


def read(directory):
    """The truth: {cid of a call: cid of the request it was made for}, and the cids of all requests."""
    ids, requests, calls = Ids(), {}, []
    for name in sorted(os.listdir(directory)):
        for line in open(os.path.join(directory, name)):
            what, uid, local, remote, off = line.split()
            if what == "R":
                requests[uid] = ids.cid(remote, local, int(off))
            elif what == "C":
                calls.append((ids.cid(local, remote, int(off)), uid))
    return {cid: requests[uid] for cid, uid in calls}, set(requests.values())
