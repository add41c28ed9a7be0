#include "snapshot/low_priority.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <thread>
#include <vector>

namespace holdfast::snapshot {
namespace {

int Niceness() { return getpriority(PRIO_PROCESS, 0); }

TEST(LowPriorityThread, WorksAtALowerPriorityThanWhoWaitsForIt) {
  const int own = Niceness();
  LowPriorityThread thread;
  int there = own;
  std::thread::id by;
  thread.Run([&] {
    there = Niceness();
    by = std::this_thread::get_id();
  });
  EXPECT_NE(by, std::this_thread::get_id());
  EXPECT_EQ(Niceness(), own);
  EXPECT_EQ(there, std::min(own + 10, 19));
}

TEST(LowPriorityThread, DoesOneThingAtATimeForAll) {
  constexpr int kCallers = 4;
  constexpr int kTimes = 500;
  LowPriorityThread thread;
  int done = 0;
  {
    std::vector<std::jthread> callers;
    for (int caller = 0; caller < kCallers; ++caller) {
      callers.emplace_back([&] {
        for (int i = 0; i < kTimes; ++i) {
          bool ran = false;
          thread.Run([&] {
            ++done;
            ran = true;
          });
          EXPECT_TRUE(ran);
        }
      });
    }
  }
  EXPECT_EQ(done, kCallers * kTimes);
}

}  // namespace
}  // namespace holdfast::snapshot
