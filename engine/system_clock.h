// The machine's clock: wall time that never goes backwards within the process (a backward jump
// holds it still until the world has caught up), and the monotonic clock. Any thread.
#pragma once

#include <atomic>

#include "holdfast/clock.h"
#include "holdfast/random.h"

namespace holdfast {

class SystemClock final : public Clock {
 public:
  UnixMs NowMs() override { return NowUs() / 1000; }
  int64_t NowUs() override;
  int64_t MonotonicNs() override;

 private:
  std::atomic<int64_t> newest_us_{0};
};

// Seeds from the kernel (getrandom), then a SplitMix64 stream shared by all threads.
class SystemRandom final : public RandomSource {
 public:
  SystemRandom();
  uint64_t NextRandom() override;

 private:
  std::atomic<uint64_t> state_;
};

}  // namespace holdfast
