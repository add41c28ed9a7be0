// Randomness comes in through this interface, so that a test or a log entry can own it.
#pragma once

#include <cstdint>

namespace holdfast {

// Owned by whoever opens a Db; must outlive it. Any thread may call it. Cannot fail.
class RandomSource {
 public:
  virtual ~RandomSource() = default;
  virtual uint64_t NextRandom() = 0;
};

// SplitMix64 (Steele, Lea, Flood, OOPSLA 2014): a stream of random numbers that is a function of
// its seed alone. One per command, so that a replay with the same seed makes the same picks.
class SeededRandom {
 public:
  explicit SeededRandom(uint64_t seed) : state_(seed) {}
  uint64_t Next() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15ULL);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
  }
  // Uniform in [0, bound); bound > 0 (Lemire 2019, without the rejection: bias under 2^-32 is fine
  // for picks).
  uint64_t Below(uint64_t bound) {
    return static_cast<uint64_t>((static_cast<unsigned __int128>(Next()) * bound) >> 64);
  }

 private:
  uint64_t state_;
};

}  // namespace holdfast
