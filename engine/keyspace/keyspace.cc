#include "engine/keyspace/keyspace.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "engine/keyspace/cut_walk.h"
#include "engine/keyspace/load.h"
#include "engine/keyspace/locked_shards.h"
#include "engine/keyspace/shard_residency.h"
#include "holdfast/check.h"

namespace holdfast::keyspace {

Keyspace::Keyspace(const KeyspaceOptions& options)
    : options_(options),
      slot_shift_(memtable::kSlotBits - static_cast<uint32_t>(std::countr_zero(options.shards))),
      budget_(options.shards),
      shards_(std::make_unique<Shard[]>(options.shards)) {
  HF_CHECK(std::has_single_bit(options.shards) && options.shards <= memtable::kSlotCount);
  HF_CHECK(options.databases > 0);
  const auto databases = static_cast<size_t>(options.databases);
  for (uint32_t i = 0; i < options.shards; ++i) {
    shards_[i].index = static_cast<uint16_t>(i);
    shards_[i].tables = std::make_unique<std::atomic<memtable::Table*>[]>(databases);
  }
  while (next_space_ < databases) spaces_.push_back(next_space_++);
}

Keyspace::~Keyspace() {
  for (Shard& shard : shards()) {
    HF_CHECK(shard.walk == nullptr);
    for (int i = 0; i < options_.databases; ++i) delete shard.table(i);
  }
}

const memtable::Bucket* Keyspace::PrefetchBucket(const KeyHandle& key) const {
  const auto* table =
      key.shard->tables[static_cast<size_t>(key.database)].load(std::memory_order_acquire);
  return table != nullptr ? table->PrefetchBucket(key.ref) : nullptr;
}

memtable::Table& Keyspace::TableFor(Shard& shard, int database) {
  HF_DCHECK(database >= 0 && database < options_.databases);
  memtable::Table* table = shard.table(database);
  if (table == nullptr) [[unlikely]] {
    table = new memtable::Table(
        {.shared_order_bits = memtable::kSlotBits - slot_shift_, .reclaimer = &reclaimer_});
    shard.tables[static_cast<size_t>(database)].store(table, std::memory_order_release);
    shard.used_databases = std::max(shard.used_databases, database + 1);
  }
  return *table;
}

Keyspace::DatabaseSize Keyspace::SizeOf(LockedShards& locks, int database) {
  DatabaseSize sum;
  for (Shard& shard : shards()) {
    locks.With(shard, [&](Shard& locked) {
      if (const memtable::Table* table = locked.table(database)) {
        sum.keys += table->live();
        sum.expiring += table->expiring();
        sum.tombstones += table->tombstones();
      }
      if (locked.residency == nullptr) return;
      const ColdCount& cold = locked.residency->cold(database);
      sum.keys += cold.keys;
      sum.expiring += cold.expiring;
      sum.cold += cold.keys;
      sum.clean += cold.clean;
      sum.clean_bytes += cold.clean_bytes;
      sum.references += cold.references;
      sum.unknown += cold.unknown;
    });
  }
  return sum;
}

int64_t Keyspace::AverageTtlMs(LockedShards& locks, int database, UnixMs now_ms) {
  constexpr size_t kPerShard = 32;  // a hash decides which entries come first: as good as random
  constexpr int64_t kLongestMs = int64_t{1} << 42;  // over 100 years: the sum stays in its bits
  int64_t sum_ms = 0;
  int64_t sampled = 0;
  for (Shard& shard : shards()) {
    locks.With(shard, [&](Shard& locked) {
      const memtable::Table* table = locked.table(database);
      if (table == nullptr || table->expiring() == 0) return;
      table->Scan(0, kPerShard, [&](const memtable::Entry& entry) {
        if (!entry.Has(memtable::kHasExpiry)) return;
        sum_ms += std::clamp<int64_t>(entry.expiry_ms() - now_ms, 0, kLongestMs);
        ++sampled;
      });
    });
  }
  return sampled == 0 ? 0 : sum_ms / sampled;
}

ShardCounters Keyspace::Counters(LockedShards& locks) {
  ShardCounters sum;
  for (Shard& shard : shards()) {
    locks.With(shard, [&](Shard& locked) {
      sum.hits += locked.counters.hits;
      sum.misses += locked.counters.misses;
      sum.expired += locked.counters.expired;
      sum.evicted += locked.counters.evicted;
      sum.spilled += locked.counters.spilled;
      sum.loaded += locked.counters.loaded;
      sum.referenced += locked.counters.referenced;
      sum.cold_reads += locked.counters.cold_reads;
      sum.coalesced += locked.counters.coalesced;
    });
  }
  return sum;
}

void Keyspace::ResetCounters(LockedShards& locks) {
  for (Shard& shard : shards()) {
    locks.With(shard, [](Shard& locked) { locked.counters = {}; });
  }
}

uint64_t Keyspace::AllocatedBytes(LockedShards& locks) {
  uint64_t sum = 0;
  for (Shard& shard : shards()) {
    locks.With(shard, [&](Shard& locked) {
      for (int i = 0; i < options_.databases; ++i) {
        if (const memtable::Table* table = locked.table(i)) sum += table->allocated_bytes();
      }
    });
  }
  return sum;
}

uint64_t Keyspace::PolicyBytes(LockedShards& locks) {
  uint64_t sum = 0;
  for (Shard& shard : shards())
    locks.With(shard, [&](const Shard& locked) { sum += locked.queues.allocated_bytes(); });
  return sum;
}

// Without a look at the tier: of a key that may be cold only a load that somebody holds tells more.
Keyspace::Existence Keyspace::ExistenceOf(const Shard& shard, int database,
                                          std::string_view key) const {
  const auto known = [](bool present) {
    return present ? Existence::kPresent : Existence::kAbsent;
  };
  const memtable::KeyRef ref = memtable::MakeKeyRef(options_.seed, key);
  const memtable::Table* table = shard.table(database);
  const memtable::Entry* entry = table != nullptr ? table->Find(ref) : nullptr;
  if (entry != nullptr) return known(!entry->Has(memtable::kTombstone));
  if (shard.cold_keys == 0 || shard.residency->cold(database).keys == 0) return Existence::kAbsent;
  const std::shared_ptr<Load> load = shard.residency->Find(space(database), ref);
  if (load == nullptr || load->state == Load::State::kReading ||
      load->state == Load::State::kFailed)
    return Existence::kUnknown;
  return known(load->state == Load::State::kHeader);
}

// As a tombstone, too. Where no key is cold, all there is is in memory.
bool Keyspace::InMemory(const Shard& shard, int database, std::string_view key) const {
  const memtable::Table* table = shard.table(database);
  return shard.residency->cold(database).keys == 0 ||
         (table != nullptr && table->Find(memtable::MakeKeyRef(options_.seed, key)) != nullptr);
}

uint64_t Keyspace::Flush(LockedShards& gate, int database, bool lazily) {
  HF_CHECK(gate.HoldsGate());
  uint64_t removed = 0;
  for (Shard& shard : shards()) {
    if (shard.walk != nullptr) shard.walk->Abort(gate);
    shard.watchers.ChangedDatabase(database,
                                   [](std::string_view, bool present) { return present; });
    removed += ForgetCold(shard, database);
    memtable::Table* table = shard.table(database);
    if (table == nullptr) continue;
    removed += table->live();
    shard.tables[static_cast<size_t>(database)].store(nullptr, std::memory_order_release);
    // Counted until it is freed.
    shard.memory.Add(table->TakeGrowth(), budget_);
    reclaimer_.Retire([table, this] {
      const auto bytes = static_cast<int64_t>(table->allocated_bytes());
      delete table;
      budget_.Add(-bytes);
    });
  }
  if (cold_store_ != nullptr) {
    cold_store_->ForgetSpace(space(database));
    spaces_[static_cast<size_t>(database)] = next_space_++;
  }
  if (!lazily) reclaimer_.Collect();
  return removed;
}

uint64_t Keyspace::ForgetCold(Shard& shard, int database) {
  if (shard.residency == nullptr) return 0;
  const ColdCount forgotten = std::exchange(shard.residency->cold(database), {});
  HF_CHECK(shard.cold_keys >= forgotten.keys + forgotten.references);
  shard.cold_keys -= forgotten.keys + forgotten.references;
  return forgotten.keys;
}

void Keyspace::Swap(LockedShards& gate, int first, int second) {
  HF_CHECK(gate.HoldsGate());
  CutWalk* walk = nullptr;
  for (Shard& shard : shards()) {
    // As in Redis: a watched key is touched if it exists in either of the two databases.
    const auto in_either = [&](int other) {
      return [this, &shard, other](std::string_view key, bool present) {
        return present || ExistenceOf(shard, other, key) != Existence::kAbsent;
      };
    };
    shard.watchers.ChangedDatabase(first, in_either(second));
    shard.watchers.ChangedDatabase(second, in_either(first));
    auto& a = shard.tables[static_cast<size_t>(first)];
    auto& b = shard.tables[static_cast<size_t>(second)];
    memtable::Table* moved = a.load(std::memory_order_relaxed);
    a.store(b.load(std::memory_order_relaxed), std::memory_order_release);
    b.store(moved, std::memory_order_release);
    shard.used_databases = std::max({shard.used_databases, first + 1, second + 1});
    if (shard.residency != nullptr) shard.residency->Swap(first, second);
    if (shard.walk != nullptr) walk = shard.walk;
  }
  std::swap(spaces_[static_cast<size_t>(first)], spaces_[static_cast<size_t>(second)]);
  if (walk != nullptr) walk->Swapped(first, second);
}

bool Keyspace::CollectColdForWatchers(LockedShards& gate, int first, int second,
                                      std::vector<KeyHandle>& keys) {
  HF_CHECK(gate.HoldsGate());
  bool known = true;
  for (const Shard& shard : shards()) {
    if (shard.cold_keys == 0 || shard.watchers.Empty()) continue;
    const auto look_in = [&](int other) {
      return [this, &shard, &keys, &known, other](std::string_view key) {
        if (InMemory(shard, other, key)) return;
        known = known && ExistenceOf(shard, other, key) != Existence::kUnknown;
        keys.push_back(Handle(other, key));
      };
    };
    shard.watchers.ForEachKey(first, look_in(second));
    shard.watchers.ForEachKey(second, look_in(first));
  }
  return known;
}

}  // namespace holdfast::keyspace
