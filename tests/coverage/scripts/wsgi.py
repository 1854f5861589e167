# SPDX-License-Identifier: Apache-2.0
"""Answers with the path."""


def app(environ, start):
    body = environ["PATH_INFO"].encode() * 20
    start("200 OK", [("Content-Length", str(len(body)))])
    return [body]
