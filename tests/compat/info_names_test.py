#!/usr/bin/env python3
"""INFO and MEMORY STATS against redis-server 7.0: sections, their order, names and forms of fields.

    info_names_test.py [--server PATH]
    info_names_test.py --self-test       redis against redis, then planted differences

Starts both servers itself, with the log on and off. Whatever differs on purpose is listed below
with its reason; any other difference is printed and the exit status is 1.
"""

import argparse
import re
import sys
import time

from resp import Client, ConnectionLost
from server_process import (REDIS_SERVER, ServerProcess, add_server_argument, logged, memory_only,
                            server_under_test)

# Fields that redis-server 7.0 does not have.
OURS_ALONE = {
    "holdfast_version": "our own version; redis_version is the one we are compatible with",
    "total_blocking_keys": "Redis 7.2's",
    "total_blocking_keys_on_nokey": "Redis 7.2's",
    "aof_unsynced_bytes": "what a power cut could take, with everysec and no",
    "aof_fsyncs": "how well group commit works",
}

# Sections that redis-server 7.0 does not have.
SECTIONS_OURS_ALONE = {"Tiering": "where the keys lie: memory or the cold tier"}

# Fields of redis-server 7.0 that are left out: none.
REDIS_ALONE = {}

# Values of another form, and why.
OTHER_FORM = {
    "config_file": "may be empty",
    "executable": "a path in both",
    "gcc_version": "version",
    "redis_build_id": "ours is no hash",
    "atomicvar_api": "name",
    "os": "name",
    "mem_allocator": "the debug presets use libc's malloc",
    "used_memory_lua_human": "0B while there are no scripts",
    "used_memory_vm_total_human": "0B while there are no scripts",
    "used_memory_scripts_human": "0B while there are no scripts",
    "current_cow_peak": "no fork",
    "maxmemory_policy": "another default",
}

SECTION_CALLS = [[], ["all"], ["everything"], ["default"], ["server"], ["CLIENTS"], ["memory"],
                 ["persistence"], ["stats"], ["replication"], ["cpu"], ["modules"],
                 ["commandstats"], ["errorstats"], ["latencystats"], ["cluster"], ["keyspace"],
                 ["nonsense"], ["keyspace", "server"], ["default", "commandstats"],
                 ["nonsense", "cpu"], ["server", "SERVER"]]

WARM_UP = [["SET", "a", "1"], ["SET", "t", "1", "EX", "1000"], ["GET", "a"], ["GET", "none"],
           ["NOSUCHCOMMAND"], ["SELECT", "3"], ["SET", "b", "1"], ["SELECT", "0"],
           ["CONFIG", "GET", "port"]]


def sections_of(text):
    """{section: [(field, value)...]} in order."""
    sections = {}
    for line in text.split("\r\n"):
        if line.startswith("# "):
            fields = sections.setdefault(line[2:], [])
        elif line:
            name, _, value = line.partition(":")
            fields.append((name, value))
    return sections


def info(client, *names):
    return client.command("INFO", *names).decode()


def form(value):
    """A value with its digits and letters blurred: what a parser relies on."""
    if re.fullmatch(r"-?\d+", value):
        return "integer"
    if re.fullmatch(r"-?\d+\.\d+%?", value):
        digits = len(value.rstrip("%").partition(".")[2])
        return "%d decimals%s" % (digits, "%" if value.endswith("%") else "")
    if re.fullmatch(r"\d+(\.\d\d)?[BKMGTP]", value):
        return "size"
    if re.fullmatch(r"[0-9a-f]{40}", value):
        return "id"
    return re.sub(r"\d+(\.\d+)?", "9", value)


DYNAMIC = {"Commandstats", "Errorstats", "Latencystats", "Keyspace"}


class Test:
    def __init__(self, redis, ours):
        self.redis = redis
        self.ours = ours
        self.failures = []

    def check(self, label, redis, ours):
        if redis != ours:
            self.failures.append("%s:\n    redis %s\n    ours  %s" % (label, redis, ours))

    def section_calls(self):
        for call in SECTION_CALLS:
            names = [re.findall(r"^# (\w+)", info(client, *call), re.M)
                     for client in (self.redis, self.ours)]
            names[1] = [name for name in names[1] if name not in SECTIONS_OURS_ALONE]
            self.check("sections of INFO %s" % " ".join(call), *names)
        for call in (["nonsense"], ["modules"], ["cluster"]):
            self.check("INFO %s" % call[0], info(self.redis, *call), info(self.ours, *call))

    def fields(self):
        first, second = (sections_of(info(client, "everything"))
                         for client in (self.redis, self.ours))
        for section, expected in first.items():
            if section in DYNAMIC:
                continue
            names = [name for name, _ in expected if name not in REDIS_ALONE]
            ours = [name for name, _ in second.get(section, []) if name not in OURS_ALONE]
            self.check("fields of %s" % section, names, ours)
            values = dict(second.get(section, []))
            for name, value in expected:
                if name in values and name not in OTHER_FORM:
                    self.check("form of %s" % name, form(value), form(values[name]))

    def dynamic_lines(self):
        first, second = (sections_of(info(client, "everything"))
                         for client in (self.redis, self.ours))
        for section in DYNAMIC:
            expected = {name: re.sub(r"\d+(\.\d+)?", "9", value) for name, value in first[section]}
            ours = {name: re.sub(r"\d+(\.\d+)?", "9", value) for name, value in second[section]}
            self.check("lines of %s" % section, expected, ours)
        self.check("Keyspace", [(n, re.sub("avg_ttl=.*", "", v)) for n, v in first["Keyspace"]],
                   [(n, re.sub("avg_ttl=.*", "", v)) for n, v in second["Keyspace"]])
        self.check("Errorstats", first["Errorstats"], second["Errorstats"])

    def counters(self):
        for name in ("keyspace_hits", "keyspace_misses", "total_error_replies",
                     "connected_clients"):
            values = [dict(pair for fields in sections_of(info(client, "everything")).values()
                           for pair in fields)[name] for client in (self.redis, self.ours)]
            self.check(name, *values)

    def memory_stats(self):
        first, second = (client.command("MEMORY", "STATS") for client in (self.redis, self.ours))
        # db.N: how Redis's two hash tables per database share the memory; ours has one index.
        names = [[name.decode() for name in flat[::2] if not name.startswith(b"db.")]
                 for flat in (first, second)]
        self.check("names of MEMORY STATS", *names)

    def run(self):
        for client in (self.redis, self.ours):
            client.command("CONFIG", "RESETSTAT")
            for command in WARM_UP:
                client.command(*command)
        self.counters()
        self.section_calls()
        self.fields()
        self.dynamic_lines()
        self.memory_stats()
        return self.failures


CLIENTS_ALLOWED, CLIENTS_TRIED, TTL_S = 4, 9, 1000


def figures(port):
    """Fields that count what the server does, as this use of it leaves them."""
    with Client(port) as client:
        client.must("FLUSHALL")
        client.must("CONFIG", "RESETSTAT")
        client.must("CONFIG", "SET", "maxclients", CLIENTS_ALLOWED)
        others = [Client(port) for _ in range(CLIENTS_TRIED)]
        for other in others:
            try:
                other.command("PING")
            except (ConnectionLost, OSError):
                pass  # the refusal was read, or lost with the connection
        for other in others:
            other.close()
        client.must("CONFIG", "SET", "maxclients", 10000)
        for i in range(3000):
            client.must("SET", "ttl:%d" % i, "x", "EX", TTL_S)
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:  # rates and Redis's average are taken now and then
            fields = dict(pair for section in sections_of(info(client, "everything")).values()
                          for pair in section)
            ttl_ms = int(fields["db0"].partition("avg_ttl=")[2])
            if int(fields["instantaneous_ops_per_sec"]) > 0 and ttl_ms > 0:
                break
            client.must("PING")
            time.sleep(0.02)
        return fields, ttl_ms


def wrong_figures(port, label):
    fields, ttl_ms = figures(port)
    least = {"rejected_connections": CLIENTS_TRIED - CLIENTS_ALLOWED + 1,
             "total_connections_received": CLIENTS_ALLOWED - 1, "total_reads_processed": 3000,
             "total_writes_processed": 3000, "total_net_input_bytes": 3000 * 30,
             "total_net_output_bytes": 3000 * 5, "total_commands_processed": 3000,
             "instantaneous_ops_per_sec": 1, "mem_clients_normal": 1000}
    wrong = ["%s: %s is %s, at least %d expected" % (label, name, fields[name], bound)
             for name, bound in least.items() if int(fields[name]) < bound]
    if int(fields["rejected_connections"]) > least["rejected_connections"]:
        wrong.append("%s: rejected_connections is %s" % (label, fields["rejected_connections"]))
    if float(fields["instantaneous_input_kbps"]) <= 0:
        wrong.append("%s: instantaneous_input_kbps is 0" % label)
    if not (TTL_S - 60) * 1000 <= ttl_ms <= TTL_S * 1000:
        wrong.append("%s: avg_ttl is %d" % (label, ttl_ms))
    return wrong


class Altered:
    """A client whose replies to INFO and MEMORY STATS are changed, for the self-test."""

    def __init__(self, client, alter):
        self.client = client
        self.alter = alter

    def command(self, *args):
        reply = self.client.command(*args)
        if args[0] == "INFO":
            return self.alter(reply)
        return [self.alter(item) if isinstance(item, bytes) else item for item in reply] \
            if args[:2] == ("MEMORY", "STATS") else reply


# A field lost, renamed, of another form, moved; a section lost; a count off; a name of MEMORY STATS.
PLANTED = [
    (rb"hz:10\r\n", b""), (rb"role:master", b"rolle:master"), (rb"used_memory_peak_human:[^\r]*",
                                                             b"used_memory_peak_human:7"),
    (rb"(redis_mode:\w+\r\n)(os:[^\r]*\r\n)", rb"\2\1"), (rb"# Cluster\r\n", b""),
    (rb"keyspace_hits:\d+", b"keyspace_hits:77"), (rb"expires=", b"expired="),
    (rb"peak\.allocated", b"peak.located"),
]


def compare(path, label, flags, wrap=lambda client: client):
    with ServerProcess(REDIS_SERVER, flags) as redis, ServerProcess(path, flags) as ours:
        with Client(redis.port) as first, Client(ours.port) as second:
            failures = Test(first, wrap(second)).run()
    return ["[%s] %s" % (label, failure) for failure in failures]


def compare_figures(path):
    flags = memory_only(path)
    with ServerProcess(REDIS_SERVER, flags) as redis, ServerProcess(path, flags) as ours:
        return wrong_figures(redis.port, "redis") + wrong_figures(ours.port, "ours")


def self_test():
    flags = memory_only(REDIS_SERVER)
    problems = compare(REDIS_SERVER, "redis against redis", flags)
    for pattern, replacement in PLANTED:
        found = compare(REDIS_SERVER, "", flags, lambda client: Altered(
            client, lambda text: re.sub(pattern, replacement, text)))
        if not found:
            problems.append("planted and not found: %s" % pattern)
    print("self-test %s" % ("FAILED: %s" % "\n".join(problems) if problems else "passed"))
    return 1 if problems else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    add_server_argument(parser)
    parser.add_argument("--self-test", action="store_true")
    arguments = parser.parse_args()
    if arguments.self_test:
        return self_test()
    path = server_under_test(arguments)
    failures = compare(path, "log off", memory_only(path)) + \
        compare(path, "log on", logged("everysec")) + compare_figures(path)
    for failure in failures:
        print(failure)
    print("%d differences" % len(failures))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
