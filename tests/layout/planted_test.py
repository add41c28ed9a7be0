#!/usr/bin/env python3
"""Plants violations and sees each one found: a check that cannot fail checks nothing."""

import unittest

import checks
import layers
from source_tree import Source

BODY = "  ++count;\n"


def found(check, *files: tuple[str, str]) -> list[str]:
    return list(check([Source(path, text) for path, text in files]))


def function_of(lines: int, head: str) -> str:
    """A function of `lines` lines that begins with `head` (one line with its opening brace)."""
    return head + "\n" + BODY * (lines - 2) + "}\n"


class Layers(unittest.TestCase):
    def test_edge_that_the_table_lacks(self):
        table = ("memtable/table.h", "")
        self.assertTrue(
            found(checks.check_layers, table, ("aof/a.cc", '#include "memtable/table.h"\n'))
        )
        self.assertFalse(
            found(checks.check_layers, table, ("eviction/a.cc", '#include "memtable/table.h"\n'))
        )

    def test_public_vocabulary_depends_on_nothing(self):
        public = (f"{layers.PUBLIC_ROOT}/db.h", '#include "aof/writer.h"\n')
        self.assertTrue(found(checks.check_layers, public, ("aof/writer.h", "")))
        user = ("aof/writer.h", '#include "holdfast/db.h"\n')
        self.assertFalse(found(checks.check_layers, user, (f"{layers.PUBLIC_ROOT}/db.h", "")))

    def test_part_of_a_layer(self):
        files = (("aof/request_parser.h", ""), ("aof/writer.h", ""))
        allowed = ("server/session/a.cc", '#include "aof/request_parser.h"\n')
        refused = ("server/session/a.cc", '#include "aof/writer.h"\n')
        self.assertFalse(found(checks.check_layers, *files, allowed))
        self.assertTrue(found(checks.check_layers, *files, refused))

    def test_include_that_names_no_file(self):
        self.assertTrue(
            found(checks.check_layers, ("aof/a.cc", '#include "frame.h"\n'), ("aof/frame.h", ""))
        )

    def test_folder_without_a_row(self):
        self.assertTrue(found(checks.check_layers, ("engine/extras/a.cc", "")))
        self.assertTrue(found(checks.check_layers, ("shared/a.cc", "")))

    def test_folders_that_include_each_other(self):
        one = ("server/net/a.h", '#include "server/session/b.h"\n')
        other = ("server/session/b.h", '#include "server/net/a.h"\n')
        self.assertTrue(found(checks.check_folder_pairs, one, other))
        self.assertFalse(found(checks.check_folder_pairs, one, ("server/session/b.h", "")))


class Libraries(unittest.TestCase):
    def test_sole_users(self):
        planted = {
            "asio.hpp": "engine/db.cc",
            "openssl/ssl.h": "engine/digest.cc",
            "rocksdb/db.h": "engine/db.cc",
            "zstd.h": "aof/a.cc",
            "lua.h": "engine/commands/script.cc",
            "dlfcn.h": "engine/db.cc",
            "raft.h": "engine/db.cc",
            "lzf.h": "engine/commands/a.cc",
            "isa-l/crc.h": "engine/digest.cc",
            "fcntl.h": "memtable/a.cc",
            "gtest/gtest.h": "tools/a.cc",
            "boost/any.hpp": "engine/db.cc",
        }
        for header, path in planted.items():
            with self.subTest(header):
                self.assertTrue(found(checks.check_third_party, (path, f"#include <{header}>\n")))

    def test_allowed_users(self):
        for header, path in {
            "asio.hpp": "server/net/a.h",
            "rocksdb/db.h": "snapshot/a.h",
            "isa-l/crc.h": "aof/a.cc",
            "fcntl.h": "aof/a.cc",
            "vector": "memtable/a.h",
            "gtest/gtest.h": "tests/unit/aof/a.cc",
        }.items():
            with self.subTest(header):
                self.assertFalse(found(checks.check_third_party, (path, f"#include <{header}>\n")))

    def test_fmt_stays_out_of_headers(self):
        line = "#include <fmt/core.h>\n"
        self.assertTrue(found(checks.check_third_party, ("aof/a.h", line)))
        self.assertFalse(found(checks.check_third_party, ("aof/a.cc", line)))

    def test_disk_calls(self):
        for call in (
            "::fsync(fd)",
            "write(fd, p, n)",
            "std::rename(a, b)",
            "std::filesystem::rename(a, b)",
        ):
            with self.subTest(call):
                self.assertTrue(
                    found(checks.check_disk_calls, ("engine/db.cc", f"int x = {call};\n"))
                )
                self.assertFalse(found(checks.check_disk_calls, ("aof/a.cc", f"int x = {call};\n")))
        for innocent in (
            "// fsync(fd)",
            'Say("write(");',
            "out.write(p, n);",
            "sink->write(p);",
            "rewrite(x);",
        ):
            with self.subTest(innocent):
                self.assertFalse(found(checks.check_disk_calls, ("engine/db.cc", innocent + "\n")))


class Sizes(unittest.TestCase):
    def test_file_limit(self):
        for path, limit in (("aof/a.cc", 800), ("tests/unit/aof/a.cc", 1200)):
            self.assertFalse(found(checks.check_file_sizes, (path, "//\n" * limit)))
            self.assertTrue(found(checks.check_file_sizes, (path, "//\n" * (limit + 1))))

    def test_function_limit_in_every_form(self):
        heads = (
            "void Free(int count) {",
            "[[nodiscard]] static Result<std::string> Free(A a = {}, int b = 3) const noexcept {",
            "template <typename T, class U = A<int>> requires (sizeof(T) > 2) void Free(T n) {",
            "Shard::Shard(int n) : count_(n), list_{1, 2} {",
            "Shard::Shard(int n) : list_{1, 2}, count_(n) {",
            "bool Shard::operator==(const Shard& other) const {",
            "Shard& Shard::operator=(Shard other) {",
            "void Shard::operator()(int count) {",
            "auto Free(int count) -> Result<A<int>> {",
            "struct timespec Now(int count) {",
            'extern "C" int hf_free(int count) {',
            "TEST_F(Suite, Name) {",
            "static auto Free(std::map<int, std::vector<int>> a) -> decltype(a.begin()) {",
        )
        for head in heads:
            with self.subTest(head):
                limit = layers.FUNCTION_LINES_MAX
                at_limit = function_of(limit, head)
                self.assertEqual([limit], [f.lines for f in Source("a.cc", at_limit).functions()])
                self.assertFalse(found(checks.check_functions, ("aof/a.cc", at_limit)))
                longer = "namespace a {\nint x{3};\n" + function_of(limit + 1, head) + "}\n"
                self.assertTrue(found(checks.check_functions, ("aof/a.cc", longer)))

    def test_methods_lambdas_and_what_is_no_function(self):
        text = (
            "namespace a::b {\n"
            "enum class E { kOne, kTwo };\n"
            "constexpr int kTable[] = {\n" + "  1,\n" * 90 + "};\n"
            "class A : public B<C(int)> {\n public:\n"
            + function_of(71, "  void Long() {")
            + "  int n_ = 0;\n  std::atomic<int> m_{0};\n};\n"
            + "void Outer() {\n  auto f = [](int) {\n" + BODY * 70 + "  };\n}\n"
            "}  // namespace a::b\n"
        )  # fmt: skip
        functions = {f.name: f.lines for f in Source("a.cc", text).functions()}
        self.assertEqual({"Long": 71, "Outer": 74}, functions)

    def test_braces_in_literals_and_comments(self):
        body = '  // {\n  B(\'{\', "{\\"{", R"x({)" {)x", 1\'000);  /* { */\n'
        text = "void A() {\n" + body + "}\nvoid C() {}\n"
        self.assertEqual(
            [(4, "A"), (1, "C")], [(f.lines, f.name) for f in Source("a.cc", text).functions()]
        )

    def test_blanking_keeps_every_position(self):
        text = "#error don't\nint a = '\\'';  // it's\nauto s = R\"(')\"; auto t = \"\";\n"
        source = Source("a.cc", text)
        self.assertEqual(len(text), len(source.code))
        self.assertEqual(text.count("\n"), source.code.count("\n"))

    def test_unbalanced_braces_are_reported(self):
        self.assertTrue(found(checks.check_functions, ("aof/a.cc", "void A() {\n")))


class Style(unittest.TestCase):
    GOOD = "// What it is.\n#pragma once\n"

    def test_headers(self):
        self.assertFalse(found(checks.check_headers, ("aof/a.h", self.GOOD)))
        self.assertTrue(found(checks.check_headers, ("aof/a.h", "#pragma once\n")))
        self.assertTrue(found(checks.check_headers, ("aof/a.h", "// What it is.\n")))
        self.assertTrue(
            found(checks.check_headers, ("aof/a.h", self.GOOD + "using namespace std;\n"))
        )

    def test_macros(self):
        self.assertTrue(found(checks.check_macros, ("aof/a.h", "#define MAX(a) a\n")))
        self.assertFalse(found(checks.check_macros, ("aof/a.h", "#define HF_CHECK(a) a\n")))

    def test_marks(self):
        for mark in ("TO" + "DO", "FIX" + "ME", "DIS" + "ABLED_Name"):
            self.assertTrue(found(checks.check_marks, ("aof/a.cc", f"// {mark}\n")))

    def test_names(self):
        for path, text in (
            ("aof/file_util.cc", ""),
            ("engine/base.h", ""),
            ("aof/a.h", "class LogManager {};\n"),
            ("aof/a.h", "struct alignas(64) WriterBase {};\n"),
            ("aof/a.h", "class ParseHelper;\n"),
            ("aof/a.h", "namespace holdfast::aof { namespace util {} }\n"),
        ):
            with self.subTest(path + text):
                self.assertTrue(found(checks.check_names, (path, text)))
        for text in ("class Database {};\n", "struct BaseFile {};\n", "class Utilization;\n"):
            self.assertFalse(found(checks.check_names, ("aof/a.h", text)))

    def test_assertion_density(self):
        sparse = "Nothing();\n" * 400 + "// A comment is no code.\n" * 100
        self.assertTrue(found(checks.check_assertions, ("aof/a.cc", sparse)))
        self.assertFalse(
            found(checks.check_assertions, ("aof/a.cc", sparse + "HF_CHECK(a);\n" * 11))
        )

    def test_table_is_documented(self):
        rows = checks.documented_rows()
        self.assertEqual([], list(checks.check_documented("\n".join(rows))))
        self.assertEqual(1, len(list(checks.check_documented("\n".join(rows[1:])))))


if __name__ == "__main__":
    unittest.main()
