// COMMAND: what the rows say, and that every row says enough.
#include <gmock/gmock.h>

#include "engine/store.h"
#include "tests/unit/commands/command_fixture.h"

namespace holdfast::commands {
namespace {

class CommandCommandTest : public CommandTest {};

TEST_F(CommandCommandTest, CountAndList) {
  const size_t count = store().table().commands().size();
  EXPECT_EQ(Run("COMMAND COUNT"), std::to_string(count));
  Expect({{"COMMAND LIST FILTERBY PATTERN ech*", "[\"echo\"]"},
          {"COMMAND LIST FILTERBY PATTERN EC*", "[\"echo\"]"},
          {"COMMAND LIST FILTERBY MODULE x", "[]"},
          {"COMMAND LIST FILTERBY ACLCAT nosuch", "[]"},
          {"COMMAND LIST FILTERBY ACLCAT transaction",
           "[\"discard\", \"exec\", \"multi\", \"unwatch\", \"watch\"]"},
          {"COMMAND LIST FILTERBY x y", "ERR syntax error"},
          {"COMMAND LIST x", "ERR syntax error"},
          {"COMMAND NOSUCH", "ERR unknown subcommand 'NOSUCH'. Try COMMAND HELP."}});
}

TEST_F(CommandCommandTest, InfoRow) {
  Expect({{"COMMAND INFO get nosuch",
           "[[\"get\", 2, ~[readonly, fast], 1, 1, 1, ~[@read, @string, @fast], ~[], ~[{\"flags\": "
           "~[RO, access], \"begin_search\": {\"type\": \"index\", \"spec\": {\"index\": 1}}, "
           "\"find_keys\": {\"type\": \"range\", \"spec\": {\"lastkey\": 0, \"keystep\": 1, "
           "\"limit\": 0}}}], ~[]], nil]"}});
}

TEST_F(CommandCommandTest, DocsOfACommand) {
  Expect({{"COMMAND DOCS echo nosuch",
           "{\"echo\": {\"summary\": \"Returns its argument.\", \"since\": \"1.0.0\", \"group\": "
           "\"connection\", \"complexity\": \"O(1)\", \"arguments\": [{\"name\": \"message\", "
           "\"type\": \"string\"}]}}"}});
}

TEST_F(CommandCommandTest, GetKeys) {
  Expect({{"COMMAND GETKEYS MSET a 1 b 2", "[\"a\", \"b\"]"},
          {"COMMAND GETKEYS MEMORY USAGE k", "[\"k\"]"},
          {"COMMAND GETKEYSANDFLAGS GET a", "[[\"a\", ~[RO, access]]]"},
          {"COMMAND GETKEYSANDFLAGS SET a 1", "[[\"a\", ~[OW, update]]]"},
          {"COMMAND GETKEYSANDFLAGS SET a 1 get", "[[\"a\", ~[RW, access, update]]]"},
          {"COMMAND GETKEYS nosuch a", "ERR Invalid command specified"},
          {"COMMAND GETKEYS PING a", "ERR The command has no key arguments"},
          {"COMMAND GETKEYS GET a b", "ERR Invalid number of arguments specified for command"}});
}

TEST_F(CommandCommandTest, EveryRowIsComplete) {
  const CommandTable& table = store().table();
  for (size_t i = 0; i < table.entry_count(); ++i) {
    const CommandEntry& entry = table.entry(static_cast<uint16_t>(i));
    const CommandSpec& spec = *entry.spec;
    EXPECT_FALSE(spec.summary.empty()) << spec.name;
    EXPECT_FALSE(spec.since.empty()) << spec.name;
    EXPECT_NE(spec.arity, 0) << spec.name;
    EXPECT_NE(entry.acl, 0u) << spec.name;
    const bool writes = spec.Has(kWrite);
    EXPECT_EQ(writes, spec.log_rule != LogRule::kNever) << spec.name;
    EXPECT_EQ(spec.keys.empty(), spec.locking != Locking::kKeys) << spec.name;
  }
}

}  // namespace
}  // namespace holdfast::commands
