#!/usr/bin/env python3
"""The tests of the tests: each black-box harness must pass redis-server and report a planted fault."""

import os
import subprocess
import sys
import time

from server_process import REPOSITORY

HARNESSES = ["compat/differential_test.py", "compat/clients_test.py",
             "compat/log_loads_in_redis_test.py", "compat/rdb_import_test.py",
             "compat/loading_test.py", "compat/eviction_test.py",
             "compat/info_names_test.py", "crash/kill9_test.py", "crash/torn_group_test.py",
             "crash/damaged_log_test.py", "crash/hostile_clients_test.py", "crash/many_clients_test.py"]


def main():
    failed = []
    for harness in HARNESSES:
        started = time.monotonic()
        run = subprocess.run([sys.executable, "-B", os.path.join(REPOSITORY, "tests", harness),
                              "--self-test"], capture_output=True, text=True, check=False,
                             timeout=300)
        print("%-36s %s, %.0f s" % (harness, "ok" if run.returncode == 0 else "FAILED",
                                    time.monotonic() - started), flush=True)
        if run.returncode:
            failed.append(harness)
            print((run.stdout + run.stderr)[-1500:])
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
