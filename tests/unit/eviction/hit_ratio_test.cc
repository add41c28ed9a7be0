// The policies on a small trace made here: skewed popularity that shifts, with scans between. What
// they reach on real traces is bench/hit_ratio.py's to show.
#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <vector>

#include "eviction/victim.h"
#include "memtable/table.h"

namespace holdfast::eviction {
namespace {

constexpr memtable::HashSeed kSeed{3, 4};
constexpr size_t kCapacity = 512;

// Ranks by an inverse power law over 4,096 keys; every 20,000 requests a scan over 1,000 new keys.
std::vector<uint64_t> Trace() {
  SeededRandom random(77);
  std::vector<double> cumulative;
  double sum = 0;
  for (int rank = 1; rank <= 4096; ++rank) cumulative.push_back(sum += std::pow(rank, -0.9));
  std::vector<uint64_t> trace;
  uint64_t next_new = 1'000'000;
  for (int i = 0; i < 120'000; ++i) {
    if (i % 20'000 == 10'000) {
      for (int scanned = 0; scanned < 1000; ++scanned) trace.push_back(next_new++);
    }
    const double at = static_cast<double>(random.Next() >> 11) * 0x1p-53 * sum;
    const auto rank = std::lower_bound(cumulative.begin(), cumulative.end(), at);
    trace.push_back(static_cast<uint64_t>(rank - cumulative.begin()) + (i / 60'000) * 500);
  }
  return trace;
}

double HitRatio(const std::vector<uint64_t>& trace, Rank rank) {
  memtable::Reclaimer reclaimer;
  memtable::Table table({.shared_order_bits = 0, .reclaimer = &reclaimer});
  ShardQueues queues;
  SeededRandom random(5);
  VictimRule rule{.policy = {rank, false}, .tuning = {}, .access = {}};
  uint64_t hits = 0;
  for (size_t i = 0; i < trace.size(); ++i) {
    rule.access = AccessRule::At(static_cast<UnixMs>(i * 20), StateUseOf(rule.policy, true), {});
    const auto name = std::string_view(reinterpret_cast<const char*>(&trace[i]), sizeof(trace[i]));
    const memtable::KeyRef key = memtable::MakeKeyRef(kSeed, name);
    if (memtable::Entry* entry = table.Find(key)) {
      rule.access.Touch(*entry, random);
      ++hits;
      continue;
    }
    if (table.size() == kCapacity) {
      memtable::Entry* victim = ChooseVictim(table, rule, kCapacity, queues, random);
      const memtable::KeyRef gone = memtable::MakeKeyRef(kSeed, victim->key());
      if (rank == Rank::kQueues) queues.Evicted(gone.hash, kCapacity);
      table.Erase(gone, victim);
    }
    table.SetInteger(key, nullptr, 1, memtable::kNoExpiry)
        ->set_eviction_state(rank == Rank::kQueues ? queues.Enter(key.hash)
                                                   : rule.access.NewState());
  }
  return static_cast<double>(hits) / static_cast<double>(trace.size());
}

TEST(HitRatioTest, EachPolicyIsWorthItsCost) {
  const std::vector<uint64_t> trace = Trace();
  const double random = HitRatio(trace, Rank::kRandom);
  const double lru = HitRatio(trace, Rank::kLru);
  const double lfu = HitRatio(trace, Rank::kLfu);
  const double queues = HitRatio(trace, Rank::kQueues);
  RecordProperty("random", std::to_string(random));
  RecordProperty("lru", std::to_string(lru));
  RecordProperty("lfu", std::to_string(lfu));
  RecordProperty("queues", std::to_string(queues));
  EXPECT_GT(random, 0.40);
  EXPECT_GT(lru, random + 0.02);
  EXPECT_GT(lfu, random + 0.04);
  EXPECT_GT(queues, lru + 0.03);
  EXPECT_GT(queues, lfu - 0.01);
}

}  // namespace
}  // namespace holdfast::eviction
