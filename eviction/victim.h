// Which key of a table goes next. The caller holds the shard's lock, erases what is chosen, and
// tells the shard's queues (ShardQueues::Evicted) if they rank.
#pragma once

#include <cstdint>

#include "eviction/access_rule.h"
#include "eviction/policy.h"
#include "eviction/shard_queues.h"
#include "holdfast/random.h"
#include "memtable/table.h"

namespace holdfast::eviction {

inline constexpr uint32_t kMaxSamples = 64;

struct VictimRule {
  Policy policy;
  Tuning tuning;
  AccessRule access;
};

// `resident`: keys of the shard, in all tables. Null: the table has no key that the policy may
// take, or none near the place that was looked at (where few keys have a TTL).
memtable::Entry* ChooseVictim(const memtable::Table& table, const VictimRule& rule, size_t resident,
                              ShardQueues& queues, SeededRandom& random);

}  // namespace holdfast::eviction
