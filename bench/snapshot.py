#!/usr/bin/env python3
"""BGSAVE of a data set that has changed throughout, beside 20,000 SET/s, next to redis-server.

  bench/snapshot.py                        10 million keys of 100 bytes (some minutes)
  bench/snapshot.py --keys 1000000 --rounds 3

For each server and round: p99.9 of the SETs before and during BGSAVE, how much memory the process and
its children take on top (proportional set size, looked at once a second), CPU of the snapshot (all CPU
meanwhile but for compactions, which are shown apart, and for what the same traffic took before; of
redis-server its child's), how long it took, and the same for a second snapshot after 1% of the keys
changed.
"""

import argparse
import os
import statistics
import sys
import time

from paced import PacedLoad, paced
from resp import encode  # paced made it importable
from server_process import (REDIS_SERVER, ServerProcess, add_server_argument, descendants,
                            is_redis, logged, server_under_test)

BATCH = 1000


def fill(client, first, end, generation):
    for start in range(first, end, BATCH):
        numbers = range(start, min(end, start + BATCH))
        client.send(b"".join(encode(b"SET", b"key:%d" % n, b"%0100d" % (n + generation))
                             for n in numbers))
        for _ in numbers:
            if client.read_reply() != b"+OK\r\n":
                sys.exit("a SET was refused")


def proportional_bytes(server):
    """Of the process and its children; what they share is counted once."""
    total = 0
    for pid in [server.pid] + descendants(server.pid):
        try:
            with open("/proc/%d/smaps_rollup" % pid) as rollup:
                for line in rollup:
                    if line.startswith("Pss:"):
                        total += int(line.split()[1]) * 1024
        except OSError:
            pass  # it has just ended
    return total


def compaction_seconds(server):
    """CPU that RocksDB's own threads have taken."""
    ticks = 0
    for task in os.listdir("/proc/%d/task" % server.pid):
        with open("/proc/%d/task/%s/stat" % (server.pid, task)) as stat:
            name, fields = stat.read().rsplit(")", 1)
        if "(rocksdb:" in name:
            ticks += sum(int(field) for field in fields.split()[11:13])
    return ticks / os.sysconf("SC_CLK_TCK")


def background_save(server, client, streams, idle_cpu):
    """What BGSAVE beside the streams costs: a dict of figures."""
    before = peak = proportional_bytes(server)
    load = PacedLoad(server.port, streams)
    time.sleep(0.2)
    cpu, children = server.cpu_seconds(), server.ended_children_seconds()
    compactions = compaction_seconds(server)
    started = looked = time.monotonic()
    client.must("BGSAVE")
    while b"rdb_bgsave_in_progress:1" in client.must("INFO", "persistence"):
        if time.monotonic() - looked > 1:
            peak = max(peak, proportional_bytes(server))
            looked = time.monotonic()
        time.sleep(0.05)
    seconds = time.monotonic() - started
    compactions = compaction_seconds(server) - compactions
    own = server.cpu_seconds() - cpu - idle_cpu * seconds - compactions
    if b"rdb_last_bgsave_status:ok" not in client.must("INFO", "persistence"):
        sys.exit("the snapshot failed")
    latencies = load.stop()["set"]
    return {"seconds": seconds, "p99.9 ms": latencies.p999 / 1e3,
            "longest ms": latencies.longest / 1e3,
            "memory +%": 100 * (max(peak, proportional_bytes(server)) / before - 1),
            "cpu s": server.ended_children_seconds() - children if is_redis(server.binary) else own,
            "compaction cpu s": compactions, "errors": latencies.errors}


def measure(binary, arguments):
    flags = logged("everysec", ["--auto-aof-rewrite-percentage", "0"])
    if not is_redis(binary):
        flags += ["--eviction-action", "spill"]
    streams = ["set:set:%d:0:%d:100" % (arguments.rate, arguments.keys)]
    with ServerProcess(binary, flags) as server:
        client = server.connect(timeout_s=600)
        fill(client, 0, arguments.keys, 0)
        cpu = server.cpu_seconds()
        alone = paced(server.port, arguments.seconds, *streams)["set"]
        idle_cpu = (server.cpu_seconds() - cpu) / arguments.seconds
        first = background_save(server, client, streams, idle_cpu)
        time.sleep(arguments.seconds)  # what compactions are left
        client.must("BGSAVE")  # what the streams changed
        while b"rdb_bgsave_in_progress:1" in client.must("INFO", "persistence"):
            time.sleep(0.05)
        fill(client, 0, arguments.keys // 100, 1)
        second = background_save(server, client, ["set:set:1:0:1:100"], 0)
        return {"p99.9 ms before": alone.p999 / 1e3, **first,
                "second: seconds": second["seconds"], "second: cpu s": second["cpu s"]}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    add_server_argument(parser)
    parser.add_argument("--keys", type=int, default=10_000_000)
    parser.add_argument("--rate", type=int, default=20_000, help="SETs per second")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=10, help="of traffic without a snapshot")
    arguments = parser.parse_args()
    binaries = [server_under_test(arguments), REDIS_SERVER]
    found = {binary: [] for binary in binaries}
    for _ in range(arguments.rounds):
        for binary in binaries:
            found[binary].append(measure(binary, arguments))
            print("%s: %s" % (os.path.basename(binary), ", ".join(
                "%s %.2f" % figure for figure in found[binary][-1].items())), flush=True)
    print("\n| | holdfast | redis-server |\n|---|---|---|")
    for name in found[binaries[0]][0]:
        print("| %s | %s |" % (name, " | ".join(
            "%.2f" % statistics.median(run[name] for run in found[binary])
            for binary in binaries)))


if __name__ == "__main__":
    main()
