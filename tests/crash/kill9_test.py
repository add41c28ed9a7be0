#!/usr/bin/env python3
"""kill -9 under load, many times on one data directory, at each appendfsync policy.

A reply means that the bytes were handed to the operating system at least, so a killed process loses
nothing acknowledged, at any policy; transactions are whole or absent; nothing that a reader was
shown is undone. Kills also hit BGREWRITEAOF, a shutdown, and a recovery that is under way; half of
them a store that drops what it evicts, whose log is rewritten where others make snapshots.

  kill9_test.py --kills 200                 the campaign
  kill9_test.py --self-test                 redis-server, then with acknowledged bytes cut off
"""

import argparse
import glob
import os
import random
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "compat"))

from ledger import Reader, Refused, all_workloads  # noqa: E402
from resp import ConnectionLost  # noqa: E402
from server_process import (REDIS_SERVER, ServerFailed, ServerProcess,  # noqa: E402
                            add_server_argument, aof_check, dropping, is_redis, logged,
                            server_under_test)


# So little memory that most keys are cold: rewrites are snapshots then, with spills under way.
TIERED = ["--maxmemory", "2500kb"]


class Load:
    """The writers and the reader on their connections, each in a thread."""

    def __init__(self, server, workloads, reader):
        self.stopping = threading.Event()
        self.refused = []
        self.threads = []
        for worker in workloads + [reader]:
            client = server.connect(timeout_s=30)
            thread = threading.Thread(target=self._run, args=(worker, client), daemon=True)
            self.threads.append(thread)
        for thread in self.threads:
            thread.start()

    def _run(self, worker, client):
        try:
            worker.run(client, self.stopping)
        except ConnectionLost:
            pass
        except Refused as refused:
            self.refused.append(str(refused))
        finally:
            client.close()

    def join(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join(60)
        return self.refused


def cut_acknowledged_bytes(folder, count=30):
    """The planted bug: cuts the newest log file before its last non-zero bytes."""
    files = [path for path in glob.glob(os.path.join(folder, "appendonlydir", "*.incr.aof"))
             if os.path.getsize(path)]
    newest = max(files, key=os.path.getmtime)
    with open(newest, "rb") as log:
        length = len(log.read().rstrip(b"\0"))
    os.truncate(newest, max(0, length - count))


class Campaign:
    """Kills and checks one server at one policy; `more` are flags."""

    def __init__(self, binary, policy, seed, plant, more):
        self.binary = binary
        self.rng = random.Random("%s/%d" % (policy, seed))
        self.policy = policy
        self.plant = plant
        self.workloads = all_workloads(seed)
        self.reader = Reader(self.workloads)
        self.problems = []
        self.kinds = {}
        flags = logged(policy, ["--auto-aof-rewrite-percentage", "100",
                                "--auto-aof-rewrite-min-size", "4mb"])
        self.server = ServerProcess(binary, flags + list(more))

    def round(self):
        """Load, crash, restart, check. Returns False when a problem was found."""
        load = Load(self.server, self.workloads, self.reader)
        kind = self.rng.choice(["kill", "kill", "rewrite", "rewrite", "shutdown", "recovery"])
        if self.plant:  # every byte of the log is acknowledged before the kill
            kind = "kill"
            time.sleep(0.1)
            self.problems += load.join()
        self.kinds[kind] = self.kinds.get(kind, 0) + 1
        self._crash(kind)
        self.problems += load.join()
        if self.plant:
            cut_acknowledged_bytes(self.server.folder)
        if kind == "recovery":
            self._crash_in_recovery()
        try:
            self.server.start()
        except ServerFailed as failed:
            self.problems.append("does not start again: %s" % failed)
            return False
        self._check()
        return not self.problems

    def _crash(self, kind):
        time.sleep(self.rng.uniform(0.01, 0.20))
        if kind == "rewrite":
            with self.server.connect() as client:
                client.command("BGREWRITEAOF")
            time.sleep(self.rng.choice([0, 0.001, 0.005, 0.02, 0.1]))
        if kind == "shutdown":
            os.kill(self.server.process.pid, signal.SIGTERM)
            time.sleep(self.rng.choice([0, 0.001, 0.005, 0.02]))
        if not self.server.alive() and kind != "shutdown":
            self.problems.append("the server ended by itself: %s" % self.server.output())
        self.server.kill()

    def _crash_in_recovery(self):
        for _ in range(2):
            self.server._spawn()
            time.sleep(self.rng.uniform(0.001, 0.06))
            self.server.kill()

    def _check(self):
        with self.server.connect() as client:
            for worker in self.workloads + [self.reader]:
                self.problems += worker.check(client)

    def finish(self):
        """A clean stop must keep everything too, and leave a log that the checker accepts."""
        if self.problems:
            return
        status = self.server.terminate()
        if status != 0:
            self.problems.append("SIGTERM gives exit status %s" % status)
        checker = aof_check()
        if checker and not is_redis(self.binary):
            run = subprocess.run([checker, self.server.folder], capture_output=True, text=True,
                                 timeout=120, check=False)
            if run.returncode:
                self.problems.append("aof-check after a clean stop: exit %d\n%s%s"
                                     % (run.returncode, run.stdout, run.stderr))
        self.server.start()
        self._check()


def run_policy(binary, policy, kills, seed, plant=False, more=()):
    """Problems found at one policy."""
    campaign = Campaign(binary, policy, seed, plant, more)
    started, done = time.monotonic(), 0
    try:
        while done < kills:
            done += 1
            if not campaign.round():
                break
            if done % 50 == 0:
                print("  %s: %d kills" % (policy, done), flush=True)
        campaign.finish()
    finally:
        keep = bool(campaign.problems) and not plant
        campaign.server.stop(remove=not keep)
    print("%s: %d kills %s in %.0f s, %d steps confirmed, %d values read, %d problems"
          % (" ".join([policy, *more]), done, campaign.kinds, time.monotonic() - started,
             sum(w.acknowledged for w in campaign.workloads), campaign.reader.reads,
             len(campaign.problems)), flush=True)
    for problem in campaign.problems[:10]:
        print("  PROBLEM (%s, seed %d, kill %d): %s" % (policy, seed, done, problem))
    if keep:
        print("  data directory kept: %s" % campaign.server.folder)
    return campaign.problems


def self_test(seed):
    if run_policy(REDIS_SERVER, "always", 10, seed):
        print("SELF-TEST FAILED: redis-server with appendfsync always loses data?")
        return 1
    print("now with acknowledged bytes cut off after each kill; a problem must be found:")
    if not run_policy(REDIS_SERVER, "always", 5, seed, plant=True):
        print("SELF-TEST FAILED: lost acknowledged bytes went unnoticed")
        return 1
    print("self-test passed")
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    add_server_argument(parser)
    parser.add_argument("--kills", type=int, default=20, help="per policy")
    parser.add_argument("--policies", nargs="*", default=["always", "everysec", "no"])
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--tiered", action="store_true", help="with so little memory that most keys are cold")
    parser.add_argument("--plant", action="store_true", help="cut acknowledged bytes: must fail")
    parser.add_argument("--self-test", action="store_true")
    arguments = parser.parse_args()
    seed = random.SystemRandom().randrange(1 << 32) if arguments.seed is None else arguments.seed
    print("seed %d" % seed)
    if arguments.self_test:
        return self_test(seed)
    binary = server_under_test(arguments)
    problems = []
    for policy in arguments.policies:
        # Snapshots, and rewrites in a store without a tier: half of the kills each.
        halves = [TIERED] if arguments.tiered else [[], dropping(binary)]
        for more in halves:
            problems += run_policy(binary, policy, max(1, arguments.kills // len(halves)), seed,
                                   arguments.plant, more)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
