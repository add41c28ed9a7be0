// Runs commands: the one way in, for TCP, embedded callers and log replay alike.
//
// An Executor belongs to one thread (an I/O thread, an embedded session, a replay worker) and holds
// what that thread reuses from command to command. Commands run to their end on the thread that
// calls: no hop, no queue. The caller may prepare a batch first, so that the memory the commands
// need is on its way before the first of them runs:
//
//   executor.BeginTurn();
//   for (auto& p : batch) executor.Prepare(session, p);    // resolve, hash
//   executor.Prefetch(batch);                              // buckets, then entries
//   for (auto& p : batch) executor.Execute(session, p, reply);
//   executor.EndTurn();                                    // what was logged goes to the kernel
//
// Replies may leave once the store's log has reached session.log_position.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "aof/log_ring.h"
#include "engine/commands/context.h"
#include "engine/commands/statistics.h"
#include "engine/cycle_clock.h"
#include "engine/eviction_rules.h"
#include "engine/group_buffer.h"
#include "engine/keyspace/shard_picker.h"
#include "eviction/access_rule.h"
#include "eviction/memory_budget.h"
#include "holdfast/result.h"
#include "memtable/reclaimer.h"

namespace holdfast {

class OffloadedCommand;
class Store;

// A parsed command on its way to execution. `args` belong to the caller and must stay until then.
struct PreparedCommand {
  std::span<const std::string_view> args;
  const commands::CommandEntry* entry = nullptr;  // null: unknown
  keyspace::KeyHandle key;                        // if entry->one_key
};

enum class Outcome : uint8_t {
  kReplied,
  kParked,  // nothing happened and nothing was replied; execute it again later
};

class Executor {
 public:
  explicit Executor(Store& store);
  ~Executor();
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;

  // Commands that Prefetch takes at once: more than memory latency needs, few enough to stay in the
  // first-level cache.
  static constexpr size_t kMaxBatch = 32;

  // Takes the time for all commands of this turn, and whether the store still loads.
  void BeginTurn();
  void Prepare(const commands::Session& session, PreparedCommand& command);
  void Prefetch(std::span<const PreparedCommand> batch);
  Outcome Execute(commands::Session& session, const PreparedCommand& command, ReplySink& reply);
  // Hands this turn's records to the log.
  void EndTurn();

  // ---- for callers whose sessions have a load listener. After kParked: whether it was for cold
  // keys, whose reads have not begun yet.
  static bool WantsLoads(const commands::Session& session) {
    return session.loads != nullptr && !session.loads->started();
  }
  // What a command that comes after the parked one may need is read along with it.
  void LookAhead(commands::Session& session, const PreparedCommand& command);
  void StartLoads(commands::Session& session);
  // The commands that were looked at have run, or never will.
  void ReleaseLoads(commands::Session& session);
  // The session's command that another thread runs is not wanted any more.
  static void DropOffloaded(commands::Session& session);
  // By a thread that may wait for the tier. False: not now (CLIENT PAUSE, a full log).
  bool RunOffloaded(OffloadedCommand& command);

  // Log replay: applies one logged command without checks, log, expiry or reply. The error text, if
  // the command failed (damage, or a log of a newer version).
  Status Replay(int database, const PreparedCommand& command);
  // The same while the caller holds the gate.
  Status ReplayUnderGate(int database, const PreparedCommand& command);

  // The expire cycle's step: deletes the key if it is due, with a DEL in the log. A cold key that
  // nobody holds is read in place.
  enum class Expiry : uint8_t { kDeleted, kNotDue, kUnreadable };
  Expiry DeleteExpired(int database, std::string_view name);
  // The same by space, which may have become another database's; if it is none's, that is kNotDue.
  Expiry DeleteExpiredIn(keyspace::SpaceId space, std::string_view name);

  // Deletes a key that is cold, with a DEL in the log. False: it is not, or cannot be read.
  bool DropCold(keyspace::SpaceId space, std::string_view name);
  bool MayDrop() const;

  // Evicts until at most `target_bytes` are used, for about `slice_ns` (negative: no bound) of this
  // turn; what it deletes is logged like any change.
  enum class EvictionEnd : uint8_t {
    kReached,
    kTimeIsUp,
    kNothingLeft,  // that the policy may take
    kHeld,         // the log, a pause or loading holds all writers up, or the tier's writes
  };
  EvictionEnd EvictTo(uint64_t target_bytes, int64_t slice_ns);
  bool Evicts() const { return rules_.policy.rank != eviction::Rank::kNone; }
  // Gives entries of one table, at least so many from `start` on, the eviction state of new ones;
  // returns where to go on.
  memtable::KeyOrder Restate(keyspace::Shard& shard, int database, memtable::KeyOrder start,
                             size_t at_least);

  // Forgets the session's watches and transaction (on DISCARD, EXEC, RESET, close).
  void ResetTransaction(commands::Session& session);

  // Memory of its thread beside the keys (connections' buffers), for the budget.
  void CountBytes(int64_t bytes) { memory_.Add(bytes, budget_); }

  commands::ThreadStatistics& statistics() { return statistics_; }
  UnixMs now_ms() const { return now_ms_; }

 private:
  Outcome ExecuteFor(commands::Session& session, const PreparedCommand& command, ReplySink& reply);
  bool Admit(commands::Session& session, const PreparedCommand& command, ReplySink& reply,
             Outcome& outcome);
  void LookForLog();
  void TakeEvictionRules();
  enum class Admission : uint8_t { kGranted, kRefused, kLater };
  Admission AdmitMemory(const commands::Session& session, const PreparedCommand& command);
  bool MayEvict() const;
  Status MakeRoomForReplay(const PreparedCommand& command);
  bool EvictFrom(keyspace::Shard& shard, int database);
  void PrefetchKeys(std::span<const PreparedCommand> batch);
  bool Refused(commands::Session& session, const PreparedCommand& command, ReplySink& reply);
  static bool HasNow(const commands::Session& session, const commands::CommandEntry& entry,
                     commands::CommandFlag flag);
  bool RefuseUnknown(commands::Session& session, const PreparedCommand& command, ReplySink& reply);
  void Reject(commands::Session& session, const PreparedCommand& command, ReplySink& reply,
              std::string_view error);
  bool MustWait(const commands::Session& session, const PreparedCommand& command) const;
  bool Queue(commands::Session& session, const PreparedCommand& command, ReplySink& reply);
  Outcome Call(commands::Session& session, const PreparedCommand& command, ReplySink& reply);
  Outcome Run(commands::Session& session, const PreparedCommand& command, ReplySink& reply,
              std::span<const std::string_view> args);
  std::span<const keyspace::KeyHandle> LockFor(const commands::Session& session,
                                               const PreparedCommand& command,
                                               std::span<const std::string_view> args,
                                               keyspace::LockedShards& locks);
  Outcome Offloaded(commands::Session& session, ReplySink& reply, uint64_t& started, bool& refused);
  Outcome RunExec(commands::Session& session, const commands::CommandEntry& entry,
                  ReplySink& reply);
  void LockForExec(const commands::Session& session, keyspace::LockedShards& locks);
  bool MayListTier(const commands::Session& session) const;
  bool HandsOver(const commands::Session& session, keyspace::LockedShards& locks) const;
  void HandOver(commands::Session& session, const commands::CommandEntry& entry,
                keyspace::LockedShards& locks);
  bool CountsAreExact(keyspace::LockedShards& locks);
  // ---- cold keys (executor_residency.cc)
  enum class Fetch : uint8_t {
    kThere,   // the locks are held, the command may run
    kAgain,   // ... were let go of, the keys read: lock again and look again
    kLater,   // ... were let go of: it parks
    kFailed,  // ... were let go of: the error is the reply
  };
  static bool MayBeCold(std::span<const keyspace::KeyHandle> keys);
  static bool AllHot(const commands::CommandEntry& entry,
                     std::span<const keyspace::KeyHandle> keys);
  void CollectWanted(int database, const commands::CommandEntry& entry,
                     std::span<const std::string_view> args);
  void CollectOtherKeys(int database, const commands::CommandEntry& entry,
                        std::span<const std::string_view> args,
                        std::vector<keyspace::KeyHandle>& keys);
  void CollectWantedByExec(const commands::Session& session);
  void CollectWantedByWatchers(const commands::Session& session, keyspace::LockedShards& gate);
  Fetch FetchCold(commands::Session& session, keyspace::LockedShards& locks, ReplySink& reply);
  Fetch FetchUnknown(commands::Session& session, std::span<const keyspace::KeyHandle> unknown,
                     keyspace::LockedShards& locks, ReplySink& reply);
  Status FetchInPlace(keyspace::LockedShards& locks);
  std::shared_ptr<keyspace::LoadSet> Ask(keyspace::LoadListener* listener, bool& cold,
                                         bool& failed);
  void ReadInPlace(std::shared_ptr<keyspace::LoadSet> set, keyspace::LockedShards& locks);
  void ReleaseSpent();
  bool WatchBroken(commands::Session& session, keyspace::KeyAccess& access);
  void RunQueued(commands::Session& session, std::span<const commands::QueuedCommand> queue,
                 ReplySink& reply, keyspace::LockedShards& locks);
  void Invoke(commands::CommandContext& context);
  // Where the command records what it changes; null while the log is off. Under its locks.
  keyspace::ChangeLog* Log();
  // Appends what was recorded; returns the log position that the reply depends on.
  aof::LogPosition Commit(keyspace::LockedShards& locks);
  Expiry DeleteExpired(keyspace::KeyHandle key, const keyspace::SpaceId* space);
  Status ReplayLocked(int database, const PreparedCommand& command,
                      std::span<const keyspace::KeyHandle> keys, keyspace::LockedShards& locks);
  void CollectKeys(int database, const commands::CommandEntry& entry,
                   std::span<const std::string_view> args, std::vector<keyspace::KeyHandle>& keys);
  std::span<const std::string_view> MoveToBlocks(std::span<const std::string_view> args);
  static bool Monitorable(const commands::CommandEntry& entry) {
    return !entry.Has(commands::kSkipMonitor) && !entry.Has(commands::kAdmin);
  }
  void FeedMonitors(const commands::Session& session, const commands::CommandEntry& entry,
                    std::span<const std::string_view> args);
  void GiveBackLongBuffers();
  void Account(const commands::Session& session, const PreparedCommand& command,
               uint64_t started_ticks, bool failed);

  Store& store_;
  memtable::Reclaimer::Reader reader_;
  commands::ThreadStatistics& statistics_;
  CycleClock cycles_;
  SeededRandom random_;
  UnixMs now_ms_ = 0;
  EvictionRules rules_;
  uint64_t rules_generation_ = 0;
  eviction::AccessRule access_rule_;  // of this turn
  eviction::MemoryBudget& budget_;
  eviction::BudgetShare memory_;
  SeededRandom eviction_random_;
  keyspace::ShardPicker picker_;
  // Where the command under way began: one reading of the counter ends one and begins the next.
  uint64_t last_ticks_ = 0;
  std::unique_ptr<commands::Session> replay_session_;  // made when needed
  bool loading_ = true;  // as of this turn's beginning: nothing may be logged
  aof::LogSlot* slot_ = nullptr;
  bool appended_ = false;  // in this turn
  GroupBuffer group_;
  std::vector<keyspace::KeyHandle> keys_;
  keyspace::KeyHandle one_key_;
  struct WantedKey {
    keyspace::KeyHandle key;
    keyspace::Need need;
  };
  std::vector<WantedKey> wanted_;
  std::vector<commands::OtherKey> other_keys_;
  // Pins of what was read for the command under way; let go of once it has let go of its locks.
  std::vector<std::shared_ptr<keyspace::LoadSet>> spent_;
  std::vector<commands::KeyPosition> positions_;
  std::vector<std::string_view> args_;
  std::vector<BlockRef> blocks_;
  std::vector<std::string> monitor_lines_;  // of a transaction, until its locks are released
};

}  // namespace holdfast
