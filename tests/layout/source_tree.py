"""Reads the repository's C++ sources: includes, text without comments, and where functions lie."""

import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

CXX_SUFFIXES = (".cc", ".h")
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
RAW_STRING = re.compile(r'R"([^()\\\s]{0,16})\(')


@dataclass(frozen=True)
class Include:
    line: int
    path: str
    angled: bool


@dataclass(frozen=True)
class Function:
    name: str
    first_line: int
    last_line: int

    @property
    def lines(self) -> int:
        return self.last_line - self.first_line + 1


@dataclass
class Source:
    """One C++ file. `code` has comments, literals and preprocessor lines blanked, lines kept."""

    path: str
    text: str
    code: str = field(init=False)

    def __post_init__(self):
        self.code = blank_preprocessor(blank_comments_and_literals(self.text))

    @property
    def lines(self) -> int:
        return self.text.count("\n")

    @property
    def is_header(self) -> bool:
        return self.path.endswith(".h")

    def includes(self) -> list[Include]:
        found = []
        for number, line in enumerate(self.text.splitlines(), 1):
            match = INCLUDE.match(line)
            if match:
                found.append(Include(number, match.group(2), match.group(1) == "<"))
        return found

    def functions(self) -> list[Function]:
        return FunctionScanner(self.code).scan()


def tracked_files(root: Path) -> list[str]:
    """Files git tracks or would track; without git (an archive) what lies in the folder."""
    listed = subprocess.run(
        ["git", "-C", str(root), "ls-files", "--cached", "--others", "--exclude-standard"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if listed.returncode == 0:
        names = listed.stdout.splitlines()
    else:
        names = [str(path.relative_to(root)) for path in root.rglob("*")]
        names = [name for name in names if name.split("/")[0] not in ("build", "out", "data")]
    return sorted(name for name in set(names) if (root / name).is_file())


def read_sources(root: Path) -> list[Source]:
    return [
        Source(name, (root / name).read_text(encoding="utf-8"))
        for name in tracked_files(root)
        if name.endswith(CXX_SUFFIXES)
    ]


def blank(text: str) -> str:
    return re.sub(r"[^\n]", " ", text)


def literal_end(text: str, start: int, quote: str) -> int:
    """Index after the closing quote of the literal that opens at `start`."""
    at = start + 1
    while at < len(text) and text[at] != "\n":
        if text[at] == quote:
            return at + 1
        at += 2 if text[at] == "\\" else 1
    return start + 1


def blank_comments_and_literals(text: str) -> str:
    out = []
    at = 0
    while at < len(text):
        end = at + 1
        raw = RAW_STRING.match(text, at)
        if text.startswith("//", at):
            end = text.find("\n", at)
            end = len(text) if end < 0 else end
            out.append(blank(text[at:end]))
        elif text.startswith("/*", at):
            end = text.find("*/", at + 2)
            end = len(text) if end < 0 else end + 2
            out.append(blank(text[at:end]))
        elif raw:
            end = text.find(")" + raw.group(1) + '"', raw.end())
            end = len(text) if end < 0 else end + len(raw.group(1)) + 2
            out.append('""' + blank(text[at + 2 : end]))
        elif text[at] == '"' or (text[at] == "'" and not is_digit_separator(text, at)):
            end = literal_end(text, at, text[at])
            out.append(text[at] + blank(text[at + 1 : end - 1]) + text[max(at + 1, end - 1) : end])
        else:
            out.append(text[at])
        at = end
    return "".join(out)


def is_digit_separator(text: str, at: int) -> bool:
    return at > 0 and re.search(r"\b[0-9][0-9A-Za-z']*$", text[max(0, at - 24) : at]) is not None


def blank_preprocessor(code: str) -> str:
    lines = code.split("\n")
    continued = False
    for number, line in enumerate(lines):
        if continued or line.lstrip().startswith("#"):
            continued = line.rstrip().endswith("\\")
            lines[number] = blank(line)
    return "\n".join(lines)


class FunctionScanner:
    """Finds function bodies by braces: one pass over blanked code with a stack of scopes.

    A brace at namespace or class level opens a body when the text before it has a parameter list
    and is no class, namespace or initializer. Everything inside a body belongs to it, lambdas too.
    """

    def __init__(self, code: str):
        self.code = code
        self.head_start = 0  # where the declaration that is being read begins
        self.scopes = []  # (kind, index of the head)
        self.found = []

    def scan(self) -> list[Function]:
        parens = 0
        for at, char in enumerate(self.code):
            if char in "()":
                parens += 1 if char == "(" else -1
            elif char == "{":
                self.open(at, parens)
                if self.scopes[-1][0] == "open":
                    self.head_start = at + 1
            elif char == "}":
                self.close(at)
            elif char == ";" and parens == 0 and self.outside_bodies():
                self.head_start = at + 1
        if self.scopes or parens != 0:
            raise ValueError("braces do not balance: functions cannot be counted")
        return self.found

    def outside_bodies(self) -> bool:
        return not self.scopes or self.scopes[-1][0] == "open"

    def open(self, at: int, parens: int):
        if not self.outside_bodies() or parens > 0:
            self.scopes.append(("nested", at))
            return
        self.scopes.append((classify(self.code[self.head_start : at]), self.head_start))

    def close(self, at: int):
        if not self.scopes:
            return
        kind, start = self.scopes.pop()
        if kind == "function":
            self.record(start, at)
        if kind in ("function", "open"):
            self.head_start = at + 1

    def record(self, start: int, end: int):
        head = self.code[start : self.code.find("{", start)]
        label = re.match(r"(\s|(public|private|protected)\s*:(?!:))*", head)
        start += label.end()
        self.found.append(
            Function(
                function_name(head[label.end() :]),
                self.code.count("\n", 0, start) + 1,
                self.code.count("\n", 0, end) + 1,
            )
        )


def without_groups(text: str, opening: str, closing: str) -> str:
    """`text` with each outermost group replaced by its two brackets."""
    out = []
    depth = 0
    for char in text:
        if char == closing:
            depth = max(0, depth - 1)
        if depth == 0:
            out.append(char)
        if char == opening:
            depth += 1
    return "".join(out)


def without_template_lists(text: str) -> str:
    while True:
        match = re.search(r"\btemplate\s*<", text)
        if not match:
            return text
        depth, at = 1, match.end()
        while at < len(text) and depth > 0:
            depth += {"<": 1, ">": -1}.get(text[at], 0)
            at += 1
        text = text[: match.start()] + " " + text[at:]


def classify(head: str) -> str:
    """What a brace after `head` opens: "open" (namespace, class), "function" or "nested"."""
    flat = without_groups(without_groups(without_template_lists(head), "(", ")"), "{", "}")
    flat = re.sub(r"\boperator\s*(\(\)|[^\w\s(]+)", "operator_", flat)
    flat = re.sub(r"\b(alignas|decltype|__attribute__)\s*\(\)", " ", flat)
    linkage = re.search(r"\bextern\s*\"[^\"]*\"", flat)
    if re.search(r"\bnamespace\b", flat) or (linkage and "(" not in flat):
        return "open"
    type_word = re.search(r"\b(class|struct|union|enum)\b", flat)
    plain = without_groups(flat.replace("->", "  "), "<", ">")
    if type_word and not re.search(r"\w\s*\(\)", plain):
        return "nested" if type_word.group(1) == "enum" else "open"
    if "=" in plain or "(" not in plain:
        return "nested"
    # A member initializer in braces: Foo() : a_{1}, b_(2) { ... } opens its body further on.
    initializers = re.search(r"\)\s*(noexcept\s*(\(\))?\s*)?:(?!:)", flat)
    if initializers and re.search(r"[\w>]\s*$", flat):
        return "nested"
    return "function"


def function_name(head: str) -> str:
    flat = without_template_lists(head)
    match = re.search(
        r"((?:[\w~]+(?:<[^<>]*>)?::)*(?:operator\s*(?:\(\)|[^\w\s(]+|\w+)|~?\w+))\s*\(", flat
    )
    if not match:
        return "(unnamed)"
    if re.fullmatch(r"[A-Z][A-Z_]+", match.group(1)):  # TEST(Suite, Name)
        return " ".join(flat[match.start() : flat.find(")") + 1].split())
    return match.group(1)
