"""Writers that keep, outside the server, what it acknowledged, and check it after a crash.

Each workload owns its keys and one connection, so the order of its commands is known: after a crash
the server may hold any state between "everything acknowledged" and "everything sent", no other. A
check also notes what it found as the new starting point.
"""

import random

from resp import ReplyError, encode, parse


class Refused(Exception):
    """The server answered a write with an error."""


class Workload:
    """One writer. run() loops until the connection dies; check() compares after a restart."""

    def __init__(self, number, seed):
        self.number = number
        self.rng = random.Random("%s/%d/%d" % (type(self).__name__, number, seed))
        self.acknowledged = 0  # steps that the server confirmed
        self.sent = 0          # steps that may have reached it

    def name(self):
        return "%s %d" % (type(self).__name__, self.number)

    def key(self, part=""):
        return "%s:%d%s" % (type(self).__name__.lower(), self.number, part)

    def step_commands(self, step):
        """The commands of step number `step` (counted from 1); the last reply confirms it."""
        raise NotImplementedError

    def run(self, client, stopping):
        while not stopping.is_set():
            first = self.sent + 1
            count = self.rng.choice([1, 1, 2, 8, 32])
            batches = [self.step_commands(step) for step in range(first, first + count)]
            self.sent += count
            client.send(b"".join(encode(*command) for batch in batches for command in batch))
            for batch in batches:
                for _ in batch:
                    reply = client.read_reply()
                    if reply[:1] == b"-":
                        raise Refused("%s: %r" % (self.name(), parse(reply)))
                self.acknowledged += 1

    def found_steps(self, client):
        """Which step the server's state corresponds to, or a text that says what is wrong."""
        raise NotImplementedError

    def check(self, client):
        """Problems found; afterwards the ledger continues from what the server holds."""
        found = self.found_steps(client)
        if isinstance(found, str):
            problem = found
        elif found < self.acknowledged:
            problem = "acknowledged step %d, found only %d" % (self.acknowledged, found)
        elif found > self.sent:
            problem = "sent step %d, found %d" % (self.sent, found)
        else:
            self.acknowledged = self.sent = found
            return []
        return ["%s: %s" % (self.name(), problem)]

    def shown_keys(self):
        """Keys whose integer value only grows, for readers."""
        return []


def _number(value):
    return int(value) if value is not None else 0


class Counter(Workload):
    def step_commands(self, step):
        return [("INCR", self.key())]

    def found_steps(self, client):
        return _number(client.must("GET", self.key()))

    def shown_keys(self):
        return [self.key()]


class Sequence(Workload):
    """SETs over 50 keys; the value is the step that wrote it."""
    SLOTS = 50

    def step_commands(self, step):
        value = "%d" % step
        if step % 7 == 0:  # now and then a value that is larger than a log buffer's usual piece
            value += " " + "x" * self.rng.choice([100, 5000, 70000])
        return [("SET", self.key(":%d" % (step % self.SLOTS)), value)]

    def found_steps(self, client):
        keys = [self.key(":%d" % slot) for slot in range(self.SLOTS)]
        values = [_number((value or b"0").split()[0]) for value in client.must("MGET", *keys)]
        newest = max(values)
        for slot, value in enumerate(values):
            expected = newest - (newest - slot) % self.SLOTS
            if value != max(expected, 0) and not (expected <= 0 and value == 0):
                return "slot %d holds step %d, expected %d (newest is %d)" % (slot, value, expected,
                                                                             newest)
        return newest


class Group(Workload):
    """MULTI groups over three keys of different shards, one of them in another database."""

    def step_commands(self, step):
        middle = [("SELECT", "3"), ("SET", self.key("b"), step), ("SELECT", "0")] \
            if self.number % 2 else [("SET", self.key("b"), step)]
        return [("MULTI",), ("SET", self.key("a"), step)] + middle + [
            ("INCR", self.key("c")), ("EXEC",)]

    def found_steps(self, client):
        first, third = (_number(v) for v in client.must("MGET", self.key("a"), self.key("c")))
        if self.number % 2:
            client.must("SELECT", "3")
        second = _number(client.must("GET", self.key("b")))
        client.must("SELECT", "0")
        if not first == second == third:
            return "a transaction is torn: a=%d b=%d c=%d" % (first, second, third)
        return first

    def shown_keys(self):
        return [self.key("a"), self.key("c")]


class ManyKeys(Workload):
    """MSET over eight keys: one group of the log."""

    def step_commands(self, step):
        return [["MSET"] + [item for i in range(8) for item in (self.key(":%d" % i), step)]]

    def found_steps(self, client):
        values = client.must("MGET", *[self.key(":%d" % i) for i in range(8)])
        if len(set(values)) != 1:
            return "an MSET is torn: %r" % values
        return _number(values[0])

    def shown_keys(self):
        return [self.key(":0"), self.key(":7")]


class Appender(Workload):
    """APPENDs of numbered pieces; a key holds 500 of them."""
    PIECES = 500

    def step_commands(self, step):
        return [("APPEND", self.key(":%d" % (step // self.PIECES)), "%d;" % step)]

    def found_steps(self, client):
        last = self.sent // self.PIECES
        for page in range(last, -1, -1):
            text = client.must("GET", self.key(":%d" % page))
            if text is None:
                continue
            steps = [int(piece) for piece in text.split(b";")[:-1]]
            first = max(page * self.PIECES, 1)
            if steps != list(range(first, first + len(steps))):
                return "page %d holds %r..." % (page, text[-60:])
            return steps[-1]
        return 0


class Deleter(Workload):
    """Odd steps set a key with a far expiry, even ones delete it again; RENAME moves another."""

    def step_commands(self, step):
        if step % 2:
            return [("SET", self.key("k"), step, "EX", "1000000"), ("SET", self.key("n"), step)]
        return [("DEL", self.key("k")), ("SET", self.key("n"), step)]

    def found_steps(self, client):
        value, step = client.must("MGET", self.key("k"), self.key("n"))
        step = _number(step)
        if value is None and step % 2 == 0 and step in (self.acknowledged, self.sent) or \
                value is not None and int(value) == step and step % 2:
            return step
        # Between the two commands of a step the key is one ahead of the number.
        if value is None and step % 2 or value is not None and int(value) == step + 1:
            return self._between(client, step)
        if value is None and step % 2 == 0:
            return step
        return "key %r, number %d" % (value, step)

    def _between(self, client, step):
        if step + 1 > self.sent:
            return "the key is ahead of step %d, sent %d" % (step, self.sent)
        if self.acknowledged > step:
            return "acknowledged step %d, found %d and a half" % (self.acknowledged, step)
        client.must("SET", self.key("n"), step + 1)
        return step + 1

    def shown_keys(self):
        return [self.key("n")]


class LongValues(Workload):
    """A value that is too long for a row of the cold tier gets other names, copies and expiries."""
    STEPS = [("SET", "a"), ("COPY", "a", "b"), ("PEXPIREAT", "b"), ("RENAME", "a", "c"),
             ("PERSIST", "c"), ("COPY", "b", "a"), ("DEL", "b"), ("PEXPIREAT", "c"),
             ("RENAME", "c", "b"), ("COPY", "a", "c"), ("PEXPIREAT", "a"), ("RENAME", "b", "d"),
             ("DEL", "a"), ("COPY", "d", "a"), ("PERSIST", "d"), ("DEL", "b", "c", "d")]
    FAR_MS = 4000000000000

    @staticmethod
    def value(step):
        return b"%08d" % step * 12500

    def step_commands(self, step):
        name, *keys = self.STEPS[(step - 1) % len(self.STEPS)]
        command = [name] + [self.key(":" + key) for key in keys]
        if name == "SET":
            command += [self.value(step), "PXAT", self.FAR_MS + step]
        elif name == "PEXPIREAT":
            command += [self.FAR_MS + step]
        return [command]

    def state(self, step):
        """By key, the step that set its value and its expiry (-1: none), after that step."""
        state = {}
        if step == 0:
            return state
        for past in range((step - 1) // len(self.STEPS) * len(self.STEPS) + 1, step + 1):
            name, *keys = self.STEPS[(past - 1) % len(self.STEPS)]
            if name == "SET":
                state[keys[0]] = (past, self.FAR_MS + past)
            elif name == "COPY":
                state[keys[1]] = state[keys[0]]
            elif name == "RENAME":
                state[keys[1]] = state.pop(keys[0])
            elif name == "DEL":
                for key in keys:
                    state.pop(key, None)
            else:
                state[keys[0]] = (state[keys[0]][0], self.FAR_MS + past if name == "PEXPIREAT" else -1)
        return state

    def found_steps(self, client):
        found = {}
        for key in "abcd":
            value = client.must("GET", self.key(":" + key))
            if value is None:
                continue
            step = int(value[:8])
            if value != self.value(step):
                return "%s holds %d bytes that are not the value of step %d" % (key, len(value), step)
            found[key] = (step, client.must("PEXPIRETIME", self.key(":" + key)))
        for step in range(self.acknowledged, self.sent + 1):
            if self.state(step) == found:
                return step
        return "%r is the state after none of the steps %d to %d" % (found, self.acknowledged,
                                                                     self.sent)


class Reader:
    """Reads growing numbers and remembers the largest it was shown, also of unconfirmed writes."""

    def __init__(self, workloads):
        self.keys = [key for workload in workloads for key in workload.shown_keys()]
        self.shown = dict.fromkeys(self.keys, 0)
        self.reads = 0
        self.problems = []

    def run(self, client, stopping):
        while not stopping.is_set():
            replies = client.pipeline([("GET", key) for key in self.keys])
            self.reads += len(replies)
            for key, raw in zip(self.keys, replies):
                value = parse(raw)
                if isinstance(value, ReplyError):
                    raise Refused("reader: %s" % value)
                value = _number(value)
                if value < self.shown[key]:
                    self.problems.append("reader: %s went back from %d to %d"
                                         % (key, self.shown[key], value))
                self.shown[key] = max(value, self.shown[key])

    def check(self, client):
        values = client.must("MGET", *self.keys)
        problems, self.problems = self.problems, []
        for key, value in zip(self.keys, values):
            if _number(value) < self.shown[key]:
                problems.append("reader: was shown %s = %d, after the crash it is %d"
                                % (key, self.shown[key], _number(value)))
            self.shown[key] = _number(value)
        return problems


def all_workloads(seed):
    kinds = [Counter, Counter, Sequence, Group, Group, ManyKeys, Appender, Deleter] + 4 * [LongValues]
    return [kind(number, seed) for number, kind in enumerate(kinds)]
