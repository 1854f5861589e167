# SPDX-License-Identifier: Apache-2.0
"""Databases and directories, over TCP and unix sockets."""

import glob
import signal

import loads
from programs import program

MARIADB = """\
[mariadbd]
datadir={here}/data
tmpdir={here}
socket={here}/socket
pid-file={here}/pid
bind-address=127.0.0.1
port={port}
skip-name-resolve
performance-schema=off
thread-handling={threads}
thread-pool-size=2
innodb-buffer-pool-size=16M
innodb-log-file-size=8M
innodb-flush-log-at-trx-commit=2
"""
SQL = """\
CREATE TABLE t (n INT PRIMARY KEY, word VARCHAR(1000));
INSERT INTO t VALUES (1, 'one'), (2, REPEAT('two', 300)), (3, NULL);
SELECT * FROM t ORDER BY n;
SELECT a.n, b.word FROM t a, t b ORDER BY a.n, b.n;
DROP TABLE t;
"""
SLAPD = """\
include /etc/ldap/schema/core.schema
pidfile {here}/tmp/slapd.pid
modulepath /usr/lib/ldap
moduleload back_mdb
database mdb
suffix "dc=test"
rootdn "cn=admin,dc=test"
rootpw planted
directory {here}/slapd
"""
LDIF = "dn: dc=test\nobjectClass: dcObject\nobjectClass: organization\no: test\ndc: test\n"


def mariadb_play(stage, threads):
    port, here = stage.port(), stage.directory("sql", "mysql")
    conf = stage.write("sql/my.cnf", MARIADB.format(here=here, port=port, threads=threads))
    stage.make(["mariadb-install-db", f"--defaults-file={conf}", "--auth-root-authentication-method=normal", "--skip-test-db"],
               user="mysql")
    server = stage.start(["mariadbd", f"--defaults-file={conf}"], loads.listens(port), "mysql")
    over_tcp = ["mariadb", "--no-defaults", "-h127.0.0.1", f"-P{port}", "-uroot"]
    stage.call([*over_tcp, "-e", "CREATE DATABASE one; CREATE DATABASE two; CREATE USER u@'127.0.0.1' IDENTIFIED BY 'planted'; "
                "GRANT ALL ON *.* TO u@'127.0.0.1'"])
    stage.call([*over_tcp, "one"], stdin=SQL.encode())
    stage.call(["mariadb", "--no-defaults", f"-S{here}/socket", "-uroot", "two"], stdin=SQL.encode())
    loads.together(lambda n: stage.make(["mariadb", "--no-defaults", "-h127.0.0.1", f"-P{port}", "-uu", "-pplanted", "one"],
                                        stdin=SQL.replace(" t ", f" t{n} ").replace("t a, t b", f"t{n} a, t{n} b").replace(
                                            "TABLE t;", f"TABLE t{n};").encode()), 4)
    stage.stop(server)


@program("mariadb", "mariadb-server mariadb-client", quick=True)
def mariadb(stage):
    mariadb_play(stage, "one-thread-per-connection")


@program("mariadb pool-of-threads", "mariadb-server mariadb-client")
def mariadb_pool(stage):
    mariadb_play(stage, "pool-of-threads")


@program("postgres", "postgresql", quick=True)
def postgres(stage):
    port, here = stage.port(), stage.directory("pg", "postgres")
    tools = sorted(glob.glob("/usr/lib/postgresql/*/bin"))[-1]
    stage.make([f"{tools}/initdb", "-D", f"{here}/data", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C.UTF-8"], user="postgres")
    psql = ["psql", "-q", "-p", port, "-U", "postgres", "-h"]
    server = stage.start([f"{tools}/postgres", "-D", f"{here}/data", "-p", port, "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off",
                          "-c", f"unix_socket_directories={here}", "-c", "dynamic_shared_memory_type=mmap"],
                         lambda: stage.make([*psql, "127.0.0.1", "-c", "SELECT 1"], ok=(0, 2)), "postgres")
    statements = SQL.replace("INT PRIMARY KEY", "INT").encode()
    stage.call([*psql, "127.0.0.1"], stdin=statements)
    stage.call([*psql, here], stdin=statements + b"\\copy (SELECT generate_series(1,20000)) TO STDOUT\n")
    stage.stop(server, signal.SIGINT)


@program("slapd", "slapd ldap-utils")
def slapd(stage):
    port = stage.port()
    stage.directory("slapd", "openldap")
    conf = stage.write("slapd.conf", SLAPD.format(here=stage.top), "openldap")
    stage.make(["slaptest", "-u", "-f", conf])
    stage.make(["slapadd", "-f", conf], stdin=LDIF.encode(), user="openldap")
    where = f"ldap://127.0.0.1:{port}"
    server = stage.start(["slapd", "-d", "0", "-u", "openldap", "-g", "openldap", "-h", where, "-f", conf], loads.listens(port))
    for _ in range(3):
        stage.call(["ldapsearch", "-x", "-LLL", "-H", where, "-b", "dc=test"])
    stage.stop(server)
