// The composition of one store: keyspace, command table, configuration, clients, statistics, log.
// holdfast::Db is its public face, the server's I/O threads run Executors on it. Several stores
// live in one process; nothing here is global. Any thread, except where said.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/commands/clients.h"
#include "engine/commands/context.h"
#include "engine/commands/statistics.h"
#include "engine/config/config.h"
#include "engine/disk_guard.h"
#include "engine/eviction_rules.h"
#include "holdfast/clock.h"
#include "holdfast/file_system.h"
#include "holdfast/logger.h"
#include "holdfast/random.h"
#include "holdfast/result.h"

namespace holdfast {

namespace aof {
class LogWriter;
class WatermarkListener;
}  // namespace aof

namespace keyspace {
class EvictionAction;
}

class ColdTier;
class EvictionCycle;
class ExpireCycle;
class HotListing;
class Offload;
class ProcessHost;
class StoreLog;
class WarmUp;

// What a store is made of; all outlive it.
struct StoreParts {
  config::Config* config = nullptr;
  Clock* clock = nullptr;
  RandomSource* random = nullptr;
  FileSystem* file_system = nullptr;
  Logger* logger = nullptr;   // may be null
  bool in_memory = false;     // there is no data directory, and none may be made
  size_t replay_workers = 0;  // of the log at start; 0: as many as the machine can spare
};

class Store {
 public:
  // Recovers what the data directory holds (configuration "dir", "appendonly", ...), then serves.
  static Result<std::unique_ptr<Store>> Open(const StoreParts& parts);
  // The same in two steps, for a server that answers while it loads. Create locks and looks at the
  // data directory. Executors may run from then on: until Recover has returned they refuse all but
  // the commands with the flag `loading`. An error of Recover leaves nothing but to end.
  static Result<std::unique_ptr<Store>> Create(const StoreParts& parts);
  Status Recover();
  // Makes a Recover that still reads return kUnavailable soon, with no file touched. Any thread.
  void CancelRecovery();
  // Syncs and closes the log. Executors and sessions are gone by now.
  ~Store();
  Status Close();
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  keyspace::Keyspace& keyspace() { return *keyspace_; }
  const commands::CommandTable& table() const { return table_; }
  config::Config& config() { return *parts_.config; }
  commands::Clients& clients() { return clients_; }
  commands::Statistics& statistics() { return statistics_; }
  commands::Services& services() { return services_; }
  Clock& clock() { return *parts_.clock; }
  RandomSource& random() { return *parts_.random; }
  FileSystem& file_system() { return *parts_.file_system; }
  StoreLog& log() { return *log_; }
  size_t replay_workers() const { return parts_.replay_workers; }
  bool in_memory() const { return parts_.in_memory; }

  // Null until the log is on for the first time; stays when it is turned off.
  aof::LogWriter* log_writer() const { return log_writer_.load(std::memory_order_acquire); }
  void set_log_writer(aof::LogWriter* writer);
  // Where changes are logged now, null while the log is off. Set under the gate, or before anything
  // runs: who holds a shard's lock sees one answer until it lets go.
  aof::LogWriter* active_log() const { return active_log_.load(std::memory_order_acquire); }
  void set_active_log(aof::LogWriter* writer) {
    active_log_.store(writer, std::memory_order_release);
  }
  const SharedEvictionRules& eviction_rules() const { return eviction_rules_; }
  ColdTier* cold_tier() { return cold_tier_.get(); }  // null: the store has none
  DiskGuard& disk_guard() { return disk_guard_; }
  // Of a store with a tier.
  WarmUp& warm_up() { return *warm_up_; }
  HotListing& hot_listing() { return *hot_listing_; }
  EvictionCycle& eviction_cycle() { return *eviction_cycle_; }
  Offload& offload() { return *offload_; }
  keyspace::EvictionAction& eviction_action(bool spills) {
    return spills ? *spill_action_ : *drop_action_;
  }
  // The log's memory as far as the budget counts it: its share of a limit, however large a ring it
  // was opened with.
  uint64_t LogReserve() const { return log_reserve_.load(std::memory_order_relaxed); }
  // By an executing thread at the end of a turn.
  void FlushTurn();
  // False: writes wait for a while (the backlog is full, a rewrite cannot keep up).
  bool LogAdmits() const;
  // True: writes are answered with RefusalText (the log cannot be written).
  bool WritesRefused(bool frees) const;
  std::string RefusalText() const;
  // For callers without an event loop: sleeps until a parked command should be tried again.
  void WaitUntilAdmitted();
  // Until the log has `position`: written, or synced with appendfsync always. Drives the log itself
  // if it must.
  Status WaitForLog(uint64_t position);
  // For callers with one: replies that depend on the log up to here may leave.
  uint64_t LogCovered() const;
  void AddLogListener(aof::WatermarkListener& listener);
  void RemoveLogListener(aof::WatermarkListener& listener);
  // See aof::Watermark::Park. The log is on, or was.
  bool ParkOnLog(aof::WatermarkListener& listener, uint64_t position);
  // An Executor asks once a turn, and goes by that.
  bool loading() const { return loading_.load(std::memory_order_acquire); }

  // Rates and the memory peak, for INFO; the background thread calls it every 100 ms or oftener.
  void SampleFigures();
  // Slow log and latency monitor.
  // To the operator's log; nowhere if the store was given none.
  void Report(LogLevel level, std::string_view line) {
    if (parts_.logger != nullptr) parts_.logger->Write(level, line);
  }
  Logger* logger() { return parts_.logger; }  // may be null
  void NoteDuration(const commands::Session& session, const commands::CommandEntry& entry,
                    std::span<const std::string_view> args, UnixMs now_ms, uint64_t nanoseconds);

 private:
  explicit Store(const StoreParts& parts);
  void FollowConfig();
  void FollowMemoryConfig();
  void ReserveForLog();
  void TellTimeForRanks();
  void NoteSlow(const commands::Session& session, std::span<const std::string_view> args,
                UnixMs now_ms, int64_t elapsed_us);

  StoreParts parts_;
  commands::CommandTable table_;
  commands::Statistics statistics_;
  commands::Clients clients_;
  std::unique_ptr<keyspace::Keyspace> keyspace_;
  std::unique_ptr<ColdTier> cold_tier_;
  std::unique_ptr<WarmUp> warm_up_;          // null without a tier
  std::unique_ptr<HotListing> hot_listing_;  // as well
  std::unique_ptr<StoreLog> log_;
  std::atomic<aof::LogWriter*> log_writer_{nullptr};
  std::atomic<aof::LogWriter*> active_log_{nullptr};
  std::atomic<uint64_t> log_reserve_{0};
  std::unique_ptr<ProcessHost> host_;
  DiskGuard disk_guard_{*this};
  SharedEvictionRules eviction_rules_;
  std::unique_ptr<keyspace::EvictionAction> drop_action_;
  std::unique_ptr<keyspace::EvictionAction> spill_action_;
  std::unique_ptr<EvictionCycle> eviction_cycle_;
  std::unique_ptr<ExpireCycle> expire_cycle_;
  std::unique_ptr<Offload> offload_;
  std::vector<config::Subscription> subscriptions_;
  commands::Services services_;
  std::atomic<bool> loading_{false};
  int64_t memory_sampled_ns_ = 0;  // the background thread's
};

}  // namespace holdfast
