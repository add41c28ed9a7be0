#include "engine/keyspace/breather.h"

#include <gtest/gtest.h>

#include <chrono>

namespace holdfast::keyspace {
namespace {

using Clock = std::chrono::steady_clock;

// Only the lower bound, which the clock guarantees.
TEST(Breather, SleepsAfterALongRun) {
  Breather breather;
  for (int runs = 0; runs < 3; ++runs) {
    const auto end = Clock::now() + std::chrono::milliseconds(1);
    while (Clock::now() < end) continue;
    const auto before = Clock::now();
    breather.Breathe();
    EXPECT_GE(Clock::now() - before, std::chrono::microseconds(20));
  }
}

}  // namespace
}  // namespace holdfast::keyspace
