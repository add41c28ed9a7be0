#!/usr/bin/env python3
"""A byte of the log changes while the store is stopped.

After a clean stop, at any appendfsync policy, the change is found wherever it is: the next start
refuses, naming file and offset, and so does aof-check; in the closing frame, which holds nothing, it
is cut off and nothing is lost. After kill -9 the last frame is not known to have been on the disk: it
counts as a torn end, is cut, reported and kept beside the log. Idle restarts leave the log as it is.

  --self-test    redis-server, which has no checksums: that it notices nothing must be found
"""

import argparse
import glob
import os
import random
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "compat"))

from server_process import (REDIS_SERVER, ServerFailed, ServerProcess,  # noqa: E402
                            add_server_argument, aof_check, dropping, logged,
                            server_under_test)

VALUES = [b"value of key %d" % number for number in range(6)]


class Failed(Exception):
    """What should hold does not."""


def expect(condition, what):
    if not condition:
        raise Failed(what)


def flags_of(binary, policy):
    """A clean stop leaves the log, and not a checkpoint in its place."""
    return logged(policy, dropping(binary))


def newest_log(folder):
    files = glob.glob(os.path.join(folder, "appendonlydir", "*.incr.aof"))
    return max(files, key=lambda path: int(path.split(".")[-3]))


def read(path):
    with open(path, "rb") as file:
        return file.read()


def flipped(text, at, mask):
    return text[:at] + bytes([text[at] ^ mask]) + text[at + 1:]


def values(server):
    with server.connect() as client:
        return client.must("MGET", *["key:%d" % number for number in range(len(VALUES))])


def written(binary, policy, stop):
    """The folder of a server that wrote VALUES, a frame each, and was stopped by `stop`."""
    server = ServerProcess(binary, flags_of(binary, policy))
    with server.connect() as client:
        for number, value in enumerate(VALUES):
            client.must("SET", "key:%d" % number, value)
    status = stop(server)
    expect(stop is ServerProcess.kill or status == 0, "SIGTERM gives exit status %s" % status)
    return server.folder


class Start:
    """What a start on a copy of the folder, whose log holds `text`, comes to."""

    def __init__(self, binary, policy, folder, text):
        self.values = None  # None: it did not start
        self.folder = tempfile.mkdtemp(prefix="holdfast-damaged-")
        shutil.copytree(folder, self.folder, dirs_exist_ok=True)
        self.log = newest_log(self.folder)
        with open(self.log, "wb") as file:
            file.write(text)
        server = ServerProcess(binary, flags_of(binary, policy), folder=self.folder, start=False)
        try:
            server.start()
            self.values = values(server)
            self.output = server.output()
            self.status = server.terminate()
        except ServerFailed:
            self.output = server.output()
            self.status = server.kill()
        self.text = read(self.log)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.folder, ignore_errors=True)

    def side_files(self):
        return glob.glob(self.log + ".torn-*")


def check(path):
    run = subprocess.run([aof_check(), path], capture_output=True, text=True, check=False)
    return run.returncode, run.stdout


def frame_of(text, at):
    """Where the frame begins whose header or payload holds the byte `at`; 0: before all frames."""
    return max(text.rfind(b"#HF:i=", 0, at + 6), 0)


def every_byte_to_the_checker(text, closing):
    """aof-check, on every byte of the log in a manifest's folder of its own."""
    with tempfile.TemporaryDirectory(prefix="holdfast-damaged-") as folder:
        path = os.path.join(folder, "appendonly.aof.1.incr.aof")
        with open(os.path.join(folder, "appendonly.aof.manifest"), "w", encoding="ascii") as file:
            file.write("file appendonly.aof.1.incr.aof seq 1 type i\n")
        for at in range(40, len(text)):
            with open(path, "wb") as file:
                file.write(flipped(text, at, 1 << at % 8))
            code, output = check(folder)
            kind = "damage in" if at < closing else "torn end of"
            wanted = "%s %s at offset %d" % (kind, path, frame_of(text, at))
            expect(code == 1 and wanted in output, "byte %d: exit %d, %r, not %r"
                   % (at, code, output, wanted))


def refused(binary, policy, folder, text, at):
    changed = flipped(text, at, 0x10)
    with Start(binary, policy, folder, changed) as start:
        expect(start.values is None, "byte %d: it starts, with %r" % (at, start.values))
        expect(start.status not in (0, None) and start.status > 0,
               "byte %d: exit status %s" % (at, start.status))
        place = "%s at offset %d" % (start.log, frame_of(text, at))
        expect(place in start.output, "byte %d: %r is not named: %s" % (at, place, start.output))
        expect(start.text == changed and not start.side_files(), "byte %d: files changed" % at)


def clean_stop(binary, policy, rounds, rng):
    folder = written(binary, policy, ServerProcess.terminate)
    try:
        text = read(newest_log(folder))
        closing = text.rfind(b"#HF:i=")
        last_value = text.rfind(VALUES[-1])
        expect(closing > last_value, "no closing frame: %r" % text[-200:])
        refused(binary, policy, folder, text, last_value + 3)
        for _ in range(rounds):
            refused(binary, policy, folder, text, rng.randrange(40, closing))
        for at in {closing, len(text) - 1, rng.randrange(closing, len(text))}:
            with Start(binary, policy, folder, flipped(text, at, 0x04)) as start:
                expect(start.values == VALUES, "closing frame, byte %d: %r" % (at, start.values))
                expect(len(start.side_files()) == 1 and start.side_files()[0] in start.output,
                       "closing frame, byte %d: not reported: %s" % (at, start.output))
        for _ in range(3):  # as it was: all is there, and an idle start and stop adds nothing
            with Start(binary, policy, folder, text) as start:
                expect(start.values == VALUES and start.status == 0, "%r" % start.values)
                expect(start.text == text, "an idle restart changed the log")
        every_byte_to_the_checker(text, closing)
        return "%d bytes" % (closing - 40)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def kill(binary, policy):
    folder = written(binary, policy, ServerProcess.kill)
    try:
        text = read(newest_log(folder))
        at = text.rfind(VALUES[-1]) + 3
        with Start(binary, policy, folder, flipped(text, at, 0x10)) as start:
            expect(start.values == VALUES[:-1] + [None], "after kill -9: %r" % start.values)
            expect("torn end of %s at offset %d" % (start.log, frame_of(text, at)) in start.output,
                   "after kill -9: not reported: %s" % start.output)
            expect(len(start.side_files()) == 1, "after kill -9: no side file")
        if policy == "always":  # a later frame says that it was synced
            refused(binary, policy, folder, text, text.find(VALUES[0]) + 3)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def self_test():
    folder = written(REDIS_SERVER, "everysec", ServerProcess.terminate)
    try:
        text = read(newest_log(folder))
        refused(REDIS_SERVER, "everysec", folder, text, text.rfind(VALUES[-1]) + 3)
    except Failed as failed:
        if "it starts, with" in str(failed):
            print("self-test passed: redis-server serves a changed byte")
            return 0
        print(failed)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print("SELF-TEST FAILED: a changed byte that redis-server serves went unnoticed")
    return 1


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    add_server_argument(parser)
    parser.add_argument("--rounds", type=int, default=10, help="starts with a random byte changed")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--self-test", action="store_true")
    arguments = parser.parse_args()
    if arguments.self_test:
        return self_test()
    binary = server_under_test(arguments)
    if not aof_check():
        sys.exit("aof-check is not built (or set $AOF_CHECK)")
    seed = random.SystemRandom().randrange(1 << 32) if arguments.seed is None else arguments.seed
    print("seed %d" % seed)
    for policy in ("everysec", "no", "always"):
        try:
            found = clean_stop(binary, policy, arguments.rounds, random.Random(seed))
            kill(binary, policy)
        except Failed as failed:
            print("PROBLEM (%s, seed %d): %s" % (policy, seed, failed))
            return 1
        print("%s: %s changed one by one, all found" % (policy, found), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
