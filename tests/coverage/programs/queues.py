# SPDX-License-Identifier: Apache-2.0
"""Message brokers and coordinators."""

import signal

import loads
from programs import program

RABBIT = """\
listeners.tcp.1 = 127.0.0.1:{port}
loopback_users = none
log.file = false
"""
PIKA = """\
import sys, pika
conn = pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", int(sys.argv[1])))
channel = conn.channel()
channel.queue_declare("q")
for n in range(20):
    channel.basic_publish("", "q", b"x" * (n * 500))
got = 0
for method, _, body in channel.consume("q"):
    channel.basic_ack(method.delivery_tag)
    got += len(body)
    if method.delivery_tag == 20:
        break
channel.cancel()
conn.close()
print(got)
"""
ZOOKEEPER = """\
tickTime=2000
dataDir={here}/data
clientPort={port}
clientPortAddress=127.0.0.1
admin.enableServer=false
4lw.commands.whitelist=ruok,mntr
"""
JAVA = ["java", "-Xmx64m", "-XX:+UseSerialGC", "-cp", "/etc/zookeeper/conf:/usr/share/java/*"]


@program("rabbitmq, pika", "rabbitmq-server python3-pika")
def rabbitmq(stage):
    port, dist, epmd = stage.port(), stage.port(), stage.port()
    here = stage.directory("rabbit", "rabbitmq")
    stage.directory("rabbit/home", "rabbitmq")
    conf = stage.write("rabbit/rabbitmq.conf", RABBIT.format(port=port))
    script = stage.write("client.py", PIKA)
    env = {"RABBITMQ_CONFIG_FILE": conf, "RABBITMQ_MNESIA_BASE": f"{here}/mnesia", "RABBITMQ_LOG_BASE": f"{here}/log",
           "HOME": f"{here}/home",
           "RABBITMQ_NODENAME": f"dprof{port}@localhost", "RABBITMQ_DIST_PORT": str(dist), "ERL_EPMD_PORT": str(epmd), "RABBITMQ_LOGS": "-",
           "RABBITMQ_PID_FILE": f"{here}/pid", "RABBITMQ_ENABLED_PLUGINS_FILE": f"{here}/plugins", "ERL_EPMD_ADDRESS": "127.0.0.1"}
    server = stage.start(["/usr/lib/rabbitmq/bin/rabbitmq-server"], loads.says(port, b"AMQP\0\0\x09\x01", b"\x01\0\0"), "rabbitmq", env)
    stage.call(["/usr/bin/python3", script, port])
    stage.stop(server)


@program("zookeeper", "zookeeper default-jdk-headless")
def zookeeper(stage):
    port = stage.port()
    conf = stage.write("zoo.cfg", ZOOKEEPER.format(here=stage.top, port=port))
    server = stage.start([*JAVA, "org.apache.zookeeper.server.quorum.QuorumPeerMain", conf], loads.says(port, b"ruok", b"imok"))
    out = stage.call([*JAVA, "org.apache.zookeeper.ZooKeeperMain", "-server", f"127.0.0.1:{port}", "create", "/planted", "value"],
                     told=False)
    stage.answer(b"Created /planted" in out)
    stage.stop(server)


@program("mosquitto", "mosquitto mosquitto-clients")
def mosquitto(stage):
    port = stage.port()
    stage.directory("mosquitto", "mosquitto")
    conf = stage.write("mosquitto.conf", f"listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\n")
    server = stage.start(["mosquitto", "-c", conf], loads.listens(port))
    where = ["-h", "127.0.0.1", "-p", port, "-q", "1"]
    stage.call(["mosquitto_pub", *where, "-t", "a/b", "-r", "-m", "kept"])
    stage.call(["mosquitto_sub", *where, "-t", "a/#", "-C", "1"])
    stage.call(["mosquitto_pub", *where, "-t", "a/c", "-s"], stdin=b"m" * 100000)
    stage.stop(server)


GO = "Go makes its system calls itself: not traced, and shown as a one-sided peer"


@program("etcd (Go)", "etcd-server etcd-client", known=GO)
def etcd(stage):
    client, peer = (f"http://127.0.0.1:{stage.port()}" for _ in range(2))
    server = stage.start(["etcd", "--data-dir", stage.place("etcd"), "--listen-client-urls", client, "--advertise-client-urls", client,
                          "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", f"default={peer}",
                          "--log-level", "error"], loads.answers(int(client.rsplit(":", 1)[1]), "/health"))
    stage.call(["etcdctl", f"--endpoints={client}", "put", "key", "value"], env={"ETCDCTL_API": "3"})
    stage.call(["etcdctl", f"--endpoints={client}", "get", "key"], env={"ETCDCTL_API": "3"})
    stage.stop(server)


@program("nats (Go)", "nats-server", known=GO)
def nats(stage):
    port = stage.port()
    server = stage.start(["nats-server", "-a", "127.0.0.1", "-p", port], loads.listens(port))
    stage.answer(loads.talk(port, [(b"CONNECT {\"verbose\":true}\r\n", 1), (b"PUB a 5\r\nhello\r\n", 1)], greeting=True))
    stage.stop(server, signal.SIGKILL)  # after a SIGTERM its status is 0 or 1


ERLANG = """\
-module(echo).
-export([main/1]).
main([Port]) ->
    {ok, L} = gen_tcp:listen(list_to_integer(atom_to_list(Port)), [binary, {ip, {127,0,0,1}}, {active, false}, {reuseaddr, true}]),
    loop(L).
loop(L) ->
    {ok, S} = gen_tcp:accept(L),
    Pid = spawn(fun() -> receive go -> echo(S) end end),
    gen_tcp:controlling_process(S, Pid),
    Pid ! go,
    loop(L).
echo(S) ->
    case gen_tcp:recv(S, 0) of
        {ok, Data} -> ok = gen_tcp:send(S, Data), echo(S);
        {error, closed} -> ok
    end.
"""


@program("erlang", "erlang-base")
def erlang(stage):
    port = stage.port()
    stage.write("echo.erl", ERLANG)
    stage.make(["erlc", "-o", stage.top, stage.place("echo.erl")])
    server = stage.start(["erl", "-noinput", "-pa", stage.top, "-s", "echo", "main", port], loads.listens(port))
    stage.answer(loads.echo(port))
    stage.stop(server)
