# SPDX-License-Identifier: Apache-2.0
"""A unary and a streaming method over bytes; no generated code."""
import concurrent.futures
import hashlib
import signal
import sys
import threading

import grpc


class Echo(grpc.GenericRpcHandler):
    def service(self, details):
        if details.method == "/e/one":
            return grpc.unary_unary_rpc_method_handler(lambda ask, _: ask * 2)
        return grpc.stream_stream_rpc_method_handler(lambda asks, _: (ask[::-1] for ask in asks))


def serve(where):
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(4), handlers=[Echo()])
    server.add_insecure_port(where)
    over = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: over.set())
    server.start()
    over.wait()
    server.stop(1).wait()


def ask(where):
    digest = hashlib.sha256()
    with grpc.insecure_channel(where) as channel:
        for n in range(20):
            digest.update(channel.unary_unary("/e/one")(b"x" * n * 1000))
        for answer in channel.stream_stream("/e/many")(iter([b"abc" * 5000] * 10)):
            digest.update(answer)
    print(digest.hexdigest())


(serve if sys.argv[1] == "server" else ask)("127.0.0.1:" + sys.argv[2])
