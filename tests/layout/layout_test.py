#!/usr/bin/env python3
"""Checks the repository's sources against the rules of ARCHITECTURE.md; prints each violation.

Usage: layout_test.py [ROOT]      Exit code 1 when there is a violation.
"""

import sys
from pathlib import Path

import checks
import layers
from source_tree import Source, read_sources


def percentile(values: list[int], part: float) -> int:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))] if ordered else 0


def report(sources: list[Source]):
    files = [source.lines for source in sources]
    functions = []
    for source in sources:
        try:
            functions += [function.lines for function in source.functions()]
        except ValueError:
            continue  # named as a violation by check_functions
    print(
        f"{len(files)} files: p95 {percentile(files, 0.95)} lines "
        f"(goal {layers.FILE_LINES_GOAL_P95}), longest {max(files, default=0)}; "
        f"{len(functions)} functions: p95 "
        f"{percentile(functions, 0.95)} lines, longest {max(functions, default=0)}"
    )


def main() -> int:
    root = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).resolve().parents[2])
    sources = read_sources(root)
    if not sources:
        print(f"no C++ sources under {root}")
        return 1
    violations = [line for check in checks.ALL for line in check(sources)]
    violations += checks.check_documented((root / "ARCHITECTURE.md").read_text(encoding="utf-8"))
    report(sources)
    for line in violations:
        print(line)
    print(f"{len(violations)} violations")
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
