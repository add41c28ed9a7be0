"""Cases about a log: each a method of an object, run by name; what they compare.

Used by log_loads_in_redis_test.py and rdb_import_test.py.
"""

import argparse
import glob
import os
import random
import shutil
import subprocess
import tempfile
import time

from resp import ConnectionLost
from server_process import (REDIS_SERVER, ServerFailed, ServerProcess, add_server_argument,
                            aof_check, logged, server_under_test)

DATABASES = 16


class Failed(Exception):
    """A case did not hold."""


def data_set(server):
    """{(database, key): (value, expiry in unix ms)} of all keys that have not expired."""
    found = {}
    with server.connect(timeout_s=60) as client:
        for database in range(DATABASES):
            client.must("SELECT", database)
            keys = client.must("KEYS", "*")
            replies = client.pipeline([part for key in keys
                                       for part in (("GET", key), ("PEXPIRETIME", key))])
            for i, key in enumerate(keys):
                found[database, key] = replies[2 * i:2 * i + 2]
    return found


def compare(what, expected, found):
    if expected == found:
        return
    missing = [key for key in expected if key not in found]
    extra = [key for key in found if key not in expected]
    other = [(key, expected[key], found[key]) for key in expected
             if key in found and expected[key] != found[key]]
    raise Failed("%s: %d keys expected, %d found; missing %.300r, extra %.300r, different %.500r"
                 % (what, len(expected), len(found), missing, extra, other))


def rewrite(server, *command):
    with server.connect(timeout_s=30) as client:
        client.must(*(command or ("BGREWRITEAOF",)))
        for _ in range(3000):
            info = client.must("INFO", "persistence")
            if b"aof_rewrite_in_progress:0" in info and b"aof_rewrite_scheduled:0" in info:
                return
            time.sleep(0.01)
    raise Failed("%s does not end" % (command or "BGREWRITEAOF"))


def copy_of(folder):
    copy = tempfile.mkdtemp(prefix="holdfast-log-")
    shutil.copytree(folder, copy, dirs_exist_ok=True)
    return copy


def copy_for_redis(folder):
    """A new folder with what redis-server can load: the same, or all of it as one plain log where
    there is a checkpoint, on which redis-server must not start."""
    copy = copy_of(folder)
    manifests = glob.glob(os.path.join(folder, "appendonlydir", "*.manifest"))
    if not any(b" type c" in open(path, "rb").read() for path in manifests):
        return copy
    try:
        with ServerProcess(REDIS_SERVER, logged("everysec"), folder=copy):
            raise Failed("redis-server starts on a directory with a checkpoint")
    except ServerFailed as refused:
        if "Unknown AOF file type" not in str(refused):
            raise Failed("redis-server: %s" % refused) from refused
    shutil.rmtree(copy)
    os.mkdir(copy)
    run = subprocess.run([aof_check(), "--export", os.path.join(copy, "appendonly.aof"), folder],
                         capture_output=True, check=False)
    if run.returncode:
        raise Failed("export: exit %d: %r %r" % (run.returncode, run.stdout[-400:],
                                                 run.stderr[-400:]))
    return copy


def incremental_files(folder):
    return sorted(glob.glob(os.path.join(folder, "appendonlydir", "*.incr.aof")))


def listing(folder):
    """Names and contents of the log's files (a lock or output file beside them is no matter)."""
    found = {}
    for root, _, names in os.walk(os.path.join(folder, "appendonlydir")):
        for path in [os.path.join(root, name) for name in names]:
            with open(path, "rb") as file:
                found[os.path.relpath(path, folder)] = hash(file.read())
    return found


def run_cases(cases, only=None):
    """Names and reasons of the failed cases."""
    failures = []
    for name in sorted(dir(cases)):
        if not name.startswith("case_") or only and name[5:] not in only:
            continue
        started = time.monotonic()
        try:
            getattr(cases, name)()
            print("%-28s ok, %.1f s" % (name[5:], time.monotonic() - started), flush=True)
        except (Failed, ServerFailed, ConnectionLost, OSError, AssertionError) as failed:
            print("%-28s FAILED" % name[5:], flush=True)
            failures.append("%s: %s: %s" % (name[5:], type(failed).__name__, failed))
    return failures


def run_main(description, make_cases, size, default_size, self_test):
    """The program around the cases: make_cases(binary, seed, size[, plant=True]); `size` is the name
    of the option that says how much. `self_test`, (size, case): with redis-server under test
    nothing may fail, and with a planted fault that one case must. Returns the exit code."""
    parser = argparse.ArgumentParser(description=description.split("\n", 1)[0])
    add_server_argument(parser)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--" + size, type=int, default=default_size)
    parser.add_argument("--only", nargs="*")
    parser.add_argument("--self-test", action="store_true")
    arguments = parser.parse_args()
    seed = random.SystemRandom().randrange(1 << 32) if arguments.seed is None else arguments.seed
    print("seed %d" % seed)
    if arguments.self_test:
        small, planted_case = self_test
        clean = run_cases(make_cases(REDIS_SERVER, seed, small))
        planted = run_cases(make_cases(REDIS_SERVER, seed, small, plant=True), [planted_case])
        passed = not clean and len(planted) == 1
        print("self-test %s %s" % ("passed" if passed else "FAILED", clean))
        return 0 if passed else 1
    failures = run_cases(make_cases(server_under_test(arguments), seed,
                                    getattr(arguments, size)), arguments.only)
    for failure in failures:
        print("PROBLEM (seed %d): %s" % (seed, failure))
    return 1 if failures else 0
