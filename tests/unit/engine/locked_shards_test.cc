#include "engine/keyspace/locked_shards.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "holdfast/random.h"

namespace holdfast::keyspace {
namespace {

size_t HeldCount(Keyspace& keyspace) {
  size_t held = 0;
  for (Shard& shard : keyspace.shards()) held += shard.lock.Held() ? 1 : 0;
  return held;
}

std::vector<KeyHandle> Handles(Keyspace& keyspace, std::initializer_list<std::string_view> names) {
  std::vector<KeyHandle> keys;
  for (const std::string_view name : names) keys.push_back(keyspace.Handle(0, name));
  return keys;
}

TEST(LockedShards, LocksEachShardOnceAndReleasesAll) {
  Keyspace keyspace({.seed = {1, 2}, .databases = 1});
  const auto keys = Handles(keyspace, {"a", "b", "c", "a", "{b}x"});
  {
    LockedShards locks(keyspace);
    EXPECT_TRUE(locks.HoldsNothing());
    locks.LockKeys(keys);
    EXPECT_EQ(HeldCount(keyspace), 3u);
    for (const KeyHandle& key : keys) EXPECT_TRUE(locks.Holds(*key.shard));
    EXPECT_FALSE(locks.HoldsGate());
    locks.Release();
    EXPECT_EQ(HeldCount(keyspace), 0u);
    EXPECT_TRUE(locks.HoldsNothing());
    locks.LockKeys({});
    EXPECT_TRUE(locks.HoldsNothing());
    locks.LockGate();
    EXPECT_EQ(HeldCount(keyspace), keyspace.shards().size());
    bool visited = false;
    locks.With(*keys[0].shard, [&](Shard&) { visited = true; });
    EXPECT_TRUE(visited);
    EXPECT_FALSE(locks.visited());
  }
  EXPECT_EQ(HeldCount(keyspace), 0u);
}

TEST(LockedShards, WithLocksInPassingWhatIsNotHeld) {
  Keyspace keyspace({.seed = {1, 2}, .databases = 1});
  const auto keys = Handles(keyspace, {"a", "b"});
  ASSERT_NE(keys[0].shard, keys[1].shard);
  LockedShards locks(keyspace);
  locks.LockOne(*keys[0].shard);
  locks.With(*keys[1].shard, [](Shard& shard) { EXPECT_TRUE(shard.lock.Held()); });
  EXPECT_FALSE(keys[1].shard->lock.Held());
  EXPECT_TRUE(locks.visited());
}

// Transfers between shards, by several keys or under the gate: the sum stays 0 only if nobody ever
// holds a part of what it asked for. Ends only if nobody waits for ever.
TEST(LockedShards, AllOrNothingWithoutDeadlock) {
  constexpr int kThreads = 4;
  constexpr int kSteps = 4000;
  Keyspace keyspace({.seed = {1, 2}, .databases = 1, .shards = 8});
  std::vector<int64_t> balance(keyspace.shards().size());  // each guarded by its shard's lock
  const auto work = [&](uint64_t seed) {
    SeededRandom random(seed);
    for (int i = 0; i < kSteps; ++i) {
      std::vector<std::string> names;
      for (uint64_t n = 1 + random.Below(5); n > 0; --n)
        names.push_back(std::to_string(random.Below(64)));
      std::vector<KeyHandle> keys;
      for (const std::string& name : names) keys.push_back(keyspace.Handle(0, name));
      LockedShards locks(keyspace);
      const uint64_t kind = random.Below(20);
      if (kind == 0) {
        locks.LockGate();
        int64_t sum = 0;
        for (const int64_t part : balance) sum += part;
        ASSERT_EQ(sum, 0);
      } else if (kind < 4) {
        locks.LockOne(*keys[0].shard);
        ++balance[keys[0].shard->index];
        --balance[keys[0].shard->index];
        continue;
      } else {
        locks.LockKeys(keys);
      }
      for (const KeyHandle& key : keys) {
        ASSERT_TRUE(locks.Holds(*key.shard));
        ++balance[key.shard->index];
      }
      balance[keys[0].shard->index] -= static_cast<int64_t>(keys.size());
    }
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) threads.emplace_back(work, i + 1);
  for (std::thread& thread : threads) thread.join();
  int64_t sum = 0;
  for (const int64_t part : balance) sum += part;
  EXPECT_EQ(sum, 0);
  EXPECT_EQ(HeldCount(keyspace), 0u);
}

}  // namespace
}  // namespace holdfast::keyspace
