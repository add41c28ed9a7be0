#!/usr/bin/env python3
"""maxmemory: in the same words as redis-server 7.0, and under load.

    python3 tests/compat/eviction_test.py [--server PATH] [--megabytes 64] [--self-test]

First the same commands go to both servers with memory that is enough, or none: every reply must be
the same. Then each policy is loaded with several times its memory, with and without a log: what is
used stays within 1% of the limit at every look, the process grows by no more than the limit, 15% of
it and 16 MB, keys are evicted and are gone after a restart too, and with skewed requests the
policies that watch accesses hit more often than random choice. The same load into a cold tier loses
nothing, and memory is bounded too. Starts its own servers; the exit status is 1 if anything is wrong.
"""

import argparse
import bisect
import itertools
import random
import sys

from server_process import (REDIS_SERVER, ServerProcess, add_server_argument, dropping, is_redis, logged,
                            memory_only, server_under_test)

POLICIES = ["allkeys-lru", "allkeys-lfu", "allkeys-random", "volatile-lru", "volatile-lfu",
            "volatile-random", "volatile-ttl"]
OURS = ["allkeys-s3fifo"]

NONE_LEFT = """CONFIG SET maxmemory-policy noeviction
SET there v
CONFIG SET maxmemory 1
SET k v|GET k|GET there|DEL nosuch|EXPIRE there 100|TTL there|INCR n|APPEND there x|SETRANGE there 0 y
MSET a 1 b 2|GETSET there x|GETDEL there|SETNX there x|PING|ECHO x|COPY there here|RENAME there here
TYPE here|OBJECT ENCODING here|SET|SET k|NOSUCH|STRLEN here|PERSIST here|RESTORE x 0 abc|DBSIZE
MULTI|GET here|SET k v|EXEC
MULTI|DISCARD
MULTI|PING|EXEC
MULTI|MULTI|DISCARD
MULTI|WATCH x|EXEC
MULTI|UNWATCH|RESET
CONFIG SET maxmemory 0
MULTI|SET k v|GET k|CONFIG SET maxmemory 1|EXEC|GET k
CONFIG SET maxmemory 0
MULTI|SET k2 v
> CONFIG SET maxmemory 1
EXEC|GET k2
CONFIG SET maxmemory 0
MULTI|GET k2
> CONFIG SET maxmemory 1
EXEC
CONFIG SET maxmemory 0
DEL here|EXISTS k
CONFIG SET maxmemory-policy volatile-lru
CONFIG SET maxmemory 1
SET k v|SET k v EX 100|SETEX k 100 v|DBSIZE|GET k
CONFIG SET maxmemory 0|SET k v EX 100|SET stays v|CONFIG SET maxmemory 1|SET x y|EXISTS k stays|DBSIZE
CONFIG SET maxmemory 0|CONFIG SET maxmemory-policy allkeys-random|MSET a 1 b 2 c 3
WATCH a
> CONFIG SET maxmemory 1
> SET more v
> DBSIZE
> CONFIG SET maxmemory 0
MULTI|PING|EXEC
FLUSHALL"""

STATES = """CONFIG SET maxmemory-policy {policy}|CONFIG GET maxmemory-policy
OBJECT FREQ nosuch|OBJECT IDLETIME nosuch|SET k v|OBJECT FREQ k|OBJECT IDLETIME k|SET k w
OBJECT HELP x|OBJECT FREQ|OBJECT FREQ a b|TOUCH k|SET n x|OBJECT FREQ n|OBJECT IDLETIME n
CONFIG SET lfu-log-factor 0|SET m v|GET m|GET m|OBJECT FREQ m|TYPE m|TTL m|OBJECT FREQ m|RENAME m o
OBJECT FREQ o|TOUCH o|OBJECT FREQ o|STRLEN o|OBJECT FREQ o|SET o x|OBJECT FREQ o|SET o y KEEPTTL
OBJECT FREQ o|MOVE o 1|SELECT 1|OBJECT FREQ o|SELECT 0|CONFIG SET lfu-log-factor 10|FLUSHALL"""

SETTINGS = """CONFIG GET maxmemory|CONFIG GET maxmemory-samples|CONFIG GET lfu-log-factor|CONFIG SET maxmemory-samples 0
CONFIG SET maxmemory-samples 64|CONFIG GET maxmemory-samples|CONFIG SET maxmemory-samples 5
CONFIG SET maxmemory-eviction-tenacity 101|CONFIG SET maxmemory-eviction-tenacity 100
CONFIG GET maxmemory-eviction-tenacity|CONFIG SET maxmemory-eviction-tenacity 10
CONFIG SET lfu-decay-time -1|CONFIG SET lfu-decay-time 0|CONFIG GET lfu-decay-time
CONFIG SET lfu-decay-time 1|CONFIG SET maxmemory 1gb|CONFIG GET maxmemory|CONFIG SET maxmemory 0
CONFIG SET maxmemory abc|CONFIG SET maxmemory -1"""

found = []


def wrong(text):
    found.append(text)
    print(text, flush=True)


def restore_commands(client):
    client.must("SET", "r", "value")
    payload = client.must("DUMP", "r")
    client.must("DEL", "r")
    return [["RESTORE", "r1", "0", payload, "FREQ", "77"], ["OBJECT", "FREQ", "r1"],
            ["RESTORE", "r2", "0", payload, "IDLETIME", "500"], ["OBJECT", "FREQ", "r2"],
            ["RESTORE", "r3", "0", payload, "FREQ", "256"]]


def same(command, replies):
    """A second may begin between the two servers."""
    if "IDLETIME" in command and all(isinstance(reply, int) for reply in replies):
        return abs(replies[0] - replies[1]) <= 1
    return str(replies[0]) == str(replies[1])


def compare(label, clients, others, script):
    """`others` are second connections, for the lines that begin with >."""
    for line in script.split("\n"):
        second = line.startswith("> ")
        for command in line[2 if second else 0:].split("|"):
            replies = [pair[second].command(*command.split()) for pair in zip(clients, others)]
            if not same(command, replies):
                wrong("%s: %s\n    ours:  %s\n    redis: %s" % (label, command, *replies))


def compare_words(binary):
    with ServerProcess(binary, memory_only(binary, dropping(binary))) as ours, \
            ServerProcess(REDIS_SERVER, memory_only(REDIS_SERVER)) as redis:
        clients = [server.connect() for server in (ours, redis)]
        others = [server.connect() for server in (ours, redis)]
        compare("settings", clients, others, SETTINGS)
        compare("out of memory", clients, others, NONE_LEFT)
        for policy in POLICIES + ["noeviction"]:
            compare(policy, clients, others, STATES.format(policy=policy))
            for commands in zip(*(restore_commands(client) for client in clients)):
                replies = [client.command(*command) for client, command in zip(clients, commands)]
                if str(replies[0]) != str(replies[1]):
                    wrong("%s: %s\n    ours:  %s\n    redis: %s"
                          % (policy, commands[0][:2], *replies))
        for client in clients + others:
            client.close()


def figures(client, section):
    text = client.must("INFO", section)
    text = text.decode() if isinstance(text, bytes) else str(text)
    return dict(line.split(":", 1) for line in text.split("\r\n") if ":" in line)


class Bounds:
    def __init__(self, label, limit, slack):
        self.label, self.limit, self.slack = label, limit, slack
        self.most_used = self.most_resident = self.empty = 0

    def begin(self, server):
        self.empty = server.rss_bytes()

    def look(self, server, client):
        memory = figures(client, "memory")
        used = int(memory["used_memory"]) - int(memory["mem_not_counted_for_evict"])
        self.most_used = max(self.most_used, used)
        self.most_resident = max(self.most_resident, server.rss_bytes() - self.empty)

    def judge(self, resident, working=16 << 20):
        if self.most_used > self.limit * (1 + self.slack):
            wrong("%s: %d bytes used of %d" % (self.label, self.most_used, self.limit))
        if resident and self.most_resident > self.limit * 1.15 + working:
            wrong("%s: grew by %d bytes for %d" % (self.label, self.most_resident, self.limit))


def load_once(server, policy, limit, seed, bounds, left=("stats", "evicted_keys")):
    """Four times as many bytes as there is room for; a look at memory every thousand commands."""
    draw = random.Random(seed)
    with server.connect() as client:
        keys = sent = 0
        while sent < 4 * limit:
            batch = []
            for _ in range(1000):
                value = b"v" * draw.choice((20, 100, 100, 100, 300, 2000))
                batch.append(["SET", "key:%d" % keys, value, "EX", "100000"])
                keys += 1
                sent += len(value) + 60
            batch.append(["SETRANGE", "big:%d" % (keys % 50), draw.choice((20000, 100000)), "x"])
            batch.append(["EXPIRE", "big:%d" % (keys % 50), "100000"])
            for command, reply in zip(batch, client.pipeline(batch)):
                if reply[:1] == b"-":
                    return wrong("%s: %s answered %r" % (policy, command[:2], reply))
            bounds.look(server, client)
        if int(figures(client, left[0])[left[1]]) == 0:
            wrong("%s: nothing was evicted" % policy)
        return None


def digest(client):
    return str(client.must("DEBUG", "DIGEST")), client.must("DBSIZE")


def settled(client):
    """The data set, once background eviction rests."""
    before = digest(client)
    while True:
        now = digest(client)
        if now == before:
            return now
        before = now


def restarted(server, label, state_of):
    """A clean stop and a start, which must not change the state. Returns the number of keys."""
    with server.connect() as client:
        before = state_of(client)
    server.terminate()
    server.start()
    with server.connect() as client:
        after = state_of(client)
    if before != after:
        wrong("%s: %s before, %s after a restart" % (label, before, after))
    return after[1]


def load(binary, policies, limit, slack):
    for policy in policies:
        for flags in (memory_only(binary, dropping(binary)),
                      logged("everysec", dropping(binary))):
            label = "%s%s" % (policy, ", log on" if "yes" in flags else "")
            bounds = Bounds(label, limit, slack)
            more = ["--maxmemory", limit, "--maxmemory-policy", policy, "--enable-debug-command",
                    "yes"] + ([] if is_redis(binary) else ["--io-threads", "2"])
            with ServerProcess(binary, flags + more) as server:
                bounds.begin(server)
                load_once(server, policy, limit, 1, bounds)
                bounds.judge(resident=not is_redis(binary))
                line = "%s: at most %.1f%% used, grown by %.1f MB" % (
                    label, 100 * bounds.most_used / limit, bounds.most_resident / 2**20)
                if "yes" in flags:
                    with server.connect() as client:
                        # So that nothing is evicted after the restart: what is loaded may take a
                        # little more memory than it took.
                        client.must("CONFIG", "SET", "maxmemory", limit * 97 // 100)
                    line += ", %d keys kept over a restart" % restarted(server, label, settled)
                print(line, flush=True)


def spill(binary, limit, slack):
    """The same into a cold tier: nothing is lost, and memory is bounded all the same."""
    bounds = Bounds("spilling", limit, slack)
    with ServerProcess(binary, logged("everysec", [
            "--maxmemory", limit, "--enable-debug-command", "yes", "--io-threads", "2"])) as server:
        bounds.begin(server)
        load_once(server, "spilling", limit, 1, bounds, ("tiering", "spilled_keys"))
        bounds.judge(resident=True, working=64 << 20)  # compactions take what they need of any limit
        print("spilling: at most %.1f%% used, grown by %.1f MB, %d keys"
              % (100 * bounds.most_used / limit, bounds.most_resident / 2**20,
                 restarted(server, "spilling", digest)), flush=True)


def huge_pages(binary):
    """Only without a limit: with one, resident memory has to follow it."""
    def allowed(server):
        with open("/proc/%d/status" % server.pid) as status:
            return [line.split()[1] for line in status if line.startswith("THP_enabled")]

    with ServerProcess(binary, memory_only(binary)) as server, server.connect() as client:
        found = [allowed(server)]
        for limit in ("64mb", "0"):
            client.must("CONFIG", "SET", "maxmemory", limit)
            found.append(allowed(server))
    with ServerProcess(binary, memory_only(binary, ["--maxmemory", "64mb"])) as server:
        found.append(allowed(server))
    if found[0] and found != [["1"], ["0"], ["1"], ["0"]]:
        wrong("huge pages allowed: %s, wanted without a limit only" % found)


class Zipf:
    def __init__(self, count, exponent, seed):
        self.draw = random.Random(seed)
        self.sums = list(itertools.accumulate((rank + 1) ** -exponent for rank in range(count)))

    def next(self):
        return bisect.bisect_left(self.sums, self.draw.random() * self.sums[-1])


def hit_ratio(binary, policy, requests):
    """GET, and SET on a miss, of skewed keys; every tenth request is for a key never seen again."""
    zipf = Zipf(60000, 0.9, 7)
    flags = memory_only(binary, dropping(binary)) + ["--maxmemory", "6mb", "--maxmemory-policy",
                                                     policy]
    hits = fresh = 0
    with ServerProcess(binary, flags) as server, server.connect() as client:
        for start in range(0, requests, 50):
            names = []
            for number in range(start, start + 50):
                fresh += number % 10 == 0
                names.append("new:%d" % fresh if number % 10 == 0 else "key:%d" % zipf.next())
            replies = client.pipeline([["GET", name] for name in names])
            missed = [name for name, reply in zip(names, replies) if reply == b"$-1\r\n"]
            hits += 50 - len(missed)
            client.pipeline([["SET", name, b"v" * 200] for name in missed])
    return 100.0 * hits / requests


def compare_hits(binary, policies, requests):
    ratios = {policy: hit_ratio(binary, policy, requests) for policy in policies}
    print("hits of skewed requests: " + ", ".join(
        "%s %.1f%%" % item for item in sorted(ratios.items(), key=lambda item: item[1])))
    for policy in set(policies) - {"allkeys-random", "allkeys-lru"}:
        if ratios[policy] < ratios["allkeys-random"] + 1:
            wrong("%s: %.1f%%, %.1f%% at random"
                  % (policy, ratios[policy], ratios["allkeys-random"]))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    add_server_argument(parser)
    parser.add_argument("--megabytes", type=int, default=64, help="maxmemory of the load")
    parser.add_argument("--self-test", action="store_true",
                        help="redis-server passes, and a bound that it breaks is reported")
    arguments = parser.parse_args()
    if arguments.self_test:
        compare_words(REDIS_SERVER)
        load(REDIS_SERVER, ["allkeys-lru"], 8 << 20, 0.05)
        passed = not found
        load(REDIS_SERVER, ["allkeys-lru"], 8 << 20, -0.5)
        print("self-test: redis-server %s, the planted bound was %s"
              % ("passes" if passed else "FAILS", "reported" if found else "MISSED"))
        return 0 if passed and found else 1
    binary = server_under_test(arguments)
    compare_words(binary)
    load(binary, POLICIES + OURS, arguments.megabytes << 20, 0.01)
    spill(binary, arguments.megabytes << 20, 0.03)
    huge_pages(binary)
    compare_hits(binary, ["allkeys-random", "allkeys-lru", "allkeys-lfu"] + OURS, 100000)
    print("eviction: %d problems" % len(found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
