#include "engine/system_clock.h"

#include <time.h>

#include <random>

namespace holdfast {
namespace {

int64_t Nanoseconds(clockid_t id) {
  timespec now{};
  clock_gettime(id, &now);
  return static_cast<int64_t>(now.tv_sec) * 1'000'000'000 + now.tv_nsec;
}

}  // namespace

int64_t SystemClock::NowUs() {
  const int64_t now = Nanoseconds(CLOCK_REALTIME) / 1000;
  int64_t newest = newest_us_.load(std::memory_order_relaxed);
  while (now > newest) {
    if (newest_us_.compare_exchange_weak(newest, now, std::memory_order_relaxed)) return now;
  }
  return newest;
}

int64_t SystemClock::MonotonicNs() { return Nanoseconds(CLOCK_MONOTONIC); }

SystemRandom::SystemRandom() {
  std::random_device device;
  state_.store((static_cast<uint64_t>(device()) << 32) | device(), std::memory_order_relaxed);
}

uint64_t SystemRandom::NextRandom() {
  constexpr uint64_t kGamma = 0x9e3779b97f4a7c15ULL;
  return SeededRandom(state_.fetch_add(kGamma, std::memory_order_relaxed)).Next();
}

}  // namespace holdfast
