#!/usr/bin/env python3
"""What a Redis left is loaded with an equal data set: dump.rdb files, logs with an RDB base.

    python3 tests/compat/rdb_import_test.py [--server PATH] [--keys N] [--seed N] [--only CASE...]

redis-server 7.0 writes random string keys of all encodings, sizes, TTLs and databases; ours loads the
file (--import, or found in its data directory, or as the base of Redis's log) and is compared: every
value, every expiry time, DEBUG DIGEST. What ours cannot hold yet must be refused by name, with no file
touched. --self-test plants a changed value that must be found.
"""

import contextlib
import glob
import os
import random
import shutil
import sys
import tempfile
import time

from log_cases import (Failed, compare, copy_for_redis, copy_of, data_set, incremental_files, listing, rewrite,
                       run_main)
from server_process import REDIS_SERVER, ServerFailed, ServerProcess, dropping, is_redis

WITHOUT_LOG = ["--save", "", "--appendonly", "no", "--enable-debug-command", "local"]
WITH_LOG = ["--save", "", "--appendonly", "yes", "--enable-debug-command", "local",
            "--auto-aof-rewrite-percentage", "0", "--aof-use-rdb-preamble", "yes"]
EDGES = ["", "0", "-1", "127", "128", "-128", "-129", "32767", "32768", "-32768", "-32769",
         "2147483647", "2147483648", "-2147483648", "-2147483649", "9223372036854775807",
         "-9223372036854775808", "9223372036854775808", "007", "+1", "1.5", " 1", "a" * 20,
         "a" * 21, "a" * 63, "a" * 64, "ab" * 8191, "ab" * 8192, "a" * 16383, "a" * 16384]


def random_value(rng):
    kind = rng.random()
    if kind < 0.2:
        return rng.choice(EDGES)
    if kind < 0.4:
        return str(rng.randint(-2 ** rng.randint(0, 64), 2 ** rng.randint(0, 64)))
    size = rng.choice([rng.randint(0, 80), rng.randint(0, 2000), rng.randint(0, 30000)])
    if kind < 0.7:
        return bytes(rng.getrandbits(8) for _ in range(size))
    word = bytes(rng.getrandbits(8) for _ in range(rng.randint(1, 9)))
    return (word * (size // len(word) + 1))[:size]


def fill(client, rng, keys):
    """Random keys in five databases, some with a TTL (a day and more), one long gone by."""
    now = int(time.time() * 1000)
    for start in range(0, keys, 200):
        batch = [("SELECT", rng.choice([0, 0, 1, 3, 15]))]
        for _ in range(min(200, keys - start)):
            key = random_value(rng) if rng.random() < 0.2 else "key:%d" % rng.randrange(10 * keys)
            command = ["SET", key, random_value(rng)]
            if rng.random() < 0.3:
                command += ["PXAT", now + 86400000 + rng.randrange(10 ** 11)]
            batch.append(command)
        client.pipeline(batch)
    client.pipeline([("SELECT", 0), ("SET", "large", os.urandom(3 << 20)),
                     ("SET", "large:same", "x" * (5 << 20)), ("SET", "k" * 200000, "long key")])


def stored(value):
    """As data_set() gives a key without a TTL: two replies."""
    return [b"$%d\r\n%s\r\n" % (len(value), value), b":-1\r\n"]


def digest(server):
    with server.connect(timeout_s=60) as client:
        return client.must("DEBUG", "DIGEST")


def new_folder():
    return tempfile.mkdtemp(prefix="holdfast-rdb-")


@contextlib.contextmanager
def running(binary, folder, flags):
    """A server on the folder, which stays; a start that fails is the case's failure."""
    try:
        with ServerProcess(binary, flags, folder=folder) as server:
            yield server
    except ServerFailed as failed:
        raise Failed("%s: %s" % (os.path.basename(binary), failed)) from failed


def refused(binary, folder, flags, *words):
    """It must not start, and say all of the words; no file of the log is touched."""
    before = listing(folder)
    try:
        with ServerProcess(binary, flags, folder=folder):
            raise Failed("accepted: %s" % (words,))
    except ServerFailed as failed:
        missing = [word for word in words if word not in str(failed)]
        if missing:
            raise Failed("the message does not say %r: %s" % (missing, failed)) from failed
    if listing(folder) != before:
        raise Failed("files were touched: %r, then %r" % (before, listing(folder)))


class Cases:
    """Each case_ method raises Failed, or returns."""

    def __init__(self, binary, seed, keys, plant=False):
        self.binary = binary
        self.seed = seed
        self.keys = keys
        self.plant = plant

    def saved(self, flags=(), fill_more=None):
        """(path of a dump.rdb, data set, digest)."""
        folder = new_folder()
        with running(REDIS_SERVER, folder, WITHOUT_LOG + list(flags)) as redis:
            with redis.connect(timeout_s=60) as client:
                fill(client, random.Random(self.seed), self.keys)
                if fill_more:
                    fill_more(client)
                client.must("SAVE")
            expected, state = data_set(redis), digest(redis)
        if self.plant:
            expected = dict(expected)
            expected[0, b"large:same"] = stored(b"other")
        return os.path.join(folder, "dump.rdb"), expected, state

    def imported(self, dump, expected, state, flags=(), source=None):
        """Imports, compares, stops, starts again without the source; then Redis loads the log."""
        folder = new_folder()
        source = source or dump
        with running(self.binary, folder, WITH_LOG + ["--import", source] + list(flags)) as ours:
            compare("after the import", expected, data_set(ours))
            if digest(ours) != state:
                raise Failed("DEBUG DIGEST differs after the import")
            with ours.connect() as client:
                client.must("SET", "after", "import")
            ours.kill()
        expected = {**expected, (0, b"after"): stored(b"import")}
        with running(self.binary, folder, WITH_LOG) as ours:
            compare("after kill -9 and a start", expected, data_set(ours))
            rewrite(ours)
        with running(REDIS_SERVER, copy_for_redis(folder), WITH_LOG) as redis:
            compare("redis-server on our log", expected, data_set(redis))
        shutil.rmtree(redis.folder)
        refused(self.binary, folder, WITH_LOG + ["--import", source], "holds a data set already",
                source)
        shutil.rmtree(folder)

    def case_import(self):
        if is_redis(self.binary):
            return
        for flags in ([], ["--rdbcompression", "no"], ["--rdbchecksum", "no"]):
            dump, expected, state = self.saved(flags)
            self.imported(dump, expected, state)
            shutil.rmtree(os.path.dirname(dump))

    def case_import_directory(self):
        if is_redis(self.binary):
            return
        dump, expected, state = self.saved()
        self.imported(dump, expected, state, source=os.path.dirname(dump))
        shutil.rmtree(os.path.dirname(dump))

    def case_larger_than_memory(self):
        """With a cold tier an import moves there what does not fit."""
        if is_redis(self.binary):
            return
        limit = 6 << 20
        dump, expected, state = self.saved(fill_more=lambda client: [
            client.must("SET", "more:%d" % i, "m" * 5000 + str(i)) for i in range(4000)])
        folder = new_folder()
        flags = WITH_LOG + ["--maxmemory", str(limit)]
        with running(self.binary, folder, flags + ["--import", dump]) as ours:
            if digest(ours) != state:
                raise Failed("DEBUG DIGEST differs after the import")
            with ours.connect() as client:
                info = client.must("INFO", "memory").decode()
            peak = int(info.split("used_memory_peak:")[1].split()[0])
            if peak > 2 * limit:  # the data are four times as much; one value alone is 5 MB
                raise Failed("used_memory_peak is %d with maxmemory %d" % (peak, limit))
            ours.kill()
        with running(self.binary, folder, flags) as ours:
            compare("after kill -9 and a start", expected, data_set(ours))
        shutil.rmtree(folder)
        shutil.rmtree(os.path.dirname(dump))

    def case_killed_while_importing(self):
        """At any moment: the next start begins again, or has it all."""
        if is_redis(self.binary):
            return
        dump, expected, _ = self.saved()
        rng = random.Random(self.seed)
        for _ in range(8):
            folder = new_folder()
            flags = WITH_LOG + ["--import", dump, "--maxmemory", rng.choice(["0", "6mb"])]
            server = ServerProcess(self.binary, flags, folder=folder, start=False)
            server.launch()
            time.sleep(rng.random() * 0.15)
            server.kill()
            try:
                with ServerProcess(self.binary, flags, folder=folder) as ours:
                    found = data_set(ours)
            except ServerFailed as failed:
                if "holds a data set already" not in str(failed):
                    raise Failed("after kill -9: %s" % failed) from failed
                with running(self.binary, folder, WITH_LOG) as ours:
                    found = data_set(ours)
            compare("after kill -9 in an import", expected, found)
            shutil.rmtree(folder)
        shutil.rmtree(os.path.dirname(dump))

    def case_found_dump(self):
        """A dump.rdb in a data directory without a log: loaded once, then the log is the data."""
        dump, expected, _ = self.saved()
        folder = os.path.dirname(dump)
        if is_redis(self.binary):
            with running(self.binary, folder, WITHOUT_LOG) as ours:
                compare("found dump.rdb", expected, data_set(ours))
            return
        with running(self.binary, folder, WITH_LOG) as ours:
            compare("found dump.rdb", expected, data_set(ours))
            if dump not in ours.output():
                raise Failed("the import is not announced: " + ours.output())
            with ours.connect() as client:
                client.must("FLUSHALL")
                client.must("SET", "only", "this")
        with running(self.binary, folder, WITH_LOG) as ours:
            compare("second start", {(0, b"only"): stored(b"this")}, data_set(ours))
            if "is not read" not in ours.output():
                raise Failed("nothing is said of the dump.rdb: " + ours.output())
        shutil.rmtree(folder)

    def case_found_dump_without_log(self):
        """appendonly no, and nothing to spill to: into memory, and nothing is written."""
        dump, expected, _ = self.saved()
        folder = os.path.dirname(dump)
        before = sorted(os.listdir(folder))
        with running(self.binary, folder, WITHOUT_LOG + dropping(self.binary)) as ours:
            compare("without a log", expected, data_set(ours))
        if sorted(os.listdir(folder)) != before:
            raise Failed("files appeared: %s" % sorted(os.listdir(folder)))
        shutil.rmtree(folder)

    def case_found_dump_and_snapshots(self):
        """appendonly no: loaded once, then the snapshot is the data set."""
        if is_redis(self.binary):
            return
        dump, expected, state = self.saved()
        folder = os.path.dirname(dump)
        with running(self.binary, folder, WITHOUT_LOG) as ours:
            compare("with a tier", expected, data_set(ours))
            with ours.connect() as client:
                client.must("SAVE")
        os.unlink(dump)
        with running(self.binary, folder, WITHOUT_LOG) as ours:
            if digest(ours) != state:
                raise Failed("DEBUG DIGEST differs after a snapshot")
            compare("after a snapshot", expected, data_set(ours))
        shutil.rmtree(folder)

    def case_expired_keys(self):
        """Of a dump.rdb they are dropped at load, as Redis does; the base of a log keeps them until
        its end is read."""
        def fill_more(client):
            client.must("DEBUG", "SET-ACTIVE-EXPIRE", "0")
            client.must("SET", "gone", "1", "PX", 1)
            time.sleep(0.01)
        dump, expected, _ = self.saved(fill_more=fill_more)
        folder = os.path.dirname(dump)
        with running(self.binary, folder, WITHOUT_LOG) as ours:
            with ours.connect() as client:
                info = client.must("INFO", "persistence").decode()
            if "rdb_last_load_keys_expired:1\r" not in info or \
                    "rdb_last_load_keys_loaded:%d\r" % len(expected) not in info:
                raise Failed("INFO: %s" % [line for line in info.split() if "last_load" in line])
            compare("expired keys", expected, data_set(ours))
        shutil.rmtree(folder)

    def redis_log(self, more=True):
        """(folder, data set) of Redis's log with an RDB base, and commands behind it."""
        folder = new_folder()
        with running(REDIS_SERVER, folder, WITH_LOG) as redis:
            with redis.connect(timeout_s=60) as client:
                fill(client, random.Random(self.seed), self.keys)
                client.must("SET", "short", "1", "PX", 700)
                rewrite(redis)
                if more:
                    client.must("PERSIST", "short")
                    fill(client, random.Random(self.seed + 1), self.keys // 4)
                    client.must("INCR", "count")
            expected = data_set(redis)
        if not glob.glob(os.path.join(folder, "appendonlydir", "*.base.rdb")):
            raise Failed("redis-server wrote no RDB base")
        return folder, expected

    def case_log_with_rdb_base(self):
        """In place: loaded, written on, rewritten into our own form."""
        folder, expected = self.redis_log()
        time.sleep(0.8)  # "short" has outlived its first TTL
        with running(self.binary, folder, WITH_LOG) as ours:
            compare("RDB base", expected, data_set(ours))
            with ours.connect() as client:
                client.must("INCR", "count")
            expected[0, b"count"] = stored(b"2")
            ours.kill()
        with running(self.binary, folder, WITH_LOG) as ours:
            compare("written on", expected, data_set(ours))
        with running(REDIS_SERVER, copy_for_redis(folder), WITH_LOG) as redis:
            compare("redis-server on it", expected, data_set(redis))
        shutil.rmtree(redis.folder)
        with running(self.binary, folder, WITH_LOG) as ours:
            rewrite(ours)
            with ours.connect() as client:
                client.must("INCR", "count")
        expected[0, b"count"] = stored(b"3")
        if not is_redis(self.binary) and \
                glob.glob(os.path.join(folder, "appendonlydir", "*.rdb")):
            raise Failed("the RDB base is still there after a rewrite")
        with running(self.binary, folder, WITH_LOG) as ours:
            compare("rewritten", expected, data_set(ours))
        shutil.rmtree(folder)

    def case_import_log(self):
        """--import of Redis's data directory, its log directory, its base alone."""
        if is_redis(self.binary):
            return
        folder, expected = self.redis_log()
        before = listing(folder)
        for source in (folder, os.path.join(folder, "appendonlydir")):
            target = new_folder()
            with running(self.binary, target, WITH_LOG + ["--import", source]) as ours:
                compare("import of " + source, expected, data_set(ours))
            shutil.rmtree(target)
        if listing(folder) != before:
            raise Failed("the source was touched")
        open(os.path.join(folder, "dump.rdb"), "wb").close()
        refused(self.binary, new_folder(), WITH_LOG + ["--import", folder], "two data sets")
        shutil.rmtree(folder)

    def case_preamble(self):
        """The single file of Redis 4 to 6: RDB data, then commands."""
        folder, expected = self.redis_log()
        directory = os.path.join(folder, "appendonlydir")
        with open(os.path.join(folder, "appendonly.aof"), "wb") as single:
            for part in glob.glob(os.path.join(directory, "*.base.rdb")) + \
                    incremental_files(folder):
                with open(part, "rb") as source:
                    single.write(source.read())
        shutil.rmtree(directory)
        with running(self.binary, copy_of(folder), WITH_LOG) as ours:
            compare("RDB preamble", expected, data_set(ours))
        shutil.rmtree(folder)

    def case_types_that_are_not_there(self):
        """Named with key and file; nothing is touched."""
        if is_redis(self.binary):
            return
        for (command, *rest), name in ((("RPUSH", "a"), "list"), (("HSET", "a", "b"), "hash"),
                                       (("SADD", "a"), "set"), (("ZADD", 1, "a"), "sorted set"),
                                       (("XADD", "*", "a", "b"), "stream")):
            folder = new_folder()
            with running(REDIS_SERVER, folder, WITHOUT_LOG) as redis:
                with redis.connect() as client:
                    client.must("SET", "a", "1")
                    client.must(command, "it is\n", *rest)
                    client.must("SAVE")
            dump = os.path.join(folder, "dump.rdb")
            refused(self.binary, folder, WITH_LOG, dump, "'it is\\x0a'", name, "at offset ")
            if os.listdir(os.path.join(folder, "appendonlydir")):
                raise Failed("something was written: %s" %
                             os.listdir(os.path.join(folder, "appendonlydir")))
            shutil.rmtree(folder)

    def case_functions(self):
        if is_redis(self.binary):
            return
        def fill_more(client):
            client.must("FUNCTION", "LOAD", "#!lua name=mylib\nredis.register_function("
                        "'f', function(keys, args) return 1 end)")
        dump, _, _ = self.saved(fill_more=fill_more)
        refused(self.binary, os.path.dirname(dump), WITH_LOG, dump, "'mylib'")
        shutil.rmtree(os.path.dirname(dump))

    def case_damage(self):
        """A byte changed anywhere, a file cut anywhere: not loaded, and the place is named."""
        if is_redis(self.binary):
            return
        self.keys, keys = 20, self.keys
        dump, _, _ = self.saved()
        self.keys = keys
        with open(dump, "rb") as file:
            data = file.read()
        rng = random.Random(self.seed)
        for _ in range(6):
            at = rng.randrange(len(data) // 2, len(data))
            for damaged in (data[:at], data[:at] + bytes([data[at] ^ 1]) + data[at + 1:]):
                with open(dump, "wb") as file:
                    file.write(damaged)
                refused(self.binary, os.path.dirname(dump), WITH_LOG, dump, "offset")
        shutil.rmtree(os.path.dirname(dump))


if __name__ == "__main__":
    sys.exit(run_main(__doc__, Cases, "keys", 3000, (500, "found_dump_without_log")))
