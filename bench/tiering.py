#!/usr/bin/env python3
"""A store many times larger than its memory: load, reads, snapshots and restarts, each value checked.

  bench/tiering.py                        10 million keys of 100 bytes, maxmemory 256 MB (10 minutes)
  bench/tiering.py --keys 1000000 --maxmemory-mb 32

Keys are loaded in order through one pipelined connection, so that the figures are the store's and not
those of many clients. What is printed: throughput, server CPU, the most memory used and resident
while loading; latencies of single GETs of random keys (nearly all of them cold), of hot keys alone
and beside 2,000 cold ones a second, and throughput of pipelined ones, of keys that are nowhere too; how long a snapshot
takes after the load, after nothing and after 1% of the keys changed; how long a start takes to its
first right answer after kill -9 with a log of SETs, or of INCRs and APPENDs, to replay, and after a
clean stop; how fast the warm-up brings back what was hot, and which part of skewed reads (90%
of them of a tenth of the keys) memory answers before the stop and after the warm-up; throughput with 90% of the requests on 10% of
the keys. With --unlimited the load and the reads of absent keys once more, without maxmemory. Exits
with 1 if a value was wrong or missing.
"""

import argparse
import os
import random
import sys
import time

REPOSITORY = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(REPOSITORY, "tests", "compat"))

from paced import paced  # noqa: E402
from resp import encode  # noqa: E402
from server_process import (REDIS_SERVER, ServerProcess, add_server_argument,  # noqa: E402
                            logged, server_under_test)

BATCH = 500


def key(number):
    return b"key:%d" % number


def value(number, generation):
    return b"%012d%012d" % (number * 2654435761 % 10**12, generation) + b"v" * 76


class Run:
    """One server and what its keys should hold."""

    def __init__(self, arguments, server):
        self.keys = arguments.keys
        self.limit = arguments.maxmemory_mb << 20
        self.server = server
        self.client = server.connect(timeout_s=600)
        self.changed = 0  # keys below it have generation 1
        self.appended = range(0)  # keys with one more byte
        self.rng = random.Random(1)
        self.counters = 0
        self.wrong = 0

    def reconnect(self):
        self.client.close()
        self.client = self.server.connect(timeout_s=600)

    def info(self, section):
        lines = self.client.must("INFO", section).decode().split("\r\n")
        return dict(line.split(":", 1) for line in lines if ":" in line)

    def want(self, number):
        suffix = b"+" if number in self.appended else b""
        return value(number, 1 if number < self.changed else 0) + suffix

    def set_range(self, first, end, generation, look=None):
        for start in range(first, end, BATCH):
            numbers = range(start, min(end, start + BATCH))
            self.client.send(b"".join(encode(b"SET", key(n), value(n, generation))
                                      for n in numbers))
            for _ in numbers:
                if self.client.read_reply() != b"+OK\r\n":
                    sys.exit("a SET was refused")
            if look and start // BATCH % 200 == 0:
                look()

    def load(self):
        used, resident = [0], [0]

        def look():
            used.append(int(self.info("memory")["used_memory"]))
            resident.append(self.server.rss_bytes())

        started, cpu = time.monotonic(), self.server.cpu_seconds()
        self.set_range(0, self.keys, 0, look)
        seconds, cpu = time.monotonic() - started, self.server.cpu_seconds() - cpu
        print("load: %d keys in %.1f s, %.0f/s, server CPU %.2f us a key, used at most %.1f%% of "
              "maxmemory, resident at most %.0f MB (%.0f%%)"
              % (self.keys, seconds, self.keys / seconds, cpu / self.keys * 1e6,
                 max(used) / self.limit * 100, max(resident) / 2**20,
                 max(resident) / self.limit * 100), flush=True)
        self.check_count()

    def check_count(self):
        if self.client.must("DBSIZE") != self.keys + self.counters:
            sys.exit("DBSIZE is wrong")

    def ask(self, requests, wanted):
        """Sends them in batches; sys.exit unless each reply is what `wanted` says of its number."""
        for start in range(0, len(requests), BATCH):
            self.client.send(b"".join(requests[start:start + BATCH]))
            for number in range(start, min(len(requests), start + BATCH)):
                if self.client.read_reply() != wanted(number):
                    sys.exit("a wrong reply: %r" % requests[number])

    def count(self, counters, count):
        """Counters of their own. All are as high, and cold after the load."""
        self.ask([encode(b"INCR", b"counter:%d" % n) for n in range(counters)],
                 lambda _: b":%d\r\n" % count)
        self.counters = counters

    def append(self, numbers):
        grown = len(value(0, 0)) + 1
        self.ask([encode(b"APPEND", key(n), b"+") for n in numbers], lambda _: b":%d\r\n" % grown)
        self.appended = numbers

    def read_absent(self, requests):
        started, cpu = time.monotonic(), self.server.cpu_seconds()
        self.ask([encode(b"GET", b"nowhere:%d" % self.rng.randrange(10**9))
                  for _ in range(requests)], lambda _: b"$-1\r\n")
        seconds, cpu = time.monotonic() - started, self.server.cpu_seconds() - cpu
        print("GET of absent keys, -P %d: %.0f/s, server CPU %.2f us a key"
              % (BATCH, requests / seconds, cpu / requests * 1e6), flush=True)

    def check(self, numbers):
        self.client.send(b"".join(encode(b"GET", key(n)) for n in numbers))
        for number in numbers:
            wanted = self.want(number)
            self.wrong += self.client.read_reply() != b"$%d\r\n%s\r\n" % (len(wanted), wanted)

    def read_alone(self, count=20000):
        times = []
        for _ in range(count):
            number = self.rng.randrange(self.keys)
            started = time.perf_counter()
            self.check([number])
            times.append(time.perf_counter() - started)
        times.sort()
        print("GET of a random key, alone: p50 %.0f us, p99 %.0f us, longest %.1f ms"
              % (times[count // 2] * 1e6, times[count * 99 // 100] * 1e6, times[-1] * 1e3))

    def read_all(self):
        order = list(range(self.keys))
        self.rng.shuffle(order)
        started, cpu = time.monotonic(), self.server.cpu_seconds()
        for start in range(0, self.keys, 100):
            self.check(order[start:start + 100])
        seconds, cpu = time.monotonic() - started, self.server.cpu_seconds() - cpu
        print("GET of every key once in random order, -P 100: %.0f/s, server CPU %.2f us a key, "
              "resident %.0f MB" % (self.keys / seconds, cpu / self.keys * 1e6,
                                    self.server.rss_bytes() / 2**20), flush=True)

    def beside_cold_reads(self, seconds):
        """Hot keys alone, and while 2,000 cold ones a second are read beside them."""
        hot = min(10000, self.keys // 10)
        for _ in range(3):
            for start in range(0, hot, 100):
                self.check(range(start, start + 100))
        asked = "hot:get:5000:0:%d:0" % hot
        alone = paced(self.server.port, seconds, asked)["hot"]
        print("hot GET alone, 5000/s: %s" % (alone,))
        beside = paced(self.server.port, seconds, asked,
                       "cold:get:2000:%d:%d:0" % (hot, self.keys - hot))
        print("hot GET beside 2000 cold/s: %s" % (beside["hot"],))
        print("cold GET beside it: %s" % (beside["cold"],), flush=True)

    def ninety_ten(self, seconds):
        """90% of the requests on 10% of the keys, one SET to nine GETs, as fast as it goes."""
        stream = "most:mixed:0:0:%d:100:90" % self.keys
        paced(self.server.port, seconds, stream)  # the hot keys come into memory
        self.client.must("CONFIG", "RESETSTAT")
        cpu = self.server.cpu_seconds()
        found = paced(self.server.port, seconds, stream)["most"]
        cpu = (self.server.cpu_seconds() - cpu) / found.requests * 1e6
        ratio = self.info("tiering").get("hot_hit_ratio", "1") if self.limit else "1"
        print("90%% of the requests on 10%% of the keys, 4 clients, -P 16: %.0f/s, server CPU %.2f us "
              "each, %s of the hits from memory" % (found.per_second, cpu, ratio), flush=True)
        return found.per_second

    def await_background_save(self):
        while self.info("persistence")["rdb_bgsave_in_progress"] == "1":
            time.sleep(0.05)

    def save(self, when):
        self.await_background_save()
        resident, cpu = self.server.rss_bytes(), self.server.cpu_seconds()
        started = time.monotonic()
        self.client.must("SAVE")
        print("SAVE %s: %.2f s, server CPU %.2f s, resident %+.0f MB"
              % (when, time.monotonic() - started, self.server.cpu_seconds() - cpu,
                 (self.server.rss_bytes() - resident) / 2**20), flush=True)

    def change(self, count):
        self.set_range(0, count, 1)
        self.changed = max(self.changed, count)

    def read_skewed(self, when, count):
        """90% of the reads on a tenth of the keys."""
        self.client.must("CONFIG", "RESETSTAT")
        for start in range(0, count, 100):
            self.check([self.rng.randrange(self.keys // 10 if self.rng.random() < 0.9
                                           else self.keys) for _ in range(100)])
        ratio = float(self.info("tiering")["hot_hit_ratio"])
        print("skewed reads %s: memory answered %.2f%% of them" % (when, ratio * 100), flush=True)

    def wait_until_warm(self):
        while (figures := self.info("tiering"))["tier_warmup_state"] == "running":
            time.sleep(0.05)
        keys, seconds = int(figures["tier_warmup_loaded"]), int(figures["tier_warmup_ms"]) / 1000
        print("warm-up: %s, %d of %s keys in %.2f s, %.0f/s, %.1f MB/s"
              % (figures["tier_warmup_state"], keys, figures["tier_warmup_keys"], seconds,
                 keys / max(seconds, 1e-3),
                 int(figures["tier_warmup_bytes"]) / 2**20 / max(seconds, 1e-3)), flush=True)

    def restart(self, stop, after):
        stop()
        started = time.monotonic()
        self.server.start()
        self.reconnect()
        self.check([self.keys - 1, 0])
        print("start %s: %.3f s to the first right answers" % (after, time.monotonic() - started),
              flush=True)
        self.check_count()


def compare_with_redis(arguments, ours):
    """The same traffic to redis-server, which has all of it in memory."""
    with ServerProcess(REDIS_SERVER, logged("everysec")) as server:
        run = Run(arguments, server)
        run.limit = 0
        run.set_range(0, run.keys, 0)
        theirs = run.ninety_ten(arguments.seconds)
    print("that is %.2f of redis-server's with all in memory" % (ours / theirs), flush=True)


def load_without_a_limit(arguments):
    """What the load, and reads of absent keys, cost where nothing is cold."""
    flags = logged("everysec", ["--maxmemory", "0"])
    with ServerProcess(server_under_test(arguments), flags) as server:
        run = Run(arguments, server)
        run.limit = sys.maxsize
        run.load()
        run.read_absent(arguments.keys // 10)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    add_server_argument(parser)
    parser.add_argument("--keys", type=int, default=10_000_000)
    parser.add_argument("--maxmemory-mb", type=int, default=256)
    parser.add_argument("--seconds", type=float, default=10, help="of each paced load")
    parser.add_argument("--redis", action="store_true",
                        help="the 90/10 traffic on redis-server too (memory: 200 bytes a key)")
    parser.add_argument("--unlimited", action="store_true",
                        help="the load without maxmemory too (memory: 200 bytes a key)")
    arguments = parser.parse_args()
    flags = logged("everysec", ["--eviction-action", "spill", "--maxmemory",
                                "%dmb" % arguments.maxmemory_mb, "--maxmemory-policy",
                                "allkeys-s3fifo"])
    with ServerProcess(server_under_test(arguments), flags) as server:
        run = Run(arguments, server)
        counters = arguments.keys // 20
        run.count(counters, 1)
        run.load()
        run.read_absent(arguments.keys // 10)
        run.read_alone()
        run.beside_cold_reads(arguments.seconds)
        run.read_all()
        run.save("after the load")
        run.save("after nothing")
        run.change(arguments.keys // 100)
        run.save("after 1% changed")
        tail = min(arguments.keys, (64 << 20) // 160)
        run.change(tail)
        run.restart(server.kill, "after kill -9, a log of %d SETs" % tail)
        run.await_background_save()
        run.client.must("SAVE")
        run.count(counters, 2)
        run.append(range(tail, min(arguments.keys, 3 * tail)))
        run.restart(server.kill, "after kill -9, a log of %d INCRs and %d APPENDs to cold keys"
                    % (counters, len(run.appended)))
        for when in ("at first", "again", "before the stop"):
            run.read_skewed(when, arguments.keys // 5)
        run.restart(server.terminate, "after a clean stop")
        run.wait_until_warm()
        run.read_skewed("after the warm-up", arguments.keys // 5)
        run.read_alone()
        ours = run.ninety_ten(arguments.seconds)
    if arguments.unlimited:
        load_without_a_limit(arguments)
    if arguments.redis:
        compare_with_redis(arguments, ours)
    print("%d values were wrong or missing" % run.wrong)
    return 1 if run.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
