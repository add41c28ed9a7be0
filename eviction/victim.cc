#include "eviction/victim.h"

#include <algorithm>
#include <array>

#include "holdfast/check.h"

namespace holdfast::eviction {

using memtable::Entry;

namespace {

// After a key that was hit, other neighbours show who is next better than the same ones do. (On the
// traces: 60.0, 60.1 and 60.1 points with 1, 2 and 3.)
constexpr int kQueueSamples = 2;

// The higher, the sooner it goes.
uint64_t Urgency(const Entry& entry, const VictimRule& rule) {
  const uint32_t state = entry.eviction_state();
  switch (rule.policy.rank) {
    case Rank::kLru:
      return IdleSeconds(state, rule.access.clock);
    case Rank::kLfu:
      return kCounterMax - rule.access.Counter(state);
    case Rank::kTtl:
      return UINT64_MAX - static_cast<uint64_t>(entry.expiry_ms());
    case Rank::kNone:
    case Rank::kRandom:
    case Rank::kQueues:
      break;
  }
  return 0;
}

// Those that can go: a write of the others is on its way, and they go when it has landed.
size_t OfThese(std::span<Entry*> sample) {
  const auto leaving =
      std::ranges::remove_if(sample, [](const Entry* entry) { return entry->ticket() != 0; });
  return sample.size() - leaving.size();
}

Entry* ChooseFromQueues(const memtable::Table& table, const Policy& policy, size_t resident,
                        ShardQueues& queues, SeededRandom& random) {
  std::array<Entry*, ShardQueues::kSample> room;
  for (int left = kQueueSamples; left > 0; --left) {
    const size_t sampled = table.Sample(random.Next(), policy.expiring_only, room);
    const size_t found = OfThese(std::span(room).first(sampled));
    if (found == 0) return nullptr;
    Entry* victim = queues.Choose(std::span(room).first(found), resident, left > 1);
    if (victim != nullptr) return victim;
  }
  HF_CHECK(false);  // the last sample always gives one
}

}  // namespace

Entry* ChooseVictim(const memtable::Table& table, const VictimRule& rule, size_t resident,
                    ShardQueues& queues, SeededRandom& random) {
  HF_CHECK(rule.policy.rank != Rank::kNone && resident >= table.size());
  if (rule.access.use == StateUse::kQueueBits)
    return ChooseFromQueues(table, rule.policy, resident, queues, random);
  std::array<Entry*, kMaxSamples> room;
  const uint32_t wanted =
      rule.policy.rank == Rank::kRandom ? 1 : std::clamp(rule.tuning.samples, 1u, kMaxSamples);
  const size_t sampled =
      table.Sample(random.Next(), rule.policy.expiring_only, std::span(room).first(wanted));
  const size_t found = OfThese(std::span(room).first(sampled));
  if (found == 0) return nullptr;
  return *std::ranges::max_element(std::span(room).first(found), {},
                                   [&rule](const Entry* entry) { return Urgency(*entry, rule); });
}

}  // namespace holdfast::eviction
