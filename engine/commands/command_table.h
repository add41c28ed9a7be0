// The command table at run time: the constexpr rows, found by name in a few nanoseconds, with what
// execution asks of every command worked out once. Owned by the Db (not a global: modules will add
// rows to one store only). Read by any thread; immutable after construction.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/commands/command_spec.h"

namespace holdfast::commands {

// One command or subcommand, ready to execute.
struct CommandEntry {
  const CommandSpec* spec = nullptr;
  uint16_t index = 0;  // dense, for per-command statistics
  uint32_t flags = 0;  // the row's, kMovableKeys worked out
  uint32_t acl = 0;    // explicit and implied categories
  // The legacy triple of COMMAND INFO; first_key 0: none. Exact if all specs are plain ranges.
  int first_key = 0;
  int last_key = 0;
  int key_step = 0;
  // True if the command's keys are exactly args[1] (GET, SET, ...): the fast path.
  bool one_key = false;
  const CommandEntry* parent = nullptr;
  std::vector<CommandEntry*> subcommands;

  bool Has(CommandFlag flag) const { return (flags & flag) != 0; }
  bool ArityFits(size_t arguments) const {
    return spec->arity >= 0 ? arguments == static_cast<size_t>(spec->arity)
                            : arguments >= static_cast<size_t>(-spec->arity);
  }
};

// A key of a command: where it stands and what is needed of it.
struct KeyPosition {
  size_t argument;
  uint16_t flags;
  Need need;
};

class CommandTable {
 public:
  // All rows of this build (table.cc).
  CommandTable();
  ~CommandTable();
  CommandTable(const CommandTable&) = delete;
  CommandTable& operator=(const CommandTable&) = delete;

  // Any letter case; null if there is none.
  const CommandEntry* Find(std::string_view name) const;
  // args[0] names a container and args[1] a subcommand: the subcommand's entry, null if unknown.
  // A command without subcommands: itself.
  const CommandEntry* Resolve(std::span<const std::string_view> args) const;
  // "get", "client|list"
  const CommandEntry* FindFull(std::string_view full_name) const;

  std::span<const CommandEntry* const> commands() const { return top_level_; }
  size_t entry_count() const { return entries_.size(); }  // bound of CommandEntry::index
  const CommandEntry& entry(uint16_t index) const { return *entries_[index]; }

  // Appends the positions of all keys; false if the arguments do not fit the key specs.
  static bool FindKeys(const CommandEntry& entry, std::span<const std::string_view> args,
                       std::vector<KeyPosition>& keys);

 private:
  CommandEntry* Add(const CommandSpec& spec, const CommandEntry* parent);
  void BuildIndex();

  std::vector<std::unique_ptr<CommandEntry>> entries_;
  std::vector<const CommandEntry*> top_level_;
  // Open addressing over the top-level names, power of two, no deletions.
  struct Cell {
    uint64_t hash = 0;
    const CommandEntry* entry = nullptr;
  };
  std::vector<Cell> cells_;
};

}  // namespace holdfast::commands
