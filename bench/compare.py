#!/usr/bin/env python3
"""Holdfast and redis-server side by side: one Markdown table per part, ratios first.

Both servers stand ready, one at a time is under load, rounds are interleaved and medians taken.
CPU is the server's own (user and system time of all its threads), read from /proc.

  compare.py                                 all parts, 3 rounds, some minutes
  compare.py --parts speed --policies off --pipelines 1 16 --rounds 5
  compare.py --parts replay --replay-sets 10000000
  compare.py --short                         proves that it runs
  compare.py --server /usr/bin/redis-server  redis-server against itself: the noise
  compare.py --parts scaling                 1, 2, 4, 8 I/O threads pinned (16 cores)
"""

import argparse
import csv
import io
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests",
                                "compat"))

from server_process import (REDIS_SERVER, ServerProcess, add_server_argument,  # noqa: E402
                            dropping, is_redis, logged, memory_only, server_under_test)

KEYS = 1000000
REQUESTS = {("off", 1): 300000, ("off", 16): 2000000, ("off", 100): 4000000,
            ("everysec", 1): 300000, ("everysec", 16): 2000000, ("everysec", 100): 3000000,
            ("always", 1): 60000, ("always", 16): 400000, ("always", 100): 1000000}


def table(title, header, rows):
    print("\n### %s\n" % title)
    print("| " + " | ".join(header) + " |")
    print("|" + "---|" * len(header))
    for row in rows:
        print("| " + " | ".join(str(cell) for cell in row) + " |")
    sys.stdout.flush()


def ratio(first, second):
    return "%.2f" % (first / second) if second else "-"


def flags_for(binary, policy, io_threads):
    threads = ["--io-threads", io_threads]
    if policy == "off":
        return memory_only(binary, threads)
    return logged(policy, threads + ["--auto-aof-rewrite-percentage", "0"])


def benchmark(server, test, requests, pipeline, clients=50, threads=1, keys=KEYS, wrapper=()):
    """(ops/s, p50 ms, p99 ms) as redis-benchmark reports them."""
    command = list(wrapper) + ["redis-benchmark", "-p", server.port, "-t", test, "-n", requests,
                               "-c", clients, "-P", pipeline, "-r", keys, "-d", 32, "--csv"]
    if threads > 1:
        command += ["--threads", threads]
    run = subprocess.run([str(word) for word in command], capture_output=True, text=True,
                         check=True, timeout=600)
    rows = list(csv.DictReader(io.StringIO(run.stdout)))
    return float(rows[0]["rps"]), float(rows[0]["p50_latency_ms"]), float(rows[0]["p99_latency_ms"])


def measure(server, test, requests, pipeline, **more):
    before, started = server.cpu_seconds(), time.monotonic()
    rate, p50, p99 = benchmark(server, test, requests, pipeline, **more)
    wall = time.monotonic() - started
    cpu = (server.cpu_seconds() - before) / requests * 1e6
    return {"rate": rate, "p50": p50, "p99": p99, "cpu": cpu, "wall": wall}


def median_of(samples, name):
    return statistics.median(sample[name] for sample in samples)


class Pair:
    """Both servers with the same settings, and the order in which a round visits them."""

    def __init__(self, arguments, policy, io_threads=1):
        self.servers = {}
        for side, binary in (("ours", arguments.subject), ("redis", arguments.reference)):
            self.servers[side] = ServerProcess(binary, flags_for(binary, policy, io_threads))

    def __enter__(self):
        return self.servers

    def __exit__(self, *_):
        for server in self.servers.values():
            server.stop()


def alternate(number):
    return ("ours", "redis") if number % 2 == 0 else ("redis", "ours")


def speed(arguments):
    for policy in arguments.policies:
        rows = []
        for pipeline in arguments.pipelines:
            requests = max(1000, REQUESTS.get((policy, pipeline), 500000) // arguments.divide)
            with Pair(arguments, policy) as servers:
                fill = max(10000, 2 * KEYS // arguments.divide)
                for server in servers.values():
                    benchmark(server, "set", fill, 100)
                samples = {}
                for number in range(arguments.rounds):
                    for test in ("set", "get"):
                        for side in alternate(number):
                            samples.setdefault((side, test), []).append(
                                measure(servers[side], test, requests, pipeline))
            rows += [speed_row(policy, pipeline, test, samples) for test in ("set", "get")]
        table("Speed, log %s, %d rounds: Redis's CPU by ours, our ops/s by Redis's"
              % (policy, arguments.rounds),
              ["-P", "", "CPU ratio", "ops/s ratio", "CPU s/Mop ours", "Redis", "ops/s ours",
               "Redis", "p50 ms ours", "Redis", "p99 ms ours", "Redis", "CPU ratios by round"], rows)


def speed_row(policy, pipeline, test, samples):
    ours, redis = samples["ours", test], samples["redis", test]
    cpu = [median_of(side, "cpu") for side in (ours, redis)]
    rate = [median_of(side, "rate") for side in (ours, redis)]
    spread = " ".join(ratio(r["cpu"], o["cpu"]) for o, r in zip(ours, redis))
    return [pipeline, test.upper(), "**%s**" % ratio(cpu[1], cpu[0]), "**%s**" % ratio(*rate),
            "%.3f" % cpu[0], "%.3f" % cpu[1], "%.0f k" % (rate[0] / 1e3),
            "%.0f k" % (rate[1] / 1e3)] + [
                "%.3f" % median_of(side, name) for name in ("p50", "p99") for side in (ours, redis)
            ] + [spread]


def fill_in_order(server, count, arguments=b""):
    """`count` SETs of 16-byte keys and 32-byte values, in pipelines; `arguments` as raw bulks."""
    extra = arguments.split()
    head = b"*%d\r\n$3\r\nSET\r\n$16\r\nkey:" % (3 + len(extra))
    tail = b"\r\n$32\r\n" + b"v" * 20 + b"%012d\r\n" + b"".join(
        b"$%d\r\n%s\r\n" % (len(word), word) for word in extra)
    one = head + b"%012d" + tail
    batch = 1000
    many = one * batch
    with server.connect(timeout_s=120) as client:
        for start in range(0, count, batch):
            numbers = [n for i in range(start, start + batch) for n in (i, i)]
            client.send(many % tuple(numbers))
            for _ in range(batch):
                if client.read_reply() != b"+OK\r\n":
                    raise AssertionError("SET refused")


def memory(arguments):
    count = max(100000, KEYS // arguments.divide)
    rows = []
    for name, extra in (("no TTL", b""), ("with TTL", b"EX 1000000")):
        found = {}
        for side, binary in (("ours", arguments.subject), ("redis", arguments.reference)):
            with ServerProcess(binary, flags_for(binary, "off", 1)) as server:
                benchmark(server, "ping_mbulk", 10000, 10)
                before = server.rss_bytes()
                fill_in_order(server, count, extra)
                time.sleep(1)
                found[side] = (server.rss_bytes() - before) / count
        rows.append([name, "**%.1f**" % found["ours"], "%.1f" % found["redis"],
                     ratio(found["redis"], found["ours"])])
    table("RSS growth in bytes per key: %d keys of 16 bytes, values of 32" % count,
          ["", "ours", "Redis", "Redis by ours"], rows)


def replay(arguments):
    count = max(50000, arguments.replay_sets // arguments.divide)
    servers, waits = {}, {"ours": [], "redis": []}
    try:
        for side, binary in (("ours", arguments.subject), ("redis", arguments.reference)):
            servers[side] = ServerProcess(binary, flags_for(binary, "everysec", 1),
                                          ready_timeout_s=600)
            fill_in_order(servers[side], count)
            servers[side].kill()  # a clean stop of ours leaves nothing to replay
        for number in range(arguments.rounds):
            for side in alternate(number):
                started = time.monotonic()
                servers[side].start()
                waits[side].append(time.monotonic() - started)
                with servers[side].connect() as client:
                    size = client.must("DBSIZE")
                if size != count:
                    raise AssertionError("%s replayed %d of %d keys" % (side, size, count))
                servers[side].kill()
    finally:
        for server in servers.values():
            server.stop()
    ours, redis = (statistics.median(waits[side]) for side in ("ours", "redis"))
    table("Replay of a log of %d SETs, from start to the first PONG, %d rounds"
          % (count, arguments.rounds), ["rate ratio", "ours s", "Redis s", "ours SETs/s", "Redis"],
          [["**%s**" % ratio(redis, ours), "%.2f" % ours, "%.2f" % redis,
            "%.2f M" % (count / ours / 1e6), "%.2f M" % (count / redis / 1e6)]])


def rdb(arguments):
    """One dump.rdb of redis-server's, loaded by both without a log, and imported by ours with one."""
    count = max(50000, KEYS // arguments.divide)
    folder = tempfile.mkdtemp(prefix="holdfast-rdb-")
    kinds = {"ours": (arguments.subject, lambda path: memory_only(path, dropping(path))),
             "redis": (arguments.reference, memory_only),
             "import": (arguments.subject, lambda _: logged("everysec", [
                 "--import", os.path.join(folder, "dump.rdb")]))}
    found = {kind: [] for kind in kinds}
    try:
        with ServerProcess(arguments.reference, memory_only(arguments.reference),
                           folder=folder) as server:
            fill_in_order(server, count)
            with server.connect(timeout_s=120) as client:
                client.must("SAVE")
        for number in range(arguments.rounds):
            for kind in alternate(number) + ("import",):
                binary, flags = kinds[kind]
                server = ServerProcess(binary, flags(binary), start=False, ready_timeout_s=600,
                                       folder=None if kind == "import" else folder)
                started = time.monotonic()
                server.start()
                wall = time.monotonic() - started
                found[kind].append({"wall": wall, "cpu": server.cpu_seconds(),
                                    "peak": server.peak_rss_bytes() / 1e6,
                                    "rss": server.rss_bytes() / 1e6})
                with server.connect() as client:
                    if client.must("DBSIZE") != count:
                        raise AssertionError("%s does not hold %d keys" % (kind, count))
                server.kill()
                server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    redis = median_of(found["redis"], "wall")
    rows = []
    for kind, name in (("ours", "no log"), ("import", "--import, with a log"),
                       ("redis", "redis-server, no log")):
        wall, cpu, peak, rss = (median_of(found[kind], key)
                                for key in ("wall", "cpu", "peak", "rss"))
        rows.append([name, "**%s**" % ratio(redis, wall), "%.2f" % wall, "%.2f" % cpu,
                     "%.2f M" % (count / wall / 1e6), "%.0f" % peak, "%.0f" % rss])
    table("Load of a dump.rdb of %d keys of 16 bytes, values of 32, from start to the first PONG, "
          "%d rounds" % (count, arguments.rounds),
          ["", "rate ratio", "s", "CPU s", "keys/s", "peak RSS MB", "RSS MB"], rows)


def fsyncs(arguments):
    """Syncs per write at `always`, counted by strace from start to end of the server."""
    rows = []
    for pipeline in arguments.pipelines:
        requests = max(2000, {1: 30000}.get(pipeline, 200000) // arguments.divide)
        cells = []
        for binary in (arguments.subject, arguments.reference):
            report = "/tmp/holdfast-strace-%d" % os.getpid()
            wrapper = ["strace", "-f", "-qq", "--seccomp-bpf", "-c", "-o", report, "-e",
                       "trace=fsync,fdatasync,sync_file_range,msync"]
            server = ServerProcess(binary, flags_for(binary, "always", 1), wrapper=wrapper)
            rate, _, _ = benchmark(server, "set", requests, pipeline)
            server.stop()
            with open(report) as lines:
                text = lines.read()
            os.unlink(report)
            calls = sum(int(line.split()[3]) for line in text.splitlines()
                        if re.search(r"(sync|range)$", line))
            cells += ["%.3f" % (calls / requests), "%d" % calls, "%.0f k" % (rate / 1e3)]
        rows.append([pipeline] + cells)
    table("Syncs per write at `always`, 50 clients (under strace)",
          ["-P", "ours", "calls", "ops/s", "Redis", "calls", "ops/s"], rows)


def scaling(arguments):
    """Several I/O threads on cores of their own, clients on the others."""
    cores = os.cpu_count()
    rows = []
    for threads in (1, 2, 4, 8):
        if threads + 8 > cores and not arguments.short:
            print("scaling: %d threads need %d cores, here are %d" % (threads, threads + 8, cores))
            break
        servers = "0-%d" % (threads - 1) if threads < cores else "0-%d" % (cores - 1)
        clients = "%d-%d" % (threads, min(cores - 1, threads + 7)) if threads < cores else servers
        cells = [threads]
        for pipeline in (1, 16):
            requests = max(10000, {1: 1000000, 16: 8000000}[pipeline] // arguments.divide)
            rates = []
            with ServerProcess(arguments.subject, flags_for(arguments.subject, "off", threads),
                               wrapper=["taskset", "-c", servers]) as server:
                benchmark(server, "set", max(10000, 2 * KEYS // arguments.divide), 100)
                for _ in range(arguments.rounds):
                    for test in ("set", "get"):
                        rates.append((test, benchmark(
                            server, test, requests, pipeline, clients=200, threads=8,
                            wrapper=["taskset", "-c", clients])[0]))
            cells += ["%.0f k" % (statistics.median(rate for name, rate in rates if name == test)
                                  / 1e3) for test in ("set", "get")]
        rows.append(cells)
    table("I/O threads pinned, 200 clients on other cores, log off",
          ["threads", "SET -P 1", "GET -P 1", "SET -P 16", "GET -P 16"], rows)


PARTS = {"speed": speed, "memory": memory, "replay": replay, "rdb": rdb, "fsyncs": fsyncs,
         "scaling": scaling}


def version(path):
    try:
        run = subprocess.run([path, "--version"], capture_output=True, text=True, check=False,
                             timeout=5, cwd=tempfile.gettempdir())
    except subprocess.TimeoutExpired:
        return path
    return (run.stdout or run.stderr).strip().split("\n")[0][:100]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    add_server_argument(parser)
    parser.add_argument("--reference", default=REDIS_SERVER)
    parser.add_argument("--parts", nargs="*", choices=sorted(PARTS), default=None)
    parser.add_argument("--policies", nargs="*", default=["off", "everysec", "always"])
    parser.add_argument("--pipelines", nargs="*", type=int, default=[1, 16, 100])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--replay-sets", type=int, default=1000000)
    parser.add_argument("--short", action="store_true", help="a tenth of everything, one round")
    arguments = parser.parse_args()
    arguments.subject = server_under_test(arguments)
    arguments.divide = 10 if arguments.short else 1
    if arguments.short:
        arguments.rounds = 1
    for tool in ("redis-benchmark", "strace"):
        if not shutil.which(tool):
            sys.exit("%s is not installed: apt-get install redis-tools strace" % tool)
    print("ours: %s\nreference: %s\ncores: %d, load %.1f"
          % (version(arguments.subject), version(arguments.reference), os.cpu_count(),
             os.getloadavg()[0]))
    if is_redis(arguments.subject):
        print("note: redis-server stands in for both; the ratios show the noise")
    parts = arguments.parts or ["speed", "memory", "replay", "rdb", "fsyncs"]
    for part in parts:
        PARTS[part](arguments)
    return 0


if __name__ == "__main__":
    sys.exit(main())
