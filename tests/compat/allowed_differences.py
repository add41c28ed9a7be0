"""The closed list of replies that may differ between redis-server 7.0 and the server under test.

Everything not named here is compared byte for byte. A rule applies to a command and, where given,
its subcommand; `compare` names the check in reply_rules.py that is made instead.
"""

from typing import NamedTuple


class Rule(NamedTuple):
    command: bytes
    subcommand: bytes
    compare: str
    reason: str


TOLERANCE_MS = 5000

RULES = [
    # random picks and orders
    Rule(b"RANDOMKEY", b"", "same_type", "random pick; the scan check verifies that the key exists"),
    Rule(b"SCAN", b"", "scan_page", "cursor values and page borders are free; a full iteration is"
         " compared as a set at the end of each section"),
    Rule(b"KEYS", b"", "same_set", "order is free"),
    Rule(b"CONFIG", b"GET", "same_pairs", "order is free"),
    Rule(b"COMMAND", b"LIST", "listed_commands", "order is free, later families are not built yet"),
    Rule(b"COMMAND", b"INFO", "command_info", "order of subcommands and notes are free;"
         " command_table_test.py has the whole list"),
    Rule(b"COMMAND", b"DOCS", "command_docs", "texts; command_table_test.py compares the rest"),
    Rule(b"COMMAND", b"COUNT", "same_type", "later families are not built yet"),
    Rule(b"COMMAND", b"", "same_type", "command_table_test.py compares every row"),
    # times
    Rule(b"TTL", b"", "near_seconds", "time"),
    Rule(b"PTTL", b"", "near_milliseconds", "time"),
    Rule(b"EXPIRETIME", b"", "near_seconds", "time"),
    Rule(b"PEXPIRETIME", b"", "near_milliseconds", "time"),
    Rule(b"TIME", b"", "same_type", "time"),
    Rule(b"LASTSAVE", b"", "same_type", "time"),
    Rule(b"OBJECT", b"IDLETIME", "same_type", "time; small integers are one shared object in Redis"),
    # memory sizes and sharing
    Rule(b"OBJECT", b"REFCOUNT", "reference_count", "which values share one object in Redis: one set"
         " inside EXEC with its queued command, a small integer until COPY copies it"),
    Rule(b"MEMORY", b"USAGE", "same_type", "memory size"),
    Rule(b"MEMORY", b"STATS", "same_type", "memory sizes; info_names_test.py compares the names"),
    Rule(b"MEMORY", b"DOCTOR", "same_type", "text about memory"),
    Rule(b"DEBUG", b"OBJECT", "debug_object", "address, LRU clock and LZF length"),
    # ids, versions and text about this server
    Rule(b"CLIENT", b"ID", "same_type", "id"),
    Rule(b"CLIENT", b"INFO", "client_lines", "ids, addresses, times and buffer sizes"),
    Rule(b"CLIENT", b"LIST", "client_lines", "ids, addresses, times, buffer sizes, order"),
    Rule(b"HELLO", b"", "hello", "id, server name and version"),
    Rule(b"INFO", b"", "info", "figures; info_names_test.py compares the names"),
    Rule(b"CLIENT", b"HELP", "help", "lists the subcommands that this server has"),
    Rule(b"COMMAND", b"HELP", "help", "lists the subcommands that this server has"),
    Rule(b"CONFIG", b"HELP", "help", "lists the subcommands that this server has"),
    Rule(b"DEBUG", b"HELP", "help", "lists the subcommands that this server has"),
    Rule(b"LATENCY", b"HELP", "help", "lists the subcommands that this server has"),
    Rule(b"MEMORY", b"HELP", "help", "lists the subcommands that this server has"),
    Rule(b"OBJECT", b"HELP", "help", "lists the subcommands that this server has"),
    Rule(b"SLOWLOG", b"HELP", "help", "lists the subcommands that this server has"),
    Rule(b"LATENCY", b"DOCTOR", "same_type", "text about times"),
    Rule(b"LATENCY", b"HISTOGRAM", "same_type", "times"),
    Rule(b"LATENCY", b"LATEST", "same_type", "times"),
    Rule(b"SLOWLOG", b"GET", "slowlog_entries", "ids, times and addresses"),
    Rule(b"MONITOR-LINE", b"", "monitor_line", "time and address"),
    # bytes whose choice is the compressor's
    Rule(b"DUMP", b"", "dump", "LZF may pack differently: the payload is decoded and compared"),
    Rule(b"BGREWRITEAOF", b"", "same_type", "times: a rewrite may still be running"),
]

# Of ours alone, in the lists of names that errors about CONFIG SET show.
OUR_NAMES = b"allkeys-s3fifo, "

CLIENT_FIELDS = (b"name", b"flags", b"db", b"sub", b"psub", b"ssub", b"multi", b"cmd", b"user",
                 b"redir", b"resp")


def rule_for(args):
    """The rule for a command, or None: its reply must be equal."""
    if not args:
        return None
    name = args[0].upper()
    sub = args[1].upper() if len(args) > 1 else b""
    general = None
    for rule in RULES:
        if rule.command == name:
            if rule.subcommand == sub:
                return rule
            if rule.subcommand == b"":
                general = rule
    return general if general and (general.command != b"COMMAND" or not sub) else None
