#!/usr/bin/env python3
"""No mutable globals: several stores live in one process, and main() wires them explicitly.

Usage: globals_test.py FOLDER...      Reads the symbol tables of the object files under each FOLDER:
whatever lies in a writable section (function-local statics and thread-locals too) is a violation,
unless ALLOWED names it with its reason.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

WRITABLE = re.compile(r"\s\.(data|bss|tbss|tdata)(\.(?!rel\.ro)\S*)?\s")
# Guards of local statics, the reference to the exception handler, what the libraries keep.
NOT_OURS = re.compile(r"guard variable for |DW\.ref\.|std::|__gnu_cxx::|asio::")

# Demangled name (regular expression) -> why it may be there.
ALLOWED: dict[str, str] = {
    # Only constants may be called so (.clang-tidy); one that needs code to initialize, or that is
    # per thread, lies in a writable section all the same.
    r"(.*::)?k[A-Z]\w*": "constants",
}


def writable_symbols(path: Path) -> list[str]:
    listed = subprocess.run(
        ["objdump", "--syms", "--demangle", str(path)], capture_output=True, text=True, check=True
    ).stdout
    names = []
    for line in listed.splitlines():
        match = WRITABLE.search(line)
        flags = line[17:24]
        if not match or "d" in flags:  # not an object, or the section itself
            continue
        name = line[match.end() :].split(maxsplit=1)[1].removeprefix(".hidden ").strip()
        if not NOT_OURS.match(name):
            names.append(name)
    return names


def violations(folders: list[Path]) -> list[str]:
    objects = sorted(path for folder in folders for path in folder.rglob("*.o"))
    if not objects:
        return [f"no object files under {', '.join(map(str, folders))}: build first"]
    found = []
    for path in objects:
        for name in writable_symbols(path):
            if not any(re.fullmatch(allowed, name) for allowed in ALLOWED):
                found.append(f"{path.name}: {name} is mutable and outlives every store")
    print(f"{len(objects)} object files read")
    return found


PLANTED = """
#include <string>
int counter = 3;
static int zero;
thread_local int per_thread;
const int kLimit = 5;
const std::string kName = "made at start";
constexpr const char* kNames[] = {"a", "b"};
struct Shape { virtual ~Shape(); virtual int Sides() const; };
Shape::~Shape() {}
int Shape::Sides() const { return kLimit; }
int Next() { static int local = 1; return ++local + ++zero + ++per_thread + kNames[counter][0]; }
"""


def finds_planted_globals() -> bool:
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "planted.cc"
        source.write_text(PLANTED)
        subprocess.run(
            ["g++", "-std=gnu++23", "-fPIC", "-c", source, "-o", source.with_suffix(".o")],
            check=True,
        )
        names = " ".join(violations([Path(folder)]))
        wanted = ("counter", "zero", "per_thread", "Next()::local")
        constants = ("kLimit", "kName", "kNames", "Shape")
        return all(n in names for n in wanted) and not any(n in names for n in constants)


def main() -> int:
    if len(sys.argv) < 2:
        print(__doc__)
        return 2
    if not finds_planted_globals():
        print("the check did not tell planted mutable globals from constants")
        return 1
    found = violations([Path(argument) for argument in sys.argv[1:]])
    for line in found:
        print(line)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
