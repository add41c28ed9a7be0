"""The checks of the layout test: each takes the sources and yields "file:line: what is wrong"."""

import re
from collections import defaultdict
from pathlib import PurePosixPath

import layers
from source_tree import Source

BY_NAME = {layer.name: layer for layer in layers.LAYERS}
TEST_FOLDERS = layers.CHECKING

# The standard library's headers (C++23 and the C ones it takes over).
STANDARD = frozenset(
    """algorithm any array atomic barrier bit bitset cassert cctype cerrno cfenv cfloat charconv
    chrono cinttypes climits clocale cmath codecvt compare complex concepts condition_variable
    coroutine csetjmp csignal cstdarg cstddef cstdint cstdio cstdlib cstring ctime cuchar cwchar
    cwctype deque exception execution expected filesystem format forward_list fstream functional
    future initializer_list iomanip ios iosfwd iostream istream iterator latch limits list locale
    map memory memory_resource mutex new numbers numeric optional ostream print queue random
    ranges ratio regex scoped_allocator semaphore set shared_mutex source_location span spanstream
    sstream stack stacktrace stdexcept stop_token streambuf string string_view strstream
    syncstream system_error thread tuple type_traits typeindex typeinfo unordered_map
    unordered_set utility valarray variant vector version assert.h ctype.h errno.h float.h
    inttypes.h limits.h locale.h math.h setjmp.h stdarg.h stddef.h stdint.h stdio.h stdlib.h
    string.h time.h uchar.h wchar.h""".split()
)


def layer_of(path: str) -> str | None:
    """The layer a file (or an include) belongs to: the deepest folder that has a row."""
    if path.startswith(layers.PUBLIC_ROOT + "/") or path.startswith(layers.PUBLIC + "/"):
        return layers.PUBLIC
    folder = str(PurePosixPath(path).parent)
    if folder in BY_NAME:
        return folder
    top = path.split("/")[0]
    # Tools, tests and benchmarks may have folders of their own; a layer of the library may not.
    return top if top in (*TEST_FOLDERS, "tools") else None


def repository_path(include: str) -> str:
    if include.startswith(layers.PUBLIC + "/"):
        return f"{layers.PUBLIC_ROOT}/{include.removeprefix(layers.PUBLIC + '/')}"
    return include


def names_layer(entries: tuple[str, ...], layer: str) -> bool:
    """Whether the entries of a row ("aof", "engine/*", "*") name a layer."""
    below = tuple(entry.removesuffix("*") for entry in entries if entry.endswith("*"))
    return layer in entries or f"{layer}/".startswith(below)


def allowed(source_layer: str, include: str) -> bool:
    row = BY_NAME[source_layer]
    target = layer_of(include)
    if row.anything or target == source_layer or names_layer(row.may_include, target):
        return True
    parts = [entry for entry in row.may_include if entry not in BY_NAME and not entry.endswith("*")]
    return any(include.startswith(part) for part in parts)


def check_layers(sources: list[Source]):
    """Every include edge is in the table, and every quoted include names a file from the root."""
    known = {source.path for source in sources}
    for source in sources:
        layer = layer_of(source.path)
        if layer is None:
            yield f"{source.path}:1: lies in a folder that has no row in the layer table"
            continue
        for include in source.includes():
            if include.angled:
                continue
            where = f"{source.path}:{include.line}"
            if repository_path(include.path) not in known:
                yield f'{where}: "{include.path}" is no file of this repository'
            elif layer_of(include.path) is not None and not allowed(layer, include.path):
                yield f'{where}: layer {layer} may not include "{include.path}"'


def check_folder_pairs(sources: list[Source]):
    """No two layers include each other."""
    edges = defaultdict(list)
    for source in sources:
        layer = layer_of(source.path)
        for include in source.includes():
            target = None if include.angled else layer_of(include.path)
            if target is not None and target != layer:
                edges[layer, target].append(f"{source.path}:{include.line}")
    for (one, other), places in sorted(edges.items(), key=str):
        if str(one) < str(other) and (other, one) in edges:
            yield f"{places[0]}: {one} and {other} include each other ({edges[other, one][0]})"


def check_third_party(sources: list[Source]):
    """Every library is used by its folders only, and no library comes in that the table lacks."""
    for source in sources:
        layer = layer_of(source.path)
        for include in source.includes():
            if not include.angled or include.path in STANDARD:
                continue
            where = f"{source.path}:{include.line}"
            row = next(
                (r for r in layers.THIRD_PARTY if re.fullmatch(r.headers, include.path)), None
            )
            if row is None:
                yield f"{where}: <{include.path}> belongs to no library of the table"
            elif not names_layer(row.users, layer) and layer not in TEST_FOLDERS:
                users = ", ".join(row.users)
                yield f"{where}: {layer} may not use {row.name}, which is for {users}"
            elif row.sources_only and source.is_header and layer not in TEST_FOLDERS:
                yield f"{where}: {row.name} may be included in .cc files only"


def check_disk_calls(sources: list[Source]):
    """Calls that change files stand behind the FileSystem interface."""
    call = re.compile(
        r"(?<![\w.>])(?:::|std::|std::filesystem::)?\b(" + "|".join(layers.DISK_CALLS) + r")\s*\("
    )
    for source in sources:
        if layer_of(source.path) in layers.DISK_CALL_USERS:
            continue
        if source.path in layers.DISK_CALL_FILES:
            continue
        for number, line in enumerate(source.code.splitlines(), 1):
            match = call.search(line)
            if match:
                yield f"{source.path}:{number}: {match.group(1)}() belongs in aof/"


def check_file_sizes(sources: list[Source]):
    for source in sources:
        in_tests = source.path.split("/")[0] in TEST_FOLDERS
        limit = layers.TEST_FILE_LINES_MAX if in_tests else layers.FILE_LINES_MAX
        if source.lines > limit:
            yield f"{source.path}:{limit}: the file has {source.lines} lines, the limit is {limit}"


def check_functions(sources: list[Source]):
    for source in sources:
        try:
            functions = source.functions()
        except ValueError as problem:
            yield f"{source.path}:1: {problem}"
            continue
        for function in functions:
            if function.lines > layers.FUNCTION_LINES_MAX:
                yield (
                    f"{source.path}:{function.first_line}: {function.name} has {function.lines} "
                    f"lines, the limit is {layers.FUNCTION_LINES_MAX}"
                )


def check_headers(sources: list[Source]):
    for source in sources:
        if not source.is_header:
            continue
        if not source.text.startswith(("//", "/*")):
            yield f"{source.path}:1: a header begins with a comment that says what it is"
        if not re.search(r"^#pragma once$", source.text, re.MULTILINE):
            yield f"{source.path}:1: #pragma once is missing"
        for match in re.finditer(r"\busing\s+namespace\b", source.code):
            yield f"{place(source, match)}: using namespace in a header"


def check_macros(sources: list[Source]):
    for source in sources:
        for match in re.finditer(r"^[ \t]*#[ \t]*define[ \t]+(\w+)", source.text, re.MULTILINE):
            if not match.group(1).startswith("HF_"):
                yield (
                    f"{place(source, match)}: macro {match.group(1)}: "
                    "only HF_ macros, everything else is constexpr or a template"
                )


def check_marks(sources: list[Source]):
    """Unfinished work is done or filed, not marked; tests are not switched off."""
    mark = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b|\bDISABLED_|\bGTEST_SKIP\b")
    for source in sources:
        for match in mark.finditer(source.text):
            yield f"{place(source, match)}: {match.group(0)}"


def check_names(sources: list[Source]):
    """No file, folder or type is called after nothing in particular."""
    declared = re.compile(
        r"\b(?:class|struct|concept|namespace|union|using)\s+(?:alignas\s*\([^)]*\)\s*)?(?:HF_\w+\s+)?(\w+)"
    )
    for source in sources:
        parts = PurePosixPath(source.path).with_suffix("").parts
        for part in parts:
            words = part.split("_")
            if any(word in layers.EMPTY_WORDS for word in words) or words[-1] in layers.EMPTY_TAILS:
                yield f"{source.path}:1: '{part}' says nothing about what is in it"
        for match in declared.finditer(source.code):
            words = [
                word.lower()
                for word in re.findall(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])", match.group(1))
            ]
            if words and (
                any(w in layers.EMPTY_WORDS for w in words) or words[-1] in layers.EMPTY_TAILS
            ):
                yield f"{place(source, match)}: '{match.group(1)}' names nothing"


def check_assertions(sources: list[Source]):
    for folder in layers.ASSERTED_FOLDERS:
        inside = [source for source in sources if layer_of(source.path) == folder]
        lines = sum(1 for source in inside for line in source.code.splitlines() if line.strip())
        count = sum(len(re.findall(r"\bHF_D?CHECK\s*\(", source.code)) for source in inside)
        if lines < layers.ASSERTED_LINES_FROM:
            continue
        if count * 1000 < lines * layers.ASSERTIONS_PER_1000_LINES_MIN:
            yield (
                f"{folder}: {count} assertions in {lines} lines of code; at least "
                f"{layers.ASSERTIONS_PER_1000_LINES_MIN} per 1000 lines are wanted"
            )


def documented_rows() -> list[str]:
    """The rows of the table as ARCHITECTURE.md shows them."""
    rows = []
    for layer in layers.LAYERS:
        text = "anything" if layer.anything else ", ".join(layer.may_include) or "std only"
        rows.append(f"| {layer.name} | {text} |")
    for library in layers.THIRD_PARTY:
        users = "any layer" if library.users == (layers.ANY,) else ", ".join(library.users)
        rows.append(f"| {library.name} | {users}{', in .cc files' * library.sources_only} |")
    return rows


def check_documented(architecture: str):
    for row in documented_rows():
        if row not in architecture:
            yield f"ARCHITECTURE.md:1: the layer table lacks this row: {row}"


def place(source: Source, match: re.Match) -> str:
    return f"{source.path}:{source.text.count(chr(10), 0, match.start()) + 1}"


ALL = (
    check_layers,
    check_folder_pairs,
    check_third_party,
    check_disk_calls,
    check_file_sizes,
    check_functions,
    check_headers,
    check_macros,
    check_marks,
    check_names,
    check_assertions,
)
