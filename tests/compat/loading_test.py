#!/usr/bin/env python3
"""While the log is read the server answers as redis-server does: which commands run, which are
refused with LOADING, in which words; INFO tells how far it is.

Both servers start on the same log of some million SETs. Then: what was written by a client that was
there before the end survives a kill; SIGTERM during loading ends with status 0 and the log as it was.

  loading_test.py [--server PATH] [--commands N]
  loading_test.py --self-test        redis against redis; a log too short to be seen loading
"""

import argparse
import hashlib
import os
import re
import shutil
import sys
import tempfile
import time

from info_names_test import OURS_ALONE
from resp import Client, ConnectionLost, encode
from server_process import (REDIS_SERVER, ServerFailed, ServerProcess, add_server_argument,
                            is_redis, logged, server_under_test)

KEYS = 100000
LOADING = b"-LOADING Redis is loading the dataset in memory\r\n"
FLAGS = logged("always", ["--aof-use-rdb-preamble", "no", "--auto-aof-rewrite-percentage", "0",
                          "--enable-debug-command", "yes", "--slowlog-log-slower-than", "-1",
                          "--latency-monitor-threshold", "0"])

# Sent on connections of their own; the replies must be equal.
CONVERSATIONS = [
    [["PING"], ["PING", "x"]], [["ECHO", "x"]], [["SELECT", "1"], ["SELECT", "99"], ["GET", "a"]],
    [["GET", "a"]], [["SET", "a", "1"]], [["SET", "a"]], [["NOSUCH"]], [["CONFIG", "NOSUCH"]],
    [["MGET", "a", "b"]], [["DEL", "a"]], [["EXISTS", "a"]], [["DBSIZE"]], [["KEYS", "*"]],
    [["SCAN", "0"]], [["RANDOMKEY"]], [["TYPE", "a"]], [["TTL", "a"]], [["EXPIRE", "a", "1"]],
    [["FLUSHALL"]], [["FLUSHDB"]], [["SWAPDB", "0", "1"]], [["COPY", "a", "b"]], [["DUMP", "a"]],
    [["OBJECT", "ENCODING", "a"]], [["OBJECT", "HELP", "a"]], [["MEMORY", "USAGE", "a"]],
    [["MEMORY", "NOSUCH"]], [["BGREWRITEAOF"]], [["AUTH", "x"]], [["AUTH"]],
    [["HELLO", "9"], ["HELLO", "x"]], [["RESET"], ["QUIT"]],
    [["CLIENT", "GETNAME"], ["CLIENT", "SETNAME", "n"], ["CLIENT", "GETNAME"]],
    [["CLIENT", "NO-EVICT", "on"], ["CLIENT", "NOSUCH"], ["CLIENT", "KILL", "ID", "999999"]],
    [["CONFIG", "GET", "maxmemory-samples"], ["CONFIG", "SET", "maxmemory-samples", "7"],
     ["CONFIG", "GET", "maxmemory-samples"], ["CONFIG", "SET", "maxmemory-samples", "5"]],
    [["CONFIG", "SET", "appendonly", "no"]], [["CONFIG", "SET", "appendonly", "x"]],
    [["CONFIG", "SET", "hz", "10", "appendonly", "no"]], [["CONFIG", "RESETSTAT"]],
    [["SLOWLOG", "LEN"], ["SLOWLOG", "RESET"]], [["LATENCY", "LATEST"], ["LATENCY", "RESET"]],
    [["COMMAND", "GETKEYS", "SET", "a", "b"]],
    [["DEBUG", "SLEEP", "0"], ["DEBUG", "NOSUCH"]], [["SHUTDOWN", "NOSUCH"]],
    [["WATCH", "a", "b"], ["UNWATCH"]], [["MULTI"], ["ECHO", "x"], ["EXEC"]],
    [["MULTI"], ["SET", "a", "1"], ["EXEC"], ["DISCARD"]], [["MULTI"], ["PING"], ["DISCARD"]],
    [["WATCH", "in no log"], ["MULTI"], ["ECHO", "x"], ["CONFIG", "GET", "hz"], ["EXEC"]],
    [["DISCARD"], ["EXEC"]],
]


class Failed(Exception):
    """What was expected does not hold."""


class TooSoon(Failed):
    """The machine read the log before all was asked: it must be longer here."""


def write_log(folder, commands):
    """A directory as Redis 7 writes it: `commands` SETs over KEYS keys; returns the last value."""
    os.makedirs(os.path.join(folder, "appendonlydir"))
    name = "appendonly.aof.1.incr.aof"
    value = ""
    with open(os.path.join(folder, "appendonlydir", name), "wb") as log:
        log.write(encode("SELECT", "0"))
        for turn in range(commands // KEYS):
            value = "value:%08d" % turn
            log.write(b"".join(encode("SET", "key:%06d" % i, value) for i in range(KEYS)))
    with open(os.path.join(folder, "appendonlydir", "appendonly.aof.manifest"), "w") as manifest:
        manifest.write("file %s seq 1 type i\n" % name)
    return value.encode()


def digest(folder):
    """The log's files and their bytes."""
    found = {}
    for root, _, names in os.walk(os.path.join(folder, "appendonlydir")):
        for name in names:
            with open(os.path.join(root, name), "rb") as file:
                found[name] = hashlib.sha256(file.read()).hexdigest()
    return found


class Loading:
    """A server that was just started on a copy of the log and does not answer PING yet."""

    def __init__(self, binary, source):
        self.folder = tempfile.mkdtemp(prefix="holdfast-loading-")
        shutil.copytree(source, self.folder, dirs_exist_ok=True)
        self.server = ServerProcess(binary, FLAGS, folder=self.folder, start=False)

    def __enter__(self):
        self.start()
        return self

    def start(self):
        self.server.launch()
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and self.server.alive():
            try:
                return Client(self.server.port, timeout_s=30).close()
            except OSError:
                time.sleep(0.002)
        raise Failed("no connection is accepted:\n%s" % self.server.output())

    def __exit__(self, *_):
        self.server.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def is_loading(self):
        with Client(self.server.port, timeout_s=30) as client:
            return b"\r\nloading:1\r\n" in client.command("INFO", "persistence")

    def await_data(self):
        self.server.wait_ready()


def raw_replies(port, conversation):
    with Client(port, timeout_s=30) as client:
        replies = []
        for command in conversation:
            client.send(encode(*command))
            replies.append(client.read_reply())
        return replies


def talk(binary, source):
    """{conversation: replies} while loading, and what INFO says meanwhile."""
    found, infos = {}, []
    with Loading(binary, source) as loading:
        for index, conversation in enumerate(CONVERSATIONS):
            found[index] = raw_replies(loading.server.port, conversation)
        if not loading.is_loading():
            raise TooSoon("the log was read before all was asked")
        with Client(loading.server.port, timeout_s=30) as client:
            while True:
                text = client.command("INFO", "persistence").decode()
                if "loading:1" not in text:
                    break
                infos.append(text)
                time.sleep(0.05)
        loading.await_data()
        with loading.server.connect() as client:
            after = client.must("INFO", "persistence").decode()
            size = client.must("DBSIZE")
            last = client.must("GET", "key:%06d" % (KEYS - 1))
    return found, infos, (after, size, last)


def fields_of(text):
    return [line.split(":", 1) for line in text.split("\r\n") if ":" in line]


def check_infos(infos, after, log_bytes, reference):
    done = -1
    expected = dict(fields_of(reference))
    expected_names = [name for name, _ in fields_of(reference)]
    for text in infos:
        fields = dict(fields_of(text))
        if fields["loading"] != "1":
            raise Failed("INFO shows loading:%s while commands are refused" % fields["loading"])
        names = [name for name, _ in fields_of(text) if name not in OURS_ALONE]
        if names != expected_names or fields["aof_enabled"] != expected["aof_enabled"]:
            raise Failed("fields: %s" % names)
        if int(fields["loading_total_bytes"]) != log_bytes:
            raise Failed("loading_total_bytes:%s, the log has %d" % (fields["loading_total_bytes"],
                                                                    log_bytes))
        if not done <= int(fields["loading_loaded_bytes"]) <= log_bytes:
            raise Failed("loading_loaded_bytes:%s after %d" % (fields["loading_loaded_bytes"],
                                                              done))
        done = int(fields["loading_loaded_bytes"])
        percent = float(fields["loading_loaded_perc"])
        if not re.fullmatch(r"\d+\.\d\d", fields["loading_loaded_perc"]) or \
                abs(percent - 100 * done / log_bytes) > 0.011:
            raise Failed("loading_loaded_perc:%s" % fields["loading_loaded_perc"])
        # Nothing is known yet of how fast it goes while nothing is loaded: any figure, as Redis's.
        longest_eta = 10000 if done else log_bytes
        if abs(int(fields["loading_start_time"]) - time.time()) > 120 or \
                not 0 <= int(fields["loading_eta_seconds"]) <= longest_eta:
            raise Failed("INFO: %s" % fields)
    if done <= 0:
        raise Failed("no progress was shown")
    if "loading:0" not in after or "loading_start_time" in after:
        raise Failed("after loading INFO shows %s" % after)


def case_replies(binary, source, value):
    expected, reference_infos, _ = talk(REDIS_SERVER, source)
    refused = sum(reply == LOADING for replies in expected.values() for reply in replies)
    if refused < 20:
        raise TooSoon("redis-server refused only %d commands" % refused)
    found, infos, (after, size, last) = talk(binary, source)
    wrong = ["%s: redis %r, ours %r" % (CONVERSATIONS[i], expected[i], found[i])
             for i in expected if expected[i] != found[i]]
    if wrong:
        raise Failed("\n  ".join(wrong))
    log = os.path.join(source, "appendonlydir", "appendonly.aof.1.incr.aof")
    check_infos(infos, after, os.path.getsize(log), reference_infos[-1])
    if size != KEYS or last != value:
        raise Failed("after loading: %d keys, the last is %r" % (size, last))


def case_early_clients(binary, source, _):
    """Clients that ask again and again from the start: what they are told OK is in the log."""
    with Loading(binary, source) as loading:
        clients = [Client(loading.server.port, timeout_s=30) for _ in range(8)]
        written, refused = {}, 0
        deadline = time.monotonic() + 60
        while len(written) < 400 and time.monotonic() < deadline:
            for i, client in enumerate(clients):
                key, value = "early:%d:%d" % (i, len(written)), "v%d" % len(written)
                client.send(encode("ECHO", key) + encode("SET", key, value))
                if client.read_reply() != b"$%d\r\n%s\r\n" % (len(key), key.encode()):
                    raise Failed("ECHO is not answered")
                reply = client.read_reply()
                if reply == b"+OK\r\n":
                    written[key] = value.encode()
                elif reply == LOADING:
                    refused += 1
                else:
                    raise Failed("SET is answered with %r" % reply)
        if refused == 0 or len(written) < 400:
            raise Failed("%d refused, %d written" % (refused, len(written)))
        loading.server.kill()
        loading.start()
        loading.await_data()
        with loading.server.connect() as client:
            kept = client.must("MGET", *written)
            size = client.must("DBSIZE")
        if kept != list(written.values()) or size != KEYS + len(written):
            raise Failed("after kill -9 %d of %d are there" % (
                sum(a == b for a, b in zip(kept, written.values())), len(written)))


def case_terminated(binary, source, value):
    """SIGTERM and SHUTDOWN while it loads: status 0, at once, nothing touched."""
    before = digest(source)
    for ask in ("SIGTERM", "SHUTDOWN"):
        with Loading(binary, source) as loading:
            if not loading.is_loading():
                raise TooSoon("the log was read at once")
            if ask == "SHUTDOWN":
                with Client(loading.server.port, timeout_s=30) as client:
                    try:
                        client.command("SHUTDOWN")
                    except (ConnectionLost, OSError):
                        pass
                status = loading.server.process.wait(30)
            else:
                status = loading.server.terminate(timeout_s=30)
            if status != 0 or digest(loading.folder) != before:
                raise Failed("%s: status %s, log %s" % (ask, status, "as it was" if digest(
                    loading.folder) == before else "changed"))
            loading.start()
            loading.await_data()
            with loading.server.connect() as client:
                if client.must("GET", "key:000000") != value:
                    raise Failed("the next start has other data")


def run_cases(binary, commands):
    """What failed. A log that is too short for this machine is made longer, twice at most."""
    for attempt in range(3):
        failures, too_short = run_cases_once(binary, commands * 4 ** attempt)
        if not too_short or not commands:
            break
        print("the log of %d commands is too short here" % (commands * 4 ** attempt), flush=True)
    return failures


def run_cases_once(binary, commands):
    source = tempfile.mkdtemp(prefix="holdfast-loading-source-")
    failures = []
    too_short = False
    try:
        value = write_log(source, commands)
        for case in (case_replies, case_early_clients, case_terminated):
            started = time.monotonic()
            try:
                case(binary, source, value)
                print("%-20s ok, %.1f s" % (case.__name__[5:], time.monotonic() - started),
                      flush=True)
            except (Failed, ServerFailed, ConnectionLost, OSError, AssertionError) as failed:
                print("%-20s FAILED" % case.__name__[5:], flush=True)
                too_short |= isinstance(failed, TooSoon)
                failures.append("%s: %s" % (case.__name__[5:], failed))
    finally:
        shutil.rmtree(source, ignore_errors=True)
    return failures, too_short


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    add_server_argument(parser)
    parser.add_argument("--commands", type=int, default=3000000, help="SETs in the log")
    parser.add_argument("--self-test", action="store_true")
    arguments = parser.parse_args()
    if arguments.self_test:
        clean = run_cases(REDIS_SERVER, arguments.commands)
        short = run_cases(REDIS_SERVER, 0)
        passed = not clean and len(short) == 3
        print("self-test %s %s %s" % ("passed" if passed else "FAILED", clean, short))
        return 0 if passed else 1
    path = server_under_test(arguments)
    failures = run_cases(path, arguments.commands)
    for failure in failures:
        print("PROBLEM: %s" % failure)
    if is_redis(path):
        print("note: redis-server stands in for the server under test")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
