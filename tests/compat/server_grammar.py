"""Random commands of the connection, server, introspection and transaction families, and which
commands a test may not send at random because they stop the server, block it or close it."""

from command_grammar import (GENERIC, HOSTILE, STRING, Vocabulary, mutate, sets_past_time,
                             without_near_expiry)

CONFIG_VALUES = {
    b"maxmemory": [b"0", b"100mb", b"1gb", b"104857600", b"1g", b"2000m"],
    b"maxmemory-policy": [b"noeviction", b"bogus", b"NOEVICTION", b"volatile-ttl"],
    b"maxmemory-samples": [b"5", b"10", b"64"],
    b"appendfsync": [b"always", b"everysec", b"no", b"ALWAYS", b"bogus"],
    b"auto-aof-rewrite-percentage": [b"0", b"100"],
    b"auto-aof-rewrite-min-size": [b"64mb", b"1gb", b"0"],
    b"slowlog-max-len": [b"128", b"10", b"0"],
    b"slowlog-log-slower-than": [b"-1", b"100000000"],
    b"latency-monitor-threshold": [b"0", b"1000000"],
    b"timeout": [b"0", b"1000", b"2147483647"],
    b"tcp-keepalive": [b"0", b"300"],
    b"client-query-buffer-limit": [b"1gb", b"64mb", b"10mb"],
    b"client-output-buffer-limit": [b"normal 0 0 0", b"normal 10mb 5mb 60", b"bogus 1 2 3",
                                    b"normal 1", b"", b"replica 256mb 64mb 60 pubsub 32mb 8mb 60"],
    b"hz": [b"10", b"100", b"500", b"501"],
    b"loglevel": [b"notice", b"debug", b"verbose", b"warning", b"WARNING"],
    b"active-expire-effort": [b"1", b"10", b"11"],
    b"lazyfree-lazy-expire": [b"yes", b"no", b"YES", b"maybe"],
    b"lazyfree-lazy-user-del": [b"yes", b"no"],
    b"databases": [b"16", b"4"],
    b"enable-debug-command": [b"yes", b"no"],
    b"nosuchoption": [b"1"],
    b"proto-max-bulk-len": [b"512mb", b"2mb", b"1"],
    b"maxclients": [b"10000", b"500"],
}

CONFIG_GETS = [b"maxmemory", b"MAXMEMORY", b"maxmemory-p*", b"maxmemory-policy", b"appendonly",
               b"appendfsync", b"slowlog*", b"hz", b"timeout", b"tcp-keepalive", b"nosuch", b"",
               b"databases", b"loglevel", b"client-query-buffer-limit", b"proto-max-bulk-len",
               b"client-output-buffer-limit", b"auto-aof-rewrite-*", b"save", b"requirepass",
               b"maxclients", b"appenddirname", b"aof-use-rdb-preamble", b"aof-load-truncated",
               b"lazyfree-lazy-user-del", b"active-expire-effort", b"enable-debug-command",
               b"latency-monitor-threshold", b"[m]axmemory", b"no-appendfsync-on-rewrite"]

INFO_SECTIONS = [b"server", b"clients", b"memory", b"persistence", b"stats", b"replication", b"cpu",
                 b"commandstats", b"errorstats", b"keyspace", b"latencystats", b"cluster", b"all",
                 b"everything", b"default", b"nonsense", b"Keyspace", b""]


def _hello(v):
    version = v.pick([b"2", b"3", b"3", b"1", b"4", v.pick(HOSTILE)])
    return v.pick([[], [version], [version],
                   [version, v.case(b"SETNAME"), v.pick([b"me", b"a b", b"", b"x\xff"])],
                   [version, v.case(b"AUTH"), b"default", b"pw"],
                   [version, b"AUTH", b"nouser", b"pw", b"SETNAME", b"n"],
                   [version, b"AUTH", b"default"], [version, b"nonsense"],
                   [version, b"SETNAME"]])


def _client(v):
    return v.pick([
        [b"ID"], [b"INFO"], [b"LIST"], [b"LIST", b"ID", b"<ID:0>", b"<ID:1>"],
        [b"LIST", v.case(b"TYPE"), v.pick([b"normal", b"pubsub", b"master", b"replica", b"x"])],
        [b"LIST", b"ID", v.pick(HOSTILE)], [b"LIST", b"nonsense"], [b"LIST", b"ID"],
        [b"GETNAME"], [b"GETNAME"],
        [b"SETNAME", v.pick([b"conn-a", b"", b"with space", b"nl\n", b"\x7f", b"~!", b"\xff"])],
        [b"NO-EVICT", v.case(v.pick([b"on", b"off", b"maybe"]))],
        [b"REPLY", v.pick([b"maybe", b"", b"1"])], [b"REPLY", b"ON"],
        [b"UNPAUSE"], [b"PAUSE", v.pick([b"-1", b"nan", b"", b"9223372036854775808"])],
        [b"PAUSE", b"1", b"nonsense"], [b"PAUSE", b"1", b"WRITE", b"x"],
        [b"KILL", b"ID", v.pick([b"0", b"-1", b"999999999", b"nan", b"9223372036854775808"])],
        [b"KILL", v.pick([b"1.2.3.4:5", b"", b"x"])], [b"KILL", b"ADDR", b"1.2.3.4:5"],
        [b"KILL", b"LADDR", b"1.2.3.4:5"], [b"KILL", b"TYPE", v.pick([b"pubsub", b"x"])],
        [b"KILL", b"USER", b"nouser"], [b"KILL", b"SKIPME", b"maybe"], [b"KILL", b"ID"],
        [b"KILL", b"ID", b"999999999", b"SKIPME", b"no"], [b"KILL", b"nonsense", b"1"],
        [b"HELP"], [b"NONSENSE"], [b"nonsense", b"x", b"y"], [b"ID", b"x"], [b"GETNAME", b"x"],
    ])


CONNECTION = {
    "AUTH": (2, lambda v: v.pick([[b"pw"], [b"default", b"pw"], [b"nouser", b"pw"], [b""],
                                  [b"a", b"b", b"c"]])),
    "CLIENT": (10, _client),
    "ECHO": (2, lambda v: [v.value()]),
    "HELLO": (4, _hello),
    "PING": (3, lambda v: v.pick([[], [], [v.value()]])),
    "RESET": (1, lambda v: v.pick([[], [], [], [b"x"]])),
    "SELECT": (6, lambda v: [v.database()]),
}


def _config(v):
    name = v.pick(sorted(CONFIG_VALUES))
    value = v.pick(CONFIG_VALUES[name] + [v.pick(HOSTILE)])
    return v.pick([
        [b"GET", v.pick(CONFIG_GETS)], [b"GET", v.pick(CONFIG_GETS)],
        [b"GET", v.pick(CONFIG_GETS), v.pick(CONFIG_GETS)], [b"GET"],
        [v.case(b"SET"), v.case(name), value], [b"SET", name, value], [b"SET", name, value],
        [b"SET", name, value, v.pick(sorted(CONFIG_VALUES)), b"bogus"],
        [b"SET", name, value, name, value], [b"SET", name], [b"SET"],
        [b"REWRITE"], [b"RESETSTAT"], [b"HELP"], [b"nonsense"], [b"RESETSTAT", b"x"],
    ])


def _command_line(v, families):
    name, args = _raw_command(v, families)
    return [name] + args


def _raw_command(v, families):
    family = v.pick(families)
    name = v.pick(sorted(family))
    return name.encode(), family[name][1](v)


def _command(v):
    name = v.case(v.pick(ALL_NAMES))
    line = _command_line(v, [STRING, GENERIC])
    return v.pick([
        [b"INFO", name], [b"INFO", name, b"nonsense"], [b"INFO", b"nonsense"],
        [b"INFO", b"client|id", b"config|get", b"object|nonsense"],
        [b"DOCS", b"nonsense"], [b"GETKEYS"] + line, [b"GETKEYS"] + line, [b"GETKEYS", b"PING"],
        [b"GETKEYS", b"nonsense", b"x"], [b"GETKEYS", b"GET"], [b"GETKEYSANDFLAGS"] + line,
        [b"GETKEYSANDFLAGS", b"COPY", b"a"],
        [b"LIST", b"FILTERBY", b"PATTERN", v.pick([b"set*", b"g?t", b"*", b"nothing", b"GET"])],
        [b"LIST", v.case(b"filterby"), b"ACLCAT", v.pick([b"string", b"keyspace", b"x", b"fast"])],
        [b"LIST", b"FILTERBY", b"MODULE", b"x"], [b"LIST", b"FILTERBY"], [b"LIST", b"x"],
        [b"COUNT", b"x"], [b"nonsense"], [b"HELP"],
    ])


def _debug(v):
    return v.pick([
        [b"SLEEP", v.pick([b"0", b"0.001", b"nan0"])], [b"OBJECT", v.absent_or_key()],
        [b"OBJECT"], [v.case(b"SET-ACTIVE-EXPIRE"), v.pick([b"0", b"1"])],
        [b"DIGEST-VALUE"] + v.keys(), [b"DIGEST-VALUE", v.key()], [b"nonsense"], [b"SLEEP"],
    ])


def _memory(v):
    return v.pick([
        [b"USAGE", v.absent_or_key()], [b"USAGE", v.key(), b"SAMPLES", v.count()], [b"USAGE"],
        [b"USAGE", v.key(), b"nonsense", b"1"], [b"USAGE", v.key(), b"SAMPLES"],
        [b"DOCTOR"], [b"STATS"], [b"PURGE"], [b"HELP"], [b"nonsense"], [b"STATS", b"x"],
    ])


def _slowlog(v):
    return v.pick([[b"GET"], [b"GET", v.count()], [b"LEN"], [b"RESET"], [b"HELP"], [b"nonsense"],
                   [b"GET", b"1", b"2"]])


def _latency(v):
    return v.pick([
        [b"LATEST"], [b"HISTORY", v.pick([b"command", b"nosuch", b""])], [b"HISTORY"],
        [b"RESET"], [b"RESET", b"nosuch", b"command"], [b"DOCTOR"], [b"HELP"], [b"nonsense"],
        [b"HISTOGRAM", b"nonsense"], [b"LATEST", b"x"],
    ])


def _shutdown(v):
    return v.pick([[b"ABORT"], [b"nonsense"], [b"SAVE", b"NOSAVE", b"nonsense"], [b"NOW", b"ABORT"],
                   [b"ABORT", b"ABORT"], [b"nonsense", b"SAVE"]])


SERVER = {
    "COMMAND": (8, _command),
    "CONFIG": (10, _config),
    "DBSIZE": (4, lambda v: []),
    "DEBUG": (5, _debug),
    "FLUSHALL": (1, lambda v: v.pick([[], [v.case(b"ASYNC")], [v.case(b"SYNC")], [b"x"]])),
    "FLUSHDB": (2, lambda v: v.pick([[], [v.case(b"ASYNC")], [v.case(b"SYNC")], [b"x"]])),
    "INFO": (3, lambda v: v.pick([[v.pick(INFO_SECTIONS)], [b"keyspace"],
                                  [v.pick(INFO_SECTIONS), v.pick(INFO_SECTIONS)]])),
    "LASTSAVE": (1, lambda v: []),
    "LATENCY": (4, _latency),
    "MEMORY": (4, _memory),
    "MONITOR": (1, lambda v: [b"x", b"y"]),
    "SHUTDOWN": (2, _shutdown),
    "SLOWLOG": (4, _slowlog),
    "TIME": (1, lambda v: []),
}

TRANSACTION = {
    "MULTI": (1, lambda v: []),
    "EXEC": (2, lambda v: []),
    "DISCARD": (1, lambda v: []),
    "WATCH": (2, lambda v: v.keys()),
    "UNWATCH": (1, lambda v: []),
}

UNKNOWN = [b"FOO", b"GETT", b"", b"SET ", b"\x00", b"nosuchcommand", b"x" * 200, b"OBJECT|ENCODING",
           b"get\r\n", b"\xff\xfe"]

FAMILIES = {"string": STRING, "generic": GENERIC, "connection": CONNECTION, "server": SERVER,
            "transaction": TRANSACTION}
WEIGHTS = {"string": 40, "generic": 34, "connection": 8, "server": 10, "transaction": 4}
ALL_NAMES = sorted({name.encode() for family in FAMILIES.values() for name in family} |
                   {b"BGREWRITEAOF", b"QUIT"})

_SHUTDOWN_HARMLESS = {b"ABORT", b"NONSENSE", b"BAD"}
_CONFIG_SAFE_MEMORY = {b"0", b"100mb", b"1gb", b"104857600", b"1g", b"2000m"}


def unsafe(args):
    """True for commands whose effect would end, block or blind the test itself."""
    if not args:
        return False
    upper = [arg.upper() for arg in args]
    name, sub = upper[0], upper[1] if len(args) > 1 else b""
    if name == b"SHUTDOWN":
        return not any(arg in _SHUTDOWN_HARMLESS for arg in upper[1:])
    if name == b"MONITOR":
        return len(args) == 1
    if name in (b"QUIT", b"SYNC", b"PSYNC", b"REPLICAOF", b"SUBSCRIBE", b"BGREWRITEAOF"):
        return True
    if name == b"CLIENT":
        return _unsafe_client(sub, upper)
    if name == b"DEBUG":
        if sub == b"SLEEP":
            return len(args) == 3 and args[2] not in (b"0", b"0.001", b"nan0")
        return sub not in (b"OBJECT", b"SET-ACTIVE-EXPIRE", b"DIGEST-VALUE", b"NONSENSE")
    if name == b"CONFIG" and sub == b"SET":
        return _unsafe_config(args, upper)
    return False


def _unsafe_client(sub, upper):
    if sub == b"PAUSE":
        return len(upper) < 3 or (upper[2].lstrip(b"+-").isdigit() and len(upper) == 3 and
                                  upper[2] not in (b"-1", b"9223372036854775808"))
    if sub == b"REPLY":
        return len(upper) == 3 and upper[2] in (b"OFF", b"SKIP")
    if sub in (b"TRACKING", b"CACHING"):
        return True
    return False


def _unsafe_config(args, upper):
    for i in range(2, len(args) - 1):
        name, value = upper[i].lower(), args[i + 1].split(b"\0")[0]  # a number ends at a NUL
        if name == b"maxmemory" and value.strip().isdigit() and \
                value.lower() not in _CONFIG_SAFE_MEMORY:
            return True
        if name in (b"proto-max-bulk-len", b"client-query-buffer-limit", b"maxclients", b"timeout") \
                and value.isdigit() and int(value) < 1000 and value != b"0":
            return True
        if name in (b"slowlog-log-slower-than", b"latency-monitor-threshold") and \
                value in (b"0", b"1") and name + value != b"latency-monitor-threshold0":
            return True
        if name == b"maxclients" and value.strip(b"+ ").isdigit() and int(value) > 20000:
            return True  # redis-server allocates a table of that size
        if name == b"client-output-buffer-limit" and b"1" == value.split(b" ")[1:2]:
            return True
    return False


class Generator:
    """Draws whole commands of the chosen families."""

    def __init__(self, rng, families=None, skip=()):
        self.v = Vocabulary(rng)
        self.rng = rng
        self.entries, self.weights = [], []
        for family in families or WEIGHTS:
            table = FAMILIES[family]
            total = sum(weight for weight, _ in table.values())
            for name in sorted(table):
                if name.encode() in skip:
                    continue
                weight, arguments = table[name]
                self.entries.append((name.encode(), arguments))
                self.weights.append(WEIGHTS[family] * weight / total)
        cumulative, running = [], 0.0
        for weight in self.weights:
            running += weight
            cumulative.append(running)
        self.cumulative = cumulative

    def command(self):
        """One command that leaves nothing to clean up."""
        while True:
            found = self.commands(1)
            if len(found) == 1:
                return found[0]

    def commands(self, count):
        """`count` commands for one connection, and what must follow some of them at once."""
        found = []
        for _ in range(count):
            args = self._draw()
            while unsafe(args):
                args = self._draw()
            found.append(args)
            # An expired key counts in DBSIZE until something removes it: remove it at once.
            if args[0].upper() == b"SET" and len(args) > 1 and sets_past_time(args):
                found.append([b"DEL", args[1]])
        return found

    def _draw(self):
        if self.rng.random() < 0.004:
            return [self.v.pick(UNKNOWN)] + [self.v.value() for _ in range(self.rng.randint(0, 3))]
        name, arguments = self.rng.choices(self.entries, cum_weights=self.cumulative)[0]
        args = [self.v.case(name)] + arguments(self.v)
        if self.rng.random() < 0.10 and name.upper() != b"CLIENT":
            args = mutate(self.v, args)
        elif self.rng.random() < 0.02 and name.upper() == b"CLIENT" and len(args) > 1 and \
                args[1] != b"KILL" and not any(arg[:1] == b"<" for arg in args):
            args = mutate(self.v, args)
        return self._distinct_expiry(without_near_expiry(args))

    def _distinct_expiry(self, args):
        """GT and LT compare with an expiry that may have been set in the same millisecond: a time
        to live that was used before would make the reply a matter of luck."""
        if args[0].upper() in (b"EXPIRE", b"PEXPIRE") and len(args) > 3 and args[2].isdigit() and \
                600000 <= int(args[2]) < 1 << 40:
            args[2] = b"%d" % self.rng.randint(10 ** 8, 9 * 10 ** 9)
        return args
