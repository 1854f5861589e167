# SPDX-License-Identifier: Apache-2.0
"""Key-value servers and their proxies."""

import loads
from programs import program
from stage import wait_for

REDIS = """\
bind 127.0.0.1
port {port}
unixsocket {here}/redis.sock
dir {here}/data
appendonly no
io-threads {threads}
io-threads-do-reads yes
repl-diskless-sync-delay 0
"""
NUTCRACKER = """\
pool:
  listen: 127.0.0.1:{port}
  redis: true
  auto_eject_hosts: false
  servers:
   - 127.0.0.1:{one}:1 one
   - 127.0.0.1:{two}:1 two
"""


def redis_server(stage, threads=1, name="redis"):
    port = stage.port()
    stage.directory(name + "/data", "redis")
    stage.directory(name, "redis")
    conf = stage.write(name + "/redis.conf", REDIS.format(port=port, here=stage.place(name), threads=threads))
    return port, stage.start(["redis-server", conf], loads.says(port, b"PING\r\n", b"+PONG"), "redis")


def redis_play(stage, threads):
    port, server = redis_server(stage, threads)
    stage.answer(loads.resp(port))
    stage.call(["redis-benchmark", "-p", port, "-n", "200", "-c", "8", "-P", "4", "-q", "-t", "set,get,lpush,lrange_100"], told=False)
    stage.call(["redis-cli", "-s", stage.place("redis/redis.sock"), "SET", "over-unix", "yes"])
    stage.call(["redis-cli", "-p", port, "BGSAVE"])
    stage.stop(server)


@program("redis", "redis-server redis-tools", quick=True)
def redis(stage):
    redis_play(stage, 1)


@program("redis io-threads", "redis-server redis-tools", quick=True)
def redis_io_threads(stage):
    redis_play(stage, 3)


@program("redis replica", "redis-server redis-tools")
def redis_replica(stage):
    first, one = redis_server(stage, name="first")
    second, two = redis_server(stage, name="second")
    stage.call(["redis-cli", "-p", second, "REPLICAOF", "127.0.0.1", first])
    stage.answer(loads.resp(first, connections=2))
    wait_for("the replica", lambda: loads.says(second, b"GET k1.29\r\n", b"value")())
    stage.call(["redis-cli", "-p", second, "GET", "k0.0"])
    stage.stop(two)
    stage.stop(one)


@program("memcached", "memcached")
def memcached(stage):
    port, udp = stage.port(), stage.port()
    server = stage.start(["memcached", "-p", port, "-U", udp, "-l", "127.0.0.1", "-u", "memcache", "-t", "3"],
                         loads.says(port, b"version\r\n", b"VERSION"))
    asks = [(b"set k%d 0 0 5\r\nhello\r\n" % n, 1) for n in range(20)] + [(b"get k%d\r\n" % n, 3) for n in range(20)]
    big = b"set big 0 0 200000\r\n" + b"y" * 200000 + b"\r\n"
    stage.answer(loads.talk(port, asks + [(big, 1), (b"get big\r\n", 3)], 6))
    stage.answer(b"".join(loads.datagrams(udp, [b"\0\1\0\0\0\1\0\0get k1\r\n"] * 5)))
    stage.stop(server)


@program("twemproxy", "nutcracker redis-server")
def twemproxy(stage):
    one, first = redis_server(stage, name="one")
    two, second = redis_server(stage, name="two")
    port = stage.port()
    conf = stage.write("nutcracker.yml", NUTCRACKER.format(port=port, one=one, two=two))
    server = stage.start(["nutcracker", "-c", conf, "-o", stage.place("tmp/nutcracker.log"), "-a", "127.0.0.1", "-s", stage.port()],
                         loads.listens(port), "nobody")
    stage.answer(loads.resp(port))
    stage.stop(server)
    stage.stop(first)
    stage.stop(second)
