# SPDX-License-Identifier: Apache-2.0
"""Answers with the path."""
import sys

from aiohttp import web


async def answer(request):
    return web.Response(text=request.path * 20)

app = web.Application()
app.router.add_get("/{path:.*}", answer)
web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), print=None)
