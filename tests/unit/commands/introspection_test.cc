// Commands that explain the server: their HELP texts have Redis's shape, their texts are there.
#include "tests/unit/commands/command_fixture.h"

namespace holdfast::commands {
namespace {

using testing::EndsWith;
using testing::MatchesRegex;
using testing::StartsWith;

class IntrospectionTest : public CommandTest {};

TEST_F(IntrospectionTest, HelpOfContainers) {
  const std::string_view commands[] = {"CLIENT HELP", "COMMAND HELP", "CONFIG HELP", "LATENCY HELP",
                                       "MEMORY HELP", "OBJECT HELP",  "SLOWLOG HELP"};
  for (const std::string_view command : commands) {
    const std::string container(command.substr(0, command.find(' ')));
    std::string lower = container;
    for (char& c : lower) c = static_cast<char>(c + 32);
    const std::string text = Run(command);
    EXPECT_THAT(text, StartsWith("[" + container +
                                 " <subcommand> [<arg> [value] [opt] ...]. Subcommands are:, "));
    EXPECT_THAT(text, EndsWith("HELP,     Prints this help.]"));
    EXPECT_EQ(Run(std::string(command) + " more"),
              "ERR wrong number of arguments for '" + lower + "|help' command");
  }
}

TEST_F(IntrospectionTest, Texts) {
  EXPECT_THAT(Run("CLIENT ID"), MatchesRegex("[1-9][0-9]*"));
  EXPECT_THAT(Run("LASTSAVE"), MatchesRegex("[0-9]+"));
  EXPECT_THAT(Run("LATENCY DOCTOR"), testing::HasSubstr("latency"));
  EXPECT_THAT(Run("MEMORY DOCTOR"), testing::HasSubstr("memory"));
  // There is no connection to send lines to.
  EXPECT_EQ(Run("MONITOR"), "ERR MONITOR isn't allowed for DENY BLOCKING client");
}

}  // namespace
}  // namespace holdfast::commands
