#!/usr/bin/env python3
"""The log is Redis's: redis-server 7.0 loads ours with an equal data set, and ours loads Redis's.

Where our directory has a checkpoint, redis-server must refuse it, and loads what `aof-check --export`
makes of everything. Each case also runs with a store that drops what it evicts: such a log is
rewritten, and always loaded as it is.

Cases: a mixed run cleanly stopped; after BGREWRITEAOF; after kill -9 and `aof-check --fix --yes`;
with the log turned on, or off, while the server runs;
a Redis 7 appendonlydir with an AOF base; a plain old single-file AOF; a Redis AOF cut inside a
transaction. (RDB bases: rdb_import_test.py.) --self-test plants a changed byte that must be found.
"""

import glob
import os
import random
import shutil
import subprocess
import sys
import threading
import time

from log_cases import (Failed, compare, copy_for_redis, copy_of, data_set, incremental_files, rewrite, run_main)
from resp import ConnectionLost, encode
from server_grammar import Generator
from server_process import (REDIS_SERVER, ServerFailed, ServerProcess, aof_check, is_redis,
                            logged)

FLAGS = logged("everysec", ["--auto-aof-rewrite-percentage", "0", "--aof-use-rdb-preamble", "no"])


def mixed_run(server, seed, commands):
    """Random string, generic and transaction commands, in several databases; big values too."""
    generator = Generator(random.Random(seed), ["string", "generic", "transaction"])
    with server.connect() as client:
        sent = 0
        while sent < commands:
            batch = generator.commands(generator.rng.randint(1, 30))
            if generator.v.chance(0.3):
                batch.insert(0, [b"SELECT", b"%d" % generator.rng.choice([0, 0, 1, 3, 15])])
            client.send(b"".join(encode(*command) for command in batch))
            for _ in batch:
                client.read_reply()
            sent += len(batch)
        if generator.rng.random() < 0.9:
            client.command("DISCARD")
        fill = [("SET", "fill:%d" % i, "v%d" % i, "EX", 1000000 + i) for i in range(500)]
        fill += [("SET", "large:%d" % i, "x" * (100000 + i)) for i in range(3)]
        client.pipeline(fill)


def load(binary, folder, what, extra=()):
    """The data set that `binary` loads from a copy of the folder."""
    copy = copy_for_redis(folder) if is_redis(binary) else copy_of(folder)
    try:
        with ServerProcess(binary, FLAGS + list(extra), folder=copy) as server:
            try:
                return data_set(server)
            except (ConnectionLost, OSError) as lost:
                raise Failed("%s: %r\n%s" % (what, lost, server.output())) from lost
    except ServerFailed as failed:
        raise Failed("%s: %s" % (what, failed)) from failed
    finally:
        shutil.rmtree(copy, ignore_errors=True)


class Cases:
    """Each case_ method raises Failed, or returns."""

    more = ()  # flags of ours

    def __init__(self, binary, seed, commands, plant=False):
        self.binary = binary
        self.seed = seed
        self.commands = commands
        self.plant = plant

    def flags(self, binary):
        return FLAGS + ([] if is_redis(binary) else list(self.more))

    def written_by(self, binary, with_rewrite=False, extra=()):
        """(folder, data set) of a cleanly stopped mixed run."""
        server = ServerProcess(binary, self.flags(binary) + list(extra))
        try:
            mixed_run(server, self.seed, self.commands)
            if with_rewrite:
                rewrite(server)
                mixed_run(server, self.seed + 1, self.commands // 4)
            expected = data_set(server)
            status = server.terminate()
        except (ConnectionLost, AssertionError) as error:
            raise Failed("mixed run: %r\n%s" % (error, server.output())) from error
        finally:
            server.kill()
        if status != 0:
            raise Failed("SIGTERM gives exit status %s" % status)
        if self.plant:
            self._change_a_byte(server.folder)
        return server.folder, expected

    @staticmethod
    def _change_a_byte(folder):
        for path in incremental_files(folder):
            with open(path, "r+b") as log:
                data = log.read()
                at = data.rfind(b"\r\nv499\r\n")
                if at >= 0:
                    log.seek(at + 2)
                    log.write(b"w")

    def case_clean_stop(self):
        folder, expected = self.written_by(self.binary)
        compare("redis-server after a clean stop", expected, load(REDIS_SERVER, folder, "redis"))
        compare("ours after a clean stop", expected, load(self.binary, folder, "ours"))
        shutil.rmtree(folder)

    def case_after_rewrite(self):
        folder, expected = self.written_by(self.binary, with_rewrite=True)
        compare("redis-server after a rewrite", expected, load(REDIS_SERVER, folder, "redis"))
        compare("ours after a rewrite", expected, load(self.binary, folder, "ours"))
        shutil.rmtree(folder)

    def case_turned_on(self):
        server = ServerProcess(self.binary, self.flags(self.binary) + ["--appendonly", "no"])
        mixed_run(server, self.seed, self.commands)
        rewrite(server, "CONFIG", "SET", "appendonly", "yes")
        mixed_run(server, self.seed + 1, self.commands // 4)
        expected = data_set(server)
        server.kill()
        compare("ours, turned on, after kill -9", expected, load(self.binary, server.folder, "ours"))
        self._fix(server.folder)
        compare("redis-server, turned on", expected, load(REDIS_SERVER, server.folder, "redis"))
        shutil.rmtree(server.folder)

    def case_turned_off_and_on(self):
        server = ServerProcess(self.binary, self.flags(self.binary))
        mixed_run(server, self.seed, self.commands)
        expected = data_set(server)
        with server.connect() as client:
            client.must("CONFIG", "SET", "appendonly", "no")
            for _ in range(1000):  # until the zeros filled ahead are cut off
                if not any(open(path, "rb").read().endswith(b"\0")
                           for path in incremental_files(server.folder)):
                    break
                time.sleep(0.01)
            client.must("FLUSHALL")
        for binary in (self.binary, REDIS_SERVER):
            compare("off: %s" % binary, expected, load(binary, server.folder, binary))
        mixed_run(server, self.seed + 1, self.commands // 4)
        rewrite(server, "CONFIG", "SET", "appendonly", "yes")
        mixed_run(server, self.seed + 2, self.commands // 4)
        expected = data_set(server)
        if server.terminate() != 0:
            raise Failed("SIGTERM after switching fails:\n%s" % server.output())
        for binary in (self.binary, REDIS_SERVER):
            compare("on again: %s" % binary, expected, load(binary, server.folder, binary))
        shutil.rmtree(server.folder)

    def case_kill_and_fix(self):
        server = ServerProcess(self.binary, self.flags(self.binary))
        mixed_run(server, self.seed, self.commands)
        writer = threading.Thread(target=self._write_until_killed, args=(server,), daemon=True)
        writer.start()
        time.sleep(0.2)
        server.kill()
        writer.join(30)
        expected = load(self.binary, server.folder, "ours after kill -9")
        self._fix(server.folder)
        compare("redis-server after kill -9 and --fix", expected,
                load(REDIS_SERVER, server.folder, "redis"))
        compare("ours after kill -9 and --fix", expected, load(self.binary, server.folder, "ours"))
        shutil.rmtree(server.folder)

    def _write_until_killed(self, server):
        try:
            mixed_run(server, self.seed + 2, 1 << 30)
        except (ConnectionLost, OSError):
            pass

    def _fix(self, folder):
        if is_redis(self.binary):
            manifest = glob.glob(os.path.join(folder, "appendonlydir", "*.manifest"))[0]
            run = subprocess.run(["redis-check-aof", "--fix", manifest], input=b"y\n" * 5,
                                 capture_output=True, check=False)
        else:
            checker = aof_check()
            if not checker:
                raise Failed("aof-check is not built")
            run = subprocess.run([checker, "--fix", "--yes", folder], capture_output=True,
                                 check=False)
        if run.returncode:
            raise Failed("fix: exit %d: %r %r" % (run.returncode, run.stdout[-400:],
                                                  run.stderr[-400:]))

    def case_redis_directory(self):
        folder, expected = self.written_by(REDIS_SERVER, with_rewrite=True)
        compare("ours on a Redis 7 directory", expected, load(self.binary, folder, "ours"))
        shutil.rmtree(folder)

    def case_redis_directory_written_on(self):
        """Ours goes on in Redis's directory; both load the result."""
        folder, _ = self.written_by(REDIS_SERVER, with_rewrite=True)
        try:
            with ServerProcess(self.binary, self.flags(self.binary), folder=folder) as server:
                mixed_run(server, self.seed + 3, self.commands // 4)
                expected = data_set(server)
                server.terminate()
        except ServerFailed as failed:
            raise Failed("ours on a Redis 7 directory: %s" % failed) from failed
        compare("ours, second start", expected, load(self.binary, folder, "ours"))
        compare("redis on what ours wrote on", expected, load(REDIS_SERVER, folder, "redis"))
        shutil.rmtree(folder)

    def case_plain_old_file(self):
        folder, expected = self.written_by(REDIS_SERVER, with_rewrite=True)
        parts = sorted(glob.glob(os.path.join(folder, "appendonlydir", "*.base.aof"))) + \
            incremental_files(folder)
        with open(os.path.join(folder, "appendonly.aof"), "wb") as single:
            for part in parts:
                with open(part, "rb") as source:
                    single.write(source.read())
        shutil.rmtree(os.path.join(folder, "appendonlydir"))
        compare("ours on a plain old AOF", expected, load(self.binary, folder, "ours"))
        shutil.rmtree(folder)

    def case_redis_cut_in_group(self):
        """A Redis log cut inside MULTI: the group is removed and later writes survive."""
        if is_redis(self.binary):
            return  # redis-server 7.0 itself fails this one: see tests/crash/torn_group_test.py
        server = ServerProcess(REDIS_SERVER, FLAGS)
        with server.connect() as client:
            client.must("SET", "before", "1")
            for command in (("MULTI",), ("SET", "a", "1"), ("SET", "b", "2"), ("EXEC",)):
                client.must(*command)
        server.terminate()
        log = incremental_files(server.folder)[-1]
        os.truncate(log, os.path.getsize(log) - len(encode("EXEC")) - 3)
        with ServerProcess(self.binary, self.flags(self.binary), folder=server.folder) as ours:
            with ours.connect() as client:
                first = client.must("MGET", "before", "a", "b")
                client.must("SET", "after", "3")
            ours.kill()
            ours.start()
            with ours.connect() as client:
                second = client.must("MGET", "before", "a", "b", "after")
        shutil.rmtree(server.folder)
        if first != [b"1", None, None] or second != [b"1", None, None, b"3"]:
            raise Failed("cut group: %r, then %r" % (first, second))


class DroppingCases(Cases):
    more = ("--eviction-action", "drop")


if __name__ == "__main__":
    sys.exit(max(run_main(__doc__, kind, "commands", 8000, (2000, "clean_stop"))
                 for kind in (Cases, DroppingCases)))
