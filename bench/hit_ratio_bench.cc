// Hit ratios of the eviction policies on a trace: the engine's policy code on its tables, every
// entry one unit, get and insert on a miss.
//
//   zstd -dc TRACE.u64.zst | hit_ratio_bench [--shards N] POLICY... -- PERCENT...
//
// A trace is unsigned 64-bit key numbers, one a request. Prints "POLICY PERCENT SHARDS RATIO"
// lines, the cache being PERCENT of the trace's keys (20 entries at least), in as many shards (256
// at most) as have 64 entries each. hit_ratio.py runs it over a folder of traces and holds the
// bars.
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "eviction/victim.h"
#include "memtable/table.h"

namespace holdfast::eviction {
namespace {

constexpr memtable::HashSeed kSeed{0x9e3779b97f4a7c15, 0xbf58476d1ce4e5b9};
constexpr uint32_t kMaxShards = 256;
constexpr uint64_t kEntriesPerShard = 64;

struct NamedPolicy {
  std::string_view name;
  Rank rank;
  uint64_t requests_per_s;  // the trace's clock
};
constexpr NamedPolicy kPolicies[] = {{"s3fifo", Rank::kQueues, 1000},
                                     {"lru", Rank::kLru, 1},
                                     {"lfu", Rank::kLfu, 1000},
                                     {"lfu-fast", Rank::kLfu, 10000},
                                     {"random", Rank::kRandom, 1000}};

class Cache {
 public:
  Cache(const NamedPolicy& policy, uint64_t capacity, uint32_t shards)
      : policy_(policy), capacity_(capacity), shards_(shards) {
    const auto bits = static_cast<uint32_t>(std::countr_zero(shards));
    shift_ = memtable::kSlotBits - bits;
    for (Shard& shard : shards_)
      shard.table = std::make_unique<memtable::Table>(
          memtable::TableOptions{.shared_order_bits = bits, .reclaimer = &reclaimer_});
    rule_.policy = {.rank = policy.rank, .expiring_only = false};
  }

  bool Access(uint64_t key) {
    ++requests_;
    rule_.access = AccessRule::At(static_cast<UnixMs>(requests_ * 1000 / policy_.requests_per_s),
                                  StateUseOf(rule_.policy, true), rule_.tuning);
    char name[sizeof(key)];
    std::memcpy(name, &key, sizeof(key));
    const memtable::KeyRef ref = memtable::MakeKeyRef(kSeed, {name, sizeof(name)});
    Shard& shard = shards_[ref.slot >> shift_];
    if (memtable::Entry* entry = shard.table->Find(ref)) {
      rule_.access.Touch(*entry, random_);
      return true;
    }
    while (size_ >= capacity_) Evict();
    memtable::Entry* entry = shard.table->SetInteger(ref, nullptr, 1, memtable::kNoExpiry);
    entry->set_eviction_state(policy_.rank == Rank::kQueues ? shard.queues.Enter(ref.hash)
                                                            : rule_.access.NewState());
    ++size_;
    return false;
  }

 private:
  struct Shard {
    std::unique_ptr<memtable::Table> table;
    ShardQueues queues;
  };

  // A shard by its share of the keys, as the engine does.
  void Evict() {
    Shard* shard = nullptr;
    for (uint64_t at = random_.Below(size_); shard == nullptr;) {
      for (Shard& candidate : shards_) {
        if (at < candidate.table->size()) {
          shard = &candidate;
          break;
        }
        at -= candidate.table->size();
      }
    }
    memtable::Entry* victim =
        ChooseVictim(*shard->table, rule_, shard->table->size(), shard->queues, random_);
    const memtable::KeyRef ref = memtable::MakeKeyRef(kSeed, victim->key());
    if (policy_.rank == Rank::kQueues) shard->queues.Evicted(ref.hash, shard->table->size());
    shard->table->Erase(ref, victim);
    --size_;
  }

  const NamedPolicy& policy_;
  uint64_t capacity_;
  memtable::Reclaimer reclaimer_;
  std::vector<Shard> shards_;
  uint32_t shift_;
  VictimRule rule_;
  SeededRandom random_{42};
  uint64_t size_ = 0;
  uint64_t requests_ = 0;
};

std::vector<uint64_t> ReadTrace() {
  std::vector<uint64_t> trace;
  std::vector<uint64_t> piece(1 << 16);
  while (const size_t read = std::fread(piece.data(), sizeof(uint64_t), piece.size(), stdin))
    trace.insert(trace.end(), piece.begin(), piece.begin() + static_cast<ptrdiff_t>(read));
  return trace;
}

void Measure(const std::vector<uint64_t>& trace, uint64_t keys, const NamedPolicy& policy,
             double percent, uint32_t most_shards) {
  const auto capacity =
      std::max<uint64_t>(20, static_cast<uint64_t>(static_cast<double>(keys) * percent / 100));
  const auto shards = static_cast<uint32_t>(
      std::bit_floor(std::clamp<uint64_t>(capacity / kEntriesPerShard, 1, most_shards)));
  Cache cache(policy, capacity, shards);
  uint64_t hits = 0;
  for (const uint64_t key : trace) hits += cache.Access(key) ? 1 : 0;
  fmt::print("{} {} {} {:.3f}\n", policy.name, percent, shards,
             100.0 * static_cast<double>(hits) / static_cast<double>(trace.size()));
}

int Main(std::vector<std::string_view> words) {
  uint32_t most_shards = kMaxShards;
  if (words.size() > 1 && words[0] == "--shards") {
    std::from_chars(words[1].data(), words[1].data() + words[1].size(), most_shards);
    words.erase(words.begin(), words.begin() + 2);
  }
  const auto dashes = std::ranges::find(words, "--");
  if (dashes == words.begin() || dashes == words.end()) {
    fmt::print(stderr, "usage: hit_ratio_bench [--shards N] POLICY... -- PERCENT... <trace\n");
    return 2;
  }
  const std::vector<uint64_t> trace = ReadTrace();
  if (trace.empty()) {
    fmt::print(stderr, "the trace is empty\n");
    return 2;
  }
  const uint64_t keys = *std::ranges::max_element(trace) + 1;
  for (auto name = words.begin(); name != dashes; ++name) {
    const auto* policy = std::ranges::find(kPolicies, *name, &NamedPolicy::name);
    if (policy == std::end(kPolicies)) {
      fmt::print(stderr, "no policy {}\n", *name);
      return 2;
    }
    for (auto percent = dashes + 1; percent != words.end(); ++percent)
      Measure(trace, keys, *policy, std::stod(std::string(*percent)), most_shards);
  }
  return 0;
}

}  // namespace
}  // namespace holdfast::eviction

int main(int argc, char** argv) {
  return holdfast::eviction::Main(std::vector<std::string_view>(argv + 1, argv + argc));
}
