# SPDX-License-Identifier: Apache-2.0
"""Answers with the path."""
import sys

import tornado.ioloop
import tornado.web


class Answer(tornado.web.RequestHandler):
    def get(self):
        self.write(self.request.path * 20)

tornado.web.Application([("/.*", Answer)]).listen(int(sys.argv[1]), "127.0.0.1")
tornado.ioloop.IOLoop.current().start()
