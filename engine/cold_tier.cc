#include "engine/cold_tier.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "engine/keyspace/load.h"
#include "engine/store.h"
#include "holdfast/check.h"
#include "snapshot/checkpoint.h"

namespace holdfast {

using keyspace::ColdAddress;
using keyspace::ColdHint;
using keyspace::ColdValue;
using keyspace::Load;
using keyspace::SpaceId;
using memtable::KeyOrder;

namespace {

constexpr int64_t kReadThreads = 4;
constexpr size_t kKeysPerRead = 32;
constexpr size_t kValuesPerSweep = 64;
constexpr size_t kValuesPerLongSweep = 512;  // nothing lands meanwhile
constexpr uint64_t kMostWorkingBytes = uint64_t{16} << 20;
constexpr uint64_t kWorkingPart = 16;

}  // namespace

ColdTier::ColdTier(Store& store, std::unique_ptr<snapshot::LiveTier> tier)
    : store_(store), tier_(std::move(tier)), rows_(*tier_) {
  writes_ = std::make_unique<ColdWrites>(ColdWritesParts{
      .rows = &rows_,
      .budget = &store.keyspace().budget(),
      .probed = [&keyspace = store.keyspace()](
                    std::span<const keyspace::ColdProbed> found) { keyspace.Probed(found); },
      .landed = [&keyspace = store.keyspace()](
                    std::span<const keyspace::ColdLanded> items) { keyspace.Landed(items); },
      .damaged = [this](const Error& error) { Distrust(error); },
      .logger = store.logger()});
  const int64_t threads = store.config().Integer("cold-read-threads");
  reads_ = std::make_unique<ColdReads>(ColdReadsParts{
      .rows = &rows_,
      .loaded = [this](const std::shared_ptr<Load>& load,
                       Result<std::optional<ColdValue>> found) { Loaded(load, std::move(found)); },
      .references = &references_,
      .threads = static_cast<size_t>(threads > 0 ? threads : kReadThreads)});
}

Result<std::unique_ptr<ColdTier>> ColdTier::Open(Store& store, snapshot::LiveTierOptions options) {
  std::unique_ptr<snapshot::LiveTier> tier = HF_TRY(snapshot::LiveTier::Open(options));
  return std::unique_ptr<ColdTier>(new ColdTier(store, std::move(tier)));
}

void ColdTier::SetCompactionRate(int64_t bytes_per_s) {
  HF_CHECK(bytes_per_s >= 0);
  tier_->SetCompactionRate(static_cast<uint64_t>(bytes_per_s));
}

void ColdTier::Start() {
  writes_->Start();
  reads_->Start();
}

void ColdTier::Stop() {
  reads_->Stop();
  writes_->Stop();
}

void ColdTier::Distrust(const Error& error) {
  const std::lock_guard lock(damage_mutex_);
  if (damage_) return;
  damage_ = error.message;
  store_.Report(
      LogLevel::kWarning,
      fmt::format("The cold tier cannot be trusted, no snapshots are made of it: {}", *damage_));
}

std::optional<std::string> ColdTier::Damage() const {
  const std::lock_guard lock(damage_mutex_);
  return damage_;
}

// A key that comes back is as new to the policy.
void ColdTier::Loaded(const std::shared_ptr<Load>& load, Result<std::optional<ColdValue>> found) {
  if (!found && found.error().code == ErrorCode::kCorruption) Distrust(found.error());
  const EvictionRules rules = store_.eviction_rules().Get();
  store_.keyspace().Loaded(
      load, std::move(found),
      eviction::AccessRule::At(store_.clock().NowMs(), rules.use, rules.tuning));
}

Result<KeyOrder> ColdTier::List(SpaceId space, KeyOrder from, KeyOrder end, size_t enough,
                                const TakeName& take) {
  auto next = tier_->List(space, from, end, enough,
                          [&](const snapshot::ColdKey& key, const snapshot::ColdHeader& header) {
                            take({key.space, key.order, key.name}, FactsOf(header));
                          });
  if (!next && next.error().code == ErrorCode::kCorruption) Distrust(next.error());
  return next;
}

Status ColdTier::ReadEach(std::span<const ColdAddress> keys, const TakeValue& take) {
  std::vector<snapshot::ColdKey> row_keys;
  while (!keys.empty()) {
    const auto some = keys.first(std::min(keys.size(), kKeysPerRead));
    keys = keys.subspan(some.size());
    row_keys.clear();
    for (const ColdAddress& key : some) row_keys.push_back(RowKeyOf(key));
    auto values = tier_->Read(row_keys, snapshot::ReadDepth::kValue);
    if (!values) {
      if (values.error().code == ErrorCode::kCorruption) Distrust(values.error());
      return std::unexpected(std::move(values).error());
    }
    for (size_t i = 0; i < some.size(); ++i) {
      std::optional<snapshot::ColdValue>& value = (*values)[i];
      if (!value) continue;
      take(some[i], {.facts = FactsOf(value->header),
                     .bytes = value->payload,
                     .block = std::move(value->block)});
    }
  }
  return {};
}

Result<BlockRef> ColdTier::ReadReferenced(const CountedBlock& reference) {
  auto value = tier_->ReadValue(HeaderOfReference(reference));
  if (!value && value.error().code == ErrorCode::kCorruption) Distrust(value.error());
  return value;
}

Status ColdTier::ReadOrders(SpaceId space, std::span<const KeyOrder> orders, KeyOrder near,
                            uint64_t longest, const TakeOrdered& take) {
  Status broken;  // of a long value
  const auto take_row = [&](const snapshot::ColdKey& key, const snapshot::ColdRow& row) {
    if (row.header.payload_bytes > longest) return true;
    snapshot::ColdValue value{.header = row.header, .payload = {}, .block = {}};
    if (row.header.value_id != 0) {
      auto read = tier_->ReadLong(key, row.header);
      if (!read) broken = std::unexpected(std::move(read).error());
      if (!read || !*read) return read.has_value();
      value = **std::move(read);
    }
    const std::string_view bytes = row.header.value_id == 0 ? row.payload : value.payload;
    return take({key.space, key.order, key.name},
                ValueOf(FactsOf(value.header), bytes, std::move(value.block)));
  };
  Status read = tier_->ReadOrders(space, orders, near, take_row);
  if (read) read = std::move(broken);
  if (!read && read.error().code == ErrorCode::kCorruption) Distrust(read.error());
  return read;
}

Result<std::vector<ColdHint>> ColdTier::DueHints(UnixMs now_ms, size_t at_most) {
  std::vector<ColdHint> hints;
  for (const auto& hint : HF_TRY(tier_->DueHints(now_ms, at_most))) {
    const auto key = snapshot::DecodeColdKey(hint.cold_key);
    if (!key) return MakeError(ErrorCode::kCorruption, "an expiry hint that names no key");
    hints.push_back({.expiry_ms = hint.expiry_ms,
                     .space = key->space,
                     .order = key->order,
                     .name = std::string(key->name)});
  }
  return hints;
}

Status ColdTier::ForgetHints(std::span<const ColdHint> hints) {
  std::vector<snapshot::LiveTier::ExpiryHint> rows;
  for (const ColdHint& hint : hints)
    rows.push_back({.expiry_ms = hint.expiry_ms,
                    .cold_key = snapshot::EncodeColdKey({hint.space, hint.order, hint.name})});
  return tier_->ForgetHints(rows);
}

Status ColdTier::LinkCheckpoint(const std::string& path) {
  return snapshot::LinkCheckpoint(*tier_, store_.file_system(), path);
}

Status ColdTier::ForgetDeadSpaces() {
  for (SpaceId space = 0; space < store_.keyspace().next_space(); ++space) {
    if (store_.keyspace().DatabaseOf(space) >= 0) continue;
    bool any = false;
    HF_TRY_STATUS(List(space, 0, memtable::kOrderEnd, 1,
                       [&](const ColdAddress&, const keyspace::ColdFacts&) { any = true; }));
    if (any) ForgetSpace(space);
  }
  return {};
}

Status ColdTier::ReclaimSpace() {
  HF_TRY_STATUS(WaitUntilLanded());
  uint64_t next = 0;
  do {
    next = HF_TRY(Sweep(next, kValuesPerLongSweep));
  } while (next != 0);
  return tier_->Compact();
}

void ColdTier::Add(commands::TierFields& fields) const {
  const auto add = [&fields](std::string_view name, uint64_t value) {
    fields.emplace_back(name, std::to_string(value));
  };
  const ColdWritesFigures writes = writes_->Figures();
  add("cold_writes_queued", writes.queued_items);
  add("cold_writes_queued_bytes", writes.queued_bytes);
  add("cold_probes", writes.probed_items);
  add("cold_writes_landed", writes.landed_items);
  add("cold_writes_landed_bytes", writes.landed_bytes);
  add("cold_landings", writes.landings);
  add("cold_landings_failed", writes.failed_landings);
  add("cold_landings_held_by_compaction", writes.waits_for_compaction);
  fields.emplace_back("cold_last_landing_status", writes.failing ? "err" : "ok");
  const ColdReadsFigures reads = reads_->Figures();
  add("cold_read_batches", reads.batches);
  add("cold_reads_absent", reads.absent);
  add("cold_reads_failed", reads.errors);
  add("cold_reads_waiting", reads.waiting);
  add("cold_read_bytes", reads.bytes);
  add("cold_long_values_read", reads.long_values);
  add("cold_read_latency_p50_usec", reads.p50_us);
  add("cold_read_latency_p99_usec", reads.p99_us);
  const snapshot::LiveTierFigures tier = tier_->Figures();
  add("cold_memory_bytes", tier.memory_bytes);
  add("cold_disk_bytes", tier.disk_bytes);
  add("cold_compacted_bytes", tier.compacted_bytes);
  add("cold_filter_stops", tier.filter_stops);
  add("cold_filter_passes", tier.filter_passes);
  add("cold_filter_true_passes", tier.filter_true_passes);
}

uint64_t ColdTier::MemoryBytes() const {
  return static_cast<uint64_t>(counted_bytes_.load(std::memory_order_relaxed)) +
         writes_->Figures().queued_bytes;
}

// Compactions and landings come and go, too fast for a budget to follow: some is always set aside
// for them (measured at 256 MB: 15 to 30 MB that nobody else counts).
uint64_t ColdTier::WorkingBytes() const {
  const eviction::MemoryBudget& budget = store_.keyspace().budget();
  return budget.limited() ? std::min(kMostWorkingBytes, budget.limit() / kWorkingPart) : 0;
}

void ColdTier::Housekeep() {
  const auto bytes = static_cast<int64_t>(tier_->Figures().memory_bytes + WorkingBytes() +
                                          references_.MemoryBytes());
  store_.keyspace().budget().Add(bytes - counted_bytes_.exchange(bytes));
  counted_.store(true, std::memory_order_release);
  if (const auto next = Sweep(next_value_id_, kValuesPerSweep)) next_value_id_ = *next;
}

// A row on its way brings its value along, or holds the reference to it.
Result<uint64_t> ColdTier::Sweep(uint64_t from, size_t at_most) {
  return tier_->SweepValues(from, at_most,
                            [this](uint64_t value_id) { return references_.Held(value_id); });
}

}  // namespace holdfast
