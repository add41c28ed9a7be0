"""RESP2/RESP3 as bytes: encode commands, find where a reply ends, parse it, and a raw client.

The harnesses compare replies byte for byte, so the client hands out the exact bytes of each reply;
parse() is for the few replies that are allowed to differ and must be looked into.
"""

import socket
import time


class ReplyError(str):
    """An error reply, as parse() returns it (equal to its text)."""


class Status(str):
    """A simple string reply."""


class Verbatim(bytes):
    """A RESP3 verbatim string, format prefix included."""


class Incomplete(Exception):
    """The buffer ends before the reply does."""


class ProtocolError(Exception):
    """The bytes are no RESP reply."""


class ConnectionLost(Exception):
    """The server closed the connection, or did not answer in time."""


def to_bytes(value):
    if isinstance(value, bytes):
        return value
    return str(value).encode()


def encode(*args):
    """One command as a RESP array of bulk strings."""
    parts = [b"*%d\r\n" % len(args)]
    for arg in args:
        arg = to_bytes(arg)
        parts.append(b"$%d\r\n%s\r\n" % (len(arg), arg))
    return b"".join(parts)


_BULK = b"$=!"
_AGGREGATE = b"*~>%|"
_LINE = b"+-:_,#("


def reply_end(buffer, start=0):
    """Offset just after the reply that begins at `start`; raises Incomplete."""
    position = start
    pending = 1
    while pending:
        eol = buffer.find(b"\r\n", position)
        if eol < 0:
            raise Incomplete
        kind = buffer[position]
        if kind in _BULK:
            length = int(buffer[position + 1:eol])
            position = eol + 2
            if length >= 0:
                position += length + 2
                if position > len(buffer):
                    raise Incomplete
                if buffer[position - 2:position] != b"\r\n":
                    raise ProtocolError("bulk without CRLF at %d" % position)
            pending -= 1
        elif kind in _AGGREGATE:
            count = int(buffer[position + 1:eol])
            position = eol + 2
            if count > 0:
                pending += count * 2 if kind in b"%|" else count
            if kind != 0x7C:  # an attribute is followed by the reply that it describes
                pending -= 1
        elif kind in _LINE:
            position = eol + 2
            pending -= 1
        else:
            raise ProtocolError("unknown reply type %r" % bytes(buffer[position:position + 20]))
    return position


def parse(raw):
    """The value of one complete reply."""
    value, _ = _parse_at(bytes(raw), 0)
    return value


def _parse_at(raw, position):
    eol = raw.index(b"\r\n", position)
    kind, head, after = raw[position:position + 1], raw[position + 1:eol], eol + 2
    if kind in (b"$", b"=", b"!"):
        length = int(head)
        if length < 0:
            return None, after
        body = raw[after:after + length]
        after += length + 2
        if kind == b"!":
            return ReplyError(body.decode("latin-1")), after
        return (Verbatim(body) if kind == b"=" else body), after
    if kind in (b"*", b"~", b">"):
        return _parse_list(raw, int(head), after)
    if kind in (b"%", b"|"):
        flat, after = _parse_list(raw, int(head) * 2, after)
        if kind == b"|":
            return _parse_at(raw, after)
        return [list(pair) for pair in zip(flat[::2], flat[1::2])], after
    return _parse_line(kind, head), after


def _parse_list(raw, count, position):
    if count < 0:
        return None, position
    items = []
    for _ in range(count):
        item, position = _parse_at(raw, position)
        items.append(item)
    return items, position


def _parse_line(kind, head):
    if kind == b"+":
        return Status(head.decode("latin-1"))
    if kind == b"-":
        return ReplyError(head.decode("latin-1"))
    if kind in (b":", b"("):
        return int(head)
    if kind == b",":
        return float(head)
    if kind == b"#":
        return head == b"t"
    if kind == b"_":
        return None
    raise ProtocolError("unknown reply type %r" % kind)


def elements(raw):
    """The raw replies inside a raw array, set, push or map reply; None for a null or scalar."""
    if raw[:1] not in (b"*", b"~", b">", b"%"):
        return None
    eol = raw.index(b"\r\n")
    count = int(raw[1:eol])
    if count < 0:
        return None
    if raw[:1] == b"%":
        count *= 2
    position, found = eol + 2, []
    for _ in range(count):
        end = reply_end(raw, position)
        found.append(raw[position:end])
        position = end
    return found


class Client:
    """One blocking connection. Replies come back as exact bytes."""

    def __init__(self, port, host="127.0.0.1", timeout_s=20.0, unix_path=None):
        self.timeout_s = timeout_s
        if unix_path:
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(timeout_s)
            self.socket.connect(unix_path)
        else:
            self.socket = socket.create_connection((host, port), timeout=timeout_s)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = bytearray()
        self.position = 0

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send(self, data):
        try:
            self.socket.sendall(data)
        except OSError as error:
            raise ConnectionLost("send: %s" % error) from error

    def read_reply(self):
        """The exact bytes of the next reply."""
        need_more = self.position >= len(self.buffer)
        deadline = time.monotonic() + self.timeout_s
        while True:
            if not need_more:
                try:
                    end = reply_end(self.buffer, self.position)
                    raw = bytes(self.buffer[self.position:end])
                    self.position = end
                    return raw
                except Incomplete:
                    pass
            if self.position:
                del self.buffer[:self.position]
                self.position = 0
            self._receive(deadline)
            need_more = False

    def _receive(self, deadline):
        if time.monotonic() > deadline:
            raise ConnectionLost("no whole reply within %.0f s" % self.timeout_s)
        try:
            chunk = self.socket.recv(1 << 18)
        except OSError as error:
            raise ConnectionLost("recv: %s" % error) from error
        if not chunk:
            raise ConnectionLost("closed by the server")
        self.buffer += chunk

    def read_until_closed(self):
        """Every byte up to the end of the connection."""
        deadline = time.monotonic() + self.timeout_s
        try:
            while True:
                self._receive(deadline)
        except ConnectionLost as lost:
            if "closed" not in str(lost) and "reset" not in str(lost):
                raise
        rest = bytes(self.buffer[self.position:])
        self.buffer, self.position = bytearray(), 0
        return rest

    def raw_command(self, *args):
        self.send(encode(*args))
        return self.read_reply()

    def command(self, *args):
        """The parsed reply of one command."""
        return parse(self.raw_command(*args))

    def must(self, *args):
        """The parsed reply; an error reply is raised as AssertionError."""
        reply = self.command(*args)
        if isinstance(reply, ReplyError):
            raise AssertionError("%r: %s" % (args[:4], reply))
        return reply

    def pipeline(self, commands):
        """Sends all, returns the raw replies in order. A thread-free send: batches stay small."""
        self.send(b"".join(encode(*command) for command in commands))
        return [self.read_reply() for _ in commands]
