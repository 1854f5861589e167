# SPDX-License-Identifier: Apache-2.0
"""front_asyncio.py PORT BACK CONNECTIONS - asyncio streams: a task per client, a task per call, connections to the back
from a queue. Ends at SIGTERM."""
import asyncio
import signal
import sys

from wire import Wire

PORT, BACK, CONNECTIONS = map(int, sys.argv[1:])


class Connection:
    async def open(self):
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", BACK)
        self.wire = Wire(self.writer.get_extra_info("socket"))
        return self


async def call(free, message):
    connection = await free.get()
    connection.writer.write(connection.wire.pack(message, "to_back", "C"))
    while not connection.wire.feed(await connection.reader.read(4096), "from_back"):
        pass
    free.put_nowait(connection)


async def serve(free, reader, writer):
    wire = Wire(writer.get_extra_info("socket"))
    while data := await reader.read(4096):
        for message in wire.feed(data, "to_front", "R"):
            await asyncio.gather(*(call(free, message) for _ in range(message[1])))
            writer.write(wire.pack(message, "from_front"))
    writer.close()


async def main():
    free = asyncio.Queue()
    for _ in range(CONNECTIONS):
        free.put_nowait(await Connection().open())
    over = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, over.set)
    await asyncio.start_server(lambda r, w: serve(free, r, w), "127.0.0.1", PORT, backlog=256)
    print("ready", flush=True)
    await over.wait()


asyncio.run(main())
