#!/usr/bin/env python3
"""The last MULTI group of the log is cut at every byte of it, and, as a power cut may leave it,
zeroed from every byte on. After each restart the group must be absent as a whole, everything before
it present, and what is written afterwards must survive the next restart (redis-server 7.0 fails
that last one: it leaves an open MULTI in the file; --self-test counts on it).
"""

import argparse
import glob
import os
import shutil
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "compat"))

from server_process import (REDIS_SERVER, ServerFailed, ServerProcess,  # noqa: E402
                            add_server_argument, is_redis, logged, server_under_test)

GROUP = [("MULTI",), ("SET", "group:a", "1"), ("SET", "{other}group:b", "2"), ("INCR", "counter"),
         ("SELECT", "2"), ("SET", "group:c", "3"), ("SELECT", "0"), ("DEL", "before"), ("EXEC",)]


def newest_log(folder):
    files = glob.glob(os.path.join(folder, "appendonlydir", "*.incr.aof"))
    return max(files, key=lambda path: int(path.split(".")[-3]))


def log_length(path):
    """Length without the zeros that a server may fill ahead."""
    with open(path, "rb") as log:
        return len(log.read().rstrip(b"\0"))


def prepare(binary):
    """A killed server's folder whose log ends with the group; (folder, group start, group end)."""
    server = ServerProcess(binary, logged("always"))
    with server.connect() as client:
        for command in (("SET", "before", "x"), ("SET", "counter", "10"), ("SELECT", "2"),
                        ("SET", "in-two", "y"), ("SELECT", "0"), ("SET", "last", "z")):
            client.must(*command)
        log = newest_log(server.folder)
        start = log_length(log)
        for command in GROUP:
            client.must(*command)
        end = log_length(log)
    server.kill()
    return server.folder, start, end


class CutCase:
    """One damaged copy of the folder, started twice."""

    def __init__(self, binary, folder):
        self.binary = binary
        self.folder = folder

    def state(self, server):
        with server.connect() as client:
            values = client.must("MGET", "before", "counter", "last", "group:a", "{other}group:b",
                                 "afterwards")
            client.must("SELECT", "2")
            return values + client.must("MGET", "in-two", "group:c")

    def run(self):
        """None, or what is wrong."""
        absent = [b"x", b"10", b"z", None, None, None, b"y", None]
        afterwards = absent[:5] + [b"survives"] + absent[6:]
        server = ServerProcess(self.binary, logged("always"), folder=self.folder, start=False)
        try:
            server.start()
            found = self.state(server)
            if found != absent:
                return "first restart: %r" % (found,)
            with server.connect() as client:
                client.must("SET", "afterwards", "survives")
            server.kill()
            server.start()
            found = self.state(server)
            if found != afterwards:
                return "second restart: %r" % (found,)
        except ServerFailed as failed:
            return "does not start: %s" % str(failed)[-500:]
        finally:
            server.kill()
        return None


def damage(path, offset, zeros):
    if zeros:
        with open(path, "r+b") as log:
            length = log.seek(0, os.SEEK_END)
            log.seek(offset)
            log.write(b"\0" * (length - offset))
    else:
        os.truncate(path, offset)


def cut_everywhere(binary, zeros, step):
    """Problems by offset; every `step`-th byte of the group."""
    folder, start, end = prepare(binary)
    problems, cases = {}, 0
    try:
        for offset in range(start, end, step):
            cases += 1
            copy = tempfile.mkdtemp(prefix="holdfast-cut-")
            try:
                shutil.copytree(folder, copy, dirs_exist_ok=True)
                damage(newest_log(copy), offset, zeros)
                wrong = CutCase(binary, copy).run()
                if wrong:
                    problems[offset - start] = wrong
            finally:
                shutil.rmtree(copy, ignore_errors=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print("%s: %d cuts inside a group of %d bytes, %d problems"
          % ("zeroed" if zeros else "truncated", cases, end - start, len(problems)), flush=True)
    return problems


def self_test():
    problems = cut_everywhere(REDIS_SERVER, False, 3)
    lost = [wrong for wrong in problems.values() if "survives" not in wrong and "second" in wrong]
    if not lost:
        print("SELF-TEST FAILED: redis-server's open MULTI was not noticed: %r" % problems)
        return 1
    if len(lost) != len(problems):
        print("SELF-TEST FAILED: other problems than expected: %r" % problems)
        return 1
    print("self-test passed: writes after a cut group are lost by redis-server at %d offsets, "
          "and only that" % len(lost))
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    add_server_argument(parser)
    parser.add_argument("--step", type=int, default=1, help="only every n-th byte")
    parser.add_argument("--self-test", action="store_true")
    arguments = parser.parse_args()
    if arguments.self_test:
        return self_test()
    binary = server_under_test(arguments)
    failed = False
    for zeros in ([False] if is_redis(binary) else [False, True]):
        problems = cut_everywhere(binary, zeros, arguments.step)
        for offset, wrong in list(problems.items())[:10]:
            print("  byte %d: %s" % (offset, wrong))
        failed |= bool(problems)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
