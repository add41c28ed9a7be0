"""Runs steps on two servers at once, finds the first differing reply exactly, and shortens the run
that led to it."""

import re
import sys
import time
import zlib

import reply_rules
from command_grammar import KEYS
from resp import Client, ConnectionLost, ProtocolError, elements, encode, parse
from scenarios import BARE, Step, show
from server_grammar import CONFIG_VALUES

_PLACEHOLDER = re.compile(rb"<(ID|ADDR|LADDR):(\d+)>")
DATABASES = 16
TIMEOUT_S = 5
BROKEN = (ConnectionLost, ProtocolError, ValueError)
LOST = b"<connection lost: "


class Mismatch:
    """One reply that differs: where, the command, both replies."""

    def __init__(self, step, command, reference, subject):
        self.step = step
        self.command = command
        self.reference = reference
        self.subject = subject

    def text(self):
        return "    command   %s\n    reference %s\n    subject   %s" % (
            " ".join(show(arg) for arg in self.command), _shorten(self.reference),
            _shorten(self.subject))


def _lost(why):
    """What stands for a missing reply. On the reference it is a fault of the test itself."""
    return LOST + str(why).encode() + b">"


_CONTAINERS = (b"CLIENT", b"CONFIG", b"COMMAND", b"OBJECT", b"DEBUG", b"MEMORY", b"SLOWLOG",
               b"LATENCY")
_QUOTED = re.compile(rb"'[^']*'?")


def signature(mismatch):
    """Mismatches of one cause share it: command, subcommand and the two kinds of reply."""
    command = mismatch.command or [b"?"]
    name = command[0].upper()[:20]
    sub = command[1].upper()[:20] if name in _CONTAINERS and len(command) > 1 else b""
    if name == b"DATA":
        sub = re.sub(rb"\d+", b"N", b" ".join(command[1:3]))
    return (name, sub, _kind(mismatch.reference), _kind(mismatch.subject))


def _kind(reply):
    if reply[:1] == b"-":
        return _QUOTED.sub(b"..", reply)[:60]
    return reply[:3] if reply[:3] in (b"$-1", b"*-1") else reply[:1]


def _shorten(raw):
    text = repr(bytes(raw))[1:]
    return text if len(text) < 700 else "%s ... (%d bytes)" % (text[:700], len(raw))


class Side:
    """One server and its open connections."""

    def __init__(self, server, port=None):
        self.server = server
        self.proxied_port = port
        self.open = {}
        self.names = {}
        self.admin = None
        self.config = None

    def port(self):
        return self.proxied_port or self.server.port

    def connection(self, conn):
        if conn not in self.open:
            client = Client(self.port(), timeout_s=TIMEOUT_S)
            if conn < BARE:
                if conn % 2:
                    client.raw_command("HELLO", "3")
                line = parse(client.raw_command("CLIENT", "ID"))
                host, port = client.socket.getsockname()[:2]
                peer_host, peer_port = client.socket.getpeername()[:2]
                self.names[conn] = {b"ID": str(line).encode(), b"ADDR": b"%s:%d" % (host.encode(), port),
                                    b"LADDR": b"%s:%d" % (peer_host.encode(), peer_port)}
            self.open[conn] = client
        return self.open[conn]

    def fill_in(self, command):
        """Replaces <ID:n> and the like by what they are on this server."""
        return [_PLACEHOLDER.sub(
            lambda found: self.names.get(int(found[2]), {}).get(found[1], b"0"), arg)
            if arg[:1] == b"<" else arg for arg in command]

    def drop(self, conn):
        client = self.open.pop(conn, None)
        if client:
            client.close()

    def reset(self, restore_config):
        """An empty server with its first configuration and no connections but the admin's."""
        for conn in list(self.open):
            self.drop(conn)
        if self.admin is None:
            self.admin = Client(self.port())
        if self.config is None:
            self.config = {}
            for name in sorted(CONFIG_VALUES):
                pair = self.admin.command("CONFIG", "GET", name)
                if isinstance(pair, list) and len(pair) == 2:
                    self.config[name] = pair[1]
        commands = [("SELECT", "0"), ("CLIENT", "UNPAUSE"), ("CONFIG", "SET", "requirepass", "")]
        if restore_config:
            commands += [("CONFIG", "SET", name, value) for name, value in self.config.items()]
            commands += [("SLOWLOG", "RESET"), ("DEBUG", "SET-ACTIVE-EXPIRE", "1")]
        self.admin.pipeline(commands + [("FLUSHALL",)])
        self._wait_alone()

    def _wait_alone(self):
        """Until the server has noticed that the dropped connections are closed."""
        for _ in range(200):
            listing = self.admin.command("CLIENT", "LIST")
            if not isinstance(listing, bytes) or listing.count(b"\n") <= 1:
                return
            time.sleep(0.005)

    def close(self):
        for conn in list(self.open):
            self.drop(conn)
        if self.admin:
            self.admin.close()
            self.admin = None


class Comparison:
    """The pair of servers. Counts what it compared."""

    def __init__(self, reference, subject, subject_port=None, skip=(), spill_percent=0):
        self.sides = (Side(reference), Side(subject, subject_port))
        self.skip = skip
        self.spill_percent = spill_percent
        self.spills = 0
        self.references = 0  # long cold values that a command took along without reading them
        self.references_before = 0
        self.queued = {}
        self.commands = 0
        self.equal = 0
        self.allowed = 0
        self.deaths = 0

    def close(self):
        for side in self.sides:
            side.close()

    def reset(self, restore_config=True):
        self.queued = {}
        for side in self.sides:
            if not side.server.alive():
                self._restart(side)
            try:
                side.reset(restore_config)
            except BROKEN:
                side.close()
                if not side.server.alive():
                    self._restart(side)
                side.reset(True)

    def _restart(self, side):
        self.deaths += 1
        print("SERVER DIED (status %s):\n%s" % (side.server.process.returncode,
                                                side.server.output()), flush=True)
        side.close()
        side.server.start()

    def run_section(self, steps):
        """All mismatches of a section, the data comparison at its end included."""
        self.reset(restore_config=True)
        found = []
        for number, step in enumerate(steps):
            found += self._run_step(number, step)
            if len(found) > 40:
                return found
        found += self.compare_data(len(steps) - 1)
        if self.spill_percent:
            self._count_references()
        return found

    def first_mismatch(self, steps, with_data, known=()):
        """The first mismatch whose signature is not known yet."""
        self.reset(restore_config=True)
        for number, step in enumerate(steps):
            for mismatch in self._run_step(number, step):
                if signature(mismatch) not in known:
                    return mismatch
        found = self.compare_data(len(steps) - 1) if with_data else []
        return next((m for m in found if signature(m) not in known), None)

    def _run_step(self, number, step):
        self.commands += len(step.commands) or 1
        if zlib.crc32(b"%d" % number) % 100 < self.spill_percent:
            self._spill()
        replies = [self._send(side, step) for side in self.sides]
        replies = [self._receive(side, step) if sent is None else sent
                   for side, sent in zip(self.sides, replies)]
        found = []
        for at, (reference, subject) in enumerate(zip(*replies)):
            command = self._command_of(step, at)
            if reference == subject and LOST not in reference and command[0].upper() not in (b"MULTI", b"EXEC", b"DISCARD",
                                                                       b"RESET"):
                self.equal += 1
                if reference == b"+QUEUED\r\n":
                    self.queued.setdefault(step.conn, []).append(command)
                continue
            if LOST in reference or not self._same(step.conn, command, reference, subject):
                found.append(Mismatch(number, command, reference, subject))
        return found

    def _spill(self):
        """What comes next finds every key of the server under test in its cold tier."""
        admin = self.sides[1].admin
        try:
            reply = admin.raw_command("DEBUG", "SPILL")
            admin.command("CLIENT", "LIST")  # CLIENT LIST shows what the admin did last
        except BROKEN:  # the section may have killed it, or taken its rights away
            return
        self.spills += reply == b"+OK\r\n"
        if reply.startswith(b"-ERR the tier"):
            sys.exit("DEBUG SPILL: %s" % reply.decode())

    def _count_references(self):
        """At the end of a section; CONFIG RESETSTAT may have come in between."""
        try:
            info = self.sides[1].admin.command("INFO", "tiering")
        except BROKEN:
            return
        line = re.search(rb"loaded_references:(\d+)", info if isinstance(info, bytes) else b"")
        now = int(line[1]) if line else 0
        self.references += now - self.references_before if now >= self.references_before else now
        self.references_before = now

    @staticmethod
    def _command_of(step, at):
        if step.as_command or step.raw is not None:
            return [step.as_command or b"RAW", step.raw or b""]
        if step.replies == "close":
            return step.commands[0] if step.commands else [b"CLOSED"]
        return step.commands[at]

    def _same(self, conn, command, reference, subject):
        name = command[0].upper() if command else b""
        queue = self.queued.get(conn, [])
        if name in (b"MULTI", b"EXEC", b"DISCARD", b"RESET") and reference[:1] != b"-":
            self.queued.pop(conn, None)
        if reference == subject:
            self.equal += 1
            return True
        if name == b"EXEC" and reference[:1] == b"*":
            parts = elements(reference), elements(subject)
            same = None not in parts and len(parts[0]) == len(parts[1]) == len(queue) and all(
                reply_rules.acceptable(*three) for three in zip(queue, *parts))
        else:
            same = reply_rules.acceptable(command, reference, subject)
        self.allowed += same
        return same

    def _send(self, side, step):
        """None if sent; else the replies that stand for a connection that could not be used."""
        data = step.raw
        try:
            client = side.connection(step.conn)
            if data is None:
                data = b"".join(encode(*side.fill_in(command)) for command in step.commands)
            client.send(data)
            return None
        except (ConnectionLost, OSError) as lost:
            if step.replies == "close":
                return None
            side.drop(step.conn)
            return [_lost(lost)] * (step.replies or len(step.commands) or 1)

    def _receive(self, side, step):
        client = side.open.get(step.conn)
        if step.replies == "close":
            try:
                return [client.read_until_closed() if client else b"<no connection>"]
            except ConnectionLost:
                return [b"<not closed> " + bytes(client.buffer)]
            finally:
                side.drop(step.conn)
        count = len(step.commands) if step.replies is None else step.replies
        replies = []
        try:
            for _ in range(count):
                replies.append(client.read_reply())
        except BROKEN as lost:
            replies += [_lost(lost)] * (count - len(replies))
            side.drop(step.conn)
        return replies

    # The whole data set

    def compare_data(self, number):
        """Keys, types, values, encodings, payloads and times to live of every database."""
        listings = []
        for side in self.sides:
            try:
                listings.append(self._key_lists(side))
            except BROKEN as lost:
                side.close()
                return [Mismatch(number, [b"DATA"], b"", str(lost).encode())]
        found = []
        for database in range(DATABASES):
            reference, subject = listings[0][database], listings[1][database]
            if reference != subject:
                found.append(Mismatch(number, [b"DATA", b"KEYS of db %d" % database],
                                      repr(reference)[:300].encode(), repr(subject)[:300].encode()))
            elif reference:
                try:
                    found += self._compare_keys(number, database, reference)
                except BROKEN as broken:
                    self.close()
                    return found + [Mismatch(number, [b"DATA", b"broken"], b"",
                                             str(broken).encode())]
        return found

    @staticmethod
    def _key_lists(side):
        """Sorted keys of each database. A key that has expired may count until the expire cycle
        removes it, so a first disagreement of KEYS and DBSIZE is given two seconds."""
        commands = [("DEBUG", "SET-ACTIVE-EXPIRE", "1"), ("CLIENT", "UNPAUSE")]
        for database in range(DATABASES):
            commands += [("SELECT", database), ("KEYS", "*"), ("DBSIZE",)]
        deadline = time.monotonic() + 2
        while True:
            replies = [parse(raw) for raw in side.admin.pipeline(commands)][2:]
            wrong = [database for database in range(DATABASES)
                     if not isinstance(replies[database * 3 + 1], list) or
                     len(replies[database * 3 + 1]) != replies[database * 3 + 2]]
            if not wrong:
                break
            if time.monotonic() > deadline:
                raise ProtocolError("KEYS and DBSIZE disagree in db %s" % wrong)
            time.sleep(0.02)
        return [sorted(replies[database * 3 + 1]) for database in range(DATABASES)]

    def _compare_keys(self, number, database, keys):
        commands = [[b"SELECT", b"%d" % database]]
        chosen = keys if len(keys) < 200 else keys[:100] + [key for key in keys[100:]
                                                            if key in KEYS]
        for key in chosen:
            commands += [[b"TYPE", key], [b"GET", key], [b"PTTL", key], [b"OBJECT", b"ENCODING", key],
                         [b"STRLEN", key]] + ([] if "DUMP" in self.skip else [[b"DUMP", key]])
        replies = [side.admin.pipeline(commands) for side in self.sides]
        found = [Mismatch(number, [b"DATA", b"db %d" % database] + command, reference, subject)
                 for command, reference, subject in zip(commands, *replies)
                 if not reply_rules.acceptable(command, reference, subject)]
        for side in self.sides:
            scanned = self._scan(side)
            if scanned != set(keys):
                found.append(Mismatch(number, [b"DATA", b"db %d" % database, b"SCAN"],
                                      repr(sorted(keys))[:300].encode(),
                                      repr(sorted(scanned))[:300].encode()))
            picked = side.admin.command("RANDOMKEY")
            if picked not in keys:
                found.append(Mismatch(number, [b"DATA", b"RANDOMKEY"], repr(keys)[:300].encode(),
                                      repr(picked).encode()))
        return found

    @staticmethod
    def _scan(side):
        cursor, seen = b"0", set()
        for _ in range(10000):
            page = side.admin.command("SCAN", cursor, "COUNT", "50")
            if not isinstance(page, list):
                return seen
            cursor = page[0]
            seen.update(page[1])
            if cursor == b"0":
                break
        return seen


def minimise(comparison, steps, mismatch, known=(), budget_s=15):
    """(fewest steps found, its mismatch) that still end in a mismatch of this kind as the first one
    not known yet; None if it does not repeat from an empty server or only follows another one."""
    from_data = mismatch.command[0] == b"DATA"
    wanted = signature(mismatch)
    flat = [single for step in steps[:mismatch.step + 1] for single in step.singles()]
    deadline = time.monotonic() + budget_s

    def repeats(candidate):
        found = comparison.first_mismatch(candidate, from_data, known) if candidate else None
        return found if found is not None and signature(found) == wanted else None

    best = repeats(flat)
    if best is None:
        return None
    if not from_data:  # the batch's later commands are not part of it
        flat = flat[:best.step + 1]
    size = max(1, len(flat) // 2)
    while size and time.monotonic() < deadline:
        start, shrunk = 0, False
        while start < len(flat) and time.monotonic() < deadline:
            found = repeats(flat[:start] + flat[start + size:])
            if found:
                flat, best, shrunk = flat[:start] + flat[start + size:], found, True
            else:
                start += size
        if not shrunk or size > 1:
            size //= 2
    return flat, best


__all__ = ["Comparison", "Mismatch", "Step", "minimise", "signature"]
