#!/usr/bin/env python3
"""The command table against redis-server 7.0's: COMMAND, INFO, DOCS, LIST, COUNT, GETKEYS.

    python3 tests/compat/command_table_test.py [--server PATH] [--rounds N] [--seed N]

For every command that ours has: arity, flags, legacy key triple, ACL categories, tips, key specs,
subcommands, group, since, argument trees, and the keys found in random invocations, made from the
argument trees and then cut or broken. Texts are our own, so of them only what is a fact is compared:
the orders named in a complexity, the versions of a history (ours may be shorter). Whatever differs on
purpose is listed below with its reason.
"""

import argparse
import random
import re
import sys

from resp import ReplyError, parse
from server_process import (REDIS_SERVER, ServerProcess, add_server_argument, memory_only,
                            server_under_test)

# Commands of Redis 7.2, which the oracle (7.0) lacks.
NEWER = {"client|setinfo", "client|no-touch", "waitaof"}

# Holdfast's own.
OWN = {"backup"}

# Subcommands of containers that ours has, of features that ours lacks.
ABSENT = {
    "client|caching", "client|getredir", "client|tracking", "client|trackinginfo",  # caching
    "client|unblock",  # blocking commands
    "memory|malloc-stats",  # a text of the allocator's own
}

# Deprecated by the documentation of 7.2: (command, what).
ON_PURPOSE = {(command, what) for command in ("setex", "psetex", "setnx")
              for what in ("deprecated_since", "doc_flags", "is replaced")}

ACL_CATEGORIES = ["keyspace", "read", "write", "set", "sortedset", "list", "hash", "string",
                  "bitmap", "hyperloglog", "geo", "stream", "pubsub", "admin", "fast", "slow",
                  "blocking", "dangerous", "connection", "transaction", "scripting"]


class Differences:
    def __init__(self):
        self.count = 0
        self.compared = 0

    def check(self, command, what, ours, redis):
        self.compared += 1
        if ours == redis or (command, what) in ON_PURPOSE:
            return
        self.count += 1
        print("%s, %s\n    ours:  %s\n    redis: %s" % (command, what, ours, redis))


def text(value):
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, list):
        return [text(item) for item in value]
    return value


def as_map(flat):
    """A RESP2 map, with texts as keys."""
    return {text(key): value for key, value in zip(flat[0::2], flat[1::2])}


# ---- COMMAND INFO ---------------------------------------------------------------------------------


def key_spec(flat):
    fields = as_map(flat)
    shown = {"flags": sorted(text(fields["flags"]))}
    for name in ("begin_search", "find_keys"):
        part = as_map(fields[name])
        shown[name] = (text(part["type"]), sorted((key, text(value)) for key, value
                                                  in as_map(part["spec"]).items()))
    return shown


def info_row(reply):
    name, arity, flags, first, last, step, acl, tips, specs, subcommands = reply
    return {
        "name": text(name), "arity": arity, "flags": sorted(map(str, flags)),
        "keys": (first, last, step), "acl": sorted(map(str, acl)), "tips": sorted(text(tips)),
        "key_specs": [key_spec(spec) for spec in specs],
        "subcommands": {text(row[0]): info_row(row) for row in subcommands},
    }


def compare_info(found, name, ours, redis):
    for field in ("name", "arity", "flags", "keys", "acl", "tips", "key_specs"):
        found.check(name, "COMMAND INFO " + field, ours[field], redis[field])
    mine, theirs = set(ours["subcommands"]) - NEWER, set(redis["subcommands"])
    found.check(name, "subcommands that redis lacks", sorted(mine - theirs), [])
    found.check(name, "subcommands that ours lacks", sorted(theirs - mine - ABSENT), [])
    for sub in sorted(mine & theirs):
        compare_info(found, sub, ours["subcommands"][sub], redis["subcommands"][sub])


# ---- COMMAND DOCS ---------------------------------------------------------------------------------


def argument_tree(flat):
    fields = {key: text(value) for key, value in as_map(flat).items()
              if key not in ("arguments", "summary", "display_text")}
    fields["flags"] = sorted(fields.get("flags", []))
    children = as_map(flat).get("arguments", [])
    fields["arguments"] = [argument_tree(child) for child in children]
    return fields


def orders(complexity):
    """The O(...) expressions of a complexity text, spaces left out."""
    return set(re.sub(r"\s", "", order) for order in
                      re.findall(r"O\((?:[^()]|\([^()]*\))*\)", complexity or ""))


def compare_docs(found, name, ours, redis):
    ours, redis = as_map(ours), as_map(redis)
    for field in ("since", "group", "deprecated_since"):
        found.check(name, field, text(ours.get(field)), text(redis.get(field)))
    found.check(name, "doc_flags", sorted(map(str, ours.get("doc_flags", []))),
                sorted(map(str, redis.get("doc_flags", []))))
    found.check(name, "summary is there", bool(ours.get("summary")), True)
    found.check(name, "is replaced", "replaced_by" in ours, "replaced_by" in redis)
    mine, theirs = (orders(text(docs.get("complexity"))) for docs in (ours, redis))
    found.check(name, "has orders of complexity", bool(mine), bool(theirs))
    found.check(name, "orders of complexity that redis has not", sorted(mine - theirs), [])
    versions = {text(note[0]) for note in redis.get("history", [])}
    mine = {text(note[0]) for note in ours.get("history", [])}
    invented = {version for version in mine - versions if not version.startswith("7.2")}
    found.check(name, "versions of the history that redis has not", sorted(invented), [])
    found.check(name, "arguments", [argument_tree(tree) for tree in ours.get("arguments", [])],
                [argument_tree(tree) for tree in redis.get("arguments", [])])
    mine, theirs = as_map(ours.get("subcommands", [])), as_map(redis.get("subcommands", []))
    for sub in sorted((set(mine) & set(theirs)) - NEWER):
        compare_docs(found, sub, mine[sub], theirs[sub])


# ---- COMMAND GETKEYS ------------------------------------------------------------------------------


class Invocations:
    """Random argument lists of a command, from its argument tree in COMMAND DOCS."""

    def __init__(self, source):
        self.source = source

    def of(self, name, docs):
        words = name.split("|")
        for tree in as_map(docs).get("arguments", []):
            words += self.argument(tree)
        return self.broken(words)

    def argument(self, flat):
        fields = as_map(flat)
        flags = {str(flag) for flag in fields.get("flags", [])}
        if "optional" in flags and self.source.random() < 0.5:
            return []
        times = self.source.randint(1, 3) if "multiple" in flags else 1
        words = []
        token = text(fields.get("token", ""))
        for number in range(times):
            if token and (number == 0 or "multiple_token" in flags):
                words.append(token if self.source.random() < 0.8 else token.lower())
            words += self.value(fields)
        return words

    def value(self, fields):
        kind = text(fields["type"])
        if kind == "pure-token":
            return []
        children = fields.get("arguments", [])
        if kind == "oneof":
            return self.argument(self.source.choice(children))
        if kind == "block":
            return [word for child in children for word in self.argument(child)]
        if kind == "integer" or kind == "unix-time":
            return [str(self.source.choice([0, 1, 1, 2, 2, 3, 7]))]
        if kind == "double":
            return ["1.5"]
        return [self.source.choice(["a", "b", "{t}1", "get", "STORE", "KEYS", ""])]

    def broken(self, words):
        choice = self.source.random()
        if choice < 0.15 and len(words) > 1:
            words.pop(self.source.randrange(1, len(words)))
        elif choice < 0.25:
            words.insert(self.source.randrange(1, len(words) + 1),
                         self.source.choice(["x", "-1", "0", "99999999999999999999", "GET"]))
        return words


def compare_getkeys(found, ours, redis, docs, source, rounds):
    make = Invocations(source)
    batch = []
    for name, entry in sorted(docs.items()):
        subs = as_map(as_map(entry).get("subcommands", []))
        for target, target_docs in ([(name, entry)] + sorted(subs.items())):
            if target in NEWER or target in ABSENT:
                continue
            for _ in range(rounds):
                words = make.of(target, target_docs)
                batch.append(["COMMAND", "GETKEYS"] + words)
                batch.append(["COMMAND", "GETKEYSANDFLAGS"] + words)
    batch += [["COMMAND", "GETKEYS"], ["COMMAND", "GETKEYS", "get"], ["COMMAND", "GETKEYS", "x", "y"],
              ["COMMAND", "GETKEYS", "GeT", "y"], ["COMMAND", "GETKEYS", "ping", "y"],
              ["COMMAND", "GETKEYS", "config", "nosuch"], ["COMMAND", "GETKEYS", "config", "get"]]
    for start in range(0, len(batch), 200):
        part = batch[start:start + 200]
        replies = [client.pipeline(part) for client in (ours, redis)]
        for command, mine, theirs in zip(part, *replies):
            found.check(" ".join(command), "reply", getkeys_answer(mine), getkeys_answer(theirs))


def getkeys_answer(raw):
    """Flags in any order."""
    value = parse(raw)
    if isinstance(value, ReplyError):
        return str(value)
    return [(text(item[0]), sorted(map(str, item[1]))) if isinstance(item, list) else text(item)
            for item in value]


# ---- the whole ------------------------------------------------------------------------------------


def compare_lists(found, ours, redis, source, common):
    """LIST and its filters, over the commands that both have."""

    def listed(client, *arguments):
        reply = client.command("COMMAND", "LIST", *arguments)
        if isinstance(reply, ReplyError):
            return str(reply)
        return sorted(name for name in text(reply) if name in common)

    filters = [("FILTERBY", "ACLCAT", category) for category in ACL_CATEGORIES + ["nosuch", ""]]
    filters += [("filterby", "aclcat", "READ"), ("FILTERBY", "MODULE", "nosuch"), ("FILTERBY",),
                ("FILTERBY", "NOSUCH", "x"), ("FILTERBY", "ACLCAT"), ("x",),
                ("FILTERBY", "ACLCAT", "read", "write")]
    alphabet = "sgetconfi|lp*?[]^-"
    filters += [("FILTERBY", "PATTERN",
                 "".join(source.choice(alphabet) for _ in range(source.randrange(5))) + "*")
                for _ in range(200)]
    for arguments in filters:
        found.check("COMMAND LIST " + " ".join(arguments), "reply", listed(ours, *arguments),
                    listed(redis, *arguments))
    names = text(ours.must("COMMAND", "LIST"))
    found.check("COMMAND COUNT", "number of names without subcommands", ours.must("COMMAND", "COUNT"),
                len([name for name in names if "|" not in name]))
    found.check("COMMAND LIST", "names are unique", len(names), len(set(names)))
    found.check("COMMAND", "rows", sorted(text(row[0]) for row in ours.must("COMMAND")),
                sorted(name for name in names if "|" not in name))


def compare_oddities(found, ours, redis):
    for arguments in (["INFO", "nosuch"], ["INFO", "GET", "nosuch"], ["INFO", "config|nosuch"],
                      ["DOCS", "nosuch"], ["DOCS", "config|nosuch"], ["NOSUCH"], ["COUNT", "x"],
                      ["LIST", "x"]):
        answers = []
        for client in (ours, redis):
            reply = client.command("COMMAND", *arguments)
            if arguments[0] == "INFO" and isinstance(reply, list):
                reply = [row if row is None else info_row(row) for row in reply]
            answers.append(reply)
        found.check("COMMAND " + " ".join(arguments), "reply", *answers)
    helps = [sorted(str(line).split()[0] for line in client.must("COMMAND", "HELP")[1:]
                    if str(line)[:1].isupper()) for client in (ours, redis)]
    found.check("COMMAND HELP", "subcommands", *helps)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_server_argument(parser)
    parser.add_argument("--rounds", type=int, default=60, help="invocations per command")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    source = random.Random(arguments.seed)
    binary = server_under_test(arguments)
    found = Differences()
    with ServerProcess(binary, memory_only(binary)) as our_server, \
            ServerProcess(REDIS_SERVER, memory_only(REDIS_SERVER)) as redis_server:
        with our_server.connect() as ours, redis_server.connect() as redis:
            names = [text(row[0]) for row in ours.must("COMMAND")]
            everything = set(text(ours.must("COMMAND", "LIST")))
            theirs = set(text(redis.must("COMMAND", "LIST")))
            found.check("COMMAND", "commands that redis lacks",
                        sorted(everything - theirs - NEWER - OWN), [])
            found.check("COMMAND", "our own", sorted(OWN - everything), [])
            names = sorted(name for name in names if name in theirs)
            for name in names:
                mine, oracle = (info_row(client.must("COMMAND", "INFO", name)[0])
                                for client in (ours, redis))
                compare_info(found, name, mine, oracle)
            docs = [as_map(client.must("COMMAND", "DOCS", *names)) for client in (ours, redis)]
            found.check("COMMAND DOCS", "names", sorted(docs[0]), sorted(docs[1]))
            for name in names:
                compare_docs(found, name, docs[0][name], docs[1][name])
            compare_lists(found, ours, redis, source, everything & theirs)
            compare_oddities(found, ours, redis)
            compare_getkeys(found, ours, redis, {name: docs[1][name] for name in names}, source,
                            arguments.rounds)
    print("%d commands of redis-server's %d (subcommands included), %d comparisons, %d differences"
          % (len(everything & theirs), len(theirs), found.compared, found.count))
    return 1 if found.count else 0


if __name__ == "__main__":
    sys.exit(main())
