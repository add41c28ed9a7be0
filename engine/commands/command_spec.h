// A command is data: one constexpr row says all that the rest of the system needs to know about it.
// Execution, COMMAND, COMMAND DOCS, docs/commands.md, key extraction, the log rule and (later) ACL
// come from these rows; nothing else knows commands by name.
//
// Rows live in engine/commands/<family>_table.cc, one table per family; table.cc joins them. They
// are immutable and live as long as the program. The vocabulary is that of Redis's own COMMAND and
// COMMAND DOCS replies (https://redis.io/docs/reference/key-specs, .../command-tips).
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "engine/keyspace/residency.h"

namespace holdfast::commands {

struct CommandContext;
using Handler = void (*)(CommandContext&);
using keyspace::Need;

// In the order in which COMMAND INFO lists them.
enum CommandFlag : uint32_t {
  kWrite = 1u << 0,
  kReadonly = 1u << 1,
  kDenyOom = 1u << 2,
  kModuleCommand = 1u << 3,
  kAdmin = 1u << 4,
  kPubSub = 1u << 5,
  kNoScript = 1u << 6,
  kBlocking = 1u << 7,
  kLoading = 1u << 8,
  kStale = 1u << 9,
  kSkipMonitor = 1u << 10,
  kSkipSlowlog = 1u << 11,
  kAsking = 1u << 12,
  kFast = 1u << 13,
  kNoAuth = 1u << 14,
  kMayReplicate = 1u << 15,
  kNoMulti = 1u << 16,
  kMovableKeys = 1u << 17,
  kAllowBusy = 1u << 18,
  kNoAsyncLoading = 1u << 19,
  // Ours, not shown: frees memory, so it is let through when memory or the log is full.
  kFrees = 1u << 30,
};

// In the order of Redis's ACL CAT.
enum AclCategory : uint32_t {
  kAclKeyspace = 1u << 0,
  kAclRead = 1u << 1,
  kAclWrite = 1u << 2,
  kAclSet = 1u << 3,
  kAclSortedSet = 1u << 4,
  kAclList = 1u << 5,
  kAclHash = 1u << 6,
  kAclString = 1u << 7,
  kAclBitmap = 1u << 8,
  kAclHyperLogLog = 1u << 9,
  kAclGeo = 1u << 10,
  kAclStream = 1u << 11,
  kAclPubSub = 1u << 12,
  kAclAdmin = 1u << 13,
  kAclFast = 1u << 14,
  kAclSlow = 1u << 15,
  kAclBlocking = 1u << 16,
  kAclDangerous = 1u << 17,
  kAclConnection = 1u << 18,
  kAclTransaction = 1u << 19,
  kAclScripting = 1u << 20,
};

// What a command is for, as COMMAND DOCS groups them.
enum class Group : uint8_t {
  kGeneric,
  kString,
  kList,
  kSet,
  kSortedSet,
  kHash,
  kPubSub,
  kTransactions,
  kConnection,
  kServer,
  kScripting,
  kHyperLogLog,
  kCluster,
  kGeo,
  kStream,
  kBitmap,
  kModule,
};

// Which locks execution takes before the handler runs.
enum class Locking : uint8_t {
  kNone,       // touches no key (PING, CONFIG)
  kKeys,       // the shards of the keys that the key specs name
  kEachShard,  // goes shard by shard itself, through CommandContext::locks (KEYS, SCAN, DBSIZE)
  kGate,       // all shards (FLUSHALL, SWAPDB)
  kExec,       // EXEC: the union of what its queued commands need
};

// What the log gets when the command changed something.
enum class LogRule : uint8_t {
  kNever,     // changes no key
  kVerbatim,  // the command as it was sent
  kEffects,   // what the handler records through CommandContext::LogEffect
};

enum KeySpecFlag : uint16_t {
  kKeyRO = 1 << 0,
  kKeyRW = 1 << 1,
  kKeyOW = 1 << 2,
  kKeyRM = 1 << 3,
  kKeyAccess = 1 << 4,
  kKeyUpdate = 1 << 5,
  kKeyInsert = 1 << 6,
  kKeyDelete = 1 << 7,
  kKeyNotKey = 1 << 8,
  kKeyIncomplete = 1 << 9,
  kKeyVariableFlags = 1 << 10,
};

// Where keys stand among the arguments. `begin` finds the first (an argument index, or the argument
// after a keyword); `find` says which follow: a range (`last` relative to the first, negative: from
// the end; `step`; `limit` for halves) or a count given in the arguments.
struct KeySpec {
  uint16_t flags = 0;
  Need need = Need::kValue;
  enum class Begin : uint8_t { kIndex, kKeyword, kUnknown } begin = Begin::kIndex;
  int begin_position = 1;  // kIndex: the index; kKeyword: where the search starts
  std::string_view keyword = {};
  enum class Find : uint8_t { kRange, kKeyNum, kUnknown } find = Find::kRange;
  int last = 0;          // kRange
  int step = 1;          // both
  int limit = 0;         // kRange
  int keynum_index = 0;  // kKeyNum, relative to the first
  int first_key = 0;     // kKeyNum, relative to the first
  std::string_view notes = {};
  // Where options change what is needed (SET NX, SET GET): asked instead of `need`.
  Need (*refine)(std::span<const std::string_view> args) = nullptr;
  // Where options change how the key is used (kKeyVariableFlags): asked instead of `flags`.
  uint16_t (*refine_flags)(std::span<const std::string_view> args) = nullptr;
};

enum class ArgumentType : uint8_t {
  kString,
  kInteger,
  kDouble,
  kKey,
  kPattern,
  kUnixTime,
  kPureToken,
  kOneOf,
  kBlock,
};
enum ArgumentFlag : uint8_t { kOptional = 1, kMultiple = 2, kMultipleToken = 4 };

// A node of COMMAND DOCS's argument tree.
struct ArgumentSpec {
  std::string_view name;
  ArgumentType type = ArgumentType::kString;
  uint8_t flags = 0;
  std::string_view token = {};
  int key_spec_index = -1;
  std::string_view since = {};
  std::span<const ArgumentSpec> arguments = {};
  std::string_view summary = {};
  std::string_view deprecated_since = {};
};

struct HistoryNote {
  std::string_view since;
  std::string_view change;
};

// A key that the key specs do not show.
struct OtherKey {
  static constexpr int kOwnDatabase = -1;
  size_t argument = 0;
  int64_t database = kOwnDatabase;  // as it stands in the arguments: perhaps there is none such
  Need need = Need::kExistence;
};

struct CommandSpec {
  std::string_view name;  // lower case; a subcommand: "client|list"
  int arity = 0;          // negative: at least; a subcommand counts its container's name
  uint32_t flags = 0;
  uint32_t acl = 0;  // explicit categories; implied ones are added by the table
  Group group = Group::kGeneric;
  Locking locking = Locking::kNone;
  LogRule log_rule = LogRule::kNever;
  Handler handler = nullptr;  // null for a container that always needs a subcommand, and for EXEC
  std::string_view summary = {};
  std::string_view since = {};
  std::string_view complexity = {};
  std::span<const KeySpec> keys = {};
  // Keys in other databases (MOVE, COPY; each has the slot of one of `keys`), or of a command that
  // Redis gives no key specs (DEBUG). None, if the arguments are wrong.
  void (*other_keys)(std::span<const std::string_view> args, std::vector<OtherKey>& keys) = nullptr;
  std::span<const ArgumentSpec> arguments = {};
  std::span<const CommandSpec> subcommands = {};
  std::span<const std::string_view> tips = {};
  std::span<const HistoryNote> history = {};
  std::string_view deprecated_since = {};
  std::string_view replaced_by = {};
  bool syscmd = false;  // COMMAND DOCS: for the store's own tests and tools

  bool Has(CommandFlag flag) const { return (flags & flag) != 0; }
};

}  // namespace holdfast::commands
