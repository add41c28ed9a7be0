#!/usr/bin/env python3
"""Compiles each header alone, so that a file includes what it uses and the order never matters.

Usage: headers_test.py [CACHE_FOLDER]     A header that compiled is remembered in CACHE_FOLDER by
the hash of itself, of every header of this repository that it reaches, and of the compiler.
"""

import hashlib
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from checks import layer_of, repository_path
from source_tree import Source, read_sources

FLAGS = ["-std=gnu++23", "-fsyntax-only", "-x", "c++"]
DEFINES = ["-DASIO_STANDALONE", "-DASIO_NO_DEPRECATED"]


def reached(header: Source, by_path: dict[str, Source]) -> list[Source]:
    found, open_paths = {}, [header.path]
    while open_paths:
        path = open_paths.pop()
        if path in found or path not in by_path:
            continue
        found[path] = by_path[path]
        open_paths += [repository_path(i.path) for i in by_path[path].includes() if not i.angled]
    return [found[path] for path in sorted(found)]


def cache_key(header: Source, by_path: dict[str, Source], compiler: str) -> str:
    digest = hashlib.sha256(f"{compiler} {FLAGS} {DEFINES} {header.path}".encode())
    for source in reached(header, by_path):
        digest.update(source.path.encode() + b"\0" + source.text.encode() + b"\0")
    return digest.hexdigest()


def compile_alone(root: Path, path: str) -> str:
    """Empty when the header compiles, else what the compiler says."""
    # Through a file that includes it: as the main file its #pragma once would be a warning.
    with tempfile.NamedTemporaryFile("w", suffix=".cc") as stub:
        stub.write(f'#include "{path}"\n')
        stub.flush()
        command = [
            os.environ.get("CXX", "g++"),
            *FLAGS,
            *DEFINES,
            f"-I{root}",
            f"-I{root}/engine/include",
        ]
        done = subprocess.run([*command, stub.name], capture_output=True, text=True, check=False)
        return "" if done.returncode == 0 else done.stderr or "the compiler failed"


def broken_headers(root: Path, cache: Path | None) -> dict[str, str]:
    sources = read_sources(root)
    by_path = {source.path: source for source in sources}
    headers = [source for source in sources if source.is_header and layer_of(source.path)]
    version = [os.environ.get("CXX", "g++"), "--version"]
    compiler = subprocess.run(version, capture_output=True, text=True, check=True).stdout

    def check(header: Source) -> tuple[str, str]:
        mark = cache / cache_key(header, by_path, compiler) if cache else None
        if mark and mark.exists():
            return header.path, ""
        problem = compile_alone(root, header.path)
        if mark and not problem:
            mark.touch()
        return header.path, problem

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = dict(pool.map(check, headers))
    print(f"{len(results)} headers compiled alone")
    return {path: problem for path, problem in results.items() if problem}


def finds_a_planted_header() -> bool:
    """A header that uses std::string without including it must be found, one that does must not."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "aof").mkdir()
        (root / "aof/lean.h").write_text("#pragma once\ninline std::string Name();\n")
        (root / "aof/whole.h").write_text("#pragma once\n#include <string>\nstd::string Name();\n")
        return list(broken_headers(root, None)) == ["aof/lean.h"]


def main() -> int:
    root = Path(__file__).resolve().parents[2]
    cache = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    if cache:
        cache.mkdir(parents=True, exist_ok=True)
    if not finds_a_planted_header():
        print("the check did not find a planted header that does not compile alone")
        return 1
    broken = broken_headers(root, cache)
    for path, problem in broken.items():
        print(f"{path}:1: does not compile alone\n{problem}")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
