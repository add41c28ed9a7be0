#!/usr/bin/env python3
"""The sections and fields of INFO, and the names in MEMORY STATS, compared with redis-server's.

A field that Redis has and ours lacks must be in LATER with its reason; a field of our own must be
in OWN. Each figure must have the form that Redis gives it (number, decimals, size with unit, text).
"""

import argparse
import re
import sys

from server_process import (REDIS_SERVER, ServerProcess, add_server_argument, is_redis, logged,
                            server_under_test)

# Patterns of fields (section.field) that belong to parts not built yet, or to Redis's own design.
LATER = {
    r"replication\..*": "replication and RAFT are later issues",
    r"modules\..*": "modules are a later issue",
    r"memory\..*(lua|script|vm|function|librar).*": "scripts are a later issue",
    r"memory\.(mem_replication_backlog|mem_total_replication_buffers|mem_clients_slaves|"
    r"mem_cluster_links)": "replication is a later issue",
    r"memory\.(active_defrag_running|lazyfree.*|lazyfreed_objects)": "no defragmenter, no lazy free",
    r"stats\.(sync_.*|slave_.*|migrate_.*|.*repl.*)": "replication is a later issue",
    r"stats\.(active_defrag.*|.*active_defrag_time)": "no defragmenter",
    r"stats\.(pubsub.*|pubsubshard.*|tracking_.*)": "pub/sub and tracking are later issues",
    r"stats\.(latest_fork_usec|total_forks)": "nothing forks",
    r"persistence\.(rdb_.*|current_.*|async_loading|module_.*|.*cow.*)": "snapshots are the next"
                                                                        " issue, nothing forks",
}
OWN = {
    r".*holdfast.*": "says what it is",
    r"clients\.total_blocking_keys(_on_nokey)?": "Redis 7.2",
    r"persistence\.aof_(fsyncs|unsynced_bytes)": "our log's own figures",
}
DYNAMIC = ("commandstats", "errorstats", "latencystats", "keyspace")
FORMS = [("integer", r"-?\d+$"), ("decimal", r"-?\d+\.\d+$"), ("size", r"\d+(\.\d+)?[BKMGT]$"),
         ("percent", r"-?\d+(\.\d+)?%$"), ("text", r"")]


def fields(server, *sections):
    """{section.field: value} and the order of the sections."""
    found, order, section = {}, [], ""
    with server.connect() as client:
        client.pipeline([("SET", "a", "1", "EX", "1000"), ("GET", "a"), ("GET", "b"), ("NOSUCH",)])
        text = client.must("INFO", *sections).decode()
    for line in text.split("\r\n"):
        if line.startswith("# "):
            section = line[2:].lower()
            order.append(section)
        elif line:
            name, _, value = line.partition(":")
            if section in DYNAMIC:
                name = re.sub(r"\d+|_.*", "N", name)
                value = ",".join(re.sub(r"=.*", "", part) for part in value.split(","))
            found["%s.%s" % (section, name)] = value
    return found, order


def form(value):
    return next(name for name, pattern in FORMS if re.match(pattern, value))


def compare(reference, subject):
    """Lines that say what differs."""
    problems = []
    for name, value in reference.items():
        if name in subject:
            same_form = form(value) == form(subject[name]) or "text" in (form(value),
                                                                        form(subject[name]))
            if not same_form:
                problems.append("%s is %r in Redis, %r here" % (name, value, subject[name]))
        elif not any(re.fullmatch(pattern, name) for pattern in LATER):
            problems.append("%s is missing" % name)
    for name in subject:
        if name not in reference and not any(re.fullmatch(pattern, name) for pattern in OWN):
            problems.append("%s is not a field of Redis" % name)
    return problems


def memory_names(server):
    with server.connect() as client:
        flat = client.must("MEMORY", "STATS")
    return [re.sub(r"\d+", "N", name.decode()) for name in flat[::2]]


def run(path):
    flags = logged("everysec")
    with ServerProcess(REDIS_SERVER, flags) as redis, ServerProcess(path, flags) as server:
        problems = []
        for sections in ((), ("everything",)):
            first, order = fields(redis, *sections)
            second, our_order = fields(server, *sections)
            problems += compare(first, second)
            kept = [section for section in order if section in our_order]
            if kept != [section for section in our_order if section in order]:
                problems.append("sections come as %s, in Redis as %s" % (our_order, order))
        missing = [name for name in memory_names(redis) if name not in memory_names(server)
                   and not re.search(r"lua|functions|replication|cluster|overhead\.db", name)]
        problems += ["MEMORY STATS: %s is missing" % name for name in missing]
    return sorted(set(problems))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    add_server_argument(parser)
    parser.add_argument("--self-test", action="store_true")
    arguments = parser.parse_args()
    if arguments.self_test:
        planted = compare({"stats.a": "1", "stats.b": "2"}, {"stats.a": "1.5", "stats.c": "x"})
        passed = not run(REDIS_SERVER) and len(planted) == 3
        print("self-test %s" % ("passed" if passed else "FAILED: %s" % planted))
        return 0 if passed else 1
    path = server_under_test(arguments)
    problems = run(path)
    for problem in problems:
        print("PROBLEM: %s" % problem)
    print("INFO and MEMORY STATS names: %d problems%s" % (
        len(problems), " (redis-server stands in)" if is_redis(path) else ""))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
