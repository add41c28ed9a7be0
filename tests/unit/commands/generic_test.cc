// The generic family: replies, errors and log effects, as redis-server 7.0 gives them.
#include "tests/unit/commands/command_fixture.h"

namespace holdfast::commands {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class GenericTest : public CommandTest {};

constexpr char kNotInteger[] = "ERR value is not an integer or out of range";
constexpr char kSyntax[] = "ERR syntax error";
constexpr char kDatabaseRange[] = "ERR DB index is out of range";
constexpr char kSameObject[] = "ERR source and destination objects are the same";

TEST_F(GenericTest, DelUnlinkExistsTouchType) {
  Expect({{"MSET a 1 b 2 c 3", "OK"},
          {"EXISTS a b a z", "3"},
          {"TOUCH a z a", "2"},
          {"DEL a z a", "1"},
          {"UNLINK b c b", "2"},
          {"EXISTS a b c", "0"},
          {"TYPE a", "none"},
          {"SET a 1", "OK"},
          {"TYPE a", "string"},
          {"DEL", "ERR wrong number of arguments for 'del' command"}});
  EXPECT_THAT(Effects("DEL z"), IsEmpty());
  EXPECT_THAT(Effects("DEL z a"), ElementsAre("DEL z a"));
  EXPECT_THAT(Effects("UNLINK a"), IsEmpty());
  EXPECT_THAT(Effects("TOUCH a"), IsEmpty());
}

TEST_F(GenericTest, ExpireAndTtl) {
  Expect({{"EXPIRE k 10", "0"},
          {"TTL k", "-2"},
          {"PTTL k", "-2"},
          {"EXPIRETIME k", "-2"},
          {"PEXPIRETIME k", "-2"},
          {"SET k v", "OK"},
          {"TTL k", "-1"},
          {"PTTL k", "-1"},
          {"EXPIRETIME k", "-1"},
          {"PEXPIRETIME k", "-1"},
          {"EXPIRE k 10", "1"},
          {"TTL k", "10"},
          {"PTTL k", "10000"},
          {"EXPIRETIME k", "1700000010"},
          {"PEXPIRETIME k", "1700000010000"},
          {"PEXPIRE k 1499", "1"},
          {"TTL k", "1"},
          {"PEXPIRE k 1500", "1"},
          {"TTL k", "2"},
          {"EXPIREAT k 1700000003", "1"},
          {"TTL k", "3"},
          {"PEXPIREAT k 1700000000004", "1"},
          {"PTTL k", "4"},
          {"PERSIST k", "1"},
          {"PERSIST k", "0"},
          {"PERSIST absent", "0"},
          {"TTL k", "-1"}});
}

TEST_F(GenericTest, ExpireErrors) {
  Expect(
      {{"SET k v", "OK"},
       {"EXPIRE k x", kNotInteger},
       {"EXPIRE k 1.5", kNotInteger},
       {"EXPIRE k 9223372036854775807", "ERR invalid expire time in 'expire' command"},
       {"EXPIRE k 9223372036854775", "ERR invalid expire time in 'expire' command"},
       {"PEXPIRE k 9223372036854775807", "ERR invalid expire time in 'pexpire' command"},
       {"EXPIREAT k 9223372036854775807", "ERR invalid expire time in 'expireat' command"},
       {"EXPIREAT k -9223372036854775808", "ERR invalid expire time in 'expireat' command"},
       {"PEXPIREAT k 9223372036854775807", "1"},
       {"PEXPIRETIME k", "9223372036854775807"},
       {"EXPIRETIME k", "9223372036854776"},
       {"EXPIRE k 1 NOSUCH", "ERR Unsupported option NOSUCH"},
       {"EXPIRE k 1 NX XX", "ERR NX and XX, GT or LT options at the same time are not compatible"},
       {"EXPIRE k 1 NX GT", "ERR NX and XX, GT or LT options at the same time are not compatible"},
       {"EXPIRE k 1 GT LT", "ERR GT and LT options at the same time are not compatible"},
       {"EXPIRE k x BAD", "ERR Unsupported option BAD"}});
}

TEST_F(GenericTest, ExpireConditions) {
  Expect({{"SET k v", "OK"},
          {"EXPIRE k 10 XX", "0"},
          {"EXPIRE k 10 GT", "0"},
          {"EXPIRE k 10 NX", "1"},
          {"EXPIRE k 20 NX", "0"},
          {"EXPIRE k 5 GT", "0"},
          {"EXPIRE k 10 GT", "0"},
          {"EXPIRE k 11 GT", "1"},
          {"EXPIRE k 12 LT", "0"},
          {"EXPIRE k 10 LT", "1"},
          {"EXPIRE k 7 XX LT", "1"},
          {"TTL k", "7"},
          {"PERSIST k", "1"},
          {"EXPIRE k 9 LT", "1"},
          {"TTL k", "9"},
          {"PERSIST k", "1"},
          {"EXPIRE k 9 XX LT", "0"},
          {"TTL k", "-1"}});
}

TEST_F(GenericTest, ExpireInThePastDeletes) {
  Expect({{"SET k v", "OK"},
          {"EXPIRE k 0", "1"},
          {"EXISTS k", "0"},
          {"SET k v", "OK"},
          {"EXPIRE k -9223372036854775", "1"},
          {"EXISTS k", "0"},
          {"SET k v", "OK"},
          {"PEXPIREAT k 1", "1"},
          {"EXISTS k", "0"}});
}

TEST_F(GenericTest, ExpireLogsAbsoluteTimes) {
  Run("SET k v");
  EXPECT_THAT(Effects("EXPIRE k 10"), ElementsAre("PEXPIREAT k 1700000010000"));
  EXPECT_THAT(Effects("EXPIRE k 20 NX"), IsEmpty());
  EXPECT_THAT(Effects("PEXPIRE k 10 XX"), ElementsAre("PEXPIREAT k 1700000000010"));
  EXPECT_THAT(Effects("EXPIREAT k 1700000001"), ElementsAre("PEXPIREAT k 1700000001000"));
  EXPECT_THAT(Effects("PEXPIREAT k 1700000000009"), ElementsAre("PEXPIREAT k 1700000000009"));
  EXPECT_THAT(Effects("PERSIST k"), ElementsAre("PERSIST k"));
  EXPECT_THAT(Effects("EXPIRE k -1"), ElementsAre("DEL k"));
}

TEST_F(GenericTest, ReplayKeepsTimesThatHavePassed) {
  Run("SET k v");
  EXPECT_EQ(Replay("PEXPIREAT k 5"), "");
  EXPECT_EQ(Replay("PEXPIREAT k -5"), "");
  EXPECT_EQ(Run("EXISTS k"), "0");
  EXPECT_EQ(Replay("PERSIST k"), "");
  EXPECT_EQ(Run("GET k"), "\"v\"");
}

TEST_F(GenericTest, Rename) {
  Expect({{"RENAME a b", "ERR no such key"},
          {"RENAMENX a b", "ERR no such key"},
          {"RENAME a a", "ERR no such key"},
          {"SET a 1 EX 10", "OK"},
          {"SET b 2", "OK"},
          {"RENAME a a", "OK"},
          {"RENAMENX a a", "0"},
          {"RENAMENX a b", "0"},
          {"RENAME a b", "OK"},
          {"GET b", "\"1\""},
          {"TTL b", "10"},
          {"EXISTS a", "0"},
          {"RENAMENX b c", "1"},
          {"TTL c", "10"},
          {"OBJECT ENCODING c", "\"int\""}});
  EXPECT_THAT(Effects("RENAME c c"), IsEmpty());
  EXPECT_THAT(Effects("RENAME c d"), ElementsAre("RENAME c d"));
  EXPECT_THAT(Effects("RENAMENX d e"), ElementsAre("RENAMENX d e"));
}

TEST_F(GenericTest, RenameOverAnExpiredKey) {
  Run("SET a 1");
  Run("SET b 2 PX 1");
  AdvanceMs(2);
  EXPECT_THAT(Effects("RENAMENX a b"), ElementsAre("before: DEL b", "RENAMENX a b"));
  EXPECT_EQ(Run("GET b"), "\"1\"");
  EXPECT_EQ(Run("TTL b"), "-1");
}

TEST_F(GenericTest, Copy) {
  Expect({{"COPY a b", "0"},
          {"SET a 1 EX 10", "OK"},
          {"COPY a b", "1"},
          {"TTL b", "10"},
          {"GET b", "\"1\""},
          {"COPY a b", "0"},
          {"SET a 2", "OK"},
          {"COPY a b REPLACE", "1"},
          {"GET b", "\"2\""},
          {"TTL b", "-1"},
          {"COPY a a", kSameObject},
          {"COPY a a DB 0", kSameObject},
          {"COPY a a DB 1", "1"},
          {"COPY a a DB 1", "0"},
          {"COPY a b DB 16", kDatabaseRange},
          {"COPY a b DB -1", kDatabaseRange},
          {"COPY a b DB x", kNotInteger},
          {"COPY a b DB", kSyntax},
          {"COPY a b NOSUCH", kSyntax}});
  EXPECT_EQ(RunInDatabase(1, "GET a"), "\"2\"");
  EXPECT_EQ(RunInDatabase(1, "APPEND a 0"), "2");
  EXPECT_EQ(Run("GET a"), "\"2\"");
  EXPECT_THAT(Effects("COPY a b"), IsEmpty());
  EXPECT_THAT(Effects("COPY a b REPLACE"), ElementsAre("COPY a b REPLACE"));
}

TEST_F(GenericTest, Move) {
  Expect({{"MOVE a 1", "0"},
          {"SET a 1 EX 10", "OK"},
          {"MOVE a 0", kSameObject},
          {"MOVE a 16", kDatabaseRange},
          {"MOVE a x", kNotInteger},
          {"MOVE a 3000000000",
           "ERR value is out of range, value must between -2147483648 and 2147483647"},
          {"MOVE a 1", "1"},
          {"EXISTS a", "0"},
          {"SET a 2", "OK"},
          {"MOVE a 1", "0"}});
  EXPECT_EQ(RunInDatabase(1, "TTL a"), "10");
  EXPECT_EQ(RunInDatabase(1, "GET a"), "\"1\"");
  EXPECT_THAT(Effects("MOVE a 2"), ElementsAre("MOVE a 2"));
  EXPECT_EQ(RunInDatabase(2, "MOVE a 0"), "1");
  EXPECT_EQ(Run("GET a"), "\"2\"");
}

TEST_F(GenericTest, SwapDb) {
  Expect({{"SET a zero", "OK"},
          {"SWAPDB 0 1", "OK"},
          {"EXISTS a", "0"},
          {"SWAPDB x 1", "ERR invalid first DB index"},
          {"SWAPDB 1 x", "ERR invalid second DB index"},
          {"SWAPDB 1 99", kDatabaseRange},
          {"SWAPDB -1 0", kDatabaseRange},
          {"SWAPDB 2 2", "OK"}});
  EXPECT_EQ(RunInDatabase(1, "GET a"), "\"zero\"");
  EXPECT_THAT(Effects("SWAPDB 1 0"), ElementsAre("SWAPDB 1 0"));
  EXPECT_EQ(Run("GET a"), "\"zero\"");
}

TEST_F(GenericTest, Object) {
  Expect({{"OBJECT ENCODING k", "nil"},
          {"OBJECT FREQ k", "nil"},
          {"OBJECT IDLETIME k", "nil"},
          {"OBJECT REFCOUNT k", "nil"},
          {"SET k 9999", "OK"},
          {"OBJECT REFCOUNT k", "2147483647"},
          {"SET k 10000", "OK"},
          {"OBJECT REFCOUNT k", "1"},
          {"SET k -1", "OK"},
          {"OBJECT REFCOUNT k", "1"},
          {"OBJECT FREQ k",
           "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please "
           "note that when switching between policies at runtime LRU and LFU data will take some "
           "time to adjust."},
          {"OBJECT ENCODING", "ERR wrong number of arguments for 'object|encoding' command"},
          {"OBJECT", "ERR wrong number of arguments for 'object' command"},
          {"OBJECT NOSUCH k", "ERR unknown subcommand 'NOSUCH'. Try OBJECT HELP."}});
  EXPECT_THAT(Run("OBJECT HELP"),
              testing::StartsWith("[OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands "
                                  "are:, ENCODING <key>, "));
  EXPECT_THAT(Run("OBJECT HELP"), testing::EndsWith("HELP,     Prints this help.]"));
}

TEST_F(GenericTest, IdleTimeIsRenewedByReadsAndWrites) {
  Run("SET k v");
  AdvanceMs(5000);
  Expect({{"OBJECT IDLETIME k", "5"},
          {"TTL k", "-1"},
          {"TYPE k", "string"},
          {"OBJECT IDLETIME k", "5"},
          {"GET k", "\"v\""},
          {"OBJECT IDLETIME k", "0"}});
  AdvanceMs(7000);
  Expect({{"OBJECT IDLETIME k", "7"}, {"APPEND k w", "2"}, {"OBJECT IDLETIME k", "0"}});
  AdvanceMs(3000);
  Expect({{"TOUCH k", "1"}, {"OBJECT IDLETIME k", "0"}});
}

TEST_F(GenericTest, DumpAndRestore) {
  // redis-server 7.0's DUMP of SET k v.
  constexpr std::string_view kPayload =
      "\"\\x00\\x01v\\x0a\\x00\\x91\\x08\\xce\\xb2\\x198\\x8a\\xce\"";
  const std::string payload = Run("SET k v") == "OK" ? Run("DUMP k") : "";
  EXPECT_EQ(payload, kPayload);
  const auto restore = [&](std::string_view key, std::string_view ttl, std::string_view options) {
    return Run(std::string("RESTORE ")
                   .append(key)
                   .append(" ")
                   .append(ttl)
                   .append(" ")
                   .append(payload)
                   .append(" ")
                   .append(options));
  };
  EXPECT_EQ(restore("r", "0", ""), "OK");
  EXPECT_EQ(Run("GET r"), "\"v\"");
  EXPECT_EQ(Run("TTL r"), "-1");
  EXPECT_EQ(restore("r", "0", ""), "BUSYKEY Target key name already exists.");
  EXPECT_EQ(restore("r", "1000", "REPLACE"), "OK");
  EXPECT_EQ(Run("PTTL r"), "1000");
  EXPECT_EQ(restore("r", "1700000000500", "REPLACE ABSTTL"), "OK");
  EXPECT_EQ(Run("PTTL r"), "500");
  EXPECT_EQ(restore("r", "1", "REPLACE ABSTTL"), "OK");
  EXPECT_EQ(Run("EXISTS r"), "0");
  EXPECT_EQ(restore("r", "0", "IDLETIME 33"), "OK");
  EXPECT_EQ(Run("OBJECT IDLETIME r"), "33");
  EXPECT_EQ(restore("f", "0", "FREQ 255"), "OK");
  EXPECT_EQ(restore("x", "-1", ""), "ERR Invalid TTL value, must be >= 0");
  EXPECT_EQ(restore("x", "ten", ""), kNotInteger);
  EXPECT_EQ(restore("x", "0", "IDLETIME -1"), "ERR Invalid IDLETIME value, must be >= 0");
  EXPECT_EQ(restore("x", "0", "FREQ 256"), "ERR Invalid FREQ value, must be >= 0 and <= 255");
  EXPECT_EQ(restore("x", "0", "FREQ 1 IDLETIME 1"), kSyntax);
  EXPECT_EQ(restore("x", "0", "NOSUCH"), kSyntax);
  EXPECT_EQ(Run("RESTORE x 0 nonsense"), "ERR DUMP payload version or checksum are wrong");
  EXPECT_EQ(Run("DUMP absent"), "nil");
}

TEST_F(GenericTest, RestoreLogsAbsoluteTimes) {
  Run("SET n 12");
  const std::string payload = Run("DUMP n");
  const std::string raw = Words(payload)[0];
  const std::string command = " " + payload;
  EXPECT_THAT(Effects("RESTORE a 0" + command), ElementsAre("RESTORE a 0 " + raw));
  EXPECT_THAT(Effects("RESTORE b 5" + command),
              ElementsAre("RESTORE b 1700000000005 " + raw + " ABSTTL"));
  EXPECT_THAT(Effects("RESTORE b 5" + command + " REPLACE"),
              ElementsAre("RESTORE b 1700000000005 " + raw + " REPLACE ABSTTL"));
  EXPECT_THAT(Effects("RESTORE b 5" + command + " ABSTTL REPLACE"), ElementsAre("DEL b"));
  EXPECT_THAT(Effects("RESTORE b 5" + command + " ABSTTL"), IsEmpty());
  EXPECT_EQ(Run("OBJECT ENCODING a"), "\"int\"");
}

TEST_F(GenericTest, KeysMatchPatterns) {
  Expect({{"KEYS *", "[]"},
          {"MSET one 1 two 2 three 3", "OK"},
          {"KEYS t?o", "[\"two\"]"},
          {"KEYS [o]*", "[\"one\"]"},
          {"KEYS nothing", "[]"}});
  Run("SET gone 1 PX 1");
  AdvanceMs(1);
  EXPECT_EQ(Run("KEYS g*"), "[]");
  EXPECT_EQ(Run("EXISTS one two three"), "3");
}

}  // namespace
}  // namespace holdfast::commands
