#include "aof/group_wait.h"

#include <gtest/gtest.h>

namespace holdfast::aof {
namespace {

constexpr int64_t kUs = 1'000;
constexpr SyncedGroup kLast{.bytes = 30'000, .frames = 5, .sync_ns = 400 * kUs};

TEST(GroupWaitTest, WaitsWhileTheLastGroupComesBack) {
  GroupWait wait(kLast);
  EXPECT_TRUE(wait.GoesOn(1'000, 0));
  EXPECT_TRUE(wait.GoesOn(9'000, 50 * kUs));
  EXPECT_TRUE(wait.GoesOn(29'999, 100 * kUs));
  EXPECT_FALSE(wait.GoesOn(30'000, 150 * kUs));  // all are there
}

TEST(GroupWaitTest, AGroupAsLargeAsTheLastIsNotHeldUp) {
  EXPECT_FALSE(GroupWait(kLast).GoesOn(30'000, 0));
  EXPECT_FALSE(GroupWait(kLast).GoesOn(90'000, 0));
}

TEST(GroupWaitTest, EndsWhenNobodyElseComes) {
  GroupWait wait(kLast);
  EXPECT_TRUE(wait.GoesOn(1'000, 0));
  EXPECT_FALSE(wait.GoesOn(1'000, 50 * kUs));
  // Nothing at all so far is a group that has not begun to come, once.
  GroupWait idle(kLast);
  EXPECT_TRUE(idle.GoesOn(0, 0));
  EXPECT_FALSE(idle.GoesOn(0, 50 * kUs));
}

TEST(GroupWaitTest, TakesHalfASyncAtMost) {
  GroupWait wait(kLast);
  EXPECT_TRUE(wait.GoesOn(1'000, 0));
  EXPECT_TRUE(wait.GoesOn(2'000, 200 * kUs - 1));
  EXPECT_FALSE(wait.GoesOn(3'000, 200 * kUs));
  SyncedGroup slow = kLast;
  slow.sync_ns = 50'000 * kUs;
  GroupWait long_wait(slow);
  EXPECT_TRUE(long_wait.GoesOn(1'000, 1'000 * kUs - 1));
  EXPECT_FALSE(long_wait.GoesOn(2'000, 1'000 * kUs));
}

TEST(GroupWaitTest, NotForASmallGroupOrASingleOne) {
  SyncedGroup last = kLast;
  last.bytes = GroupWait::kMinBytes;
  EXPECT_TRUE(GroupWait(last).GoesOn(10, 0));
  last.bytes = GroupWait::kMinBytes - 1;
  EXPECT_FALSE(GroupWait(last).GoesOn(10, 0));
  last = kLast;
  last.frames = 2;
  EXPECT_TRUE(GroupWait(last).GoesOn(10, 0));
  last.frames = 1;  // one client, or all in one turn: nobody to wait for
  EXPECT_FALSE(GroupWait(last).GoesOn(10, 0));
  EXPECT_FALSE(GroupWait({}).GoesOn(10, 0));  // no sync yet, or one that failed
}

TEST(GroupWaitTest, LooksEightTimesASyncWithinReason) {
  const auto step = [](int64_t sync_ns) {
    return GroupWait({.bytes = 30'000, .frames = 5, .sync_ns = sync_ns}).step_ns();
  };
  EXPECT_EQ(step(400 * kUs), 50 * kUs);
  EXPECT_EQ(step(10 * kUs), 20 * kUs);
  EXPECT_EQ(step(160 * kUs), 20 * kUs);
  EXPECT_EQ(step(800 * kUs), 100 * kUs);
  EXPECT_EQ(step(90'000 * kUs), 100 * kUs);
}

}  // namespace
}  // namespace holdfast::aof
