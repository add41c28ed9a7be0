"""A TCP proxy that tells small lies about the server behind it: the test of the tests.

A harness that reports nothing through it would not notice a wrong server either.
"""

import socket
import threading

# name: (direction, bytes, replacement of the same meaning-changing kind)
ALTERATIONS = {
    "integer": ("reply", b":1\r\n", b":2\r\n"),
    "null": ("reply", b"_\r\n", b"$-1\r\n"),
    "error-text": ("reply", b"-ERR syntax error", b"-ERR syntax Error"),
    "lost-write": ("request", b"\r\n$1\r\na\r\n", b"\r\n$1\r\nz\r\n"),
    "expiry": ("request", b"100000000\r\n", b"100900000\r\n"),
}


class AlteringProxy:
    """Listens on a loopback port and forwards to `port`, altering every `every`-th occurrence."""

    def __init__(self, port, alteration, every=5):
        self.direction, self.search, self.replacement = ALTERATIONS[alteration]
        self.target = port
        self.every = every
        self.seen = 0
        self.altered = 0
        self.lock = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self.listener.close()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self.target))
            for pair in ((client, server, "request"), (server, client, "reply")):
                for end in pair[:2]:
                    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=self._pump, args=pair, daemon=True).start()

    def _alter(self, data):
        with self.lock:
            parts = data.split(self.search)
            out = [parts[0]]
            for part in parts[1:]:
                self.seen += 1
                lie = self.seen % self.every == 0
                self.altered += lie
                out += [self.replacement if lie else self.search, part]
            return b"".join(out)

    def _pump(self, source, sink, direction):
        try:
            while True:
                data = source.recv(1 << 16)
                if not data:
                    break
                sink.sendall(self._alter(data) if direction == self.direction else data)
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
