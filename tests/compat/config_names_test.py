#!/usr/bin/env python3
"""CONFIG against redis-server 7.0: names, defaults, what SET accepts and says, conf lines, REWRITE.

    python3 tests/compat/config_names_test.py [--server PATH]

Starts both servers itself. Whatever differs on purpose is listed below with its reason; any other
difference is printed and the exit status is 1.
"""

import argparse
import os
import subprocess
import sys
import tempfile

from server_process import (REDIS_SERVER, ServerProcess, add_server_argument, free_port,
                            memory_only, server_under_test)

# Parameters that redis-server 7.0 does not have.
OURS_ALONE = {
    # Holdfast's own.
    "aof-ring-size", "cold-read-threads", "eviction-action", "import", "max-disk",
    "max-disk-policy", "compaction-rate-limit", "snapshot-keep", "warmup",
    # Redis 7.2's.
    "cluster-announce-human-nodename", "locale-collate", "set-max-listpack-entries",
    "set-max-listpack-value",
}

# Other defaults, and why.
OTHER_DEFAULT = {
    "appendonly": "durable unless told otherwise",
    "bind": "loopback unless told otherwise",
    "io-threads": "0: one per core",
    "maxmemory-policy": "where nothing is lost by it, eviction is what a limit means",
    "syslog-ident": "our name",
}

# Set by the two command lines of this test.
SET_BY_TEST = {"port", "dir", "pidfile", "logfile"}

# SET of these would cut the test off, or needs what the machine may not have.
NOT_SET = {
    "bind": "listening addresses", "port": "listening port", "requirepass": "password",
    "tls-port": "redis checks certificates, ours is inert", "tls-cluster": "the same",
    "tls-replication": "the same",
    "oom-score-adj": "needs privileges", "oom-score-adj-values": "needs privileges",
    "activedefrag": "Debian's redis-server has no defragmentation",
    "dir": "the data directory of a running store does not move",
}
# Differences of a single value: (name, value) -> why.
OTHER_ANSWER = {
    ("cluster-link-sendbuf-limit", "99999999999999999999999"): "ours holds 63 bits",
    ("maxmemory", "99999999999999999999999"): "ours holds 63 bits",
    ("maxmemory-clients", "99999999999999999999999"): "redis takes it as 1%",
    ("maxmemory", "5%"): "a share of the machine's memory",
    ("maxmemory", "101%"): "the same",
}
# Redis tries one file limit after the other here, for minutes.
OTHER_ANSWER.update({("maxclients", value): "the bound is the machine's file limit"
                     for value in ("65535", "65536", "2147483647", "2147483648", "4294967295")})

INTEGER_VALUES = ["", "x", "0", "1", "2", "-1", "-2", "007", "+5", " 5", "5 ", "1e3", "0x10", "1kb",
                  "64", "100", "101", "1000", "65535", "65536", "2147483647", "2147483648",
                  "-2147483648", "-2147483649", "4294967295", "4294967296", "99999999999999999",
                  "9223372036854775807", "-7777777777777", "99999999999999999999999"]
MEMORY_VALUES = ["1k", "1KB", "1Mb", "1g", "5b", "5B", "1 kb", "1.5gb", "5%", "101%", "-1%", "%",
                 "5%%", "1tb", "kb"]
WORD_VALUES = ["yes", "no", "YES", "true", "on", "default", "a/b", "a b", "{title}", "{", "local"]
LIST_VALUES = {
    "save": ["", "100 1", "100 1 200", "100 1 200 2", "100 -1", "0 1", "a b", "  300   1  ",
             "\"10\" '20'", "\"\"", "10 ", "+5 +6"],
    "client-output-buffer-limit": [
        "normal 0 0 0", "normal 1mb 2mb 10", "slave 1 2 3", "replica 5 6 7 pubsub 1 1 1",
        "master 0 0 0", "foo 1 1 1", "normal -1 0 0", "normal 1 1 -1", "normal x 1 1", "normal 1 1",
        "normal 1 1 1 normal 2 2 2", "", "NORMAL 0 0 0"],
    "latency-tracking-info-percentiles": ["", "50", "50 99.99 100", "0 1 2", "101", "-1", "abc",
                                          "50.123456789", "99.9 50", "1e1", "nan"],
    "notify-keyspace-events": ["KEA", "AKE", "Elg", "Kxe", "z", "KEAmn", "Kd", "m", "K$", "A", "Kn",
                               "g$lshzxetd", "", "q", "K E"],
    "shutdown-on-sigterm": ["nosave now force", "save nosave", "save", "default", "now default",
                            "NOW", "", "x", "now  force"],
    "proc-title-template": ["{title} {config-file}", "{bad}", "{", "}", "", "{{x", "x{title", "{}"],
    "cluster-announce-hostname": ["a.b-c", "a_b", "a" * 255, "a" * 256, ""],
    "dbfilename": ["x", "a/b", ""],
}
SEVERAL = [
    ("timeout", "1", "timeout", "2"), ("timeout", "1", "TIMEOUT", "2"),
    ("slave-priority", "1", "replica-priority", "2"), ("timeout", "1", "databases", "2"),
    ("timeout", "1", "hz", "x"), ("timeout", "x", "nosuch", "1"), ("nosuch", "1", "timeout", "x"),
    ("timeout", "3", "save", "1 1", "hz", "12"), ("timeout", "3", "save", "1", "hz", "12"),
    ("timeout",), (), ("timeout", "1", "hz"), ("databases", "1", "dir", "/"),
    ("databases", "1", "nosuch", "/"), ("", "1"),
]
GETS = [("timeout",), ("TIMEOUT",), ("TimeOut", "timeout"), ("time*", "timeout"), ("nosuch",),
        ("slave-priority", "replica-pri*"), ("replica-announce[d]",), ("key-load-delay",),
        ("key-load*",), ("watchdog-period",), ("",), ("SLAVE-*",), ("lua-*", "lua-time-limit"),
        ("time\\out",), ("*max-l*", "hash-*")]

CONF_LINES = [
    'save 60 1\nsave ""', 'save ""\nsave 5 6', 'save ""', 'save "5 6 7 8"', 'save "5 6" 7 8', "save",
    'save 900 1\nsave 300 10', 'oom-score-adj-values "1 2 3"', "timeout", "timeout 1 2",
    "Timeout 7", 'timeout "7"', "timeout '8'", 'timeout "7', "foo bar", "include /nonexistent/*",
    "list-max-ziplist-entries 5", "foo.bar", 'appendfilename ""', 'appenddirname ""',
    "appenddirname a/b", "replicaof a", "replicaof a b", "replicaof a 99999", "replicaof no one",
    "notify-keyspace-events", "notify-keyspace-events q", 'notify-keyspace-events ""',
    'client-output-buffer-limit "normal 1 2 3"', "client-output-buffer-limit normal 1 2",
    "shutdown-on-sigterm", 'shutdown-on-sigterm "now force"', "shutdown-on-sigterm save nosave",
    'latency-tracking-info-percentiles ""', "maxmemory 1gb foo", "maxclients -1", "rename-command",
    'proc-title-template "{{x"', 'loglevel "verbose"x', '"timeout" 9', "user",
    "lua-replicate-commands yes", "slaveof no one", "unixsocketperm 0700", "unixsocketperm 1000",
    "unixsocketperm 8", "port 70000", "port x", "maxmemory 2gB", "appendfsync sometimes",
    "loglevel 'not''ice'", "loglevel \"\\x6eotice\"", "databases 0", "tcp-backlog x",
    "# just a comment", "   \t ", "slave-priority 3", "supervised maybe", "syslog-facility x",
    "enable-debug-command maybe", "hz 100000", "maxmemory-policy allkeys-lru volatile-lru",
]

REWRITE_CONF = """# top comment
maxmemory 100mb


# two empty lines above
save 900 1
save 300 10
slave-priority 77
loglevel   verbose
client-output-buffer-limit pubsub 1mb 1mb 60
timeout 0
timeout 5
latency-tracking-info-percentiles 50 99
notify-keyspace-events ""
"""
REWRITE_SETS = ["maxmemory", "200mb", "save", "", "notify-keyspace-events", "Kx", "hz", "20",
                "maxmemory-clients", "5%", "proc-title-template", 'x"y', "shutdown-on-sigterm",
                "now force", "maxmemory-policy", "allkeys-lru", "repl-backlog-size", "1500000",
                "slowlog-max-len", "7", "lua-time-limit", "9"]
# Lines about what the test's own command line set, and lines Redis adds on its own account.
REWRITE_OWN = ("dir ", "port ", "bind ", "user ", "appendonly ", "pidfile ", "protected-mode ",
               # Redis moves these lines among the classes; ours stay with their class.
               "client-output-buffer-limit ")


OUR_POLICY = "allkeys-s3fifo, "  # in the list of names that an error shows


class Differences:
    """Collects and prints what differs."""

    def __init__(self):
        self.count = 0
        self.compared = 0

    def check(self, what, ours, redis):
        self.compared += 1
        if ours != redis:
            self.count += 1
            print("%s\n    ours:  %s\n    redis: %s" % (what, ours, redis))


def pairs(reply):
    return {name.decode(): value.decode() for name, value in zip(reply[0::2], reply[1::2])}


def compare_names(found, ours, redis):
    mine, theirs = pairs(ours.must("CONFIG", "GET", "*")), pairs(redis.must("CONFIG", "GET", "*"))
    found.check("names that only one has", sorted(set(mine) - set(theirs)), sorted(OURS_ALONE))
    found.check("names missing here", sorted(set(theirs) - set(mine)), [])
    for name in sorted(set(mine) & set(theirs) - SET_BY_TEST - set(OTHER_DEFAULT)):
        found.check("default of " + name, mine[name], theirs[name])
    for name in sorted(OTHER_DEFAULT):  # a list that no longer says the truth is a fault too
        found.compared += 1
        if mine[name] == theirs[name] and name not in ("appendonly", "bind"):
            found.count += 1
            print("%s is listed as different and is not" % name)
    for arguments in GETS:
        mine = pairs(ours.must("CONFIG", "GET", *arguments))
        theirs = pairs(redis.must("CONFIG", "GET", *arguments))
        mine = {name: value for name, value in mine.items() if name not in OURS_ALONE}
        found.check("CONFIG GET %r" % (arguments,), sorted(mine.items()), sorted(theirs.items()))
    return sorted(theirs_of(redis) - set(NOT_SET))


def theirs_of(redis):
    return set(pairs(redis.must("CONFIG", "GET", "*")))


def compare_set(found, ours, redis, names):
    for name in names:
        original = {client: pairs(client.must("CONFIG", "GET", name))[name]
                    for client in (ours, redis)}
        values = INTEGER_VALUES + MEMORY_VALUES + WORD_VALUES
        for value in LIST_VALUES.get(name, values):
            if (name, value) in OTHER_ANSWER:
                continue
            answers = []
            for client in (ours, redis):
                reply = client.command("CONFIG", "SET", name, value)
                shown = pairs(client.must("CONFIG", "GET", name))[name]
                answers.append((str(reply).replace(OUR_POLICY, ""),
                                shown if str(reply) == "OK" else None))
                if str(reply) == "OK":
                    client.must("CONFIG", "SET", name, original[client])
            found.check("CONFIG SET %s %r" % (name, value), *answers)
    for arguments in SEVERAL:
        answers = []
        for client in (ours, redis):
            reply = client.command("CONFIG", "SET", *arguments)
            shown = client.must("CONFIG", "GET", "timeout", "hz", "save", "slave-priority")
            answers.append((str(reply), sorted(pairs(shown).items())))
        found.check("CONFIG SET %r" % (arguments,), *answers)


def last_line_of_failure(binary, folder, conf):
    """The reason a start-up fails with, or the values the parameter then has."""
    path = os.path.join(folder, "test.conf")
    with open(path, "w") as file:
        file.write(conf + "\n")
    server = ServerProcess(binary, start=False)
    server.port = free_port()
    command = [binary, path, "--port", str(server.port), "--dir", server.folder, "--appendonly",
               "no"]
    with open(server.log_path, "ab") as log:
        server.log_start = 0
        server.process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT,
                                          stdin=subprocess.DEVNULL, cwd=server.folder)
    try:
        return started_value(server, conf)
    finally:
        server.stop()


def started_value(server, conf):
    name = conf.split("\n")[-1].split(" ")[0].strip("\"'") or "none"
    try:
        server.wait_ready()
    except Exception:  # the process has ended: it says why
        lines = [line for line in server.output().split("\n") if line.strip()]
        for number, line in enumerate(lines):
            if "FATAL CONFIG FILE ERROR" in line:
                quoted = [text for text in lines[number:] if text.startswith(">>> ")]
                return ("refused", quoted[0] if quoted else "",
                        lines[-1].replace(OUR_POLICY, "").split(": ")[-1])
        return ("refused", "", "\n".join(lines))
    with server.connect() as client:
        if name in SET_BY_TEST:
            return ("started",)
        return ("started", sorted(pairs(client.must("CONFIG", "GET", name)).items()))


def compare_conf_lines(found, binary):
    with tempfile.TemporaryDirectory() as folder:
        for conf in CONF_LINES:
            ours, redis = (last_line_of_failure(which, folder, conf)
                           for which in (binary, REDIS_SERVER))
            found.check("conf file %r" % conf, ours, redis)


def rewritten(binary):
    """The lines of a conf file after the same settings and two rewrites."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "test.conf")
        with open(path, "w") as file:
            file.write(REWRITE_CONF)
        server = ServerProcess(binary, start=False)
        server.port = free_port()
        command = [binary, path, "--port", str(server.port), "--appendonly", "no", "--dir",
                   server.folder]
        with open(server.log_path, "ab") as log:
            server.log_start = 0
            server.process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT,
                                              stdin=subprocess.DEVNULL, cwd=server.folder)
        try:
            server.wait_ready()
            with server.connect() as client:
                client.must("CONFIG", "SET", *REWRITE_SETS)
                client.must("CONFIG", "REWRITE")
                client.must("CONFIG", "REWRITE")
        finally:
            server.stop()
        with open(path) as file:
            return file.read().split("\n")


def compare_rewrite(found, binary):
    ours, redis = rewritten(binary), rewritten(REDIS_SERVER)
    mark = "# Generated by CONFIG REWRITE"

    def old_part(lines):
        kept = [line for line in lines[:lines.index(mark)] if not line.startswith(REWRITE_OWN)]
        return "\n".join(line for number, line in enumerate(kept)
                         if line or (number and kept[number - 1])).strip()

    def new_part(lines):
        return sorted(line for line in lines[lines.index(mark):]
                      if line and not line.startswith(REWRITE_OWN))

    found.check("CONFIG REWRITE, lines that stay", old_part(ours), old_part(redis))
    found.check("CONFIG REWRITE, new lines", new_part(ours), new_part(redis))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_server_argument(parser)
    arguments = parser.parse_args()
    binary = server_under_test(arguments)
    found = Differences()
    with ServerProcess(binary, ["--appendonly", "no"]) as our_server, \
            ServerProcess(REDIS_SERVER) as redis_server:
        with our_server.connect() as ours, redis_server.connect() as redis:
            names = compare_names(found, ours, redis)
            compare_set(found, ours, redis, names)
            helps = [sorted(str(line).split()[0] for line in client.must("CONFIG", "HELP")[1:]
                            if str(line)[:1].isupper()) for client in (ours, redis)]
            found.check("CONFIG HELP", *helps)
            for arguments in (("NOSUB",), (), ("GET",), ("RESETSTAT", "x"),
                              ("REWRITE",), ("RESETSTAT",)):
                answers = [client.command("CONFIG", *arguments) for client in (ours, redis)]
                found.check("CONFIG %s" % " ".join(arguments), *answers)
    compare_conf_lines(found, binary)
    compare_rewrite(found, binary)
    print("%d comparisons, %d differences" % (found.compared, found.count))
    return 1 if found.count else 0


if __name__ == "__main__":
    sys.exit(main())
