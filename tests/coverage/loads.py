# SPDX-License-Identifier: Apache-2.0
"""loads.py - small loads over plain sockets, from this process, which nothing traces. Each returns what was answered."""

import hashlib
import http.client
import re
import socket
import ssl
import threading

TIMEOUT_S = 20


def connect(to):
    """To a port of this machine or the path of a unix socket."""
    if isinstance(to, int):
        return socket.create_connection(("127.0.0.1", to), TIMEOUT_S)
    one = socket.socket(socket.AF_UNIX)
    one.settimeout(TIMEOUT_S)
    one.connect(str(to))
    return one


def listens(to):
    """A question for Stage.start."""
    def ask():
        connect(to).close()
        return True
    return ask


def says(to, ask, answer):
    """Ready when it answers `ask` with something that has `answer` in it."""
    def probe():
        with connect(to) as one:
            one.sendall(ask)
            return answer in one.recv(4096)
    return probe


def get(port, path="/", headers=None, method="GET", body=None, tls=False):
    if tls:
        context = ssl._create_unverified_context()  # noqa: S323 (a certificate made a moment ago)
        conn = http.client.HTTPSConnection("127.0.0.1", port, timeout=TIMEOUT_S, context=context)
    else:
        conn = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
    conn.request(method, path, body, headers or {})
    got = conn.getresponse()
    out = got.status, hashlib.sha256(got.read()).hexdigest()
    conn.close()
    return out


def answers(port, path="/", tls=False):
    """Ready when it answers a request, whatever it says but an error of its own."""
    return lambda: get(port, path, tls=tls)[0] < 500


def http_load(port, paths, connections=4, rounds=5, tls=False, body=None):
    """Each connection asks for all paths again and again (rounds 0: none does); then some connections for one request each."""
    results = [[] for _ in range(connections)]

    def one(number):
        kind = http.client.HTTPSConnection if tls else http.client.HTTPConnection
        more = {"context": ssl._create_unverified_context()} if tls else {}  # noqa: S323
        conn = kind("127.0.0.1", port, timeout=TIMEOUT_S, **more)
        for _ in range(rounds):
            for path in paths:
                conn.request("POST" if body else "GET", path, body)
                got = conn.getresponse()
                results[number].append((got.status, hashlib.sha256(got.read()).hexdigest()))
        conn.close()
    together(one, connections)
    for path in paths * 3:
        results.append(get(port, path, tls=tls))
    return results


def together(run, count):
    """run(0) ... run(count - 1), each in a thread; the first trouble is ours."""
    troubles = []

    def guarded(number):
        try:
            run(number)
        except Exception as why:  # noqa: BLE001 (told below)
            troubles.append(why)
    threads = [threading.Thread(target=guarded, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if troubles:
        raise troubles[0]


def read_exactly(one, size):
    data = b""
    while len(data) < size:
        more = one.recv(size - len(data))
        if not more:
            raise EOFError
        data += more
    return data


def talk(to, asks, connections=3, greeting=False):
    """Commands, each with the number of lines that answer it. What was answered, but for how long it took."""
    results = [[] for _ in range(connections)]

    def one(number):
        with connect(to) as conn:
            lines = conn.makefile("rb")
            if greeting:
                results[number].append(len(lines.readline()) > 0)
            for ask, answer_lines in asks:
                conn.sendall(ask)
                results[number].append([lines.readline() for _ in range(answer_lines)])
    together(one, connections)
    return re.sub(r"\([\d.+ ]+ secs\)", "(time)", repr(results))


def echo(port, sizes=(1, 10, 1000, 100000), connections=3):
    """What a server that echoes gives back."""
    results = [None] * connections

    def one(number):
        with connect(port) as conn:
            digest = hashlib.sha256()
            for size in sizes:
                data = bytes((number + n) % 251 for n in range(size))
                sender = threading.Thread(target=conn.sendall, args=(data,))
                sender.start()
                digest.update(read_exactly(conn, size))
                sender.join()
            results[number] = digest.hexdigest()
    together(one, connections)
    return results


def datagrams(port, asks, timeout_s=TIMEOUT_S):
    """One answer each."""
    results = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.settimeout(timeout_s)
        for ask in asks:
            one.sendto(ask, ("127.0.0.1", port))
            results.append(one.recv(65536))
    return results


def dns(name, kind=1, number=7):
    words = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return number.to_bytes(2, "big") + b"\x01\x00\x00\x01" + bytes(6) + words + b"\0" + kind.to_bytes(2, "big") + b"\0\1"


def resp(port, values=30, connections=4):
    """Redis and its proxies: sets, gets, a pipeline, a large value."""
    results = [[] for _ in range(connections)]

    def one(number):
        with connect(port) as conn:
            lines = conn.makefile("rb")
            for n in range(values):
                key = f"k{number}.{n}".encode()
                conn.sendall(b"*3\r\n$3\r\nSET\r\n$%d\r\n%s\r\n$5\r\nvalue\r\n" % (len(key), key))
                results[number].append(lines.readline())
                conn.sendall(b"*2\r\n$3\r\nGET\r\n$%d\r\n%s\r\n" % (len(key), key))
                results[number] += [lines.readline(), lines.readline()]
            big = b"x" * 300000
            conn.sendall(b"*3\r\n$3\r\nSET\r\n$4\r\nbig%d\r\n$%d\r\n%s\r\n" % (number, len(big), big))
            results[number].append(lines.readline())
            conn.sendall(b"*2\r\n$3\r\nGET\r\n$4\r\nbig%d\r\n" % number * 3)
            for _ in range(3):
                results[number] += [lines.readline(), lines.read(len(big) + 2)]
    together(one, connections)
    return hashlib.sha256(repr(results).encode()).hexdigest()
