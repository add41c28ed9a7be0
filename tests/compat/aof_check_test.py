#!/usr/bin/env python3
"""What aof-check leaves behind, redis-server 7.0 loads with an equal data set.

Logs are written here byte by byte (frames with their checksums), and by redis-server itself,
checkpoints by tests/compat/checkpoint_maker.cc. Cases: a framed log with zeros at its end, cut
anywhere, damaged; a multi-part log with an unlisted file; Redis's own multi-part log cut inside
MULTI; --export; an RDB base; checkpoints: exported with the log since, gone back to, damaged; and
that redis-server refuses a directory that has one.
"""

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile

from resp import encode
from server_process import REDIS_SERVER, ServerFailed, ServerProcess, aof_check, built

FILE_ID = 0x0123456789abcdef
REDIS_FLAGS = ["--appendonly", "yes", "--save", "", "--aof-load-truncated", "no",
               "--aof-use-rdb-preamble", "no", "--auto-aof-rewrite-percentage", "0"]


class Failed(Exception):
    """A case did not hold."""


def crc_table():
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0x82f63b78 if value & 1 else 0)
        table.append(value)
    return table


TABLE = crc_table()


def crc32c(data, crc=0):
    crc ^= 0xffffffff
    for byte in data:
        crc = TABLE[(crc ^ byte) & 0xff] ^ crc >> 8
    return crc ^ 0xffffffff


def sealed(line, seed):
    return line + b",h=%08x\r\n" % crc32c(line, seed)


def file_header(file_id=FILE_ID):
    return sealed(b"#HF:v=1,id=%016x" % file_id, 0)


def frame(number, payload, synced=0, file_id=FILE_ID):
    line = b"#HF:i=%d,t=0,ts=%d,s=%d,n=%d,crc=%08x" % (
        number, 1700000000000 + number, synced, len(payload), crc32c(payload))
    return sealed(line, crc32c(file_id.to_bytes(8, "little"))) + payload


def command(*args):
    return encode(*args)


def group(number):
    """The number-th group, and what it does: a function of a dict (database, key) -> value."""
    key, value = "key:%d" % (number % 40), "%d:%s" % (number, "v" * (number * 37 % 300))
    if number % 3 == 0:
        text = (command("SELECT", "5") + command("SET", key, value) + command("SELECT", "0"))
        return text, lambda data: data.__setitem__((5, key), value)
    if number % 3 == 1:
        text = (command("MULTI") + command("SET", key, value) + command("DEL", "key:1") +
                command("EXEC"))

        def both(data):
            data[0, key] = value
            data.pop((0, "key:1"), None)
        return text, both
    return command("SET", key, value), lambda data: data.__setitem__((0, key), value)


def framed_log(groups, first=1):
    """Text of a file, the offsets where its frames end, and the data set after each of them."""
    text, ends, states, data = file_header(), [], [], {}
    ends.append(len(text))
    states.append({})
    for number in range(first, first + groups):
        payload, apply = group(number)
        apply(data)
        text += frame(number, payload, number - 1)
        ends.append(len(text))
        states.append(dict(data))
    return text, ends, states


def redis_data(folder, flags=()):
    """The data set that redis-server loads from a data directory."""
    found = {}
    with ServerProcess(REDIS_SERVER, REDIS_FLAGS + list(flags), folder=folder) as server:
        with server.connect() as client:
            for database in range(16):
                client.must("SELECT", database)
                for key in client.must("KEYS", "*"):
                    found[database, key.decode()] = client.must("GET", key).decode()
    return found


def write_log(folder, files, manifest=None):
    directory = os.path.join(folder, "appendonlydir")
    os.makedirs(directory)
    for name, text in files.items():
        with open(os.path.join(directory, name), "wb") as out:
            out.write(text)
    if manifest is None:
        manifest = b"file appendonly.aof.1.incr.aof seq 1 type i\n"
    with open(os.path.join(directory, "appendonly.aof.manifest"), "wb") as out:
        out.write(manifest)


def check(*args):
    run = subprocess.run([aof_check(), *args], capture_output=True, stdin=subprocess.DEVNULL,
                         check=False)
    if run.returncode < 0:
        raise Failed("aof-check %s died of signal %d" % (args, -run.returncode))
    return run.returncode, (run.stdout + run.stderr).decode()


def expect(what, wanted, found):
    if wanted != found:
        raise Failed("%s: expected %.500r, found %.500r" % (what, wanted, found))


class Folder:
    def __enter__(self):
        self.path = tempfile.mkdtemp(prefix="holdfast-check-")
        return self.path

    def __exit__(self, *_):
        shutil.rmtree(self.path, ignore_errors=True)


def zeros_at_the_end():
    text, _, states = framed_log(60)
    with Folder() as folder:
        write_log(folder, {"appendonly.aof.1.incr.aof": text + bytes(70000)})
        expect("zeros are sound", 0, check(folder)[0])
        try:
            redis_data(folder)
            raise Failed("redis-server loads a zero-filled tail after all: say so in the docs")
        except ServerFailed:
            pass
        code, output = check("--fix", "--yes", folder)
        expect("fix " + output, 0, code)
        expect("data", states[-1], redis_data(folder))


def cut_anywhere(rounds, seed):
    chance = random.Random(seed)
    text, ends, states = framed_log(60)
    for _ in range(rounds):
        size = chance.randrange(ends[0], len(text))
        whole = max(i for i, end in enumerate(ends) if end <= size)
        with Folder() as folder:
            tail = bytes(chance.choice([0, 0, 100, 5000]))
            write_log(folder, {"appendonly.aof.1.incr.aof": text[:size] + tail})
            torn = size not in ends
            expect("torn at %d" % size, 1 if torn else 0, check(folder)[0])
            code, output = check("--fix", "--yes", folder)
            expect("fix " + output, 0, code)
            expect("after the fix", 0, check(folder)[0])
            expect("data cut at %d" % size, states[whole], redis_data(folder))


def damaged():
    text, ends, states = framed_log(60)
    changed = bytearray(text)
    changed[ends[30] + 150] ^= 1
    with Folder() as folder:
        write_log(folder, {"appendonly.aof.1.incr.aof": bytes(changed)})
        code, output = check(folder)
        expect("exit code", 1, code)
        if "damage in" not in output or "offset %d" % ends[30] not in output:
            raise Failed("the damage is not named: " + output)
        code, output = check("--fix", folder)  # nobody says yes
        expect("unconfirmed", 1, code)
        code, output = check("--fix", "--yes", folder)
        expect("fix " + output, 0, code)
        expect("data", states[30], redis_data(folder))
        saved = [name for name in os.listdir(os.path.join(folder, "appendonlydir"))
                 if ".cut-" in name]
        expect("side files", 1, len(saved))


def unlisted_file():
    first, _, _ = framed_log(20)
    payload, apply = group(21)
    second = file_header(7) + frame(21, payload, 20, 7) + bytes(4096)
    _, _, states = framed_log(20)
    wanted = states[-1]
    apply(wanted)
    with Folder() as folder:
        write_log(folder, {"appendonly.aof.1.incr.aof": first, "appendonly.aof.2.incr.aof": second})
        code, output = check("--fix", "--yes", folder)
        expect("fix " + output, 0, code)
        expect("data", wanted, redis_data(folder))


def exported():
    text, _, states = framed_log(60)
    with Folder() as folder, Folder() as target:
        write_log(folder, {"appendonly.aof.1.incr.aof": text + bytes(100)})
        code, output = check("--export", os.path.join(target, "appendonly.aof"), folder)
        expect("export " + output, 0, code)
        expect("data", states[-1], redis_data(target))  # as the single file of old


def redis_own_log():
    with Folder() as folder:
        flags = REDIS_FLAGS + ["--aof-timestamp-enabled", "yes"]
        with ServerProcess(REDIS_SERVER, flags, folder=folder) as server:
            with server.connect() as client:
                for number in range(50):
                    client.must("SELECT", number % 3)
                    client.must("SET", "key:%d" % number, str(number))
                client.must("BGREWRITEAOF")
                while b"aof_rewrite_in_progress:1" in client.must("INFO", "persistence") or \
                        b"aof_rewrite_scheduled:1" in client.must("INFO", "persistence"):
                    pass
                client.must("SELECT", 4)
                client.must("SET", "kept", "1")
                client.must("MULTI")
                client.must("SET", "lost", "1")
                client.must("SET", "lost too", "1")
                client.must("EXEC")
        directory = os.path.join(folder, "appendonlydir")
        code, output = check("--stats", folder)
        expect("sound " + output, 0, code)
        newest = sorted(name for name in os.listdir(directory) if ".incr." in name)[-1]
        path = os.path.join(directory, newest)
        with open(path, "rb") as log:
            text = log.read()
        start = text.rindex(b"*1\r\n$5\r\nMULTI")
        wanted = redis_data(folder)
        del wanted[4, "lost"], wanted[4, "lost too"]
        for size in range(start + 1, len(text), 7):
            with open(path, "wb") as log:
                log.write(text[:size])
            expect("cut", 1, check(folder)[0])
            code, output = check("--fix", "--yes", folder)
            expect("fix " + output, 0, code)
            with open(path, "rb") as log:
                expect("bytes", text[:start], log.read())
        expect("data", wanted, redis_data(folder))


def rdb_base():
    """Redis's log with an RDB base, and its dump.rdb: sound, exported, a changed byte is named."""
    with Folder() as folder, Folder() as target:
        flags = list(REDIS_FLAGS)
        flags[flags.index("--aof-use-rdb-preamble") + 1] = "yes"
        with ServerProcess(REDIS_SERVER, flags, folder=folder) as server:
            with server.connect() as client:
                for number in range(60):
                    client.must("SELECT", number % 3)
                    client.must("SET", "key:%d" % number, str(number) * number)
                client.must("BGREWRITEAOF")
                while b"aof_rewrite_in_progress:1" in client.must("INFO", "persistence") or \
                        b"aof_rewrite_scheduled:1" in client.must("INFO", "persistence"):
                    pass
                client.must("SAVE")
                client.must("SET", "after", "1")
        data = redis_data(folder, ["--aof-use-rdb-preamble", "yes"])
        expect("keys", 61, len(data))
        for source, wanted in ((folder, data), (os.path.join(folder, "dump.rdb"),
                                                {key: data[key] for key in data
                                                 if key[1] != "after"})):
            expect("sound", 0, check(source)[0])
            single = os.path.join(target, "appendonly.aof")
            code, output = check("--export", single, source)
            expect("export " + output, 0, code)
            expect("data", wanted, redis_data(target))
            shutil.rmtree(os.path.join(target, "appendonlydir"))  # Redis moved it there
        directory = os.path.join(folder, "appendonlydir")
        base, = (name for name in os.listdir(directory) if name.endswith(".base.rdb"))
        path = os.path.join(directory, base)
        with open(path, "r+b") as file:
            file.seek(os.path.getsize(path) - 20)
            byte = file.read(1)
            file.seek(-1, os.SEEK_CUR)
            file.write(bytes([byte[0] ^ 1]))
        code, output = check(folder)
        expect("exit code", 1, code)
        if "damage in %s at offset" % path not in output:
            raise Failed("the damage is not named: " + output)
        expect("nothing can be cut off it", 2, check("--fix", "--yes", folder)[0])


HASH_KEY = bytes(range(16))
LATER_MS = 4102444800000


def make_checkpoint(path, checkpoint_id, cut_frame, cut_ms, data):
    """`data`: (database, key) -> (value, expiry in unix ms or None)."""
    lines = ["%d %s %d %d\n" % (checkpoint_id, HASH_KEY.hex(), cut_frame, cut_ms)]
    for (database, key), (value, expiry) in sorted(data.items()):
        lines.append("%d %s %s %s\n" % (database, key.encode().hex(), value.encode().hex() or "-",
                                        "-" if expiry is None else expiry))
    run = subprocess.run([built("tests", "checkpoint_maker"), path], input="".join(lines).encode(),
                         capture_output=True, check=False)
    expect("checkpoint_maker " + run.stderr.decode(), 0, run.returncode)


def manifest_of(lines):
    text = b"#HF:v=1,key=%s\n" % HASH_KEY.hex().encode()
    for file_id, line in lines:
        text += b"#HF:id=%016x\nfile %s\n" % (file_id, line)
    return text + b"#HF:end,h=%08x\n" % crc32c(text)


class CheckpointLog:
    """Three log files of ten groups each; checkpoints before the first, the second and the third,
    the last two kept. Frame n is of time 1700000000000 + n ms times 1000."""

    def __init__(self, folder, rng):
        self.states = []  # after each frame: (database, key) -> (value, expiry)
        data = {(rng.randrange(3), "cold:%d" % n): (str(n) * rng.choice([0, 1, 30, 500]),
                                                    rng.choice([None, None, LATER_MS + n]))
                for n in range(500)}
        data[1, "huge"] = ("h" * 3000000, None)
        data[2, "huge too"] = ("abc" * 70000, LATER_MS)
        self.states.append(dict(data))
        files, names, cuts = {}, [], {}
        for number in range(1, 31):
            if number % 10 == 1:
                cuts[len(names)] = dict(data)
                names.append("appendonly.aof.%d.incr.aof" % (len(names) + 1))
                files[names[-1]] = file_header(len(names))
            payload, apply = group(number)
            values = {}
            apply(values)
            if number % 3 == 1:
                data.pop((0, "key:1"), None)
            data.update({key: (value, None) for key, value in values.items()})
            files[names[-1]] += self.frame(number, payload, len(names))
            self.states.append(dict(data))
        lines = [(900 + n, b"appendonly.aof.%d.checkpoint seq %d type c log %d" % (n, n, n))
                 for n in (2, 3)]
        lines += [(n, names[n - 1].encode() + b" seq %d type i" % n) for n in (2, 3)]
        del files[names[0]]
        write_log(folder, files, manifest_of(lines))
        self.directory = os.path.join(folder, "appendonlydir")
        for n in (2, 3):
            make_checkpoint(os.path.join(self.directory, "appendonly.aof.%d.checkpoint" % n),
                            900 + n, 10 * n - 10, self.time_ms(10 * n - 10) + 500, cuts[n - 1])

    @staticmethod
    def time_ms(number):
        return 1700000000000 + number * 1000

    @classmethod
    def frame(cls, number, payload, file_id):
        line = b"#HF:i=%d,t=0,ts=%d,s=%d,n=%d,crc=%08x" % (
            number, cls.time_ms(number), number - 1, len(payload), crc32c(payload))
        return sealed(line, crc32c(file_id.to_bytes(8, "little"))) + payload

    def checkpoint(self, number):
        return os.path.join(self.directory, "appendonly.aof.%d.checkpoint" % number)


def redis_data_of_export(source, wanted):
    """What redis-server loads of `aof-check --export`, with expiry times."""
    with Folder() as target:
        code, output = check("--export", os.path.join(target, "appendonly.aof"), source)
        expect("export " + output, 0, code)
        with ServerProcess(REDIS_SERVER, REDIS_FLAGS, folder=target) as server:
            with server.connect(timeout_s=60) as client:
                found = {}
                for database in range(16):
                    client.must("SELECT", database)
                    for key in client.must("KEYS", "*"):
                        expiry = client.must("PEXPIRETIME", key)
                        found[database, key.decode()] = (client.must("GET", key).decode(),
                                                         None if expiry == -1 else expiry)
    expect("keys", sorted(wanted), sorted(found))
    for key, value in wanted.items():
        expect("value of %r" % (key,), value, found[key])


def checkpoints_exported():
    with Folder() as folder:
        log = CheckpointLog(folder, random.Random(5))
        expect("sound", 0, check(folder)[0])
        redis_data_of_export(folder, log.states[30])
        redis_data_of_export(log.checkpoint(3), log.states[20])
        redis_data_of_export(log.checkpoint(2), log.states[10])
        code, output = check("--stats", "--json", folder)
        expect("stats " + output, 0, code)
        stats = json.loads(output)
        cold = [value for value, _ in log.states[20].values()]
        expect("types", {"string": {
            "keys": len(cold), "value_bytes": sum(map(len, cold)),
            "key_bytes": sum(len(key) for _, key in log.states[20]),
            "expiring": sum(expiry is not None for _, expiry in log.states[20].values())}},
            stats["types"])
        expect("biggest", [["huge", 3000004], ["huge too", 210008]],
               [[key["key"], key["bytes"]] for key in stats["biggest"][:2]])
        expect("checkpoints", [10, 20], [one["cut_frame"] for one in stats["checkpoints"]])


def checkpoints_gone_back_to():
    for number in (30, 27, 20, 19, 11, 10):
        with Folder() as folder:
            log = CheckpointLog(folder, random.Random(6))
            seconds = str(log.time_ms(number) // 1000)
            code, output = check("--truncate-to-timestamp", seconds, "--yes", folder)
            expect("truncate to %d: %s" % (number, output), 0, code)
            expect("sound afterwards", 0, check(folder)[0])
            redis_data_of_export(folder, log.states[number])
    with Folder() as folder:
        log = CheckpointLog(folder, random.Random(7))
        seconds = str(log.time_ms(9) // 1000)
        code, output = check("--truncate-to-timestamp", seconds, "--yes", folder)
        if code != 2 or "before the oldest checkpoint" not in output:
            raise Failed("a time before all of them: %d %s" % (code, output))
        redis_data_of_export(folder, log.states[30])


def damaged_checkpoints():
    with Folder() as folder:
        log = CheckpointLog(folder, random.Random(8))
        tables = [name for name in os.listdir(log.checkpoint(3)) if name.endswith(".sst")]
        path = os.path.join(log.checkpoint(3), random.Random(9).choice(tables))
        with open(path, "rb") as file:
            text = bytearray(file.read())
        text[len(text) // 3] ^= 16
        with open(path, "wb") as file:
            file.write(text)
        code, output = check(folder)
        if code != 1 or path not in output and os.path.basename(path) not in output:
            raise Failed("the damage is not named: %d %s" % (code, output))
        expect("export", 1, check("--export", os.path.join(folder, "out"), folder)[0])
        expect("nothing exported", False, os.path.exists(os.path.join(folder, "out")))
        code, output = check("--fix", "--yes", folder)
        expect("fix " + output, 0, code)
        expect("sound afterwards", 0, check(folder)[0])
        redis_data_of_export(folder, log.states[30])


def redis_refuses_checkpoints():
    with Folder() as folder:
        log = CheckpointLog(folder, random.Random(10))
        try:
            with ServerProcess(REDIS_SERVER, REDIS_FLAGS, folder=folder):
                pass
            raise Failed("redis-server serves a directory whose checkpoint it cannot load")
        except ServerFailed as failed:
            if "Unknown AOF file type" not in str(failed):
                raise
        # It is the line of the checkpoint that stops it.
        manifest = os.path.join(log.directory, "appendonly.aof.manifest")
        with open(manifest, "rb") as file:
            lines = [line for line in file if b"type c" not in line]
        with open(manifest, "wb") as file:
            file.write(b"".join(lines))
        expect("without it", True, bool(redis_data(folder)))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cuts", type=int, default=25)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    if not aof_check():
        sys.exit("aof-check is not built (or set $AOF_CHECK)")
    if not built("tests", "checkpoint_maker"):
        sys.exit("tests/checkpoint_maker is not built")
    expect("crc32c", 0xe3069283, crc32c(b"123456789"))
    for case in (zeros_at_the_end, damaged, unlisted_file, exported, redis_own_log, rdb_base,
                 checkpoints_exported, checkpoints_gone_back_to, damaged_checkpoints,
                 redis_refuses_checkpoints,
                 lambda: cut_anywhere(arguments.cuts, arguments.seed)):
        try:
            case()
        except (Failed, ServerFailed) as failure:
            sys.exit("FAILED %s (seed %d): %s" % (getattr(case, "__name__", "cuts"),
                                                  arguments.seed, failure))
    print("aof-check: 10 cases and %d cuts, redis-server loads what it leaves" % arguments.cuts)


if __name__ == "__main__":
    main()
