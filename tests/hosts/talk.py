#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""talk.py - what talk.c does, by asyncio: the same arguments, requests, answers and log. `talk.py serve LOG asyncio ...`."""

import asyncio
import json
import os
import random
import secrets
import signal
import sys
import time

ANSWER = 1400


class Talk:
    """One connection, and its line in the log."""

    def __init__(self, role, reader, writer):
        self.reader, self.writer = reader, writer
        self.line = {"role": role, "pid": os.getpid(), "local": writer.get_extra_info("sockname")[:2],
                     "remote": writer.get_extra_info("peername")[:2], "opened_ns": time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW),
                     "in": 0, "out": 0, "header": 0, "token": ""}

    async def message(self):
        """A head, and a body as long as it says."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = next((int(line[15:]) for line in head.split(b"\r\n") if line.startswith(b"Content-Length:")), 0)
        body = await self.reader.readexactly(length)
        self.line["in"] += len(head) + length
        return head, body

    async def give(self, content):
        self.writer.write(content)
        await self.writer.drain()
        self.line["out"] += len(content)

    def end(self, log):
        self.writer.close()
        os.write(log, json.dumps(self.line).encode() + b"\n")


async def serve(log, address, ports):
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)

    async def attend(reader, writer):
        talk = Talk("server", reader, writer)
        talk.line["token"] = secrets.token_hex(8)
        try:
            while True:
                path = (await talk.message())[0].split(b" ")[1]
                body = (b"you asked for " + path).ljust(ANSWER - 16, b".") + talk.line["token"].encode()
                await talk.give(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s" % (ANSWER, body))
        except (asyncio.IncompleteReadError, ConnectionError):
            talk.end(log)

    for port in ports:
        await asyncio.start_server(attend, address, port)
    await stop.wait()


def request(dice, same):
    if same:
        return b"GET /health HTTP/1.1\r\nHost: shop\r\nUser-Agent: probe/1\r\n\r\n"
    if dice.random() < 0.25:
        body = b"item=%d&" % dice.getrandbits(48)
        body = body.ljust(dice.randrange(1000, 6000), b"x")
        return b"POST /order HTTP/1.1\r\nHost: shop\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    return b"GET /item/%d HTTP/1.1\r\nHost: shop\r\nAccept: */*\r\n\r\n" % dice.randrange(1000000000)


async def ask(log, connections, requests, at_once, seed, shape, targets):
    gate = asyncio.Semaphore(at_once)

    async def one(number):
        dice = random.Random(seed * 1000003 + number)
        async with gate:
            talk = Talk("client", *await asyncio.open_connection(*targets[number % len(targets)]))
            for _ in range(requests):
                await talk.give(request(dice, shape == "same"))
                talk.line["token"] = (await talk.message())[1][-16:].decode()
            talk.end(log)

    await asyncio.gather(*(one(number) for number in range(connections)))


def main(role, path, _how, *words):
    log = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    if role == "serve":
        asyncio.run(serve(log, words[2], [int(port) for port in words[3:]]))
    else:
        connections, requests, at_once, seed = map(int, words[:4])
        targets = [(address, int(port)) for address, port in (target.split(",") for target in words[6:])]
        asyncio.run(ask(log, connections, requests, at_once, seed, words[4], targets))


if __name__ == "__main__":
    main(*sys.argv[1:])
