#!/usr/bin/env python3
"""Clients that mean harm or are broken. Each must get an error reply, a right answer, or be closed;
memory stays bounded; a witness client that reads and writes all the while is never wrong, refused
or kept waiting long. Bounded in count and time (under a minute).

  hostile_clients_test.py --self-test       the same with a server that must fail it (no limits)
"""

import argparse
import os
import random
import select
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "compat"))

from resp import Client, ConnectionLost, encode  # noqa: E402
from server_process import (REDIS_SERVER, ServerProcess, add_server_argument,  # noqa: E402
                            memory_only, server_under_test)

MIB = 1 << 20
LIMITS = ["--client-query-buffer-limit", "64mb", "--proto-max-bulk-len", "32mb"]
OUTPUT_LIMIT = "normal 16mb 8mb 5"
RSS_BOUND = 192 * MIB
SETTLED_BOUND = 96 * MIB
SETTLE_S = 40
WITNESS_BOUND_S = 2.0


class Witness:
    """An honest client: counts, reads back, measures how long each answer took."""

    def __init__(self, server):
        self.client = server.connect()
        self.stopping = threading.Event()
        self.waits = []
        self.problems = []
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        count = 0
        try:
            while not self.stopping.wait(0.002):
                started = time.monotonic()
                count += 1
                if self.client.command("INCR", "witness") != count:
                    self.problems.append("witness: INCR does not give %d" % count)
                if self.client.command("GET", "witness") != b"%d" % count:
                    self.problems.append("witness: GET does not give %d" % count)
                self.waits.append(time.monotonic() - started)
        except ConnectionLost as lost:
            self.problems.append("witness: %s" % lost)

    def stop(self):
        self.stopping.set()
        self.thread.join(30)
        self.client.close()
        waits = sorted(self.waits) or [999.0]
        if waits[-1] > WITNESS_BOUND_S:
            self.problems.append("witness: waited %.1f s for an answer" % waits[-1])
        print("  witness: %d round trips, p99 %.1f ms, longest %.1f ms"
              % (len(waits), waits[len(waits) * 99 // 100] * 1e3, waits[-1] * 1e3))
        return self.problems


def expect_error_and_close(server, data, what):
    with server.connect(timeout_s=10) as client:
        try:
            client.send(data)
        except ConnectionLost:
            return []  # closed while we were still sending
        try:
            reply = client.read_until_closed()
        except ConnectionLost as lost:
            return ["%s: not closed (%s), got %r" % (what, lost, bytes(client.buffer[:80]))]
    if reply and not reply.startswith(b"-ERR"):
        return ["%s: closed after %r" % (what, reply[:80])]
    return []


def bad_lengths(server, rng):
    problems = []
    for data in (b"*1\r\n$-1\r\n", b"*1\r\n$-2147483648\r\n", b"*1\r\n$9223372036854775808\r\n",
                 b"*2147483648\r\n", b"*9223372036854775808\r\n", b"*x\r\n",
                 b"*1\r\n$x\r\n", b"*1\r\n#1\r\nx\r\n", b"*" + b"9" * 70000, b"$" * 70000,
                 b"*1\r\n$33554433\r\n", b"*1\r\n$" + b"0" * 70000, b"\xff" * 70000,
                 b"*1\r\n$18446744073709551615\r\n", b"SET \"a\r\n", b"x" * 70000):
        problems += expect_error_and_close(server, data, "length %r" % data[:30])
    return problems


def garbage(server, rng):
    """Random bytes, some of them with RESP's marks; answered, ignored or closed."""
    marks = [b"*", b"$", b"\r\n", b"-1", b"3", b"SET", b"GET", b"\x00", b"\xff", b"a", b" ", b"'", b'"',
             b"*3\r\n$3\r\nSET\r\n$1\r\nx\r\n$2147483647\r\n", b"*1\r\n$4\r\nPING\r\n"]
    for _ in range(300):
        data = b"".join(rng.choice(marks) for _ in range(rng.randint(1, 60)))
        if rng.random() < 0.3:
            data = bytes(rng.randrange(256) for _ in range(rng.randint(1, 3000)))
        if b"SHUTDOWN" in data.upper():
            continue
        try:
            with server.connect() as client:
                client.send(data)
                if rng.random() < 0.5:
                    select.select([client.socket], [], [], 0.005)
        except ConnectionLost:
            pass
    return []


def half_commands(server, rng):
    """Connections that stop in the middle of a command, kept open or dropped."""
    whole = encode("SET", "half", "v" * 100)
    kept = []
    for _ in range(300):
        client = server.connect()
        client.send(whole[:rng.randrange(1, len(whole))])
        if rng.random() < 0.5:
            client.close()
        else:
            kept.append(client)
    with server.connect() as client:
        problems = [] if client.command("GET", "half") is None else ["a half command was executed"]
    for client in kept:
        client.close()
    return problems


def one_byte_at_a_time(server, rng):
    with server.connect() as client:
        data = encode("SET", "slow", "a\r\nb") + b"GET slow\r\n" + encode("ECHO", "") + \
            encode("GET", "slow")
        for i in range(len(data)):
            client.send(data[i:i + 1])
            if i % 8 == 0:
                time.sleep(0.0005)
        replies = [client.read_reply() for _ in range(4)]
    expected = [b"+OK\r\n", b"$4\r\na\r\nb\r\n", b"$0\r\n\r\n", b"$4\r\na\r\nb\r\n"]
    return [] if replies == expected else ["one byte at a time: %r" % replies]


def pieces_of_any_size(server, rng):
    """A pipeline cut at every pair of places, and at random ones: the same answers each time."""
    data = encode("PING") + encode("ECHO", "x") + b"PING\r\n" + encode("ECHO", "y" * 30)
    expected = [b"+PONG\r\n", b"$1\r\nx\r\n", b"+PONG\r\n", b"$30\r\n" + b"y" * 30 + b"\r\n"]
    cuts = [(a, b) for a in range(1, len(data)) for b in range(a + 1, len(data), 2)]
    cuts += [sorted(rng.sample(range(1, len(data)), 6)) for _ in range(200)]
    with server.connect() as client:
        for places in cuts:
            for start, end in zip([0] + list(places), list(places) + [len(data)]):
                client.send(data[start:end])
                time.sleep(0.00005)
            replies = [client.read_reply() for _ in expected]
            if replies != expected:
                return ["pieces cut at %s: %r" % (places, replies)]
    return []


def declared_but_never_sent(server, rng):
    """200 clients that declare 32 MB each (6.4 GB in all) and send 10 bytes of it."""
    clients = []
    for _ in range(200):
        client = server.connect()
        client.send(b"*3\r\n$3\r\nSET\r\n$1\r\nd\r\n$33554432\r\n0123456789")
        clients.append(client)
    time.sleep(0.3)
    problems = bounded(server, "declared lengths")
    for client in clients:
        client.close()
    return problems


def never_reading(server, rng):
    """Clients that ask for 1 MB values and read none of them: 1.2 GB of replies in all."""
    with server.connect() as client:
        client.must("SET", "large", "x" * MIB)
    clients = [server.connect() for _ in range(20)]
    problems = []
    for _ in range(15):
        for client in list(clients):
            try:
                client.send(encode("GET", "large") * 4)
            except ConnectionLost:  # cut at the output limit: as it should be
                clients.remove(client)
                client.close()
        with server.connect(timeout_s=60) as client:
            client.must("PING")
        time.sleep(0.02)
        problems = bounded(server, "never-reading clients")
        if problems or not clients:
            break
    for client in clients:
        client.close()
    with server.connect(timeout_s=60) as client:
        client.must("DEL", "large")
    return problems


def a_million_arguments(server, rng):
    with server.connect(timeout_s=60) as client:
        command = [b"DEL"] + [b"k%d" % i for i in range(1000000)]
        reply = client.raw_command(*command)
        problems = [] if reply == b":0\r\n" else ["1,000,000 arguments: %r" % reply[:100]]
        many = client.raw_command(b"MSET", *[b"many:%d" % (i // 2) for i in range(200000)])
        if many != b"+OK\r\n" or client.command("DEL", *[b"many:%d" % i for i in range(100000)]) \
                != 100000:
            problems.append("MSET of 100,000 keys and DEL of them: %r" % many[:100])
    return problems


def pipeline_without_reading(server, rng):
    """100,000 commands sent before the first reply is read; all answers, in order."""
    count = 100000
    with server.connect(timeout_s=60) as client:
        sender = threading.Thread(target=lambda: client.send(
            b"".join(encode("ECHO", i) for i in range(count))), daemon=True)
        sender.start()
        sender.join(20)
        if sender.is_alive():
            client.close()
            return ["a pipeline of %d commands is not taken in before its replies are read" % count]
        for i in range(count):
            reply = client.read_reply()
            text = b"%d" % i
            if reply != b"$%d\r\n%s\r\n" % (len(text), text):
                return ["pipeline: reply %d is %r" % (i, reply[:60])]
    return []


def query_buffer_limit(server, rng):
    """A command that grows past client-query-buffer-limit (64 MB) without being complete."""
    with server.connect(timeout_s=20) as client:
        try:
            client.send(b"*4\r\n$4\r\nMSET\r\n$1\r\na\r\n")
            for _ in range(3):
                client.send(b"$33554432\r\n" + b"x" * (32 * MIB) + b"\r\n")
            reply = client.read_until_closed()
        except ConnectionLost:
            return []
    return [] if not reply or reply.startswith(b"-") else ["query buffer limit: %r" % reply[:80]]


def connection_storm(server, rng):
    for _ in range(3000):
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as client:
            if rng.random() < 0.2:
                client.sendall(b"PING\r\n")
    held = [socket.create_connection(("127.0.0.1", server.port), timeout=10) for _ in range(1000)]
    time.sleep(0.1)
    problems = bounded(server, "1000 idle connections")
    for client in held:
        client.close()
    return problems


def unauthenticated(server, rng):
    """Before AUTH a client may declare ten arguments of 16 KB at most."""
    problems = []
    with server.connect() as admin:
        admin.must("CONFIG", "SET", "requirepass", "sesame")
        try:
            for data in (b"*11\r\n", b"*1\r\n$16385\r\n", b"*1048576\r\n"):
                client = Client(server.port, timeout_s=5)
                client.send(data)
                try:
                    reply = client.read_until_closed()
                    if not reply.startswith(b"-ERR Protocol error: unauthenticated"):
                        problems.append("unauthenticated %r: %r" % (data, reply))
                except ConnectionLost:
                    problems.append("unauthenticated %r is not closed" % data)
                client.close()
        finally:
            admin.must("CONFIG", "SET", "requirepass", "")
    return problems


def bounded(server, what, bound=RSS_BOUND):
    rss = server.rss_bytes()
    return [] if rss <= bound * server.memory_factor else ["%s: RSS is %d MiB" % (what, rss // MIB)]


def given_back(server):
    """What the case before made the allocator take is the machine's again, within its decay time,
    so that each case is judged by what it takes itself."""
    for _ in range(SETTLE_S * 10):
        if server.rss_bytes() <= SETTLED_BOUND * server.memory_factor:
            return []
        time.sleep(0.1)
    return bounded(server, "%d s after all clients left" % SETTLE_S, SETTLED_BOUND)


def wait_for_quiet(server):
    """All hostile connections are gone from CLIENT LIST."""
    with server.connect() as client:
        for _ in range(500):
            lines = client.must("CLIENT", "LIST").count(b"\n")
            if lines <= 2:
                return []
            time.sleep(0.01)
    return ["%d clients are left after all were closed" % lines]


CASES = [bad_lengths, garbage, half_commands, one_byte_at_a_time, pieces_of_any_size,
         declared_but_never_sent, never_reading, a_million_arguments, pipeline_without_reading,
         query_buffer_limit, connection_storm, unauthenticated]


def run_cases(binary, seed, flags, only, memory_factor=1.0):
    problems = []
    with ServerProcess(binary, memory_only(binary, flags)) as server:
        server.memory_factor = memory_factor
        if flags:
            with server.connect() as client:
                client.must("CONFIG", "SET", "client-output-buffer-limit", OUTPUT_LIMIT)
        witness = Witness(server)
        for case in CASES:
            if only and case.__name__ not in only:
                continue
            started = time.monotonic()
            try:
                found = case(server, random.Random("%s/%d" % (case.__name__, seed)))
                found += wait_for_quiet(server)
                found += given_back(server)
            except (ConnectionLost, OSError, AssertionError) as error:
                found = ["%s: %r" % (case.__name__, error)]
            if not server.alive():
                return problems + found + ["%s: THE SERVER DIED\n%s"
                                           % (case.__name__, server.output())]
            print("  %-26s %4.1f s  RSS %3d MiB  %s" % (
                case.__name__, time.monotonic() - started, server.rss_bytes() // MIB,
                "ok" if not found else "FAILED"), flush=True)
            problems += found
        problems += witness.stop()
    return problems


def self_test(seed):
    """Without an output limit a never-reading client fills memory: that must be reported."""
    # It copies the replies that are not read: 20 clients of 16 MB each are over our bound.
    others = [case.__name__ for case in CASES if case is not never_reading]
    if run_cases(REDIS_SERVER, seed, LIMITS, others):
        print("SELF-TEST FAILED: redis-server does not pass")
        return 1
    found = run_cases(REDIS_SERVER, seed, [], ["never_reading"])
    if not any("RSS" in problem for problem in found):
        print("SELF-TEST FAILED: unbounded memory was not noticed: %r" % found)
        return 1
    print("self-test passed")
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    add_server_argument(parser)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", nargs="*")
    parser.add_argument("--memory-factor", type=float, default=1.0,
                        help="of the memory bounds, for a server built with sanitizers")
    parser.add_argument("--self-test", action="store_true")
    arguments = parser.parse_args()
    if arguments.self_test:
        return self_test(arguments.seed)
    binary = server_under_test(arguments)
    problems = run_cases(binary, arguments.seed, LIMITS, arguments.only, arguments.memory_factor)
    for problem in problems:
        print("PROBLEM: %s" % problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
