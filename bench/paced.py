"""Runs paced_load (bench/paced_load.cc) and reads what it prints."""

import os
import subprocess
import sys
from typing import NamedTuple

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests",
                                "compat"))

from server_process import built  # noqa: E402


class Latencies(NamedTuple):
    """Of one stream; times in microseconds, from when a request was due to its reply."""
    requests: int
    per_second: float
    p50: float
    p99: float
    p999: float
    longest: float
    nils: int
    errors: int

    def __str__(self):
        return "p50 %.0f us, p99 %.0f us, p99.9 %.1f ms, longest %.1f ms (%.0f/s%s)" % (
            self.p50, self.p99, self.p999 / 1e3, self.longest / 1e3, self.per_second,
            ", %d errors" % self.errors if self.errors else "")


class PacedLoad:
    """Asks until it is told to stop, or for a time. `streams`: as paced_load wants them."""

    def __init__(self, port, streams, seconds=0):
        binary = built("bench", "paced_load")
        if not binary:
            sys.exit("paced_load is not built: tools/build bench")
        self.process = subprocess.Popen([binary, str(port), str(seconds)] + list(streams),
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def stop(self):
        """The latencies by the streams' names."""
        output, _ = self.process.communicate()
        if self.process.returncode:
            sys.exit("paced_load failed")
        found = {}
        for line in output.splitlines():
            name, *fields = line.split(",")
            found[name] = Latencies(*[float(field) for field in fields])
        return found


def paced(port, seconds, *streams):
    return PacedLoad(port, streams, seconds).stop()
