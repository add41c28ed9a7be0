#!/usr/bin/env python3
"""What a cold key costs memory, and how the time to start grows with their number.

  bench/cold_keys.py                      50 million keys of 10 bytes, maxmemory 512 MB (some 15 minutes)
  bench/cold_keys.py --keys 5000000 --step 1000000

Keys are loaded step by step. After each: a snapshot, and two starts (after a clean stop, then after
kill -9 with nothing in the page cache, if that can be emptied: it takes root) with the time to the
first right answer; then every key is cold. Printed for each step: what the tier keeps in memory, what
the process is, resident, more than an empty one, each per cold key. Exits with 1 if a value was
wrong. Bars: 4 bytes a key; 0.05 s per 10 million keys.
"""

import argparse
import os
import sys
import time

REPOSITORY = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(REPOSITORY, "tests", "compat"))

from server_process import (ServerProcess, add_server_argument, logged,  # noqa: E402
                            server_under_test)

BATCH = 2000


def figures(client, section):
    lines = client.must("INFO", section).decode().split("\r\n")
    return dict(line.split(":", 1) for line in lines if ":" in line)


def load(client, first, end):
    started = time.monotonic()
    for start in range(first, end, BATCH):
        numbers = range(start, min(end, start + BATCH))
        client.send(b"".join(b"*3\r\n$3\r\nSET\r\n$%d\r\nk:%d\r\n$10\r\n%010d\r\n"
                             % (len(str(n)) + 2, n, n) for n in numbers))
        for _ in numbers:
            if client.read_reply() != b"+OK\r\n":
                sys.exit("a SET was refused")
    return (end - first) / (time.monotonic() - started)


def empty_page_cache():
    os.sync()
    try:
        with open("/proc/sys/vm/drop_caches", "w") as caches:
            caches.write("3")
    except OSError:
        print("the page cache cannot be emptied: the second start is a warm one")


def start(server, number):
    """Seconds to the value of a key, and the connection."""
    started = time.monotonic()
    server.start()
    client = server.connect(timeout_s=600)
    value = client.must("GET", "k:%d" % number)
    seconds = time.monotonic() - started
    if value != b"%010d" % number:
        sys.exit("a wrong value: %r" % value)
    return seconds, client


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    add_server_argument(parser)
    parser.add_argument("--keys", type=int, default=50_000_000)
    parser.add_argument("--step", type=int, default=10_000_000)
    parser.add_argument("--maxmemory-mb", type=int, default=512)
    arguments = parser.parse_args()
    flags = logged("everysec", ["--maxmemory", "%dmb" % arguments.maxmemory_mb, "--save", "",
                                "--warmup", "no", "--auto-aof-rewrite-percentage", "0",
                                "--eviction-action", "spill"])
    with ServerProcess(server_under_test(arguments), flags, ready_timeout_s=300) as server:
        client = server.connect(timeout_s=600)
        empty = server.rss_bytes()
        for first in range(0, arguments.keys, arguments.step):
            end = first + arguments.step
            rate = load(client, first, end)
            started = time.monotonic()
            client.must("SAVE")
            saved = time.monotonic() - started
            server.terminate(timeout_s=600)
            warm, client = start(server, first + 77)
            server.kill()
            empty_page_cache()
            cold, client = start(server, first + 78)
            if client.must("DBSIZE") != end:
                sys.exit("DBSIZE is wrong")
            tier = int(figures(client, "tiering")["cold_memory_bytes"])
            print("%d keys: %.0f SET/s, SAVE %.1f s; start %.3f s, without page cache %.3f s; the tier "
                  "%.2f bytes a key, resident %.2f more than empty"
                  % (end, rate, saved, warm, cold, tier / end, (server.rss_bytes() - empty) / end),
                  flush=True)


if __name__ == "__main__":
    main()
