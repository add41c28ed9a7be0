#include "engine/store.h"

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "aof/log_writer.h"
#include "engine/cold_tier.h"
#include "engine/commands/authentication.h"
#include "engine/commands/info_view.h"
#include "engine/eviction_cycle.h"
#include "engine/expire_cycle.h"
#include "engine/hot_listing.h"
#include "engine/keyspace/eviction_action.h"
#include "engine/offload.h"
#include "engine/process_host.h"
#include "engine/store_log.h"
#include "engine/warm_up.h"
#include "holdfast/check.h"

namespace holdfast {

using commands::CommandEntry;
using commands::Session;

namespace {

// The name of one run of the store: 40 digits, as Redis has it.
std::string RandomHex(RandomSource& random) {
  std::string text;
  while (text.size() < 40) text += fmt::format("{:016x}", random.NextRandom());
  text.resize(40);
  return text;
}

bool WantsSpill(const config::Config& config) {
  return config.Enum<config::EvictionAction>("eviction-action") == config::EvictionAction::kSpill;
}

// A store that can keep its data evicts to the disk, one that cannot drops.
Status SettleDefaults(const StoreParts& parts) {
  using config::EvictionAction;
  config::Config& config = *parts.config;
  if (parts.in_memory) {
    config.SetDefault("eviction-action", static_cast<int64_t>(EvictionAction::kDrop));
    if (WantsSpill(config))
      return MakeError(ErrorCode::kInvalidArgument,
                       "eviction-action spill: there is no data directory to spill to");
  }
  config.SetDefault(
      "maxmemory-policy",
      static_cast<int64_t>(config::DefaultPolicy(config.Enum<EvictionAction>("eviction-action"))));
  return {};
}

}  // namespace

Store::Store(const StoreParts& parts) : parts_(parts), statistics_(table_.entry_count()) {}

Result<std::unique_ptr<Store>> Store::Open(const StoreParts& parts) {
  std::unique_ptr<Store> store = HF_TRY(Create(parts));
  HF_TRY_STATUS(store->Recover());
  return store;
}

Result<std::unique_ptr<Store>> Store::Create(const StoreParts& parts) {
  HF_TRY_STATUS(SettleDefaults(parts));
  std::unique_ptr<Store> store(new Store(parts));
  store->log_ = std::make_unique<StoreLog>(*store);
  store->host_ = std::make_unique<ProcessHost>(*store);
  const memtable::HashSeed seed = HF_TRY(store->log_->OpenDirectory());
  store->keyspace_ = std::make_unique<keyspace::Keyspace>(keyspace::KeyspaceOptions{
      .seed = seed, .databases = static_cast<int>(parts.config->Integer("databases"))});
  store->services_ = {.keyspace = store->keyspace_.get(),
                      .table = &store->table_,
                      .config = parts.config,
                      .clients = &store->clients_,
                      .persistence = store->log_.get(),
                      .statistics = &store->statistics_,
                      .clock = parts.clock,
                      .random = parts.random,
                      .host = store->host_.get(),
                      .file_system = parts.file_system,
                      .started_ms = parts.clock->NowMs(),
                      .run_id = RandomHex(*parts.random)};
  store->expire_cycle_ = std::make_unique<ExpireCycle>(*store);
  store->drop_action_ = std::make_unique<keyspace::DropAction>();
  store->spill_action_ = std::make_unique<keyspace::SpillAction>();
  store->eviction_cycle_ = std::make_unique<EvictionCycle>(*store);
  store->offload_ = std::make_unique<Offload>(*store);
  store->cold_tier_ = HF_TRY(store->log_->OpenTier());
  if (store->cold_tier_ != nullptr) {
    store->warm_up_ = std::make_unique<WarmUp>(*store);
    store->hot_listing_ = std::make_unique<HotListing>(*store);
    store->services_.tier_figures.push_back(store->cold_tier_.get());
    store->services_.tier_figures.push_back(store->warm_up_.get());
  }
  store->FollowMemoryConfig();
  store->services_.active_expire = &store->expire_cycle_->active();
  store->loading_.store(true, std::memory_order_release);
  return store;
}

Status Store::Recover() {
  HF_CHECK(loading());
  expire_cycle_->Start();  // figures for INFO; it deletes nothing while loading
  eviction_cycle_->Start();
  FollowConfig();
  HF_TRY_STATUS(log_->Recover());
  loading_.store(false, std::memory_order_release);
  log_->LogPolicyChanged();  // it may have changed after the log was opened
  if (keyspace_->budget().AboveHigh(0)) eviction_cycle_->Wake();
  if (const std::string list = log_->HotList(); !list.empty()) warm_up_->Start(list);
  return {};
}

void Store::CancelRecovery() { log_->CancelRecovery(); }

void Store::FollowConfig() {
  subscriptions_.push_back(config().OnChange({"appendfsync"}, [this](const config::Config&) {
    log_->LogPolicyChanged();
    return Status{};
  }));
  subscriptions_.push_back(
      config().OnChange({"stop-writes-on-bgsave-error", "save", "max-disk", "max-disk-policy"},
                        [this](const config::Config&) {
                          disk_guard_.Follow();
                          return Status{};
                        }));
  subscriptions_.push_back(
      config().OnChange({"compaction-rate-limit"}, [this](const config::Config& now) {
        if (cold_tier_ != nullptr)
          cold_tier_->SetCompactionRate(now.Integer("compaction-rate-limit"));
        return Status{};
      }));
  subscriptions_.push_back(config().OnChange({"appendonly"}, [this](const config::Config& now) {
    return log_->SetLogEnabled(now.Bool("appendonly"));
  }));
  subscriptions_.push_back(
      config().OnChange({"maxmemory", "maxmemory-policy", "maxmemory-samples", "lfu-log-factor",
                         "lfu-decay-time", "maxmemory-eviction-tenacity", "eviction-action"},
                        [this](const config::Config& now) -> Status {
                          if (cold_tier_ == nullptr && WantsSpill(now))
                            return MakeError(ErrorCode::kUnsupported,
                                             "the store was started without a tier to spill to");
                          FollowMemoryConfig();
                          return {};
                        }));
}

Store::~Store() { static_cast<void>(Close()); }

Status Store::Close() {
  subscriptions_.clear();
  if (log_ != nullptr) log_->LetWaitersGo();
  if (warm_up_ != nullptr) warm_up_->Stop();
  if (offload_ != nullptr) offload_->Stop();
  expire_cycle_.reset();
  if (eviction_cycle_ != nullptr) eviction_cycle_->Stop();
  Status closed = log_ != nullptr ? log_->Close() : Status{};
  if (cold_tier_ != nullptr) cold_tier_->Stop();
  return closed;
}

// By the opening thread, then inside CONFIG SET, which takes turns.
void Store::FollowMemoryConfig() {
  eviction::MemoryBudget& budget = keyspace_->budget();
  const int64_t wanted = config().Integer("maxmemory");
  const uint64_t limit = wanted >= 0 ? static_cast<uint64_t>(wanted)
                                     : host_->MemoryAtHand() / 100 * static_cast<uint64_t>(-wanted);
  budget.SetLimit(limit);
  ReserveForLog();
  EvictionRules rules = RulesOf(config(), budget.limited());
  rules.spills &= cold_tier_ != nullptr;
  const bool restate = rules.use != eviction_rules_.Get().use;
  eviction_rules_.Set(rules);
  TellTimeForRanks();
  if (restate) eviction_cycle_->Restate();
  if (budget.AboveHigh(0)) eviction_cycle_->Wake();
  if (budget.AboveLimit(0)) {
    Report(LogLevel::kWarning,
           fmt::format("maxmemory is {} bytes, {} are in use: {}", limit, budget.used(),
                       rules.policy.rank == eviction::Rank::kNone
                           ? "writes that need memory are refused"
                           : "keys are evicted"));
  }
}

void Store::TellTimeForRanks() {
  const EvictionRules rules = eviction_rules_.Get();
  keyspace_->SetRankRule(eviction::AccessRule::At(clock().NowMs(), rules.use, rules.tuning));
}

void Store::ReserveForLog() {
  constexpr uint64_t kShareOfLimit = 16;
  eviction::MemoryBudget& budget = keyspace_->budget();
  const aof::LogWriter* log = log_writer();
  const uint64_t most = budget.limited() ? budget.limit() / kShareOfLimit : 0;
  const uint64_t reserve = log == nullptr ? 0 : std::min(log->ring_bytes(), most);
  const uint64_t before = log_reserve_.exchange(reserve);
  budget.Add(static_cast<int64_t>(reserve - before));
}

void Store::set_log_writer(aof::LogWriter* writer) {
  log_writer_.store(writer, std::memory_order_release);
  ReserveForLog();
}

void Store::FlushTurn() {
  if (aof::LogWriter* log = log_writer()) log->FlushTurn();
}

bool Store::LogAdmits() const {
  const aof::LogWriter* log = active_log();
  return log == nullptr || (log->Admits() && !log_->Congested());
}

bool Store::WritesRefused(bool frees) const {
  const aof::LogWriter* log = active_log();
  if (log == nullptr || log->Admits()) [[likely]]
    return false;
  return log->Admission(frees) == aof::AdmissionState::kRefused;
}

std::string Store::RefusalText() const {
  const aof::LogWriter* log = log_writer();
  return log != nullptr ? log->RefusalReason() : std::string();
}

void Store::WaitUntilAdmitted() {
  // Pauses and a slow rewrite have no one to wake their waiters: look again soon.
  std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

Status Store::WaitForLog(uint64_t position) {
  aof::LogWriter* log = log_writer();
  if (log == nullptr || log->covered() >= position) return {};
  return log->WaitFor(position);
}

uint64_t Store::LogCovered() const {
  const aof::LogWriter* log = log_writer();
  return log != nullptr ? log->covered() : UINT64_MAX;
}

void Store::AddLogListener(aof::WatermarkListener& listener) {
  if (aof::LogWriter* log = log_writer()) log->AddListener(listener);
}

void Store::RemoveLogListener(aof::WatermarkListener& listener) {
  if (aof::LogWriter* log = log_writer()) log->RemoveListener(listener);
}

bool Store::ParkOnLog(aof::WatermarkListener& listener, uint64_t position) {
  aof::LogWriter* log = log_writer();
  HF_CHECK(log != nullptr);
  return log->Park(listener, position);
}

void Store::SampleFigures() {
  constexpr int64_t kMemoryIntervalNs = 1'000'000'000;  // it asks every connection
  const int64_t now_ns = clock().MonotonicNs();
  statistics_.SampleRates(now_ns);
  TellTimeForRanks();
  statistics_.NoteOverLimit(keyspace().budget().AboveLimit(0), now_ns);
  disk_guard_.Look();
  if (now_ns - memory_sampled_ns_ < kMemoryIntervalNs) return;
  memory_sampled_ns_ = now_ns;
  if (cold_tier_ != nullptr) cold_tier_->Housekeep();
  keyspace::LockedShards locks(keyspace());
  commands::UsedBytes(services_, locks);
}

void Store::NoteDuration(const Session& session, const CommandEntry& entry,
                         std::span<const std::string_view> args, UnixMs now_ms,
                         uint64_t nanoseconds) {
  // The cheapest test first: nearly every command takes less than a millisecond.
  constexpr uint64_t kAlwaysQuickNs = 1000;
  const int64_t slow_us = config().Integer("slowlog-log-slower-than");
  if (nanoseconds < kAlwaysQuickNs && slow_us > 0) [[likely]]
    return;
  const int64_t latency_ms = config().Integer("latency-monitor-threshold");
  const auto elapsed_us = static_cast<int64_t>(nanoseconds / 1000);
  if (slow_us >= 0 && elapsed_us >= slow_us && !entry.Has(commands::kSkipSlowlog))
    NoteSlow(session, args, now_ms, elapsed_us);
  if (latency_ms > 0 && elapsed_us / 1000 >= latency_ms)
    statistics_.LatencyAdd(entry.Has(commands::kFast) ? "fast-command" : "command", now_ms,
                           elapsed_us / 1000);
}

void Store::NoteSlow(const Session& session, std::span<const std::string_view> args, UnixMs now_ms,
                     int64_t elapsed_us) {
  std::string address = session.connection != nullptr ? session.connection->PeerAddress() : "";
  std::vector<std::string_view> redacted;
  if (commands::Redact(args, redacted)) args = redacted;
  statistics_.SlowlogAdd(args, now_ms, elapsed_us, std::move(address), session.shared.NameCopy(),
                         static_cast<size_t>(config().Integer("slowlog-max-len")));
}

}  // namespace holdfast
