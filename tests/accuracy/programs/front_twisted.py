# SPDX-License-Identifier: Apache-2.0
"""front_twisted.py PORT BACK - Twisted: Deferreds over one reactor, connections to the back from a list. Ends at SIGTERM."""
import sys

from twisted.internet import defer, endpoints, protocol, reactor

from wire import Wire

PORT, BACK = int(sys.argv[1]), int(sys.argv[2])
free = []


class Back(protocol.Protocol):
    waiting = None

    def connectionMade(self):
        self.wire = Wire(self.transport.socket)

    def ask(self, message):
        self.waiting = defer.Deferred()
        self.transport.write(self.wire.pack(message, "to_back", "C"))
        return self.waiting

    def dataReceived(self, data):
        for _ in self.wire.feed(data, "from_back"):
            free.append(self)
            self.waiting.callback(None)


@defer.inlineCallbacks
def call(message):
    if free:
        back = free.pop()
    else:
        point = endpoints.TCP4ClientEndpoint(reactor, "127.0.0.1", BACK)
        back = yield point.connect(protocol.Factory.forProtocol(Back))
    yield back.ask(message)


class Front(protocol.Protocol):
    def connectionMade(self):
        self.wire = Wire(self.transport.socket)

    def dataReceived(self, data):
        for message in self.wire.feed(data, "to_front", "R"):
            self.serve(message)

    @defer.inlineCallbacks
    def serve(self, message):
        yield defer.gatherResults([call(message) for _ in range(message[1])])
        self.transport.write(self.wire.pack(message, "from_front"))


endpoints.TCP4ServerEndpoint(reactor, PORT, backlog=256).listen(protocol.Factory.forProtocol(Front))
reactor.callWhenRunning(lambda: print("ready", flush=True))
reactor.run()
