#!/usr/bin/env python3
"""Loads the shared library into Python with ctypes and uses a store, as an embedder would.

Usage: ctypes_test.py PATH_OF_LIBHOLDFAST
"""

import ctypes
import subprocess
import sys
import tempfile
import threading
import unittest
from pathlib import Path

LIBRARY = Path(sys.argv.pop(1)) if len(sys.argv) > 1 else Path("libholdfast.so")
NULL, ERROR, INTEGER, BULK, ARRAY, MAP = 0, 3, 4, 5, 6, 7
SIMPLE = 2


def load() -> ctypes.CDLL:
    library = ctypes.CDLL(str(LIBRARY))
    pointer, size = ctypes.c_void_p, ctypes.c_size_t
    texts = ctypes.POINTER(ctypes.c_char_p)
    signatures = {
        "hf_version": (ctypes.c_char_p, []),
        "hf_open": (pointer, [ctypes.c_char_p, texts, size, ctypes.POINTER(pointer)]),
        "hf_close": (ctypes.c_int, [pointer, ctypes.POINTER(pointer)]),
        "hf_text_free": (None, [pointer]),
        "hf_session_new": (pointer, [pointer]),
        "hf_session_free": (None, [pointer]),
        "hf_session_set_protocol": (None, [pointer, ctypes.c_int]),
        "hf_execute": (pointer, [pointer, texts, ctypes.POINTER(size), size]),
        "hf_reply_free": (None, [pointer]),
        "hf_reply_type_of": (ctypes.c_int, [pointer]),
        "hf_reply_integer": (ctypes.c_int64, [pointer]),
        "hf_reply_number": (ctypes.c_double, [pointer]),
        "hf_reply_text": (pointer, [pointer, ctypes.POINTER(size)]),
        "hf_reply_count": (size, [pointer]),
        "hf_reply_element": (pointer, [pointer, size]),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


HF = load()


class Failed(Exception):
    pass


def taken(error: ctypes.c_void_p) -> str:
    text = ctypes.string_at(error).decode() if error else ""
    HF.hf_text_free(error)
    return text


class Session:
    def __init__(self, db):
        self.handle = HF.hf_session_new(db)

    def __call__(self, *words: bytes):
        args = (ctypes.c_char_p * max(1, len(words)))(*words)
        lengths = (ctypes.c_size_t * max(1, len(words)))(*map(len, words))
        reply = HF.hf_execute(self.handle, args, lengths, len(words))
        try:
            return value_of(reply)
        finally:
            HF.hf_reply_free(reply)

    def close(self):
        HF.hf_session_free(self.handle)


def value_of(reply):
    """(type, value): the value is a number, bytes or a list of such pairs."""
    kind = HF.hf_reply_type_of(reply)
    if kind == NULL:
        return kind, None
    if kind == INTEGER:
        return kind, HF.hf_reply_integer(reply)
    if kind in (ARRAY, MAP):
        count = HF.hf_reply_count(reply)
        return kind, [value_of(HF.hf_reply_element(reply, i)) for i in range(count)]
    length = ctypes.c_size_t()
    text = HF.hf_reply_text(reply, ctypes.byref(length))
    return kind, ctypes.string_at(text, length.value)


def open_store(directory: str | None, *settings: bytes):
    error = ctypes.c_void_p()
    words = (ctypes.c_char_p * max(1, len(settings)))(*settings)
    path = directory.encode() if directory else None
    db = HF.hf_open(path, words, len(settings) // 2, ctypes.byref(error))
    if not db:
        raise Failed(taken(error))
    return db


def close_store(db):
    error = ctypes.c_void_p()
    if HF.hf_close(db, ctypes.byref(error)) != 0:
        raise Failed(taken(error))


class Library(unittest.TestCase):
    def test_shows_the_c_api_and_nothing_else(self):
        listed = subprocess.run(
            ["nm", "--dynamic", "--defined-only", str(LIBRARY)],
            capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
        names = [line.split()[-1] for line in listed.splitlines()]
        self.assertIn("hf_open", names)
        self.assertEqual([], [name for name in names if not name.startswith("hf_")])

    def test_keeps_the_host_programs_malloc(self):
        mapped = Path("/proc/self/maps").read_text(encoding="ascii")
        self.assertIn(LIBRARY.resolve().name, mapped)
        self.assertNotIn("jemalloc", mapped)

    def test_version(self):
        self.assertRegex(HF.hf_version().decode(), r"^\d+\.\d+\.\d+$")


class Store(unittest.TestCase):
    def setUp(self):
        self.db = open_store(None)
        self.session = Session(self.db)

    def tearDown(self):
        self.session.close()
        close_store(self.db)

    def test_commands(self):
        run = self.session
        self.assertEqual((SIMPLE, b"OK"), run(b"SET", b"greeting", b"hello"))
        self.assertEqual((BULK, b"hello"), run(b"GET", b"greeting"))
        self.assertEqual((NULL, None), run(b"GET", b"absent"))
        self.assertEqual((INTEGER, 1), run(b"INCR", b"counter"))
        self.assertEqual(
            (ARRAY, [(BULK, b"hello"), (NULL, None)]), run(b"MGET", b"greeting", b"absent")
        )

    def test_bytes_of_any_value(self):
        value = bytes(range(256)) * 300
        self.assertEqual((SIMPLE, b"OK"), self.session(b"SET", b"a\0b", value))
        self.assertEqual((BULK, value), self.session(b"GET", b"a\0b"))
        self.assertEqual((NULL, None), self.session(b"GET", b"a"))

    def test_errors_are_replies(self):
        self.assertEqual(
            (ERROR, b"ERR wrong number of arguments for 'get' command"), self.session(b"GET")
        )
        self.assertEqual(ERROR, self.session(b"NOSUCHCOMMAND")[0])
        self.assertEqual(ERROR, self.session()[0])

    def test_elements_past_the_end(self):
        args = (ctypes.c_char_p * 2)(b"MGET", b"a")
        lengths = (ctypes.c_size_t * 2)(4, 1)
        reply = HF.hf_execute(self.session.handle, args, lengths, 2)
        self.assertIsNotNone(HF.hf_reply_element(reply, 0))
        self.assertIsNone(HF.hf_reply_element(reply, 1))
        HF.hf_reply_free(reply)

    def test_close_with_an_open_session_does_nothing(self):
        with self.assertRaisesRegex(Failed, "sessions are still open"):
            close_store(self.db)
        self.assertEqual((SIMPLE, b"PONG"), self.session(b"PING"))

    def test_several_stores_in_one_process(self):
        other = open_store(None)
        session = Session(other)
        self.session(b"SET", b"a", b"1")
        self.assertEqual((NULL, None), session(b"GET", b"a"))
        session.close()
        close_store(other)

    def test_sessions_in_parallel(self):
        def count():
            session = Session(self.db)
            for _ in range(2000):
                session(b"INCR", b"shared")
            session.close()

        threads = [threading.Thread(target=count) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual((BULK, b"8000"), self.session(b"GET", b"shared"))


class Durability(unittest.TestCase):
    def test_what_was_written_is_there_after_reopening(self):
        with tempfile.TemporaryDirectory() as directory:
            for expected in (None, b"0", b"1"):
                db = open_store(directory, b"appendfsync", b"always")
                session = Session(db)
                self.assertEqual(expected, session(b"GET", b"round")[1])
                session(
                    b"SET", b"round", b"0" if expected is None else str(int(expected) + 1).encode()
                )
                session.close()
                close_store(db)

    def test_a_bad_setting_is_refused_with_its_name(self):
        with self.assertRaisesRegex(Failed, "appendfsync"):
            open_store(None, b"appendfsync", b"sometimes")


if __name__ == "__main__":
    unittest.main()
