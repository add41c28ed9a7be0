// Time comes in through this interface, so that a test can own it.
#pragma once

#include <cstdint>

namespace holdfast {

using UnixMs = int64_t;

// Owned by whoever opens a Db; must outlive it. Any thread may call it. Cannot fail.
class Clock {
 public:
  virtual ~Clock() = default;
  // Milliseconds since 1970. Never goes backwards within one process (see SystemClock).
  virtual UnixMs NowMs() = 0;
  // The same in microseconds, for what only shows the time (TIME).
  virtual int64_t NowUs() { return NowMs() * 1000; }
  // Nanoseconds since an arbitrary start, monotonic.
  virtual int64_t MonotonicNs() = 0;
};

}  // namespace holdfast
