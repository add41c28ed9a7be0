"""Steps of a differential run: random batches, transactions, and short scripts for what a random
stream cannot hold (replies switched off, closed connections, passwords, MONITOR, raw protocol)."""

from dataclasses import dataclass, field
from typing import Optional, Union

from command_grammar import HOSTILE, sets_past_time, without_near_expiry
from resp import encode
from server_grammar import unsafe

BARE = 1000  # connections from here on get no handshake; odd ones below it speak RESP3


@dataclass
class Step:
    """Commands sent in one batch on one connection. `replies` is None for one reply per command, a
    number, or "close" for every byte until the server closes."""
    conn: int
    commands: list = field(default_factory=list)
    replies: Union[None, int, str] = None
    raw: Optional[bytes] = None
    as_command: Optional[bytes] = None

    def singles(self):
        """The step as steps of one command, where its replies allow that."""
        if self.raw is not None or self.replies is not None or len(self.commands) < 2:
            return [self]
        return [Step(self.conn, [command]) for command in self.commands]

    def __str__(self):
        sent = "raw %r" % self.raw if self.raw is not None else "; ".join(
            " ".join(show(arg) for arg in command) for command in self.commands)
        return "conn %d: %s" % (self.conn, sent)


def show(arg):
    text = repr(arg)[1:]
    return text if len(text) <= 130 else "%s...(%d bytes)" % (text[:100], len(arg))


def transaction(generator, conn, other):
    """WATCH, a write by someone else, MULTI, commands, EXEC or DISCARD: each part optional."""
    v, steps = generator.v, []
    keys = v.keys()
    if v.chance(0.5):
        steps.append(Step(conn, [[b"WATCH"] + keys]))
        if v.chance(0.5):
            steps.append(Step(other, [generator.command(), [b"SET", v.pick(keys), v.value()]]
                              if v.chance(0.4) else [generator.command()]))
        if v.chance(0.1):
            steps.append(Step(conn, [[b"UNWATCH"]]))
    steps.append(Step(conn, [[v.case(b"MULTI")]]))
    for _ in range(v.rng.randint(0, 6)):
        steps.append(Step(conn, generator.commands(1)))
        if v.chance(0.1):
            steps.append(Step(other, [generator.command()]))
    steps.append(Step(conn, [[v.case(b"EXEC" if v.chance(0.85) else b"DISCARD")]]))
    if v.chance(0.6):  # as one pipeline, the way client libraries send it
        return [merged for merged in _merge(steps)]
    return steps


def _merge(steps):
    merged = []
    for step in steps:
        if merged and merged[-1].conn == step.conn:
            merged[-1].commands += step.commands
        else:
            merged.append(Step(step.conn, list(step.commands)))
    return merged


def reply_off(generator, fresh):
    v, conn = generator.v, fresh()
    quiet = [[b"SET", v.key(), v.value()] for _ in range(v.rng.randint(0, 4))]
    if v.chance(0.5):
        commands = [[b"CLIENT", b"REPLY", b"SKIP"], [b"GET", v.key()], [b"ECHO", b"after"]]
        return [Step(conn, commands, replies=1, as_command=b"ECHO")]
    commands = [[b"CLIENT", v.case(b"REPLY"), v.case(b"OFF")]] + quiet + [[b"NOSUCH"]]
    commands += [[b"CLIENT", b"REPLY", b"ON"], [b"ECHO", b"after"]]
    return [Step(conn, commands, replies=2, as_command=b"ECHO")]


def quit_connection(generator, fresh):
    v, conn = generator.v, fresh()
    return [Step(conn, [[b"SET", v.key(), v.value()], [v.case(b"QUIT")] + v.pick([[], [b"x"]]),
                        [b"SET", v.key(), b"never"]], replies="close")]


def kill_connection(generator, fresh):
    v, victim, killer = generator.v, fresh(), fresh()
    target = b"<ADDR:%d>" % victim
    how = v.pick([[b"ID", b"<ID:%d>" % victim], [b"ADDR", target], [target],
                  [b"ID", b"<ID:%d>" % victim, b"SKIPME", b"no"],
                  [b"ID", b"<ID:%d>" % victim, b"TYPE", b"normal"],
                  [b"ID", b"<ID:%d>" % victim, b"USER", b"default"],
                  [b"LADDR", b"<LADDR:%d>" % victim, b"ID", b"<ID:%d>" % victim]])
    return [Step(victim, [[b"SET", v.key(), v.value()], [b"MULTI"], [b"SET", v.key(), b"never"]]),
            Step(killer, [[b"CLIENT", v.case(b"KILL")] + how]), Step(victim, [], replies="close")]


def kill_self(generator, fresh):
    conn = fresh()
    how = generator.v.pick([[b"ID", b"<ID:%d>" % conn, b"SKIPME", b"no"], [b"<ADDR:%d>" % conn],
                            [b"ADDR", b"<ADDR:%d>" % conn, b"SKIPME", b"no"]])
    return [Step(conn, [[b"PING"], [b"CLIENT", b"KILL"] + how, [b"SET", b"a", b"never"]],
                 replies="close")]


def pause(generator, fresh):
    v, conn = generator.v, fresh()
    if v.chance(0.5):
        return [Step(conn, [[b"CLIENT", b"PAUSE", b"20"] + v.pick([[], [b"ALL"], [b"all"]]),
                            [b"GET", v.key()], [b"SET", v.key(), v.value()]])]
    other = fresh()
    return [Step(conn, [[b"CLIENT", b"PAUSE", b"100000", v.case(b"WRITE")], [b"GET", v.key()]]),
            Step(other, [[b"GET", v.key()], [b"CLIENT", b"UNPAUSE"], [b"SET", v.key(), v.value()]])]


def password(generator, fresh):
    v, admin, bare = generator.v, fresh(), fresh(bare=True)
    return [Step(admin, [[b"CONFIG", b"SET", b"requirepass", b"sesame"],
                         [b"CONFIG", b"GET", b"requirepass"]]),
            Step(bare, [[b"GET", v.key()], [b"PING"], [b"NOSUCH"], [b"HELLO"], [b"HELLO", b"3"],
                        [b"GET"], [b"MULTI"], [b"EXEC"], [b"AUTH", b"wrong"],
                        [b"AUTH", b"default", b"wrong"], [b"AUTH", b"nouser", b"sesame"], [b"RESET"],
                        [b"SET", b"a", v.value()[:100]], [b"SELECT", b"1"]]),
            Step(bare, v.pick([[[b"AUTH", b"sesame"]], [[b"AUTH", b"default", b"sesame"]],
                               [[b"HELLO", b"3", b"AUTH", b"default", b"sesame"]],
                               [[b"HELLO", b"2", b"SETNAME", b"n", b"AUTH", b"default", b"sesame"]]])
                 + [[b"SET", v.key(), v.value()], [b"CLIENT", b"GETNAME"], [b"RESET"],
                    [b"GET", b"a"], [b"AUTH", b"sesame"]]),
            Step(admin, [[b"CONFIG", b"SET", b"requirepass", b""]])]


def monitor(generator, fresh):
    v, watcher, worker = generator.v, fresh(), fresh()
    commands = [[v.case(b"SET"), v.key(), v.value()[:200]], [b"GET", v.key()], [b"SELECT", b"1"],
                [b"DEL", v.key(), b"\x00\"\\\n\t\x07\x7f\xff"], [b"SELECT", b"0"], [b"MULTI"],
                [b"INCR", b"n1"], [v.case(b"EXEC")]]
    return [Step(watcher, [[b"MONITOR"]]), Step(worker, commands),
            Step(watcher, [], replies=len(commands), as_command=b"MONITOR-LINE")]


def slowlog(generator, fresh):
    v, conn = generator.v, fresh()
    long_line = [b"MSET"] + [b"key%d" % i for i in range(40)]
    return [Step(conn, [[b"CONFIG", b"SET", b"slowlog-log-slower-than", b"0"],
                        [b"SLOWLOG", b"RESET"], [b"CLIENT", b"SETNAME", b"slow"],
                        [b"SET", v.key(), b"v" * 300], long_line, [b"GET", v.key()], [b"GET"],
                        [b"CONFIG", b"SET", b"slowlog-log-slower-than", b"-1"],
                        [b"SLOWLOG", b"LEN"], [b"SLOWLOG", b"GET", b"-1"], [b"SLOWLOG", b"GET", b"2"],
                        [b"SLOWLOG", b"GET", b"-2"], [b"SLOWLOG", b"RESET"], [b"SLOWLOG", b"LEN"]])]


def inline(generator, fresh):
    v, conn = generator.v, fresh(bare=True)
    lines = [(b"PING\r\n", 1), (b"\r\nPING\n", 1), (b"  PING  \r\n", 1), (b"SET a \"x y\"\r\n", 1),
             (b"SET b '\\x41\\''\r\nGET b\r\n", 2), (b"SET c \"\\x41\\n\\\"\\a\"\r\nGET c\r\n", 2),
             (b"get\ta\r\n", 1), (b"nosuch 'a b'\r\n", 1), (b"*0\r\nPING\r\n", 1),
             (b"*-1\r\nPING\r\n", 1), (b"*1\r\n$4\r\nPING\r\n\r\n", 1), (b"ECHO ''\r\n", 1),
             (b"*2\r\n$4\r\nECHO\r\n$0\r\n\r\n", 1)]
    chosen = [v.pick(lines) for _ in range(3)]
    return [Step(conn, raw=data, replies=count, as_command=b"INLINE") for data, count in chosen]


def broken_protocol(generator, fresh):
    conn = fresh(bare=True)
    data = generator.v.pick([
        b"*abc\r\n", b"*1\r\n#4\r\nPING\r\n", b"*1\r\n$abc\r\n", b"*1\r\n$-1\r\n", b"*1\r\n$-5\r\n",
        b"*9223372036854775808\r\n", b"*1\r\n$9223372036854775808\r\n",
        b"*1\r\n$600000000\r\n", b"SET a \"unbalanced\r\n", b"SET a 'x'y\r\n", b"*1\r\n+PING\r\n",
        b"*" + b"1" * 70000, b"a" * 70000, b"*1\r\n$" + b"1" * 70000, b"*2147483648\r\n",
        b"*1\r\n$ 4\r\nPING\r\n", b"* 1\r\n", b"*+1\r\n$4\r\nPING\r\n", b"*01\r\n$4\r\nPING\r\n",
        b"*1\r\n$+4\r\nPING\r\n", b"*1\r\n$04\r\nPING\r\n", b"*1\r\n$\r\n", b"*1\r\n\r\n",
        encode(b"SET", b"a", b"1") + b"*1\r\n$x\r\n"])
    return [Step(conn, raw=data, replies="close", as_command=b"PROTOCOL")]


def many_keys(generator, fresh):
    """Enough keys that KEYS, SCAN and FLUSHALL meet more than one table segment."""
    v, conn = generator.v, fresh()
    count = v.pick([100, 1000, 5000])
    fill = [b"MSET"]
    for i in range(count):
        fill += [b"many:%d" % i, b"%d" % i]
    return [Step(conn, [fill, [b"DBSIZE"], [b"KEYS", b"many:*7"], [b"KEYS", b"*:1?"],
                        [b"EXPIRE", b"many:7", v.seconds()], [b"DEL"] + fill[1:200:2],
                        [b"DBSIZE"]])]


def hostile_everywhere(generator, fresh):
    """One command with a hostile value at each position in turn."""
    v, conn = generator.v, fresh()
    base = generator.command()
    commands = []
    for position in range(1, len(base)):
        broken = list(base)
        broken[position] = v.pick(HOSTILE)
        broken = without_near_expiry(broken)
        if not unsafe(broken) and not sets_past_time(broken) and broken[0].upper() not in (b"CLIENT", b"CONFIG", b"DEBUG"):
            commands.append(broken)
    return [Step(conn, commands)] if commands else []


SCENARIOS = [(4, reply_off), (3, quit_connection), (3, kill_connection), (2, kill_self), (1, pause),
             (3, password), (3, monitor), (3, slowlog), (6, inline), (5, broken_protocol),
             (2, many_keys), (6, hostile_everywhere)]


def section_steps(generator, commands):
    """The steps of one section: about `commands` commands over four connections."""
    v, steps, sent = generator.v, [], 0
    taken = {"next": 4, "bare": BARE}

    def fresh(bare=False):
        kind = "bare" if bare else "next"
        taken[kind] += 1
        return taken[kind] - 1

    weights = [weight for weight, _ in SCENARIOS]
    while sent < commands:
        kind, conn = v.rng.random(), v.rng.randrange(4)
        if kind < 0.10:
            new = transaction(generator, conn, (conn + v.rng.randint(1, 3)) % 4)
        elif kind < 0.13:
            new = v.rng.choices(SCENARIOS, weights)[0][1](generator, fresh)
        else:
            new = [Step(conn, generator.commands(v.rng.randint(1, 24)))]
        steps += new
        sent += sum(len(step.commands) or 1 for step in new)
    return steps
