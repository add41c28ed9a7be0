// Durations of single commands at a few nanoseconds a reading: the processor's cycle counter,
// scaled by comparing it with the monotonic clock once per turn. One thread. Good for statistics,
// never for expiry.
#pragma once

#include <cstdint>

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

#include "holdfast/clock.h"

namespace holdfast {

class CycleClock {
 public:
  explicit CycleClock(Clock& clock) : clock_(clock), first_ns_(clock.MonotonicNs()) {
    first_ticks_ = Ticks();
  }

  uint64_t Ticks() const {
#if defined(__x86_64__)
    return __rdtsc();
#else
    return static_cast<uint64_t>(clock_.MonotonicNs());
#endif
  }

  // Cheap enough for once in many turns; better the longer the process runs.
  void Calibrate() {
    const int64_t elapsed_ns = clock_.MonotonicNs() - first_ns_;
    const uint64_t elapsed_ticks = Ticks() - first_ticks_;
    if (elapsed_ns > 0 && elapsed_ticks > 0)
      ns_per_tick_ = static_cast<double>(elapsed_ns) / static_cast<double>(elapsed_ticks);
  }

  uint64_t Nanoseconds(uint64_t ticks) const {
    return static_cast<uint64_t>(static_cast<double>(ticks) * ns_per_tick_);
  }

 private:
  Clock& clock_;
  int64_t first_ns_;
  uint64_t first_ticks_;
  double ns_per_tick_ = 0.4;  // until calibrated: a 2.5 GHz counter
};

}  // namespace holdfast
