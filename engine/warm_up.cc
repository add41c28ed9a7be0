#include "engine/warm_up.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <memory>
#include <utility>

#include "engine/cold_tier.h"
#include "engine/keyspace/shard_residency.h"
#include "engine/store.h"
#include "eviction/access_rule.h"
#include "holdfast/check.h"
#include "holdfast/thread_name.h"

namespace holdfast {

using keyspace::ColdAddress;
using keyspace::ColdValue;
using keyspace::Keyspace;
using keyspace::Shard;
using keyspace::SpaceId;
using memtable::KeyOrder;
using snapshot::HotKey;
using snapshot::HotListReader;
using snapshot::HotRun;

namespace {

// A few milliseconds of reading; what is read is thrown away if its key left memory in between.
constexpr size_t kKeysPerPiece = 512;
// Under one lock, a few tens of microseconds.
constexpr size_t kKeysPerLock = 32;
constexpr size_t kBytesPerLock = size_t{256} << 10;
constexpr size_t kKeysAtOnce = 4 * snapshot::kMostKeysOfHotRun;
// Classes are read together so that each way through the tier brings a part of its rows worth the
// way.
constexpr uint64_t kMostPasses = 4;
constexpr uint64_t kRowsPerKeyOfPass = 4;
// A search costs as much as so many steps from row to row.
constexpr uint64_t kStepsOfSearch = 24;
// Of an entry and its place in the table, besides name and value.
constexpr uint64_t kEntryBytes = 48;
// Longer values wait until somebody needs them.
constexpr uint64_t kLongestValue = uint64_t{16} << 20;
constexpr auto kClientsPause = std::chrono::microseconds(200);
constexpr int kMostClientsPauses = 100;
constexpr auto kCountPause = std::chrono::milliseconds(5);

// Those of the classes [bottom, top), in the order of the tier's keys.
std::vector<HotRun> RunsOf(const std::vector<HotRun>& runs, uint32_t bottom, uint32_t top) {
  std::vector<HotRun> chosen;
  for (const HotRun& run : runs) {
    if (run.hot_class >= bottom && run.hot_class < top) chosen.push_back(run);
  }
  std::ranges::sort(chosen, [](const HotRun& a, const HotRun& b) {
    return std::tie(a.space, a.first) < std::tie(b.space, b.first);
  });
  return chosen;
}

double Seconds(std::chrono::steady_clock::duration time) {
  return std::chrono::duration<double>(time).count();
}

}  // namespace

void WarmUp::Start(const std::string& path) {
  HF_CHECK(!thread_.joinable() && !stop_);
  if (!store_.config().Bool("warmup")) return;
  state_.store(State::kRunning, std::memory_order_release);
  thread_ = std::thread([this, path] { Run(path); });
}

void WarmUp::Stop() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

// False: it is over.
bool WarmUp::Pause(Clock::duration time) {
  std::unique_lock lock(mutex_);
  return !wake_.wait_for(lock, time, [this] { return stop_; });
}

void WarmUp::Run(const std::string& path) {
  NameThisThread("warm-up");
  Clock::time_point started = Clock::now();
  const auto ended = [&]() -> Result<End> {
    const auto list = HF_TRY(HotListReader::Open(store_.file_system(), path));
    listed_.store(list->keys(), std::memory_order_relaxed);
    store_.Report(LogLevel::kNotice, fmt::format("Warming up: {} keys were hot when {} was written",
                                                 list->keys(), path));
    while (!store_.cold_tier()->MemoryIsCounted()) {
      if (!Pause(kCountPause)) return End::kStopped;
    }
    started = Clock::now();
    return WarmAll(*list);
  }();
  Report(ended, Clock::now() - started);
}

void WarmUp::Report(const Result<End>& end, Clock::duration time) {
  const uint64_t loaded = loaded_.load(std::memory_order_relaxed);
  const double seconds = Seconds(time);
  took_ms_.store(static_cast<int64_t>(seconds * 1000), std::memory_order_relaxed);
  const std::string done =
      fmt::format("{} of {} keys, {:.1f} MB, came back in {:.2f} s ({:.0f} keys/s)", loaded,
                  listed_.load(std::memory_order_relaxed),
                  static_cast<double>(bytes_.load(std::memory_order_relaxed)) / (1 << 20), seconds,
                  static_cast<double>(loaded) / std::max(seconds, 1e-3));
  if (!end) {
    state_.store(State::kFailed, std::memory_order_release);
    store_.Report(LogLevel::kWarning,
                  fmt::format("Warm-up ends: {}. {}; the others come when they are needed", done,
                              end.error().message));
    return;
  }
  const char* why = "";
  State state = State::kDone;
  switch (*end) {
    case End::kAll:
      break;
    case End::kFull:
      why = "; memory is as full as it may be";
      break;
    case End::kUnwanted:
      why = "; it was turned off";
      state = State::kIdle;
      break;
    case End::kStopped:
      why = "; the store closes";
      state = State::kStopped;
      break;
  }
  state_.store(state, std::memory_order_release);
  store_.Report(LogLevel::kNotice, fmt::format("Warm-up ends: {}{}", done, why));
}

// ---- the work, from the whole to the parts

uint64_t WarmUp::KeysOfTier() {
  uint64_t keys = 0;
  for (Shard& shard : store_.keyspace().shards()) {
    shard.lock.Lock();
    keys += shard.cold_keys;
    shard.lock.Unlock();
  }
  return keys;
}

// Whether so many more keys find room, by what those that came needed.
bool WarmUp::Fits(uint64_t keys) const {
  const eviction::MemoryBudget& budget = store_.keyspace().budget();
  if (!budget.limited()) return true;
  const uint64_t loaded = loaded_.load(std::memory_order_relaxed);
  return loaded > 0 && budget.used() + keys * (memory_bytes_ / loaded) <= budget.low();
}

// Hottest first. A pass brings several classes only if they all find room: else the hottest of the
// last shards would be left out for the coldest of the first.
Result<WarmUp::End> WarmUp::WarmAll(HotListReader& list) {
  std::array<uint64_t, snapshot::kHotClasses> of_class{};
  for (const HotRun& run : list.runs()) of_class[run.hot_class] += run.keys;
  const uint64_t passes = std::clamp<uint64_t>(
      list.keys() * kRowsPerKeyOfPass / std::max<uint64_t>(KeysOfTier(), 1), 1, kMostPasses);
  uint32_t bottom = 0;
  for (uint32_t top = snapshot::kHotClasses; top > 0; top = bottom) {
    uint64_t keys = of_class[bottom = top - 1];
    while (bottom > 0 &&
           (keys == 0 || (keys * passes < list.keys() && Fits(keys + of_class[bottom - 1]))))
      keys += of_class[--bottom];
    const End part = HF_TRY(WarmPass(list, RunsOf(list.runs(), bottom, top)));
    if (part != End::kAll) return part;
  }
  return End::kAll;
}

Result<WarmUp::End> WarmUp::WarmPass(HotListReader& list, const std::vector<HotRun>& pass) {
  const auto shard_of = [this](const HotRun& run) {
    return store_.keyspace().ShardAt(run.first).index;
  };
  for (size_t at = 0; at < pass.size();) {
    // Of one shard, so that what is read together is in order, and not too much.
    size_t end = at;
    for (uint64_t keys = 0; end < pass.size() && pass[end].space == pass[at].space &&
                            shard_of(pass[end]) == shard_of(pass[at]) &&
                            (end == at || keys + pass[end].keys <= kKeysAtOnce);
         ++end)
      keys += pass[end].keys;
    const End part = HF_TRY(WarmRuns(list, std::span(pass).subspan(at, end - at)));
    if (part != End::kAll) return part;
    at = end;
  }
  return End::kAll;
}

Result<WarmUp::End> WarmUp::WarmRuns(HotListReader& list, std::span<const HotRun> runs) {
  std::vector<HotKey> keys;
  for (const HotRun& run : runs) HF_TRY_STATUS(list.Read(run, keys));
  std::ranges::sort(keys, {}, &HotKey::order);
  const auto doubled = std::ranges::unique(keys, {}, &HotKey::order);
  keys.erase(doubled.begin(), doubled.end());
  return WarmKeys(runs.front().space, keys);
}

Result<WarmUp::End> WarmUp::WarmKeys(SpaceId space, std::span<const HotKey> keys) {
  while (!keys.empty()) {
    if (const End turn = GiveWay(); turn != End::kAll) return turn;
    Shard& shard = store_.keyspace().ShardAt(keys.front().order);
    size_t count = 1;
    while (count < std::min(keys.size(), kKeysPerPiece) &&
           &store_.keyspace().ShardAt(keys[count].order) == &shard)
      ++count;
    const Clock::time_point started = Clock::now();
    const End piece = HF_TRY(WarmPiece(shard, space, keys.first(count)));
    last_piece_ = Clock::now() - started;
    tried_.fetch_add(count, std::memory_order_relaxed);
    if (piece != End::kAll) return piece;
    keys = keys.subspan(count);
  }
  return End::kAll;
}

// Clients' reads come first; while there are any, half of the time is theirs.
WarmUp::End WarmUp::GiveWay() {
  ColdTier& tier = *store_.cold_tier();
  for (int i = 0; i < kMostClientsPauses && tier.ReadsWaiting() > 0; ++i) {
    if (!Pause(kClientsPause)) return End::kStopped;
  }
  const uint64_t reads = tier.KeysRead();
  const bool others_read = std::exchange(reads_seen_, reads) != reads;
  if (!Pause(others_read ? last_piece_ : Clock::duration(0))) return End::kStopped;
  return store_.config().Bool("warmup") ? End::kAll : End::kUnwanted;
}

// How far apart two keys may be for the rows between them to be passed.
KeyOrder WarmUp::CloseTogether(Shard& shard, SpaceId space) {
  Keyspace& keyspace = store_.keyspace();
  const KeyOrder all = memtable::kOrderEnd / keyspace.shards().size();
  uint64_t rows = 0;
  shard.lock.Lock();
  if (const int database = keyspace.DatabaseOf(space); database >= 0) {
    const keyspace::ColdCount& count = shard.residency->cold(database);
    rows = count.keys + count.clean;
  }
  shard.lock.Unlock();
  return rows <= kStepsOfSearch ? all : all / rows * kStepsOfSearch;
}

Result<WarmUp::End> WarmUp::WarmPiece(Shard& shard, SpaceId space, std::span<const HotKey> keys) {
  HF_CHECK(!keys.empty() && keys.size() <= kKeysPerPiece);
  std::vector<KeyOrder> orders;
  for (const HotKey& key : keys) orders.push_back(key.order);
  const KeyOrder near = CloseTogether(shard, space);
  std::vector<Keyspace::WarmKey> batch;
  size_t bytes = 0;
  auto key = keys.begin();
  bool room = true;
  Keyspace::OpenWatch(shard);
  const Status read = store_.cold_tier()->ReadOrders(
      space, orders, near, kLongestValue, [&](const ColdAddress& address, ColdValue value) {
        while (key != keys.end() && key->order != address.order) ++key;
        HF_CHECK(key != keys.end());
        bytes += value.block ? value.block->size : value.bytes.size();
        Keyspace::WarmKey& warm = batch.emplace_back();
        warm = {.name = std::string(address.name),
                .order = address.order,
                .rank = key->rank,
                .bytes = std::string(value.bytes),
                .value = std::move(value)};
        if (batch.size() < kKeysPerLock && bytes < kBytesPerLock) return true;
        room = Install(shard, space, batch);
        bytes = 0;
        return room;
      });
  if (read && room) room = Install(shard, space, batch);
  Keyspace::CloseWatch(shard);
  if (!read) return std::unexpected(read.error());
  return room ? End::kAll : End::kFull;
}

// False: there is no room for these below the mark at which eviction ends.
bool WarmUp::Install(Shard& shard, SpaceId space, std::vector<Keyspace::WarmKey>& batch) {
  uint64_t bytes = 0;
  uint64_t value_bytes = 0;
  for (Keyspace::WarmKey& warm : batch) {
    warm.value.bytes = warm.bytes;
    value_bytes += warm.value.block ? warm.value.block->capacity : warm.bytes.size();
    bytes += kEntryBytes + warm.name.size();
  }
  bytes += value_bytes;
  const eviction::MemoryBudget& budget = store_.keyspace().budget();
  if (budget.limited() && budget.used() + bytes > budget.low()) return false;
  const EvictionRules rules = store_.eviction_rules().Get();
  const UnixMs now_ms = store_.clock().NowMs();
  const size_t count = store_.keyspace().InstallWarm(
      shard, space, batch, eviction::AccessRule::At(now_ms, rules.use, rules.tuning), now_ms);
  loaded_.fetch_add(count, std::memory_order_relaxed);
  bytes_.fetch_add(value_bytes, std::memory_order_relaxed);
  memory_bytes_ += bytes;
  batch.clear();
  return true;
}

void WarmUp::Add(commands::TierFields& fields) const {
  constexpr const char* kNames[] = {"idle", "running", "done", "stopped", "failed"};
  const uint64_t loaded = loaded_.load(std::memory_order_relaxed);
  const uint64_t tried = tried_.load(std::memory_order_relaxed);
  fields.emplace_back("tier_warmup_state",
                      kNames[static_cast<size_t>(state_.load(std::memory_order_acquire))]);
  const auto add = [&fields](std::string_view name, uint64_t value) {
    fields.emplace_back(name, std::to_string(value));
  };
  add("tier_warmup_keys", listed_.load(std::memory_order_relaxed));
  add("tier_warmup_loaded", loaded);
  add("tier_warmup_skipped", tried - std::min(tried, loaded));
  add("tier_warmup_bytes", bytes_.load(std::memory_order_relaxed));
  add("tier_warmup_ms", static_cast<uint64_t>(took_ms_.load(std::memory_order_relaxed)));
}

}  // namespace holdfast
