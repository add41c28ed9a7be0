// The string family: replies, errors, encodings and log effects, as redis-server 7.0 gives them.
#include "tests/unit/commands/command_fixture.h"

namespace holdfast::commands {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class StringTest : public CommandTest {};

constexpr char kNotInteger[] = "ERR value is not an integer or out of range";
constexpr char kNotFloat[] = "ERR value is not a valid float";
constexpr char kSyntax[] = "ERR syntax error";

TEST_F(StringTest, SetAndGet) {
  Expect({{"GET k", "nil"},
          {"SET k v", "OK"},
          {"GET k", "\"v\""},
          {"set k ''", "OK"},
          {"GET k", "\"\""},
          {"SET k \"a\\x00\\r\\n\"", "OK"},
          {"GET k", "\"a\\x00\\x0d\\x0a\""},
          {"STRLEN k", "4"},
          {"STRLEN absent", "0"},
          {"SET k", "ERR wrong number of arguments for 'set' command"},
          {"GET", "ERR wrong number of arguments for 'get' command"}});
}

TEST_F(StringTest, SetConditions) {
  Expect({{"SET k 1 XX", "nil"},
          {"GET k", "nil"},
          {"SET k 1 NX", "OK"},
          {"SET k 2 nx", "nil"},
          {"SET k 3 xx", "OK"},
          {"SET k 4 NX XX", kSyntax},
          {"SET k 4 XX NX", kSyntax},
          {"SET k 4 NX NX GET", "\"3\""},
          {"GET k", "\"3\""},
          {"SET k 5 GET", "\"3\""},
          {"SET new 5 GET", "nil"},
          {"SET other 5 XX GET", "nil"},
          {"EXISTS other", "0"},
          {"SET k 6 NOSUCH", kSyntax}});
}

TEST_F(StringTest, SetExpirations) {
  Expect({{"SET k v EX 10", "OK"},
          {"PTTL k", "10000"},
          {"SET k v KEEPTTL", "OK"},
          {"PTTL k", "10000"},
          {"SET k v", "OK"},
          {"PTTL k", "-1"},
          {"SET k v PX 1500", "OK"},
          {"PTTL k", "1500"},
          {"SET k v EXAT 1700000020", "OK"},
          {"TTL k", "20"},
          {"SET k v PXAT 1700000000001", "OK"},
          {"PTTL k", "1"},
          {"SET k v EX 1 EX 2", "OK"},
          {"TTL k", "2"},
          {"SET k v EX 1 PX 2", kSyntax},
          {"SET k v EX", kSyntax},
          {"SET k v KEEPTTL EX 2", kSyntax},
          {"SET k v PERSIST", kSyntax},
          {"SET k v EX x", kNotInteger},
          {"SET k v EX 0", "ERR invalid expire time in 'set' command"},
          {"SET k v PX -1", "ERR invalid expire time in 'set' command"},
          {"SET k v EX 9223372036854775807", "ERR invalid expire time in 'set' command"},
          {"SET k v PX 9223372036854775807", "ERR invalid expire time in 'set' command"},
          {"SET k v PXAT 9223372036854775807", "OK"}});
}

TEST_F(StringTest, ExpiredValueIsGone) {
  Expect({{"SET k v PX 5", "OK"}, {"GET k", "\"v\""}});
  AdvanceMs(5);
  Expect({{"GET k", "nil"}, {"STRLEN k", "0"}, {"SET k w KEEPTTL", "OK"}, {"PTTL k", "-1"}});
}

TEST_F(StringTest, SetLogsAbsoluteTimes) {
  EXPECT_THAT(Effects("SET k v"), ElementsAre("SET k v"));
  EXPECT_THAT(Effects("SET k v NX"), IsEmpty());
  EXPECT_THAT(Effects("SET k v XX GET"), ElementsAre("SET k v XX GET"));
  EXPECT_THAT(Effects("SET k v EX 10"), ElementsAre("SET k v PXAT 1700000010000"));
  EXPECT_THAT(Effects("SET k v GET PX 5 XX"), ElementsAre("SET k v PXAT 1700000000005"));
  EXPECT_THAT(Effects("SET k v EXAT 1700000001"), ElementsAre("SET k v PXAT 1700000001000"));
  EXPECT_THAT(Effects("SETEX k 10 v"), ElementsAre("SET k v PXAT 1700000010000"));
  EXPECT_THAT(Effects("PSETEX k 7 v"), ElementsAre("SET k v PXAT 1700000000007"));
  EXPECT_THAT(Effects("SET k v EX 0"), IsEmpty());
}

TEST_F(StringTest, WriterDeletesWhatExpiredFirst) {
  Run("SET k v PX 1");
  AdvanceMs(1);
  EXPECT_THAT(Effects("GET k"), IsEmpty());
  EXPECT_THAT(Effects("SET k w NX"), ElementsAre("before: DEL k", "SET k w NX"));
}

TEST_F(StringTest, ReplayExpiresNothing) {
  EXPECT_EQ(Replay("SET k v PXAT 1"), "");
  EXPECT_EQ(Replay("APPEND k w"), "");
  EXPECT_EQ(Run("GET k"), "nil");
  EXPECT_EQ(Replay("PERSIST k"), "");
  EXPECT_EQ(Run("GET k"), "\"vw\"");
}

TEST_F(StringTest, SetNxSetExGetSetGetDel) {
  Expect({{"SETNX k a", "1"},
          {"SETNX k b", "0"},
          {"SETEX k 10 c", "OK"},
          {"TTL k", "10"},
          {"SETEX k 0 c", "ERR invalid expire time in 'setex' command"},
          {"PSETEX k x c", kNotInteger},
          {"PSETEX k -5 c", "ERR invalid expire time in 'psetex' command"},
          {"PSETEX k 77 d", "OK"},
          {"PTTL k", "77"},
          {"GETSET k e", "\"d\""},
          {"PTTL k", "-1"},
          {"GETSET absent f", "nil"},
          {"GETDEL k", "\"e\""},
          {"GETDEL k", "nil"},
          {"EXISTS k", "0"}});
  EXPECT_THAT(Effects("GETDEL nothing"), IsEmpty());
  EXPECT_THAT(Effects("GETDEL absent"), ElementsAre("GETDEL absent"));
  EXPECT_THAT(Effects("GETSET k v"), ElementsAre("GETSET k v"));
  EXPECT_THAT(Effects("SETNX k v"), IsEmpty());
}

TEST_F(StringTest, GetEx) {
  Expect({{"GETEX k", "nil"},
          {"GETEX k EX nonsense", "nil"},
          {"SET k v", "OK"},
          {"GETEX k", "\"v\""},
          {"GETEX k EX 10", "\"v\""},
          {"TTL k", "10"},
          {"GETEX k PERSIST", "\"v\""},
          {"TTL k", "-1"},
          {"GETEX k EX 0", "ERR invalid expire time in 'getex' command"},
          {"GETEX k EX x", kNotInteger},
          {"GETEX k KEEPTTL", kSyntax},
          {"GETEX k PERSIST EX 1", kSyntax},
          {"GETEX k PERSIST PERSIST", "\"v\""},
          {"GETEX k PXAT 1", "\"v\""},
          {"EXISTS k", "0"}});
}

TEST_F(StringTest, GetExLogsWhatItDid) {
  Run("SET k v");
  EXPECT_THAT(Effects("GETEX k"), IsEmpty());
  EXPECT_THAT(Effects("GETEX k PERSIST"), IsEmpty());
  EXPECT_THAT(Effects("GETEX k EX 1"), ElementsAre("PEXPIREAT k 1700000001000"));
  EXPECT_THAT(Effects("GETEX k PERSIST"), ElementsAre("PERSIST k"));
  EXPECT_THAT(Effects("GETEX k EXAT 5"), ElementsAre("DEL k"));
}

TEST_F(StringTest, MultipleKeys) {
  Expect({{"MSET a 1 b 2 a 3", "OK"},
          {"MGET a b c a", "[\"3\", \"2\", nil, \"3\"]"},
          {"MSET a 1 b", "ERR wrong number of arguments for 'mset' command"},
          {"MSETNX c 1 a 2", "0"},
          {"EXISTS c", "0"},
          {"MSETNX c 1 d 2 c 3", "1"},
          {"MGET c d", "[\"3\", \"2\"]"},
          {"MSETNX e 1 f", "ERR wrong number of arguments for 'msetnx' command"}});
  EXPECT_THAT(Effects("MSET a 1 b 2"), ElementsAre("MSET a 1 b 2"));
  EXPECT_THAT(Effects("MSETNX a 1 z 2"), IsEmpty());
  EXPECT_THAT(Effects("MSETNX y 1 z 2"), ElementsAre("MSETNX y 1 z 2"));
}

TEST_F(StringTest, MSetRemovesExpirations) {
  Expect({{"SET a 1 EX 5", "OK"}, {"MSET a 2", "OK"}, {"TTL a", "-1"}});
}

TEST_F(StringTest, Ranges) {
  Expect({{"SET k 'Hello World'", "OK"},
          {"GETRANGE k 0 4", "\"Hello\""},
          {"GETRANGE k -5 -1", "\"World\""},
          {"GETRANGE k 0 -1", "\"Hello World\""},
          {"GETRANGE k -1 -5", "\"\""},
          {"GETRANGE k 5 3", "\"\""},
          {"GETRANGE k -100 2", "\"Hel\""},
          {"GETRANGE k 8 100", "\"rld\""},
          {"GETRANGE k -100 -50", "\"H\""},
          {"GETRANGE k 0 9223372036854775807", "\"Hello World\""},
          {"GETRANGE k -9223372036854775808 0", "\"H\""},
          {"SUBSTR k 6 -1", "\"World\""},
          {"GETRANGE absent 0 1", "\"\""},
          {"GETRANGE k a 1", kNotInteger},
          {"GETRANGE k 1 1.5", kNotInteger},
          {"SET n 12345", "OK"},
          {"GETRANGE n 1 2", "\"23\""}});
}

TEST_F(StringTest, AppendAndSetRange) {
  Expect(
      {{"APPEND k abc", "3"},
       {"APPEND k def", "6"},
       {"GET k", "\"abcdef\""},
       {"APPEND k ''", "6"},
       {"SETRANGE k 1 XX", "6"},
       {"GET k", "\"aXXdef\""},
       {"SETRANGE k 8 z", "9"},
       {"GET k", "\"aXXdef\\x00\\x00z\""},
       {"SETRANGE new 2 a", "3"},
       {"GET new", "\"\\x00\\x00a\""},
       {"SETRANGE k 2 ''", "9"},
       {"SETRANGE absent 2 ''", "0"},
       {"EXISTS absent", "0"},
       {"SETRANGE k -1 a", "ERR offset is out of range"},
       {"SETRANGE k x a", kNotInteger},
       {"SETRANGE k 536870911 ab", "ERR string exceeds maximum allowed size (proto-max-bulk-len)"},
       {"SETRANGE k 9223372036854775807 ab",
        "ERR string exceeds maximum allowed size (proto-max-bulk-len)"},
       {"SETRANGE absent 9223372036854775807 ab",
        "ERR string exceeds maximum allowed size (proto-max-bulk-len)"},
       {"EXISTS absent", "0"}});
  EXPECT_THAT(Effects("SETRANGE k 2 ''"), IsEmpty());
  EXPECT_THAT(Effects("SETRANGE k 2 q"), ElementsAre("SETRANGE k 2 q"));
  EXPECT_THAT(Effects("APPEND k q"), ElementsAre("APPEND k q"));
}

TEST_F(StringTest, AppendKeepsExpirationAndGrowsLong) {
  const std::string chunk(1000, 'x');
  Run("SET k start EX 100");
  for (int i = 0; i < 100; ++i) Run("APPEND k " + chunk);
  Expect({{"STRLEN k", "100005"}, {"TTL k", "100"}, {"GETRANGE k 0 6", "\"startxx\""}});
}

TEST_F(StringTest, Counters) {
  Expect({{"INCR n", "1"},
          {"INCRBY n 41", "42"},
          {"DECR n", "41"},
          {"DECRBY n 50", "-9"},
          {"GET n", "\"-9\""},
          {"INCRBY n x", kNotInteger},
          {"INCRBY n 1.0", kNotInteger},
          {"DECRBY n -9223372036854775808", "ERR decrement would overflow"},
          {"SET n 9223372036854775807", "OK"},
          {"INCR n", "ERR increment or decrement would overflow"},
          {"INCRBY n -1", "9223372036854775806"},
          {"SET n -9223372036854775808", "OK"},
          {"DECR n", "ERR increment or decrement would overflow"},
          {"SET n 007", "OK"},
          {"INCR n", kNotInteger},
          {"SET n ' 1'", "OK"},
          {"INCR n", kNotInteger},
          {"SET n ''", "OK"},
          {"INCR n", kNotInteger},
          {"SET n 1", "OK"},
          {"APPEND n 0", "2"},
          {"INCR n", "11"}});
  EXPECT_THAT(Effects("INCR n"), ElementsAre("INCR n"));
  EXPECT_THAT(Effects("DECRBY n 2"), ElementsAre("DECRBY n 2"));
}

TEST_F(StringTest, CountersKeepExpirations) {
  Expect({{"SET n 1 EX 9", "OK"},
          {"INCR n", "2"},
          {"TTL n", "9"},
          {"INCRBYFLOAT n 0.5", "\"2.5\""},
          {"TTL n", "9"}});
}

TEST_F(StringTest, IncrByFloat) {
  Expect({{"INCRBYFLOAT f 10.5", "\"10.5\""},
          {"INCRBYFLOAT f 0.1", "\"10.6\""},
          {"INCRBYFLOAT f -5", "\"5.6\""},
          {"SET f 5.0e3", "OK"},
          {"INCRBYFLOAT f 2.0e2", "\"5200\""},
          {"SET f 3", "OK"},
          {"INCRBYFLOAT f 1.000000000000000000001", "\"4\""},
          {"SET f 0", "OK"},
          {"INCRBYFLOAT f -0.000000000000000000001", "\"0\""},
          {"INCRBYFLOAT f 1e17", "\"100000000000000000\""},
          {"INCRBYFLOAT f abc", kNotFloat},
          {"INCRBYFLOAT f ' 1'", kNotFloat},
          {"INCRBYFLOAT f '1 '", kNotFloat},
          {"INCRBYFLOAT f ''", kNotFloat},
          {"INCRBYFLOAT f nan", kNotFloat},
          {"INCRBYFLOAT f inf", "ERR increment would produce NaN or Infinity"},
          {"INCRBYFLOAT f 1e5000", kNotFloat},
          {"SET f text", "OK"},
          {"INCRBYFLOAT f 1", kNotFloat}});
  Run("SET f 1");
  EXPECT_THAT(Effects("INCRBYFLOAT f 0.25"), ElementsAre("SET f 1.25 KEEPTTL"));
}

TEST_F(StringTest, Encodings) {
  const std::string at_limit(44, 'e');
  const std::string over_limit(45, 'e');
  Expect({{"SET k 123", "OK"},
          {"OBJECT ENCODING k", "\"int\""},
          {"SET k 9223372036854775808", "OK"},
          {"OBJECT ENCODING k", "\"embstr\""},
          {"SET k 007", "OK"},
          {"OBJECT ENCODING k", "\"embstr\""},
          {"SET k " + at_limit, "OK"},
          {"OBJECT ENCODING k", "\"embstr\""},
          {"SET k " + over_limit, "OK"},
          {"OBJECT ENCODING k", "\"raw\""},
          {"SET k a", "OK"},
          {"APPEND k b", "2"},
          {"OBJECT ENCODING k", "\"raw\""},
          {"APPEND fresh 12", "2"},
          {"OBJECT ENCODING fresh", "\"int\""},
          {"SET k a", "OK"},
          {"SETRANGE k 0 b", "1"},
          {"OBJECT ENCODING k", "\"raw\""},
          {"SETRANGE fresh2 0 b", "1"},
          {"OBJECT ENCODING fresh2", "\"raw\""},
          {"INCRBYFLOAT float 3", "\"3\""},
          {"OBJECT ENCODING float", "\"embstr\""},
          {"INCR float", "4"},
          {"OBJECT ENCODING float", "\"int\""}});
}

TEST_F(StringTest, LongValues) {
  const std::string value(100'000, 'v');
  EXPECT_EQ(Run("SET k " + value), "OK");
  EXPECT_EQ(Run("GET k"), "\"" + value + "\"");
  Expect({{"OBJECT ENCODING k", "\"raw\""},
          {"COPY k copy", "1"},
          {"SETRANGE k 0 W", "100000"},
          {"GETRANGE copy 0 1", "\"vv\""},
          {"GETRANGE k 0 1", "\"Wv\""}});
}

TEST_F(StringTest, LongestCommonSubsequence) {
  Expect({{"MSET a ohmytext b mynewtext", "OK"},
          {"LCS a b", "\"mytext\""},
          {"LCS a b LEN", "6"},
          {"LCS a b IDX", "{\"matches\": [[[4, 7], [5, 8]], [[2, 3], [0, 1]]], \"len\": 6}"},
          {"LCS a b IDX MINMATCHLEN 4", "{\"matches\": [[[4, 7], [5, 8]]], \"len\": 6}"},
          {"LCS a b IDX MINMATCHLEN 4 WITHMATCHLEN",
           "{\"matches\": [[[4, 7], [5, 8], 4]], \"len\": 6}"},
          {"LCS a b IDX MINMATCHLEN -1",
           "{\"matches\": [[[4, 7], [5, 8]], [[2, 3], [0, 1]]], \"len\": 6}"},
          {"LCS a absent", "\"\""},
          {"LCS a absent LEN", "0"},
          {"LCS a absent IDX", "{\"matches\": [], \"len\": 0}"},
          {"LCS a a", "\"ohmytext\""},
          {"LCS a b LEN IDX", "ERR If you want both the length and indexes, please just use IDX."},
          {"LCS a b MINMATCHLEN x", kNotInteger},
          {"LCS a b MINMATCHLEN", kSyntax},
          {"LCS a b NOSUCH", kSyntax}});
}

TEST_F(StringTest, LcsRefusesATableThatDoesNotFit) {
  Run("SETRANGE a 70000 x");
  Run("SETRANGE b 70000 x");
  EXPECT_EQ(Run("LCS a b LEN"),
            "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len");
}

}  // namespace
}  // namespace holdfast::commands
