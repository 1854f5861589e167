# SPDX-License-Identifier: Apache-2.0
"""Languages and their event loops. The little servers are in the directory `scripts` beside this file's."""

import os
import signal

import loads
from programs import program

SCRIPTS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "scripts")
PYTHON = "/usr/bin/python3"
LARGE = "/" + "x" * 900


def script(name):
    return os.path.join(SCRIPTS, name)


def echo_server(stage, argv, env=None):
    port = stage.port()
    server = stage.start([*argv, port], loads.listens(port), env=env)
    stage.answer(loads.echo(port))
    stage.stop(server)


@program("python asyncio", "python3", quick=True)
def asyncio(stage):
    echo_server(stage, [PYTHON, script("asyncio_echo.py")])


@program("python uvloop", "python3-uvloop")
def uvloop(stage):
    echo_server(stage, [PYTHON, script("asyncio_echo.py"), "--uvloop"])


@program("python gevent", "python3-gevent")
def gevent(stage):
    echo_server(stage, [PYTHON, script("gevent_echo.py")])


@program("python threads, subprocess", "python3", quick=True)
def threads(stage):
    echo_server(stage, [PYTHON, script("threads_echo.py")])


@program("python grpc", "python3-grpcio")
def grpc(stage):
    port = stage.port()
    server = stage.start([PYTHON, script("grpc_echo.py"), "server", port], loads.listens(port))
    stage.call([PYTHON, script("grpc_echo.py"), "client", port])
    stage.stop(server)


@program("python aiohttp", "python3-aiohttp")
def aiohttp(stage):
    port = stage.port()
    server = stage.start([PYTHON, script("aiohttp_echo.py"), port], loads.answers(port))
    stage.answer(loads.http_load(port, ["/", LARGE]))
    stage.stop(server)


@program("gunicorn", "gunicorn")
def gunicorn(stage):
    port = stage.port()
    server = stage.start(["gunicorn", "-w", "2", "--threads", "3", "-b", f"127.0.0.1:{port}", "--chdir", SCRIPTS, "--log-level", "error",
                          "wsgi:app"], loads.answers(port), env={"PYTHONDONTWRITEBYTECODE": "1"})
    stage.answer(loads.http_load(port, ["/", LARGE]))
    stage.stop(server)


@program("uwsgi", "uwsgi-core uwsgi-plugin-python3")
def uwsgi(stage):
    port = stage.port()
    server = stage.start(["uwsgi", "--plugin", "python3", "--http-socket", f"127.0.0.1:{port}", "--master", "--processes", "2",
                          "--uid", "www-data", "--wsgi-file", script("wsgi.py"), "--callable", "app", "--die-on-term"],
                         loads.answers(port), env={"PYTHONDONTWRITEBYTECODE": "1"})
    stage.answer(loads.http_load(port, ["/", LARGE] * 5, rounds=0))
    stage.stop(server)


@program("node", "nodejs")
def node(stage):
    echo_server(stage, ["node", script("echo.js")])
    port = stage.port()
    server = stage.start(["node", script("http.js"), port], loads.answers(port))
    stage.answer(loads.http_load(port, ["/", LARGE]))
    stage.stop(server)


@program("node UV_USE_IO_URING=1", "nodejs")
def node_io_uring(stage):
    echo_server(stage, ["node", script("echo.js")], {"UV_USE_IO_URING": "1"})


@program("JVM", "default-jdk-headless")
def jvm(stage):
    stage.make(["javac", "-d", stage.top, script("Servers.java")])
    http, echo = stage.port(), stage.port()
    server = stage.start(["java", "-Xmx64m", "-XX:+UseSerialGC", "-cp", stage.top, "Servers", http, echo], loads.answers(http))
    stage.answer(loads.http_load(http, ["/", LARGE]), loads.echo(echo))
    stage.call(["java", "-Xmx64m", "-XX:+UseSerialGC", "-cp", stage.top, "Servers", "client", http, echo])
    stage.stop(server)


PHP = """\
[global]
error_log = {here}/fpm.log
daemonize = no
[www]
user = www-data
group = www-data
listen = {here}/fpm.sock
pm = static
pm.max_children = 2
"""


@program("php-fpm, sockets, curl", "php8.2-fpm php8.2-curl nginx libfcgi-bin")
def php_fpm(stage):
    from programs.web import backend
    back = backend(stage)
    conf = stage.write("fpm.conf", PHP.format(here=stage.top))
    page = stage.write("page.php", open(script("page.php"), encoding="utf-8").read().replace("BACK", str(back)))
    server = stage.start(["php-fpm8.2", "-y", conf, "-F", "-R"], loads.listens(stage.place("fpm.sock")))
    for _ in range(4):
        out = stage.make(["cgi-fcgi", "-bind", "-connect", stage.place("fpm.sock")],
                         env={"SCRIPT_FILENAME": page, "REQUEST_METHOD": "GET", "QUERY_STRING": "a=1"})
        stage.answer(out)
    stage.stop(server, signal.SIGTERM)


@program("ruby", "ruby")
def ruby(stage):
    echo_server(stage, ["ruby", script("echo.rb")])


@program("puma", "puma")
def puma(stage):
    port = stage.port()
    server = stage.start(["puma", "-b", f"tcp://127.0.0.1:{port}", "-w", "2", "-t", "1:2", "-q", script("config.ru")], loads.answers(port))
    stage.answer(loads.http_load(port, ["/", LARGE], connections=2))
    stage.stop(server)


@program("perl, starman", "starman")
def starman(stage):
    port = stage.port()
    server = stage.start(["starman", "--listen", f"127.0.0.1:{port}", "--workers", "2", script("app.psgi")], loads.answers(port))
    stage.answer(loads.http_load(port, ["/", LARGE], connections=2))
    stage.stop(server)


@program("tcl", "tcl")
def tcl(stage):
    echo_server(stage, ["tclsh", script("echo.tcl")])
