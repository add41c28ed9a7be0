#!/usr/bin/env python3
"""Random commands to redis-server and to the server under test; replies compared byte for byte.

What may differ is the closed list in allowed_differences.py. A run is cut into sections that start
from an empty server; the seed and the section repeat one exactly. A mismatch prints the seed, the
last commands, and a minimal replay found by leaving commands out.

  differential_test.py                      about 60,000 commands, then argument abuse (CI)
  differential_test.py --commands 500000    the campaign
  differential_test.py --abuse              every command x every position x every hostile value
  differential_test.py --self-test          redis against redis, then against a lying proxy
"""

import argparse
import hashlib
import os
import random
import shlex
import sys
import time

import argument_abuse
from altering_proxy import ALTERATIONS, AlteringProxy
from comparison import Comparison, minimise, signature
from server_grammar import FAMILIES, Generator
from server_process import (REDIS_SERVER, ServerProcess, add_server_argument, is_redis,
                            memory_only, server_under_test)
from scenarios import section_steps

# The policy is Redis's default, and not ours.
FLAGS = ["--enable-debug-command", "yes", "--slowlog-log-slower-than", "-1",
         "--latency-monitor-threshold", "0", "--maxmemory-policy", "noeviction"]


def section_rng(seed, section):
    digest = hashlib.sha256(b"%d/%d" % (seed, section)).digest()
    return random.Random(int.from_bytes(digest[:8], "big"))


def random_section(seed, section, arguments):
    rng = section_rng(seed, section)
    generator = Generator(rng, arguments.families, [name.upper().encode() for name in arguments.skip])
    generator.v.long_share = 1 if arguments.spill_percent else 0
    return section_steps(generator, rng.choice([60, 150, 300, 600]))


class Report:
    """Collects distinct mismatches and prints each with its minimal replay."""

    def __init__(self, comparison, arguments):
        self.comparison = comparison
        self.seed = arguments.seed
        self.limit = arguments.max_failures
        self.minimise_s = arguments.minimise_s
        self.known = {}
        self.consequences = 0

    def full(self):
        return len(self.known) >= self.limit

    def take(self, mismatch, section, steps, first_in_section):
        key = signature(mismatch)
        if key in self.known:
            self.known[key] += 1
            return
        shortest = minimise(self.comparison, steps, mismatch, self.known, self.minimise_s)
        if shortest is None and not first_in_section:
            self.consequences += 1  # follows from an earlier mismatch of the section
            return
        self.known[key] = 1
        print("MISMATCH %d  (--seed %d --section %d)" % (len(self.known), self.seed, section))
        if shortest is None:
            print("  does not repeat from an empty server; the last commands were")
            shortest = (steps[max(0, mismatch.step - 8):mismatch.step + 1], mismatch)
        if len(shortest[0]) > 40:
            print("    (%d earlier steps)" % (len(shortest[0]) - 40))
        for step in shortest[0][-40:]:
            print("    %s" % step)
        print(shortest[1].text(), flush=True)


def run_random(comparison, arguments, report):
    """Sections until enough commands were sent. Returns their number."""
    section = arguments.section or 0
    last_note = time.monotonic()
    while comparison.commands < arguments.commands and not report.full():
        steps = random_section(arguments.seed, section, arguments)
        found = comparison.run_section(steps)
        for position, mismatch in enumerate(found):
            report.take(mismatch, section, steps, position == 0)
        if time.monotonic() - last_note > 30:
            last_note = time.monotonic()
            print("  %d commands, %d distinct mismatches" % (comparison.commands,
                                                             len(report.known)), flush=True)
        if arguments.section is not None:
            break
        section += 1


def run_abuse(comparison, arguments, report):
    for section, steps in enumerate(argument_abuse.sections()):
        for position, mismatch in enumerate(comparison.run_section(steps)):
            report.take(mismatch, section, steps, position == 0)
        if report.full():
            break


def whole_run(arguments):
    """A plain run, not the repetition of a section or a search in some families."""
    return arguments.section is None and not arguments.families and not arguments.self_test


def compare_servers(arguments, subject_path, alteration=None):
    """One whole run. Returns (commands, distinct mismatches, alterations made)."""
    flags = memory_only(None, FLAGS)
    subject_flags = flags + arguments.flag
    with ServerProcess(REDIS_SERVER, flags) as reference, \
            ServerProcess(subject_path, subject_flags) as subject:
        proxy = AlteringProxy(subject.port, alteration) if alteration else None
        comparison = Comparison(reference, subject, proxy.port if proxy else None,
                                [name.upper() for name in arguments.skip],
                                arguments.spill_percent)
        report = Report(comparison, arguments)
        started = time.monotonic()
        if not arguments.abuse:
            run_random(comparison, arguments, report)
        if arguments.abuse or whole_run(arguments):
            run_abuse(comparison, arguments, report)
        seconds = time.monotonic() - started
        comparison.close()
        if proxy:
            proxy.close()
        print("%d commands in %.0f s (%s), seed %d: %d distinct mismatches (%d in all), "
              "%d replies equal, %d allowed to differ, %d server deaths"
              % (comparison.commands, seconds, os.path.basename(subject_path), arguments.seed,
                 len(report.known), sum(report.known.values()), comparison.equal,
                 comparison.allowed, comparison.deaths), flush=True)
        if arguments.spill_percent:
            print("everything was spilled %d times, long values were taken along unread %d times"
                  % (comparison.spills, comparison.references))
        return comparison, report, proxy.altered if proxy else 0


def self_test(arguments):
    """The harness must find nothing between two equal servers and each planted lie."""
    arguments.commands = min(arguments.commands, 12000)
    comparison, report, _ = compare_servers(arguments, REDIS_SERVER)
    failures = [] if not report.known else ["redis against redis differs"]
    if comparison.commands < arguments.commands:
        failures.append("too few commands")
    arguments.max_failures = 1
    arguments.minimise_s = 2
    for alteration in ALTERATIONS:
        _, report, altered = compare_servers(arguments, REDIS_SERVER, alteration)
        if not report.known:
            failures.append("%s: %d alterations were not noticed" % (alteration, altered))
    for failure in failures:
        print("SELF-TEST FAILED: %s" % failure)
    if not failures:
        print("self-test passed: 0 differences redis/redis, %d kinds of lies found"
              % len(ALTERATIONS))
    return 1 if failures else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    add_server_argument(parser)
    parser.add_argument("--commands", type=int, default=60000)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--section", type=int, default=None, help="run only this section")
    parser.add_argument("--families", nargs="*", choices=sorted(FAMILIES), default=None)
    parser.add_argument("--skip", nargs="*", default=[], help="commands to leave out")
    parser.add_argument("--max-failures", type=int, default=25)
    parser.add_argument("--minimise-s", type=float, default=15,
                        help="seconds spent on shortening one mismatch")
    parser.add_argument("--server-flags", type=shlex.split, default=[], dest="flag",
                        help="extra flags of the server under test, as one string")
    parser.add_argument("--spill-percent", type=int, default=0, metavar="N",
                        help="before N percent of the steps every key moves to the cold tier")
    parser.add_argument("--abuse", action="store_true")
    parser.add_argument("--self-test", action="store_true")
    arguments = parser.parse_args()
    if arguments.seed is None:
        arguments.seed = random.SystemRandom().randrange(1 << 32)
    print("seed %d" % arguments.seed)
    if arguments.self_test:
        return self_test(arguments)
    path = server_under_test(arguments)
    comparison, report, _ = compare_servers(arguments, path)
    if is_redis(path):
        print("note: redis-server stands in for the server under test")
    if arguments.spill_percent and not comparison.spills:
        sys.exit("nothing was ever spilled")
    if arguments.spill_percent >= 20 and arguments.commands >= 20000 and whole_run(arguments) \
            and not arguments.abuse and not comparison.references:
        sys.exit("no long cold value was ever renamed, copied, moved or given another expiry")
    return 1 if report.known or comparison.deaths else 0


if __name__ == "__main__":
    sys.exit(main())
