// What a handler sees: its arguments, the keys that were locked for it, time and randomness, where
// its reply goes, and the services of the store. Never a socket or a file.
//
// A handler's result depends only on the keys' contents, the arguments, `now_ms` and `random`:
// replay and raft run the same handler elsewhere and must get the same (DESIGN section 3,
// Determinism). Lives on the stack of one execution.
#pragma once

#include <atomic>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/commands/command_table.h"
#include "engine/commands/session.h"
#include "engine/keyspace/key_access.h"
#include "engine/keyspace/locked_shards.h"
#include "holdfast/random.h"
#include "holdfast/reply.h"

namespace holdfast::config {
class Config;
}
namespace holdfast {
class FileSystem;
}

namespace holdfast::commands {

class Clients;
class Host;
class Persistence;
class Statistics;
class TierFigures;

// The parts of a store that commands may ask; all outlive every execution.
struct Services {
  keyspace::Keyspace* keyspace = nullptr;
  const CommandTable* table = nullptr;
  config::Config* config = nullptr;
  Clients* clients = nullptr;
  Persistence* persistence = nullptr;
  Statistics* statistics = nullptr;
  Clock* clock = nullptr;
  RandomSource* random = nullptr;
  Host* host = nullptr;
  FileSystem* file_system = nullptr;                  // CONFIG REWRITE
  std::vector<const TierFigures*> tier_figures = {};  // more for INFO's section Tiering
  std::atomic<bool>* active_expire = nullptr;         // DEBUG SET-ACTIVE-EXPIRE
  UnixMs started_ms = 0;
  std::string run_id;  // 40 hex digits, new at each start
};

struct CommandContext {
  std::span<const std::string_view> args;  // args[0] is the name as sent
  const CommandEntry& entry;
  Session& session;
  ReplySink& reply;
  UnixMs now_ms;
  SeededRandom& random;
  // The command's keys in the order of its key specs, resolved and locked (Locking::kKeys).
  std::span<const keyspace::KeyHandle> keys;
  keyspace::KeyAccess& access;
  keyspace::LockedShards& locks;
  Services& services;
  // Arguments of at least kBlockBytes, copied into blocks before any lock was taken: args[i] points
  // into one of them, so that table, log and reply can share it.
  std::span<const BlockRef> blocks;
  // Log what the command did with LogEffect instead of verbatim. LogRule::kEffects implies it.
  bool effects_only = false;
  // Set by a handler whose change is none of single keys (FLUSHALL, SWAPDB): it is logged.
  bool changed = false;

  // One command of the execution's group, in the session's database.
  void LogEffect(std::span<const std::string_view> command) const {
    LogEffectIn(session.database, command);
  }
  void LogEffect(std::initializer_list<std::string_view> command) const {
    LogEffectIn(session.database, {command.begin(), command.size()});
  }
  void LogEffectIn(int database, std::span<const std::string_view> command) const {
    if (access.log() != nullptr) access.log()->Record(database, command);
  }
  static constexpr size_t kBlockBytes = size_t{64} << 10;
  // The block that holds args[index], to be shared by KeyAccess::SetBlock; empty if it is small.
  BlockRef ArgumentBlock(size_t index) const {
    for (const BlockRef& block : blocks) {
      if (block->view().data() == args[index].data()) return block;
    }
    return {};
  }
  // A queued command inside EXEC: the transaction holds the locks.
  bool in_transaction = false;
  // The thread can wait for the tier. A handler that has to and may not sets `must_wait`, having
  // changed nothing and replied nothing: it runs again where it may.
  bool may_wait = true;
  bool must_wait = false;
  // A handler that has to know of keys which nobody could name beforehand, and does not, puts all
  // of them here that may be cold, having changed nothing and replied nothing: it runs again once
  // they are at hand. Not inside EXEC, which sees to that itself.
  std::vector<keyspace::KeyHandle> unknown_keys = {};
};

// Redis's shared error texts.
namespace errors {
inline constexpr std::string_view kSyntax = "ERR syntax error";
inline constexpr std::string_view kNotInteger = "ERR value is not an integer or out of range";
inline constexpr std::string_view kNotFloat = "ERR value is not a valid float";
inline constexpr std::string_view kWrongType =
    "WRONGTYPE Operation against a key holding the wrong kind of value";
inline constexpr std::string_view kNoSuchKey = "ERR no such key";
inline constexpr std::string_view kDatabaseRange = "ERR DB index is out of range";
inline constexpr std::string_view kNotPositive = "ERR value is out of range, must be positive";
}  // namespace errors

}  // namespace holdfast::commands
