"""Random commands: the vocabulary of keys, values and numbers, and the string and generic families.

Each entry of a family is (weight, function that returns the arguments after the name). The results
are valid or at a border; mutate() then breaks some of them. server_grammar.py has the rest.
"""

import dump_payload

FAR_S = b"100000000"
FAR_MS = b"100000000000"
FAR_UNIX_S = b"4102444800"
FAR_UNIX_MS = b"4102444800000"

HOSTILE = [
    b"-9223372036854775808", b"-1", b"0", b"1", b"2147483647", b"2147483648", b"2147483649",
    b"-2147483648", b"-2147483649", b"4294967295", b"4294967296", b"4294967297",
    b"9223372036854775807", b"9223372036854775808", b"-9223372036854775809",
    b"18446744073709551615", b"18446744073709551616", b"nan", b"inf", b"-inf", b"+inf",
    b"infinity", b"1e400", b"1e-400", b"9" * 400, b"", b" 1", b"1 ", b"+1", b"01", b"-0", b"-01",
    b"0x10", b"1.5", b"-1.5", b".5", b"5.", b"1e2", b"\x00", b"1\x00", b"-", b"abc", b"\r\n",
    b"1\r\n2", b"\xff\xfe", b"*", b"[", b"512mb", b"yes", b"no",
]

KEYS = [b"a", b"b", b"c", b"d", b"{t}1", b"{t}2", b"{}x", b"", b"bin\x00\xff\r\n", b" ",
        b"k" * 300, "ключ".encode(), b"*", b"n1", b"n2", b"fl", b"big"]

PATTERNS = [b"*", b"a", b"?", b"[ab]", b"[^a]", b"[a-c]", b"[c-a]", b"{t}*", b"k*", b"*k", b"\\*",
            b"[", b"[a", b"\\", b"", b"n[12]", b"*\x00*", b"?" * 300, b"*" * 40 + b"b", b"[^]]",
            b"[\\]]", b"a*b*c", b"[a-]", b"**"]


class Vocabulary:
    """Draws keys, values and numbers from one random generator."""

    def __init__(self, rng):
        self.rng = rng
        self.long_share = 0  # of some values: longer than 64 KiB

    def pick(self, items):
        return self.rng.choice(items)

    def chance(self, probability):
        return self.rng.random() < probability

    def key(self):
        return self.pick(KEYS[:6]) if self.chance(0.6) else self.pick(KEYS)

    def keys(self, low=1, high=4):
        return [self.key() for _ in range(self.rng.randint(low, high))]

    def absent_or_key(self):
        return b"nokey%d" % self.rng.randint(0, 5) if self.chance(0.2) else self.key()

    def value(self):
        kind = self.rng.randrange(12)
        if kind < 3:
            return b"%d" % self.rng.randint(-1000, 20000)
        if kind == 3:
            return self.pick(HOSTILE)
        if kind == 4:
            return b"x" * self.pick([0, 1, 19, 20, 21, 43, 44, 45, 63, 64, 65, 255, 256])
        if kind == 5:
            return bytes(self.rng.randrange(256) for _ in range(self.rng.randint(0, 50)))
        if kind == 6:
            return self.pick([b"3.14", b"-0.1", b"1e10", b"5e-324", b"1.7976931348623157e308",
                              b"0.1", b"10.000", b"3.0e3"])
        if kind == 7 and self.chance(0.15):
            return self.big_value()
        if kind == 8 and self.chance(self.long_share):
            return self.big_value(self.rng.randint(65537, 200000))
        return self.pick([b"hello", b"world", b"foobar", b"", b"ohmytext", b"mynewtext", b"aaaa"])

    def big_value(self, size=None):
        size = size or self.pick([4095, 16383, 16384, 65535, 65536, 65537, 100000])
        return (b"%08d" % self.rng.randrange(10 ** 8) * (size // 8 + 1))[:size]

    def integer(self):
        if self.chance(0.25):
            return self.pick(HOSTILE)
        return b"%d" % self.rng.randint(-20, 20)

    def index(self):
        if self.chance(0.15):
            return self.pick(HOSTILE)
        return b"%d" % self.rng.choice([0, 1, 2, 3, 5, 10, -1, -2, -3, -100, 100, 43, 44, 65536])

    def increment(self):
        if self.chance(0.2):
            return self.pick(HOSTILE)
        return self.pick([b"1", b"-1", b"0.5", b"3.0e2", b"-0.1", b"1e17", b"0.1", b"0", b"1e-10",
                          b"9223372036854775807", b"123456789.987654321"])

    def count(self):
        return self.pick(HOSTILE) if self.chance(0.2) else b"%d" % self.rng.choice([1, 10, 100])

    def database(self):
        return self.pick(HOSTILE) if self.chance(0.08) else b"%d" % self.rng.choice(
            [0, 0, 0, 1, 2, 3, 15, 16])

    def pattern(self):
        return self.pick(PATTERNS)

    def case(self, word):
        """A keyword in upper, lower or mixed case."""
        word = word if isinstance(word, bytes) else word.encode()
        style = self.rng.randrange(4)
        if style == 0:
            return word.lower()
        if style == 1:
            return bytes(byte ^ 0x20 if chr(byte).isalpha() and self.chance(0.5) else byte
                         for byte in word)
        return word

    def seconds(self):
        return self.pick([FAR_S, b"1000000", b"0", b"-1", self.pick(HOSTILE)])

    def milliseconds(self):
        return self.pick([FAR_MS, b"1000000000", b"0", b"-1", self.pick(HOSTILE)])

    def unix_seconds(self):
        return self.pick([FAR_UNIX_S, b"1", b"0", b"-1", b"1000000000", self.pick(HOSTILE)])

    def unix_milliseconds(self):
        return self.pick([FAR_UNIX_MS, b"1", b"0", b"-1", self.pick(HOSTILE)])

    def options(self, choices, most=2):
        """Some options in random order, duplicates and contradictions included."""
        found = []
        for _ in range(self.rng.choice([0, 1, 1, most])):
            option = self.pick(choices)
            words = option() if callable(option) else [option]
            found += [self.case(words[0])] + words[1:]
        return found


def _ttl_options(v):
    return [lambda: [b"EX", v.seconds()], lambda: [b"PX", v.milliseconds()],
            lambda: [b"EXAT", v.unix_seconds()], lambda: [b"PXAT", v.unix_milliseconds()]]


def _set(v):
    return [v.key(), v.value()] + v.options(
        [b"NX", b"XX", b"GET", b"KEEPTTL", b"nonsense"] + _ttl_options(v), 3)


def _getex(v):
    return [v.key()] + v.options([b"PERSIST", b"nonsense"] + _ttl_options(v))


def _pairs(v):
    return [item for _ in range(v.rng.randint(1, 4)) for item in (v.key(), v.value())]


def _lcs(v):
    return [v.key(), v.key()] + v.options(
        [b"LEN", b"IDX", b"WITHMATCHLEN", b"nonsense", lambda: [b"MINMATCHLEN", v.index()]], 3)


def _setrange(v):
    offset = v.pick([b"0", b"1", b"5", b"44", b"1000", b"-1", v.pick(HOSTILE)])
    return [v.key(), offset, v.value()]


STRING = {
    "APPEND": (4, lambda v: [v.key(), v.value()]),
    "DECR": (3, lambda v: [v.key()]),
    "DECRBY": (4, lambda v: [v.key(), v.integer()]),
    "GET": (8, lambda v: [v.absent_or_key()]),
    "GETDEL": (3, lambda v: [v.absent_or_key()]),
    "GETEX": (6, _getex),
    "GETRANGE": (5, lambda v: [v.key(), v.index(), v.index()]),
    "GETSET": (3, lambda v: [v.key(), v.value()]),
    "INCR": (4, lambda v: [v.key()]),
    "INCRBY": (5, lambda v: [v.key(), v.integer()]),
    "INCRBYFLOAT": (7, lambda v: [v.key(), v.increment()]),
    "LCS": (4, _lcs),
    "MGET": (4, lambda v: v.keys(1, 6)),
    "MSET": (4, _pairs),
    "MSETNX": (4, _pairs),
    "PSETEX": (3, lambda v: [v.key(), v.milliseconds(), v.value()]),
    "SET": (16, _set),
    "SETEX": (3, lambda v: [v.key(), v.seconds(), v.value()]),
    "SETNX": (3, lambda v: [v.key(), v.value()]),
    "SETRANGE": (5, _setrange),
    "STRLEN": (3, lambda v: [v.absent_or_key()]),
    "SUBSTR": (2, lambda v: [v.key(), v.index(), v.index()]),
}


def _expire(v, time):
    return [v.key(), time] + v.options([b"NX", b"XX", b"GT", b"LT", b"nonsense"])


def _copy(v):
    return [v.key(), v.key()] + v.options([b"REPLACE", b"nonsense",
                                           lambda: [b"DB", v.database()]])


def _scan(v):
    cursor = v.pick([b"0", b"0", b"0", v.pick(HOSTILE), b"12345"])
    return [cursor] + v.options([lambda: [b"MATCH", v.pattern()], lambda: [b"COUNT", v.count()],
                                 lambda: [b"TYPE", v.pick([b"string", b"list", b"STRING", b"x"])],
                                 b"nonsense"])


def _object(v):
    sub = v.pick([b"ENCODING", b"ENCODING", b"ENCODING", b"REFCOUNT", b"IDLETIME", b"FREQ",
                  b"HELP", b"nonsense"])
    return [v.case(sub)] + ([] if sub == b"HELP" else [v.absent_or_key()])


def _payload(v):
    kind = v.rng.randrange(9)
    value = v.value()
    if kind < 3:
        return dump_payload.raw_string(value)
    if kind == 3:
        return dump_payload.integer_string(v.rng.choice([0, 1, -1, 127, 128, -129, 40000, -70000]))
    if kind == 4 and value:
        return dump_payload.lzf_string(value)
    payload = bytearray(dump_payload.raw_string(value))
    if kind == 5:
        payload[v.rng.randrange(len(payload))] ^= 1 << v.rng.randrange(8)
        return bytes(payload)
    if kind == 6:
        return bytes(payload[:v.rng.randrange(len(payload) + 1)])
    if kind == 7:
        return dump_payload.raw_string(value, version=v.rng.choice([1, 6, 9, 99, 65535]))
    return dump_payload.seal(v.pick([b"", b"\x00", b"\x00\x05ab", b"\x00\xc3\x05\x01a", b"\x00\xc0",
                                     b"\x00\x81" + b"\xff" * 8, b"\x00\xc3\x02\x05\x20\x00",
                                     b"\x00\x02ab__", b"\xff\x01", b"\x00\xc4"]))


def _restore(v):
    ttl = v.pick([b"0", b"0", FAR_MS, FAR_UNIX_MS, b"-1", v.pick(HOSTILE)])
    return [v.key(), ttl, _payload(v)] + v.options(
        [b"REPLACE", b"ABSTTL", b"nonsense", lambda: [b"IDLETIME", v.integer()],
         lambda: [b"FREQ", v.integer()]], 3)


GENERIC = {
    "DEL": (4, lambda v: v.keys()),
    "UNLINK": (2, lambda v: v.keys()),
    "EXISTS": (4, lambda v: v.keys()),
    "EXPIRE": (5, lambda v: _expire(v, v.seconds())),
    "PEXPIRE": (5, lambda v: _expire(v, v.milliseconds())),
    "EXPIREAT": (5, lambda v: _expire(v, v.unix_seconds())),
    "PEXPIREAT": (5, lambda v: _expire(v, v.unix_milliseconds())),
    "TTL": (3, lambda v: [v.absent_or_key()]),
    "PTTL": (3, lambda v: [v.absent_or_key()]),
    "EXPIRETIME": (3, lambda v: [v.absent_or_key()]),
    "PEXPIRETIME": (3, lambda v: [v.absent_or_key()]),
    "PERSIST": (3, lambda v: [v.absent_or_key()]),
    "TYPE": (3, lambda v: [v.absent_or_key()]),
    "TOUCH": (2, lambda v: v.keys()),
    "RENAME": (5, lambda v: [v.absent_or_key(), v.key()]),
    "RENAMENX": (4, lambda v: [v.absent_or_key(), v.key()]),
    "COPY": (6, _copy),
    "MOVE": (4, lambda v: [v.absent_or_key(), v.database()]),
    "SWAPDB": (2, lambda v: [v.database(), v.database()]),
    "RANDOMKEY": (2, lambda v: []),
    "KEYS": (5, lambda v: [v.pattern()]),
    "SCAN": (4, _scan),
    "OBJECT": (6, _object),
    "DUMP": (4, lambda v: [v.absent_or_key()]),
    "RESTORE": (7, _restore),
}

RELATIVE_EXPIRY = {b"EXPIRE": 2, b"PEXPIRE": 2, b"SETEX": 2, b"PSETEX": 2, b"RESTORE": 2}


def _small_positive(arg):
    try:
        return 0 < int(arg) < 600000
    except ValueError:
        return False


def without_near_expiry(args):
    """The command with each time to live that could run out during the test moved far away."""
    args = list(args)
    position = RELATIVE_EXPIRY.get(args[0].upper()) if args else None
    if position and len(args) > position and _small_positive(args[position]):
        args[position] = FAR_MS
    if args and args[0].upper() in (b"SET", b"GETEX"):
        for i in range(1, len(args) - 1):
            if args[i].upper() in (b"EX", b"PX") and _small_positive(args[i + 1]):
                args[i + 1] = FAR_S
    return args


def sets_past_time(args):
    """True for a SET whose absolute expiry time lies in the past."""
    for i in range(3, len(args) - 1):
        if args[i].upper() in (b"EXAT", b"PXAT"):
            try:
                if int(args[i + 1]) < 1 << 40 and args[i + 1] != FAR_UNIX_S:
                    return True
            except ValueError:
                pass
    return False


def mutate(v, args):
    """Breaks a command: arity, a hostile argument, a doubled or swapped one."""
    args = list(args)
    kind = v.rng.randrange(6)
    if kind == 0 and len(args) > 1:
        del args[v.rng.randrange(1, len(args))]
    elif kind == 1:
        args.insert(v.rng.randint(1, len(args)), v.pick(HOSTILE))
    elif kind == 2 and len(args) > 1:
        at = v.rng.randrange(1, len(args))
        args.insert(at, args[at])
    elif kind == 3 and len(args) > 2:
        i, j = v.rng.randrange(1, len(args)), v.rng.randrange(1, len(args))
        args[i], args[j] = args[j], args[i]
    elif len(args) > 1:
        args[v.rng.randrange(1, len(args))] = v.pick(HOSTILE)
    return args
