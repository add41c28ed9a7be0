"""The checks that stand in for byte equality where allowed_differences.py says so.

Each takes (command, reference reply, subject reply) and says whether the difference is the allowed
one. Errors are never excused: an error reply must always be equal.
"""

import re

import dump_payload
from allowed_differences import CLIENT_FIELDS, OUR_NAMES, TOLERANCE_MS, rule_for
from resp import parse
from server_grammar import ALL_NAMES

LISTED = {name.lower() for name in ALL_NAMES}


def same_type(_, reference, subject):
    return reference[:1] == subject[:1] and \
        (reference[:3] in (b"$-1", b"*-1")) == (subject[:3] in (b"$-1", b"*-1"))


def same_set(_, reference, subject):
    return reference[:1] == subject[:1] and sorted(parse(reference)) == sorted(parse(subject))


def same_pairs(args, reference, subject):
    if b"*" in args:  # config_names_test.py compares the whole list
        return reference[:1] == subject[:1]
    first, second = parse(reference), parse(subject)
    if reference[:1] == b"*" and subject[:1] == b"*":
        first, second = (list(zip(flat[::2], flat[1::2])) for flat in (first, second))
    return reference[:1] == subject[:1] and sorted(first) == sorted(second)


def reference_count(_, reference, subject):
    return {reference, subject} <= {b":1\r\n", b":2\r\n", b":2147483647\r\n"}


def scan_page(_, reference, subject):
    values = []
    for raw in (reference, subject):
        value = parse(raw)
        if not (isinstance(value, list) and len(value) == 2 and isinstance(value[1], list)):
            return False
        if not value[0].isdigit() or not all(isinstance(key, bytes) for key in value[1]):
            return False
        values.append(value)
    return reference[:4] == subject[:4]


def listed_commands(_, reference, subject):
    if reference[:1] != subject[:1]:
        return False
    ours = set(parse(subject))
    return set(parse(reference)) & LISTED == ours & LISTED


def command_info(args, reference, subject):
    if len(args) == 2:  # every command: command_table_test.py compares them
        return reference[:1] == subject[:1]
    first, second = parse(reference), parse(subject)
    return reference[:4] == subject[:4] and len(first) == len(second) and all(
        same_command(a, b) for a, b in zip(first, second))


def without_notes(row):
    """A row of COMMAND INFO without the texts of its key specs."""
    if row is None:
        return None
    specs = [spec[2:] if spec[0] == b"notes" else
             [pair for pair in spec if pair[0] != b"notes"] for spec in row[8]]
    return row[:8] + [specs] + [[without_notes(sub) for sub in row[9]]]


def same_command(first, second):
    """Two rows of COMMAND INFO are equal in all but texts and the order and number of
    subcommands."""
    first, second = without_notes(first), without_notes(second)
    if first is None or second is None or first[:9] != second[:9] or len(first) != len(second):
        return first == second
    ours = {row[0]: row for row in second[9]}
    return all(row == ours.get(row[0], row) for row in first[9])


def command_docs(args, reference, subject):
    if len(args) == 2:  # every command: command_table_test.py compares them
        return reference[:1] == subject[:1]
    first, second = parse(reference), parse(subject)
    if reference[:1] == b"*":
        first, second = (list(zip(flat[::2], flat[1::2])) for flat in (first, second))
    return [name for name, _ in first] == [name for name, _ in second]


def _near(reference, subject, tolerance):
    if reference[:1] != b":" or subject[:1] != b":":
        return False
    first, second = parse(reference), parse(subject)
    if first < 0 or second < 0:
        return first == second
    return abs(first - second) <= tolerance


def near_seconds(_, reference, subject):
    return _near(reference, subject, TOLERANCE_MS // 1000)


def near_milliseconds(_, reference, subject):
    return _near(reference, subject, TOLERANCE_MS)


def _client_fields(line):
    fields = dict(field.partition(b"=")[::2] for field in line.split(b" "))
    return [fields.get(name) for name in CLIENT_FIELDS]


def client_lines(_, reference, subject):
    if reference[:1] != subject[:1]:
        return False
    first, second = parse(reference), parse(subject)
    if first is None or second is None:
        return first == second
    first, second = ([_client_fields(line) for line in text.split(b"\n") if line]
                     for text in (first, second))
    return sorted(first, key=repr) == sorted(second, key=repr)


def hello(_, reference, subject):
    if reference[:4] != subject[:4]:
        return False
    free = {b"server", b"version", b"id"}
    first, second = parse(reference), parse(subject)
    if first and not isinstance(first[0], list):
        first = list(zip(first[::2], first[1::2]))
        second = list(zip(second[::2], second[1::2]))
    return [(k, None if k in free else v) for k, v in first] == \
        [(k, None if k in free else v) for k, v in second]


def _keyspace(text):
    return re.findall(rb"(db\d+:keys=\d+,expires=\d+)", text)


def info(args, reference, subject):
    if reference[:1] != subject[:1]:
        return False
    first, second = parse(reference), parse(subject)
    if _keyspace(first) != _keyspace(second):
        return False
    wanted = {arg.lower() for arg in args[1:]}
    if wanted & {b"all", b"everything", b"default"} or not wanted:
        return True  # sections of later families may be absent; info_names_test.py compares them
    return re.findall(rb"^# .*$", first, re.M) == re.findall(rb"^# .*$", second, re.M)


def help_text(_, reference, subject):
    first, second = parse(reference), parse(subject)
    return reference[:1] == subject[:1] == b"*" and first[0] == second[0] and \
        first[-2:] == second[-2:] and all(raw[:1] == b"+" for raw in (
            reference.split(b"\r\n", 1)[1], subject.split(b"\r\n", 1)[1]))


def slowlog_entries(_, reference, subject):
    if reference[:1] != b"*" or subject[:1] != b"*":
        return False
    first, second = parse(reference), parse(subject)
    return [(len(e), e[3], e[5]) for e in first] == [(len(e), e[3], e[5]) for e in second]


_MONITOR = re.compile(rb"^\+\d+\.\d{6} \[(\d+) [^\]]*\] (.*)\r\n$", re.S)


def monitor_line(_, reference, subject):
    first, second = _MONITOR.match(reference), _MONITOR.match(subject)
    return bool(first and second) and first.groups() == second.groups()


def debug_object(_, reference, subject):
    pattern = rb"^\+Value at:\S+ refcount:\d+ encoding:(\w+) serializedlength:\d+ lru:\d+ " \
              rb"lru_seconds_idle:\d+\r\n$"
    first, second = re.match(pattern, reference), re.match(pattern, subject)
    return bool(first and second) and first.group(1) == second.group(1)


def dump(_, reference, subject):
    if reference[:1] != b"$" or subject[:1] != b"$":
        return False
    first, second = parse(reference), parse(subject)
    if first is None or second is None:
        return False
    try:
        return dump_payload.decode_string(first) == dump_payload.decode_string(second)
    except (ValueError, IndexError):
        return False


CHECKS = {
    "same_type": same_type, "same_set": same_set, "same_pairs": same_pairs, "scan_page": scan_page,
    "listed_commands": listed_commands, "near_seconds": near_seconds,
    "near_milliseconds": near_milliseconds, "client_lines": client_lines, "hello": hello,
    "info": info, "command_info": command_info,
    "command_docs": command_docs, "help": help_text, "slowlog_entries": slowlog_entries,
    "monitor_line": monitor_line, "debug_object": debug_object, "dump": dump,
    "reference_count": reference_count,
}


def acceptable(args, reference, subject):
    """True if the replies are equal, or differ only as the closed list allows."""
    if reference == subject or reference == subject.replace(OUR_NAMES, b""):
        return True
    if reference[:1] in (b"-", b"!") or subject[:1] in (b"-", b"!"):
        return False
    rule = rule_for(args)
    if rule is None:
        return False
    try:
        return CHECKS[rule.compare](args, reference, subject)
    except (ValueError, TypeError, IndexError, AttributeError):
        return False  # the subject's reply has another shape
