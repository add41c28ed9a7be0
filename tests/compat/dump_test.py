#!/usr/bin/env python3
"""DUMP and RESTORE of strings against redis-server: the payloads are the same byte for byte, and each
server restores the other's.

Usage: dump_test.py [--server PATH] [--values N] [--seed N]      Exit code 1 at a difference.
"""

import argparse
import random
import sys

import server_process
from server_process import ServerProcess

WORDS = [b"the", b"quick", b"brown", b"fox", b"key", b"value", b"0", b"1234", b"\x00\xff", b" ", b"\r\n"]


def numbers():
    """Around every bound of an integer form."""
    for bits in (7, 8, 15, 16, 31, 32, 63, 64):
        for delta in (-2, -1, 0, 1):
            for sign in (1, -1):
                yield b"%d" % (sign * (1 << bits) + delta)
    yield from (b"0", b"-0", b"+1", b"007", b" 1", b"1 ", b"1.0", b"12\x00", b"", b"99999999999")


def random_value(rng):
    size = rng.choice((rng.randrange(64), rng.randrange(600), rng.randrange(20_000), rng.randrange(200_000)))
    kind = rng.randrange(5)
    if kind == 0:
        return rng.randbytes(size)
    if kind == 1:
        return bytes([rng.randrange(256)]) * size
    if kind == 2:
        return b"".join(rng.choices(WORDS, k=size // 3))
    if kind == 3:
        block = rng.randbytes(rng.randrange(1, 9000))
        return (block * (size // len(block) + 1))[:size]
    return bytes(rng.choices(b"abcd", k=size))


def values(count, seed):
    rng = random.Random(seed)
    yield from numbers()
    for size in [*range(0, 70), 16382, 16383, 16384, 16385, 1 << 20]:
        yield b"a" * size
        yield rng.randbytes(size)
    for _ in range(count):
        yield random_value(rng)


def compare(redis, ours, value):
    """None, or what differs."""
    payloads = []
    for server in (redis, ours):
        server.must("SET", "k", value)
        payloads.append(server.must("DUMP", "k"))
    if payloads[0] != payloads[1]:
        return "DUMP gives %r, redis-server %r" % (payloads[1][:60], payloads[0][:60])
    for server in (redis, ours):
        server.must("RESTORE", "k", "0", payloads[0], "REPLACE")
        if server.must("GET", "k") != value:
            return "RESTORE does not give the value back"
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    server_process.add_server_argument(parser)
    parser.add_argument("--values", type=int, default=3000, help="random values (default 3000)")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    path = server_process.server_under_test(arguments)
    compared = 0
    with ServerProcess(server_process.REDIS_SERVER, server_process.memory_only(server_process.REDIS_SERVER)) as redis:
        with ServerProcess(path, server_process.memory_only(path)) as ours:
            with redis.connect() as one, ours.connect() as two:
                for value in values(arguments.values, arguments.seed):
                    difference = compare(one, two, value)
                    if difference:
                        print("a value of %d bytes, %r: %s" % (len(value), value[:60], difference))
                        return 1
                    compared += 1
    print("%d values: DUMP and RESTORE as in redis-server" % compared)
    return 0


if __name__ == "__main__":
    sys.exit(main())
