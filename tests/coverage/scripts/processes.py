# SPDX-License-Identifier: Apache-2.0
"""A pool, a manager, a listener with its own authentication, and a connection that is handed to another process."""
import multiprocessing
import multiprocessing.connection
import socket
import sys


def square(n):
    return n * n


def answer(pipe):
    conn = pipe.recv()  # passed with SCM_RIGHTS
    conn.sendall(conn.recv(100).upper())
    conn.close()


def speak(port, queue):
    with multiprocessing.connection.Client(("127.0.0.1", port), authkey=b"planted") as conn:
        conn.send({"list": list(range(1000))})
        queue.append(sum(conn.recv()))


def main(port):
    with multiprocessing.get_context("fork").Pool(2) as pool:
        print(sum(pool.map(square, range(200))))
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager:
        queue = manager.list()
        with multiprocessing.connection.Listener(("127.0.0.1", port), authkey=b"planted") as listener:
            child = context.Process(target=speak, args=(port, queue))
            child.start()
            with listener.accept() as conn:
                conn.send(conn.recv()["list"])
            child.join()
        print(list(queue))
    ours, theirs = multiprocessing.Pipe()
    child = multiprocessing.Process(target=answer, args=(theirs,))
    child.start()
    one, two = socket.socketpair()
    ours.send(two)
    two.close()
    one.sendall(b"hello")
    print(one.recv(100))
    child.join()


if __name__ == "__main__":
    main(int(sys.argv[1]))
