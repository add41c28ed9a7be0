#include "engine/keyspace/shard_lock.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace holdfast::keyspace {
namespace {

TEST(ShardLock, IsHeldByOneThreadAtATime) {
  constexpr int kThreads = 4;
  constexpr int kTurns = 20'000;
  ShardLock lock;
  int counted = 0;
  {
    std::vector<std::jthread> threads;
    for (int thread = 0; thread < kThreads; ++thread) {
      threads.emplace_back([&, in_turn = thread % 2 == 0] {
        for (int i = 0; i < kTurns; ++i) {
          in_turn ? lock.LockInTurn() : lock.Lock();
          ++counted;
          lock.Unlock();
        }
      });
    }
  }
  EXPECT_EQ(counted, kThreads * kTurns);
  EXPECT_FALSE(lock.Held());
  EXPECT_FALSE(lock.HasWaiters());
}

// Who takes it again at once would be first nearly always. Not always: who lets others go first
// does so for a while only, and the other may not have met a core by then.
TEST(ShardLock, WhoTakesItInTurnLetsThoseThatWaitGoFirst) {
  constexpr int kTries = 50;
  int let_go_first = 0;
  for (int i = 0; i < kTries; ++i) {
    ShardLock lock;
    bool other_had_it = false;
    lock.Lock();
    std::jthread other([&] {
      lock.Lock();
      other_had_it = true;
      lock.Unlock();
    });
    while (!lock.HasWaiters()) std::this_thread::yield();
    lock.Unlock();
    lock.LockInTurn();
    let_go_first += other_had_it ? 1 : 0;
    lock.Unlock();
  }
  EXPECT_GE(let_go_first, kTries / 2);
}

}  // namespace
}  // namespace holdfast::keyspace
