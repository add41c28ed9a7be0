#!/usr/bin/env python3
"""Glob patterns against redis-server: random keys, random patterns, KEYS of both compared.

    python3 tests/compat/glob_test.py [--server PATH] [--patterns N] [--seed N]

The alphabet is what patterns treat specially, both cases, and bytes over 127. CONFIG GET is asked
with random patterns too: it ignores case. Exits with 1 at a difference and names the pattern.
"""

import argparse
import random
import sys

from resp import parse
from server_process import (REDIS_SERVER, ServerProcess, add_server_argument, memory_only,
                            server_under_test)

KEY_BYTES = b"ab-]^[\\*?c\x00\x80\xffAB"
DENSE_BYTES = b"ab*[]^-\\"
CONFIG_BYTES = b"maxMEory*?[]-^"
BATCH = 100


def random_bytes(source, alphabet, longest):
    return bytes(source.choice(alphabet) for _ in range(source.randrange(longest + 1)))


def patterns_of(source, count):
    for number in range(count):
        yield random_bytes(source, KEY_BYTES if number % 2 else DENSE_BYTES, 9)


def compare_keys(ours, redis, source, count):
    keys = sorted({random_bytes(source, KEY_BYTES, 7) for _ in range(400)})
    for client in (ours, redis):
        for key in keys:
            client.must("SET", key, "1")
    patterns = list(patterns_of(source, count))
    differences = 0
    for start in range(0, len(patterns), BATCH):
        batch = patterns[start:start + BATCH]
        replies = [client.pipeline([("KEYS", pattern) for pattern in batch])
                   for client in (ours, redis)]
        for pattern, mine, theirs in zip(batch, *replies):
            mine, theirs = set(parse(mine)), set(parse(theirs))
            if mine != theirs:
                differences += 1
                print("KEYS %r: only ours %s, only redis %s"
                      % (pattern, sorted(mine - theirs), sorted(theirs - mine)))
    return differences


def compare_config_get(ours, redis, source, count):
    """Only names that redis has count: ours has more."""
    known = set(redis.must("CONFIG", "GET", "*")[0::2])
    differences = 0
    for _ in range(count):
        pattern = random_bytes(source, CONFIG_BYTES, 6) + b"*"
        mine = {name for name in ours.must("CONFIG", "GET", pattern)[0::2] if name in known}
        theirs = set(redis.must("CONFIG", "GET", pattern)[0::2])
        if mine != theirs:
            differences += 1
            print("CONFIG GET %r: only ours %s, only redis %s"
                  % (pattern, sorted(mine - theirs), sorted(theirs - mine)))
    return differences


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_server_argument(parser)
    parser.add_argument("--patterns", type=int, default=20000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    source = random.Random(arguments.seed)
    with ServerProcess(server_under_test(arguments), memory_only("")) as our_server, \
            ServerProcess(REDIS_SERVER, memory_only("redis")) as redis_server:
        with our_server.connect() as ours, redis_server.connect() as redis:
            differences = compare_keys(ours, redis, source, arguments.patterns)
            differences += compare_config_get(ours, redis, source, arguments.patterns // 10)
    print("%d patterns, %d differences (seed %d)"
          % (arguments.patterns, differences, arguments.seed))
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
