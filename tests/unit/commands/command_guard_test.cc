// What every row of the command table must have, whoever adds it: texts, a seed for the fuzzers, a
// test that names it, and a log rule, locks and keys that fit its flags.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "engine/commands/command_table.h"

namespace holdfast::commands {
namespace {

namespace fs = std::filesystem;

fs::path SourceFolder() {
  const char* folder = std::getenv("HOLDFAST_SOURCE");
  return folder != nullptr ? folder : fs::current_path();
}

std::string ReadFile(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// "client|list" as a client types it: "CLIENT LIST".
std::string Typed(std::string_view name) {
  std::string text(name);
  for (char& c : text) {
    c = c == '|' ? ' ' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  return text;
}

// Everything that runs commands: unit tests and black-box tests, not the lists that random commands
// are drawn from.
std::string TestTexts() {
  std::string texts;
  for (const auto& entry : fs::recursive_directory_iterator(SourceFolder() / "tests")) {
    const std::string name = entry.path().filename().string();
    const bool test = name.ends_with("_test.cc") || name.ends_with("_test.py");
    if (test && name != "command_guard_test.cc") texts += ReadFile(entry.path());
  }
  return texts;
}

class CommandGuard : public testing::Test {
 protected:
  // Rows that execute; a container without a handler only leads to its subcommands.
  std::vector<const CommandEntry*> Executable() const {
    std::vector<const CommandEntry*> entries;
    for (size_t i = 0; i < table_.entry_count(); ++i) {
      const CommandEntry& entry = table_.entry(static_cast<uint16_t>(i));
      if (entry.spec->handler != nullptr || entry.spec->locking == Locking::kExec) {
        entries.push_back(&entry);
      }
    }
    return entries;
  }

  CommandTable table_;
};

TEST_F(CommandGuard, TheTableIsThere) {
  ASSERT_TRUE(fs::exists(SourceFolder() / "engine/commands/table.cc")) << SourceFolder();
  EXPECT_GE(Executable().size(), 50u);
}

TEST_F(CommandGuard, TextsAreComplete) {
  for (size_t i = 0; i < table_.entry_count(); ++i) {
    const CommandSpec& spec = *table_.entry(static_cast<uint16_t>(i)).spec;
    EXPECT_FALSE(spec.summary.empty()) << spec.name;
    // MONITOR has none in Redis.
    EXPECT_TRUE(!spec.complexity.empty() || spec.Has(kAdmin)) << spec.name;
    EXPECT_THAT(std::string(spec.since), testing::MatchesRegex("[0-9]+[.][0-9]+[.][0-9]+"))
        << spec.name;
    EXPECT_NE(spec.arity, 0) << spec.name;
    EXPECT_EQ(spec.deprecated_since.empty(), spec.replaced_by.empty()) << spec.name;
    EXPECT_TRUE(std::none_of(spec.name.begin(), spec.name.end(), [](unsigned char c) {
      return std::isupper(c) != 0;
    })) << spec.name;
  }
}

TEST_F(CommandGuard, EachHasAFuzzSeed) {
  for (const CommandEntry* entry : Executable()) {
    std::string name(entry->spec->name);
    std::replace(name.begin(), name.end(), '|', '-');
    const fs::path seed = SourceFolder() / "tests/fuzz/seeds/commands" / (name + ".resp");
    EXPECT_TRUE(fs::exists(seed) && fs::file_size(seed) > 0) << seed;
  }
}

TEST_F(CommandGuard, EachIsNamedByATest) {
  const std::string texts = TestTexts();
  for (const CommandEntry* entry : Executable()) {
    const std::string typed = Typed(entry->spec->name);
    std::string as_words = typed;  // as in ("OBJECT", "HELP")
    if (const size_t space = typed.find(' '); space != std::string::npos) {
      as_words.replace(space, 1, "\", \"");
    }
    const bool named = texts.find("\"" + typed) != std::string::npos ||
                       texts.find("\"" + as_words) != std::string::npos;
    EXPECT_TRUE(named) << typed;
  }
}

TEST_F(CommandGuard, LogRuleFitsTheFlags) {
  for (const CommandEntry* entry : Executable()) {
    const CommandSpec& spec = *entry->spec;
    EXPECT_EQ(spec.Has(kWrite), spec.log_rule != LogRule::kNever) << spec.name;
    EXPECT_FALSE(spec.Has(kWrite) && spec.Has(kReadonly)) << spec.name;
    EXPECT_FALSE(spec.Has(kFrees) && spec.Has(kDenyOom)) << spec.name;
  }
}

// A key that is written is locked; what reads or writes no key names none.
TEST_F(CommandGuard, LocksFitTheKeys) {
  constexpr uint16_t kChanges = kKeyRW | kKeyOW | kKeyRM;
  constexpr uint16_t kAnyUse = kChanges | kKeyRO;
  for (const CommandEntry* entry : Executable()) {
    const CommandSpec& spec = *entry->spec;
    EXPECT_EQ(spec.locking == Locking::kKeys, !spec.keys.empty()) << spec.name;
    bool changes = false;
    for (const KeySpec& key : spec.keys) {
      EXPECT_EQ(__builtin_popcount(key.flags & kAnyUse), 1) << spec.name;
      changes |= (key.flags & kChanges) != 0;
      const bool blind = key.need == Need::kNothing && key.refine == nullptr;
      EXPECT_FALSE(blind && (key.flags & (kKeyRO | kKeyAccess)) != 0) << spec.name;
    }
    EXPECT_TRUE(spec.locking != Locking::kKeys || changes == spec.Has(kWrite)) << spec.name;
    if (spec.Has(kWrite)) {
      EXPECT_TRUE(spec.locking == Locking::kKeys || spec.locking == Locking::kGate) << spec.name;
    }
  }
}

// COMMAND DOCS: an argument that is a key says which key spec it belongs to.
void CheckArguments(const CommandSpec& spec, std::span<const ArgumentSpec> arguments) {
  for (const ArgumentSpec& argument : arguments) {
    EXPECT_FALSE(argument.name.empty()) << spec.name;
    const bool key = argument.type == ArgumentType::kKey;
    EXPECT_EQ(key, argument.key_spec_index >= 0) << spec.name << " " << argument.name;
    EXPECT_LT(argument.key_spec_index, static_cast<int>(spec.keys.size())) << spec.name;
    const bool tree =
        argument.type == ArgumentType::kOneOf || argument.type == ArgumentType::kBlock;
    EXPECT_EQ(tree, !argument.arguments.empty()) << spec.name << " " << argument.name;
    EXPECT_TRUE(argument.type != ArgumentType::kPureToken || !argument.token.empty()) << spec.name;
    CheckArguments(spec, argument.arguments);
  }
}

TEST_F(CommandGuard, ArgumentTreesFit) {
  for (const CommandEntry* entry : Executable()) {
    const CommandSpec& spec = *entry->spec;
    CheckArguments(spec, spec.arguments);
    const bool takes_arguments = spec.arity != (entry->parent != nullptr ? 2 : 1);
    EXPECT_TRUE(!spec.arguments.empty() || !takes_arguments || spec.arity < 0) << spec.name;
  }
}

}  // namespace
}  // namespace holdfast::commands
