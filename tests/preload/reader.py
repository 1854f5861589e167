#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A reader of dumps, written from common/FORMAT.md alone: prints the records of the files named, a JSON object per line."""
import json
import socket
import struct
import sys

import msgpack
import zstandard

PART = 1 << 16
MAGIC = b"\x28\xb5\x2f\xfd"
# kind: name, and what off and len are called; the numbers and names of record.def
KINDS = {1: ("out", "off", "len"), 2: ("in", "off", "len"), 3: ("open", "fd", ""), 4: ("close", "fd", ""),
         5: ("resync", "", ""), 6: ("shutdown", "", "how"), 7: ("peer", "inode", ""), 8: ("wait", "object", "ready"),
         9: ("start", "parent", "tid"), 10: ("end", "", "tid"), 11: ("fork", "child", ""), 12: ("lost", "count", ""),
         13: ("dgram_out", "", "len"), 14: ("dgram_in", "", "len"), 15: ("tls", "", ""), 16: ("gated", "count", "")}
FLAGS = ["burst", "eof", "peek", "nocopy", "late", "connect", "accept", "seen", "pair", "exit", "race", "partial"]


def frame(data, at):
    """What the frame at `at` holds, and where the next one begins. In parts: a long dump has many frames."""
    unpack, plain = zstandard.ZstdDecompressor().decompressobj(), []
    while not unpack.eof:
        if at >= len(data):
            raise zstandard.ZstdError("cut")
        plain.append(unpack.decompress(data[at:at + PART]))
        at += PART
    return b"".join(plain), min(at, len(data)) - len(unpack.unused_data)


def frames(data):
    """The objects of a file, and how many bytes could not be read."""
    at, lost = 0, 0
    while at < len(data):
        try:
            plain, after = frame(data, at)
            yield msgpack.unpackb(plain, strict_map_key=False)
            at = after
        except (zstandard.ZstdError, ValueError, msgpack.UnpackException):
            after = data.find(MAGIC, at + 1)
            after = len(data) if after < 0 else after
            lost, at = lost + after - at, after
    if lost:
        print(f"{lost} bytes could not be read", file=sys.stderr)


def address(family, addr, port):
    kind, size = (socket.AF_INET, 4) if family == 4 else (socket.AF_INET6, 16)
    return f"{socket.inet_ntop(kind, addr[:size])}:{port}"


def endpoint(data):
    family, what, local_port, remote_port, local, remote, *rest = struct.unpack_from("<BB2xHH16s16sQQQQQII", data)
    out = {"family": family, "type": what, **dict(zip(("netns", "inode", "cookie", "off_in", "off_out", "peer_pid"), rest))}
    if family == 1:
        out["path"] = data[88:88 + rest[6]].decode("latin-1")
    elif family in (4, 6):
        out.update(local=address(family, local, local_port), remote=address(family, remote, remote_port))
    return out


def datagram(data):
    family, port, addr = struct.unpack_from("<BxH16s", data)
    out = {"peer_family": family, "head": data[20:].hex()}
    if family in (4, 6):
        out["peer"] = address(family, addr, port)
    return out


def counts(data):
    values = struct.unpack("<QQQQ", data)
    return {k: None if v == 2**64 - 1 else v for k, v in zip(("out_seen", "in_seen", "out_kernel", "in_kernel"), values)}


def records(block, calls):
    t1, data_at, ends = 0, 0, {}
    columns = zip(*(block[name] for name in ("template", "gap", "dt", "off", "data_len")))
    for i, (template, gap, dt, off, data_len) in enumerate(columns):
        kind, call, flags, conn, size = block["templates"][template]
        t0 = t1 + gap
        t1 = t0 + dt
        if kind in (1, 2):
            off = (off + ends.get((conn, kind), 0)) % 2**64
            ends[conn, kind] = off + size
        data = block["data"][data_at:data_at + data_len]
        data_at += data_len
        name, *names = KINDS.get(kind, (str(kind), "off", "len"))
        record = {"thread": block["thread"], "seq": block["seq"] + i, "kind": name, "call": calls[call], "t0": t0, "t1": t1,
                  "flags": [f for b, f in enumerate(FLAGS) if flags >> b & 1], "conn": conn}
        record.update((key, value) for key, value in zip(names, (off, size)) if key)
        if kind in (1, 2):
            record["head"] = data.hex()
        elif kind == 3:
            record.update(endpoint(data))
        elif kind in (4, 5):
            record.update(counts(data))
        elif kind in (13, 14):
            record.update(datagram(data))
        elif kind == 15:
            record.update(zip(("random", "off_in", "off_out"), (data[:32].hex(), *struct.unpack_from("<QQ", data, 32))))
        elif kind == 9:
            record["name"] = data.decode("latin-1")
        yield record


def read(path):
    """The records, the header and the end object of one dump."""
    header, end, found = None, None, {}
    for item in frames(open(path, "rb").read()):
        if item["type"] == "header":
            header = item
        elif item["type"] == "end":
            end = item
        elif item["type"] == "block":
            for record in records(item, header["calls"]):
                found.setdefault((record["thread"], record["seq"]), record)  # a frame may come twice
    return list(found.values()), header, end


if __name__ == "__main__":
    for name in sys.argv[1:]:
        for line in read(name)[0]:
            print(json.dumps(line))
