#include "engine/config/conf_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/config/conf_line.h"
#include "tests/sim/simulated_file_system.h"

namespace holdfast::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::vector<std::string> Split(std::string_view line) {
  return SplitArguments(line).value_or(std::vector<std::string>{"(unbalanced)"});
}

TEST(ConfLine, Words) {
  EXPECT_THAT(Split(""), IsEmpty());
  EXPECT_THAT(Split("  a\tb  "), ElementsAre("a", "b"));
  EXPECT_THAT(Split("a \"\" ''"), ElementsAre("a", "", ""));
  EXPECT_THAT(Split(R"("a b" 'c d' e"f g")"), ElementsAre("a b", "c d", "ef g"));
  EXPECT_THAT(Split(R"("\x41\n\t\"\\\q\x4" 'a\'b\n')"), ElementsAre("A\n\t\"\\qx4", "a'b\\n"));
  EXPECT_THAT(Split(R"(a\nb)"), ElementsAre("a\\nb"));
  EXPECT_THAT(Split(std::string_view("a b\0c d", 7)), ElementsAre("a", "b"));
}

TEST(ConfLine, UnbalancedQuotes) {
  for (const char* line : {"\"a", "'a", "\"a\"b", "'a'b", "a \"", "\"\\", "\"a\\\"", "'a\\'"}) {
    EXPECT_FALSE(SplitArguments(line).has_value()) << line;
  }
}

TEST(ConfLine, QuotedTextComesBack) {
  std::string every_byte;
  for (int byte = 0; byte < 256; ++byte) every_byte += static_cast<char>(byte);
  EXPECT_THAT(Split(QuoteArgument(every_byte)), ElementsAre(every_byte));
  EXPECT_EQ(QuoteArgument("a\"b\\\n\x01"), R"("a\"b\\\n\x01")");
}

class ConfFile : public testing::Test {
 protected:
  std::string Load(std::string_view text) {
    const auto loaded = LoadText(config_, disk_, text, "test.conf");
    return loaded ? "OK" : loaded.error().Line();
  }
  std::string Get(std::string_view name) {
    const std::string_view names[] = {name};
    return config_.Get(names).at(0).second;
  }
  std::string LoadCommandLine(std::vector<std::string_view> arguments,
                              std::string_view stdin_text = "") {
    const auto loaded = LoadConfiguration(config_, disk_, ParseCommandLine(arguments), stdin_text);
    if (!loaded) return loaded.error().Line();
    return "OK";
  }

  Config config_;
  sim::SimulatedFileSystem disk_;
};

TEST_F(ConfFile, LinesAndComments) {
  EXPECT_EQ(Load("# comment\n\n  port 7000 \r\nTimeOut '9'\n\"maxmemory\" \"1gb\"\n"
                 "slave-priority 5\nrequirepass \"a b\""),
            "OK");
  EXPECT_EQ(Get("port"), "7000");
  EXPECT_EQ(Get("timeout"), "9");
  EXPECT_EQ(Get("maxmemory"), "1073741824");
  EXPECT_EQ(Get("replica-priority"), "5");
  EXPECT_EQ(Get("requirepass"), "a b");
}

TEST_F(ConfFile, SeveralWords) {
  EXPECT_EQ(Load("save 900 1\nsave 300 10\nbind 1.1.1.1 ::1\noom-score-adj-values \"1 2 3\"\n"
                 "client-output-buffer-limit replica 1mb 2mb 3\nshutdown-on-sigterm now force\n"
                 "client-output-buffer-limit \"normal 1 2 3\""),
            "OK");
  EXPECT_EQ(Get("save"), "900 1 300 10");
  EXPECT_EQ(Get("bind"), "1.1.1.1 ::1");
  EXPECT_EQ(Get("oom-score-adj-values"), "1 2 3");
  EXPECT_EQ(Get("shutdown-on-sigterm"), "now force");
  EXPECT_EQ(Get("client-output-buffer-limit"),
            "normal 1 2 3 slave 1048576 2097152 3 pubsub 33554432 8388608 60");
  EXPECT_EQ(Load("save \"\""), "OK");
  EXPECT_EQ(Get("save"), "");
  EXPECT_EQ(Load("save \"5 6 7 8\"\nbind \"\""), "OK");
  EXPECT_EQ(Get("save"), "5 6 7 8");
  EXPECT_EQ(Get("bind"), "");
}

TEST_F(ConfFile, WrongLinesAreNamed) {
  const std::pair<const char*, const char*> wrong[] = {
      {"timeout", "wrong number of arguments"},
      {"timeout 1 2", "wrong number of arguments"},
      {"timeout \"7", "Unbalanced quotes in configuration line"},
      {"loglevel \"verbose\"x", "Unbalanced quotes in configuration line"},
      {"foo bar", "Bad directive or wrong number of arguments"},
      {"rename-command", "Bad directive or wrong number of arguments"},
      {"user", "Bad directive or wrong number of arguments"},
      {"foo.bar", "Module config specified without value"},
      {"save \"5 6\" 7 8", "Invalid save parameters"},
      {"appendfilename \"\"", "appendfilename can't be empty"},
      {"appenddirname a/b", "appenddirname can't be a path, just a dirname"},
      {"replicaof a b", "Invalid master port"},
      {"replicaof a 99999", "Invalid master port"},
      {"replicaof a", "wrong number of arguments"},
      {"unixsocketperm 8", "argument couldn't be parsed as an octal number"},
      {"unixsocketperm 1000", "argument must be between 0 and 777 inclusive"},
      {"io-threads 129", "argument must be between 0 and 128 inclusive"},
      {"maxmemory 1tb", "argument must be a memory value"}};
  for (const auto& [line, why] : wrong) {
    EXPECT_EQ(Load("# one\n" + std::string(line) + "\nport 1\n"),
              "test.conf:2: '" + std::string(line) + "': " + why);
  }
  EXPECT_EQ(Get("port"), "6379");
}

TEST_F(ConfFile, DeprecatedLinesPass) {
  EXPECT_EQ(Load("list-max-ziplist-entries 5\nlua-replicate-commands yes\nreplicaof no one"), "OK");
}

// Passed over, these would leave a server open that was meant to be closed.
TEST_F(ConfFile, AccessRulesThatCannotBeKeptStopTheStart) {
  EXPECT_THAT(Load("rename-command FLUSHALL \"\""), HasSubstr("cannot rename or disable commands"));
  EXPECT_THAT(Load("user default off"), HasSubstr("no users besides the default one"));
  EXPECT_THAT(Load("aclfile /etc/users.acl"), HasSubstr("this version has no aclfile"));
  EXPECT_THAT(Load("loadmodule /x.so"), HasSubstr("loads no modules"));
  EXPECT_THAT(Load("foo.bar 1"), HasSubstr("a module that is not loaded"));
  EXPECT_THAT(Load("user default on #abc ~* &* +@all"), HasSubstr("no users besides"));
  EXPECT_THAT(Load("user alice on nopass ~* &* +@all"), HasSubstr("no users besides"));
  EXPECT_EQ(Load("user default on nopass sanitize-payload ~* &* +@all"), "OK");
  EXPECT_EQ(Load("aclfile \"\""), "OK");
}

TEST_F(ConfFile, Include) {
  disk_.SetContents("/etc/a.conf", "timeout 1\n");
  disk_.SetContents("/etc/d/2.conf", "timeout 2\nmaxclients 22\n");
  disk_.SetContents("/etc/d/1.conf", "maxclients 11\n");
  disk_.SetContents("/etc/d/.hidden.conf", "port 1\n");
  disk_.SetContents("/etc/bad.conf", "\nnosuch 1\n");
  disk_.SetContents("/etc/loop.conf", "include /etc/loop.conf\n");
  EXPECT_EQ(Load("include /etc/a.conf\ninclude /et?/*/[12].conf\ninclude /etc/none*.conf"), "OK");
  EXPECT_EQ(Get("timeout"), "2");
  EXPECT_EQ(Get("maxclients"), "22");
  EXPECT_EQ(Load("include /etc/d/*.conf\n"), "OK");
  EXPECT_EQ(Get("port"), "6379");
  EXPECT_EQ(Load("\ninclude /etc/bad.conf"),
            "/etc/bad.conf:2: 'nosuch 1': Bad directive or wrong number of arguments");
  EXPECT_THAT(Load("include /etc/missing.conf"), HasSubstr("test.conf:1: "));
  EXPECT_THAT(Load("include /etc/missing.conf"), HasSubstr("/etc/missing.conf"));
  EXPECT_THAT(Load("include /etc/loop.conf"), HasSubstr("nested too deep"));
}

TEST_F(ConfFile, CommandLine) {
  disk_.SetContents("/c.conf", "port 1\ntimeout 1\nmaxclients 5\n");
  EXPECT_EQ(LoadCommandLine({"/c.conf", "--port", "2", "--bind", "1.1.1.1", "::1", "--save",
                             "--requirepass", "--weird pass", "--appendonly no", "-"},
                            "timeout 3\nmaxclients 6\n"),
            "OK");
  EXPECT_EQ(Get("port"), "2");
  EXPECT_EQ(Get("timeout"), "3");
  EXPECT_EQ(Get("maxclients"), "6");
  EXPECT_EQ(Get("bind"), "1.1.1.1 ::1");
  EXPECT_EQ(Get("save"), "");
  EXPECT_EQ(Get("requirepass"), "--weird pass");
  EXPECT_EQ(Get("appendonly"), "no");
  EXPECT_EQ(config_.ConfPath(), "/c.conf");
  EXPECT_EQ(LoadCommandLine({"--port", "7", "--save"}), "OK");
  EXPECT_EQ(Get("port"), "7");
  EXPECT_EQ(LoadCommandLine({"--timeout", "8", "--save", "60 1", "30 2"}),
            "command line:2: 'save \"60 1\" \"30 2\"': Invalid save parameters");
  EXPECT_EQ(LoadCommandLine({"--nosuch", "1"}),
            "command line:1: 'nosuch \"1\"': Bad directive or wrong number of arguments");
  EXPECT_THAT(LoadCommandLine({"/missing.conf"}), HasSubstr("/missing.conf"));
  EXPECT_TRUE(ParseCommandLine(std::vector<std::string_view>{"-v"}).show_version);
  EXPECT_TRUE(ParseCommandLine(std::vector<std::string_view>{"--help"}).show_help);
  EXPECT_TRUE(ParseCommandLine({}).conf_path.empty());
  EXPECT_TRUE(ParseCommandLine(std::vector<std::string_view>{"-"}).read_stdin);
}

TEST_F(ConfFile, ErrorBlockHasRedisShape) {
  const ConfError error{"x.conf", 3, "port abc", "argument couldn't be parsed into an integer"};
  EXPECT_EQ(error.Block("Holdfast 0.1.0"),
            "\n*** FATAL CONFIG FILE ERROR (Holdfast 0.1.0) ***\n"
            "Reading the configuration file, at line 3\n"
            ">>> 'port abc'\n"
            "x.conf:3: argument couldn't be parsed into an integer\n");
}

TEST_F(ConfFile, HugeFilesAreRefused) {
  disk_.SetContents("/huge.conf", std::string((16u << 20) + 1, '\n'));
  EXPECT_THAT(LoadCommandLine({"/huge.conf"}), HasSubstr("too much for a conf file"));
}

}  // namespace
}  // namespace holdfast::config
