// The memory budget: what a command must see to before it takes locks, and eviction.
#include <algorithm>
#include <chrono>
#include <thread>

#include "aof/log_writer.h"
#include "engine/cold_tier.h"
#include "engine/commands/clients.h"
#include "engine/eviction_cycle.h"
#include "engine/executor.h"
#include "engine/keyspace/eviction_action.h"
#include "engine/store.h"
#include "engine/store_log.h"
#include "eviction/victim.h"
#include "holdfast/check.h"

namespace holdfast {

using commands::CommandEntry;
using commands::Session;
using keyspace::KeyAccess;
using keyspace::KeyHandle;
using keyspace::LockedShards;

namespace {

constexpr int kKeysPerLook = 16;  // between two looks at the clock, as in Redis
// So many tries in a row that found no victim: keys with a TTL are rare, or there are none.
constexpr int kFruitless = 16;

// Redis's rule: inside MULTI everything but what ends it is refused, as queues grow without bound.
bool EndsTransaction(const CommandEntry& entry) {
  return entry.spec->locking == commands::Locking::kExec || entry.spec->name == "discard" ||
         entry.spec->name == "quit" || entry.spec->name == "reset";
}

// What the command brings along stays in memory, if it is a write.
uint64_t IncomingBytes(std::span<const std::string_view> args) {
  uint64_t bytes = 0;
  for (const std::string_view arg : args) bytes += arg.size();
  return bytes;
}

}  // namespace

void Executor::TakeEvictionRules() {
  rules_generation_ = store_.eviction_rules().generation();
  rules_ = store_.eviction_rules().Get();
}

Executor::Admission Executor::AdmitMemory(const Session& session, const PreparedCommand& command) {
  if (!budget_.limited() || loading_) [[likely]]
    return Admission::kGranted;
  const CommandEntry& entry = *command.entry;
  const bool grows = HasNow(session, entry, commands::kDenyOom);
  if (!grows && !(session.transaction.open && !EndsTransaction(entry))) return Admission::kGranted;
  // A value that could never fit beside others must not drive them all out.
  uint64_t incoming = std::min(IncomingBytes(command.args), budget_.limit() / 8);
  // Values that only the log may still hold: a sixteenth of the limit is the log's bound.
  if (const aof::LogWriter* log = store_.log_writer())
    incoming += std::min(log->referenced_bytes(), budget_.limit() / 16);
  if (!budget_.AboveHigh(incoming)) [[likely]]
    return Admission::kGranted;
  const bool evicts = rules_.policy.rank != eviction::Rank::kNone;
  if (evicts) store_.eviction_cycle().Wake();
  if (!budget_.AboveLimit(incoming)) return Admission::kGranted;
  EvictionEnd end = EvictionEnd::kNothingLeft;
  if (evicts) end = EvictTo(budget_.limit() - incoming, rules_.slice_ns);
  const bool over = budget_.AboveLimit(0);
  store_.statistics().NoteOverLimit(over, store_.clock().MonotonicNs());
  if (!over) return Admission::kGranted;
  if (end == EvictionEnd::kNothingLeft && budget_.leaving() == 0) return Admission::kRefused;
  // Nothing can leave while the tier's disk fails.
  if (rules_.spills && store_.cold_tier()->Failing()) return Admission::kRefused;
  // Bounded steps, but not without end: writers that are faster than eviction wait for it.
  const bool gives_way = rules_.spills ? end != EvictionEnd::kReached || budget_.leaving() > 0
                                       : end == EvictionEnd::kTimeIsUp;
  return gives_way && budget_.FarAboveLimit() ? Admission::kLater : Admission::kGranted;
}

// What is dropped is logged, by an ordinary writer: what the log cannot take must not be deleted.
bool Executor::MayEvict() const { return rules_.spills || MayDrop(); }

bool Executor::MayDrop() const {
  return !loading_ && store_.LogAdmits() && !store_.WritesRefused(true) &&
         store_.clients().PausedAt(now_ms_) == commands::PauseMode::kNone;
}

// What is replayed can be more than memory holds. Nothing is dropped by it. An error: what is
// imported cannot leave memory, and can be read again.
Status Executor::MakeRoomForReplay(const PreparedCommand& command) {
  const uint64_t incoming = std::min(IncomingBytes(command.args), budget_.limit() / 8);
  if (!budget_.AboveHigh(incoming)) [[likely]]
    return {};
  if (rules_generation_ != store_.eviction_rules().generation()) TakeEvictionRules();
  if (!rules_.spills || !Evicts()) return {};
  constexpr int kLongestWaitMs = 1000;  // then memory that does not go is not waited for
  for (int waited_ms = 0; waited_ms < kLongestWaitMs; ++waited_ms) {
    const EvictionEnd end = EvictTo(budget_.low() - incoming, rules_.slice_ns);
    if (!budget_.FarAboveLimit()) return {};
    if (store_.log().Importing() && store_.cold_tier()->Failing())
      return MakeError(ErrorCode::kIoError, "memory is full, and the cold tier cannot be written");
    if (end == EvictionEnd::kNothingLeft && budget_.leaving() == 0) return {};
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return {};
}

Executor::EvictionEnd Executor::EvictTo(uint64_t target_bytes, int64_t slice_ns) {
  if (!MayEvict()) return EvictionEnd::kHeld;
  const int64_t started_ns = store_.clock().MonotonicNs();
  EvictionEnd end = EvictionEnd::kReached;
  int fruitless = 0;
  for (int tried = 1; budget_.staying() > target_bytes; ++tried) {
    const keyspace::ShardPicker::Place place =
        picker_.Pick(rules_.policy.expiring_only, eviction_random_);
    if (place.shard == nullptr) {
      end = EvictionEnd::kNothingLeft;
      break;
    }
    fruitless = EvictFrom(*place.shard, place.database) ? 0 : fruitless + 1;
    if (fruitless == kFruitless) {
      picker_.Forget();  // the keys are elsewhere by now, or gone
      fruitless = 0;
      if (rules_.spills) {  // or on their way, or have to wait for a snapshot
        end = EvictionEnd::kHeld;
        break;
      }
    }
    if (tried % kKeysPerLook != 0) continue;
    if (!MayEvict()) {
      end = EvictionEnd::kHeld;
      break;
    }
    if (slice_ns >= 0 && store_.clock().MonotonicNs() - started_ns >= slice_ns) {
      end = EvictionEnd::kTimeIsUp;
      break;
    }
  }
  if (budget_.leaving() > 0 && budget_.AboveLimit(0)) store_.keyspace().cold_store()->Hurry();
  const int64_t elapsed_ms = (store_.clock().MonotonicNs() - started_ns) / 1'000'000;
  const int64_t threshold_ms = store_.config().Integer("latency-monitor-threshold");
  if (threshold_ms > 0 && elapsed_ms >= threshold_ms)
    store_.statistics().LatencyAdd("eviction-cycle", now_ms_, elapsed_ms);
  return end;
}

bool Executor::EvictFrom(keyspace::Shard& shard, int database) {
  LockedShards locks(store_.keyspace());
  locks.LockOne(shard);
  const memtable::Table* table = shard.table(database);
  if (table == nullptr) return false;
  memtable::Entry* victim =
      eviction::ChooseVictim(*table, {rules_.policy, rules_.tuning, access_rule_}, shard.keys(),
                             shard.queues, eviction_random_);
  if (victim == nullptr) return false;
  KeyAccess access(
      store_.keyspace(),
      {.now_ms = now_ms_, .log = Log(), .rule = &access_rule_, .random = &eviction_random_});
  const KeyHandle key = store_.keyspace().Handle(database, victim->key());
  HF_CHECK(key.shard == &shard);
  keyspace::EvictionAction& action = store_.eviction_action(rules_.spills);
  const bool evicted = action.Evict(access, key, victim);
  Commit(locks);
  return evicted;
}

// A slice of RestateEntries: `at_least` entries of one table from `start` on.
memtable::KeyOrder Executor::Restate(keyspace::Shard& shard, int database, memtable::KeyOrder start,
                                     size_t at_least) {
  LockedShards locks(store_.keyspace());
  locks.LockOne(shard);
  const memtable::Table* table = shard.table(database);
  if (table == nullptr) return memtable::kOrderEnd;
  return table->Scan(start, at_least, [&](memtable::Entry& entry) {
    entry.set_eviction_state(access_rule_.use == eviction::StateUse::kQueueBits
                                 ? shard.queues.EnterMain()
                                 : access_rule_.NewState());
  });
}

}  // namespace holdfast
