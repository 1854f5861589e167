# SPDX-License-Identifier: Apache-2.0
"""An echo server: asyncio's own loop, or uvloop's."""
import asyncio
import signal
import sys


async def echo(reader, writer):
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


async def main(port):
    over = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, over.set)
    server = await asyncio.start_server(echo, "127.0.0.1", port)
    await over.wait()
    server.close()

if "--uvloop" in sys.argv:
    import uvloop
    uvloop.install()
asyncio.run(main(int(sys.argv[-1])))
