// What eviction costs: an access under each rule beside the bare lookup, and the whole miss path
// (choose, erase, insert) of each policy. One thread, 256 shards, names and accesses prepared
// before.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "eviction/victim.h"
#include "memtable/table.h"

namespace holdfast::eviction {
namespace {

constexpr memtable::HashSeed kSeed{0x9e3779b97f4a7c15, 0xbf58476d1ce4e5b9};
constexpr size_t kKeys = 1'000'000;
constexpr uint32_t kShards = 256;
constexpr UnixMs kNowMs = 1'700'000'000'000;

class Store {
 public:
  Store() {
    for (auto& table : tables_)
      table = std::make_unique<memtable::Table>(memtable::TableOptions{8, &reclaimer_});
    for (size_t i = 0; i < kKeys; ++i) Insert(i, {});
  }
  memtable::Table& TableOf(const memtable::KeyRef& key) { return *tables_[key.slot >> 6]; }
  void Insert(size_t number, const AccessRule& rule) {
    const std::string name = fmt::format("key:{:012}", number);
    const memtable::KeyRef key = memtable::MakeKeyRef(kSeed, name);
    memtable::Table& table = TableOf(key);
    memtable::Entry* entry = table.SetString(key, table.Find(key), {value_});
    entry->set_eviction_state(rule.use == StateUse::kQueueBits
                                  ? queues_[key.slot >> 6].Enter(key.hash)
                                  : rule.NewState());
  }
  void Evict(const VictimRule& rule) {
    const size_t shard = random_.Below(kShards);
    memtable::Table& table = *tables_[shard];
    memtable::Entry* victim = ChooseVictim(table, rule, table.size(), queues_[shard], random_);
    const memtable::KeyRef key = memtable::MakeKeyRef(kSeed, victim->key());
    if (rule.access.use == StateUse::kQueueBits) queues_[shard].Evicted(key.hash, table.size());
    table.Erase(key, victim);
  }
  SeededRandom& random() { return random_; }

 private:
  memtable::Reclaimer reclaimer_;
  std::string value_ = std::string(64, 'v');
  std::unique_ptr<memtable::Table> tables_[kShards];
  ShardQueues queues_[kShards];
  SeededRandom random_{42};
};

VictimRule RuleOf(Rank rank) {
  const Policy policy{rank, false};
  return {policy, {}, AccessRule::At(kNowMs, StateUseOf(policy, true), {})};
}

// Skewed: popular keys are in the cache, as in a store.
std::vector<memtable::KeyRef> Accesses(std::vector<std::string>& names) {
  SeededRandom random(7);
  names.resize(1 << 20);
  std::vector<memtable::KeyRef> keys;
  for (std::string& name : names) {
    const double skewed = std::pow(static_cast<double>(random.Next() >> 11) * 0x1p-53, 4);
    name = fmt::format("key:{:012}", static_cast<size_t>(skewed * (kKeys - 1)));
    keys.push_back(memtable::MakeKeyRef(kSeed, name));
  }
  return keys;
}

// state.range: 0 is the lookup alone, otherwise a Rank.
void Hit(benchmark::State& state) {
  Store store;
  std::vector<std::string> names;
  const std::vector<memtable::KeyRef> keys = Accesses(names);
  const auto rank = static_cast<Rank>(state.range(0));
  const VictimRule rule = RuleOf(rank);
  size_t i = 0;
  for (auto _ : state) {
    const memtable::KeyRef& key = keys[i++ % keys.size()];
    memtable::Entry* entry = store.TableOf(key).Find(key);
    if (rank != Rank::kNone) rule.access.Touch(*entry, store.random());
    benchmark::DoNotOptimize(entry);
  }
}
BENCHMARK(Hit)
    ->ArgName("rank")
    ->Arg(static_cast<int64_t>(Rank::kNone))
    ->Arg(static_cast<int64_t>(Rank::kLru))
    ->Arg(static_cast<int64_t>(Rank::kLfu))
    ->Arg(static_cast<int64_t>(Rank::kQueues))
    ->MinTime(1);

void Miss(benchmark::State& state) {
  Store store;
  const VictimRule rule = RuleOf(static_cast<Rank>(state.range(0)));
  VictimRule sampled = rule;
  sampled.tuning.samples = static_cast<uint32_t>(state.range(1));
  size_t number = kKeys;
  for (size_t i = 0; i < kKeys; ++i, ++number) {  // into its steady state
    store.Evict(sampled);
    store.Insert(number, sampled.access);
  }
  for (auto _ : state) {
    store.Evict(sampled);
    store.Insert(number++, sampled.access);
  }
}
BENCHMARK(Miss)
    ->ArgNames({"rank", "samples"})
    ->Args({static_cast<int64_t>(Rank::kRandom), 1})
    ->Args({static_cast<int64_t>(Rank::kLru), 5})
    ->Args({static_cast<int64_t>(Rank::kLru), 10})
    ->Args({static_cast<int64_t>(Rank::kLfu), 5})
    ->Args({static_cast<int64_t>(Rank::kQueues), 16})
    ->MinTime(1);

}  // namespace
}  // namespace holdfast::eviction

BENCHMARK_MAIN();
