#!/usr/bin/env python3
"""Many clients at once send random commands of all families to a server with several I/O threads,
among them rewrites of the log, changed settings and kills of each other. Whatever order the server
chose, its log has the same: after a clean stop and a restart the data set is equal.

Under ThreadSanitizer this is the run that looks for races (tools/dev/sanitize).

  many_clients_test.py --self-test      redis-server, then with a command added to its log
"""

import argparse
import glob
import os
import random
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "compat"))

from resp import ConnectionLost, encode, parse  # noqa: E402
from server_grammar import Generator  # noqa: E402
from server_process import (REDIS_SERVER, ServerFailed, ServerProcess,  # noqa: E402
                            add_server_argument, aof_check, is_redis, logged, server_under_test)

DATABASES = 16
FLAGS = ["--io-threads", "4", "--enable-debug-command", "yes", "--proto-max-bulk-len", "1mb",
         "--auto-aof-rewrite-percentage", "50", "--auto-aof-rewrite-min-size", "256kb"]
# They would grow values past what the test machine has, or change how a command is read by others.
LEFT_OUT = (b"proto-max-bulk-len", b"requirepass", b"maxmemory")
QUIET_S = 60


def disturbance(rng):
    """What concerns all clients, or the log as a whole."""
    return rng.choice([
        [b"BGREWRITEAOF"], [b"CONFIG", b"SET", b"appendfsync", rng.choice([b"always", b"everysec", b"no"])],
        [b"CLIENT", b"KILL", b"TYPE", b"normal", b"SKIPME", b"yes"], [b"CLIENT", b"LIST"],
        [b"INFO", b"everything"], [b"FLUSHDB"], [b"FLUSHALL", b"ASYNC"], [b"SWAPDB", b"0", b"1"],
        [b"DBSIZE"], [b"KEYS", b"*"], [b"SLOWLOG", b"GET"], [b"MEMORY", b"STATS"],
        [b"LATENCY", b"HISTOGRAM"], [b"CONFIG", b"RESETSTAT"]])


class Worker:
    """One client and its thread. Being killed by another client is part of the test."""

    def __init__(self, server, seed, batches):
        self.server = server
        self.rng = random.Random(seed)
        self.generator = Generator(self.rng)
        self.batches = batches
        self.commands = 0
        self.connections = 0
        self.problem = None
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _batch(self):
        drawn = self.generator.commands(self.rng.choice([1, 1, 4, 16, 50]))
        found = [args for args in drawn if not any(name in arg for arg in args for name in LEFT_OUT)]
        if self.rng.random() < 0.05:
            found.append(disturbance(self.rng))
        return found

    def _run(self):
        client = None
        for _ in range(self.batches):
            try:
                if client is None:
                    client = self.server.connect(timeout_s=60)
                    self.connections += 1
                batch = self._batch()
                for raw in client.pipeline(batch):
                    parse(raw)
                self.commands += len(batch)
            except (ConnectionLost, OSError) as lost:
                if not self.server.alive():
                    return
                if "no whole reply" in str(lost):
                    self.problem = str(lost)
                    return
                client = None
        if client is not None:
            client.close()

    def join(self):
        self.thread.join(600)
        return ["a client did not come to its end"] if self.thread.is_alive() else (
            [self.problem] if self.problem else [])


def settle(server):
    """No key will expire any more, and none that has expired is still there."""
    with server.connect(timeout_s=60) as client:
        client.must("DEBUG", "SET-ACTIVE-EXPIRE", "1")
        deadline = time.monotonic() + QUIET_S
        for database in range(DATABASES):
            client.must("SELECT", database)
            while True:
                keys = client.must("KEYS", "*")
                client.pipeline([("PERSIST", key) for key in keys])
                if client.must("DBSIZE") == len(keys):
                    break
                if time.monotonic() > deadline:
                    return ["expired keys of database %d do not go away" % database]
                time.sleep(0.05)
    return []


def digest(server):
    with server.connect(timeout_s=60) as client:
        return client.must("DEBUG", "DIGEST")


def add_a_command(folder):
    """The planted bug: the log holds a write that nobody sent."""
    files = glob.glob(os.path.join(folder, "appendonlydir", "*.incr.aof"))
    with open(max(files, key=lambda path: int(path.split(".")[-3])), "ab") as log:
        log.write(encode("SELECT", "3") + encode("SET", "planted", "x"))


def check_log(binary, folder):
    checker = aof_check()
    if not checker or is_redis(binary):
        return []
    run = subprocess.run([checker, folder], capture_output=True, text=True, timeout=300, check=False)
    return [] if run.returncode == 0 else ["aof-check: %s%s" % (run.stdout, run.stderr)]


def run_round(binary, seed, clients, batches, plant=False):
    problems = []
    server = ServerProcess(binary, logged("everysec", FLAGS))
    try:
        started = time.monotonic()
        workers = [Worker(server, "%d/%d" % (seed, i), batches) for i in range(clients)]
        for worker in workers:
            problems += worker.join()
        if not server.alive():
            return problems + ["the server died:\n%s" % server.output()]
        problems += settle(server)
        before = digest(server)
        status = server.terminate()
        if status != 0:
            problems.append("SIGTERM gives exit status %s:\n%s" % (status, server.output()))
        problems += check_log(binary, server.folder)
        if plant:
            add_a_command(server.folder)
        server.start()
        after = digest(server)
        if before != after:
            problems.append("the log gives another data set: %s, it was %s" % (after, before))
        print("  %d clients, %d commands on %d connections in %.0f s: %d problems"
              % (clients, sum(w.commands for w in workers), sum(w.connections for w in workers),
                 time.monotonic() - started, len(problems)), flush=True)
    except (ConnectionLost, ServerFailed, AssertionError) as error:
        problems.append("%r\n%s" % (error, server.output()))
    finally:
        server.stop(remove=not problems or plant)
        if problems and not plant:
            print("  data directory kept: %s" % server.folder)
    return problems


def self_test(seed):
    if run_round(REDIS_SERVER, seed, 6, 40):
        print("SELF-TEST FAILED: redis-server does not pass")
        return 1
    if not any("another data set" in problem for problem in
               run_round(REDIS_SERVER, seed, 2, 10, plant=True)):
        print("SELF-TEST FAILED: a command that nobody sent went unnoticed")
        return 1
    print("self-test passed")
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    add_server_argument(parser)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--batches", type=int, default=150, help="per client and round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--self-test", action="store_true")
    arguments = parser.parse_args()
    seed = random.SystemRandom().randrange(1 << 32) if arguments.seed is None else arguments.seed
    print("seed %d" % seed)
    if arguments.self_test:
        return self_test(seed)
    binary = server_under_test(arguments)
    for number in range(arguments.rounds):
        problems = run_round(binary, seed + number, arguments.clients, arguments.batches)
        if problems:
            for problem in problems:
                print("PROBLEM (seed %d): %s" % (seed + number, problem))
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
