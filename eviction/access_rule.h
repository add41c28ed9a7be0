// The rules over an entry's 24 bits of eviction state: what a new key begins with, what an access
// does to them, and what they say. Pure functions of the bits, the time and a random number.
//
//   kClock      seconds modulo 2^24 (194 days)
//   kCounter    minutes modulo 2^16 | 8-bit logarithmic counter, as in Redis
//   kQueueBits  21-bit stamp of entering the queue | main queue? | 2 bits of hits
//
// An AccessRule is what an executing thread prepares once a turn and hands to all its commands. The
// bits are read and written under the shard's lock; they are no part of the contents, so that
// replay need not match them. Nothing here can fail.
#pragma once

#include <algorithm>
#include <cstdint>

#include "eviction/policy.h"
#include "holdfast/clock.h"
#include "holdfast/random.h"
#include "memtable/entry.h"

namespace holdfast::eviction {

inline constexpr uint32_t kStateMask = (1u << 24) - 1;

// ---- the clock
constexpr uint32_t ClockStamp(UnixMs now_ms) {
  return static_cast<uint32_t>(static_cast<uint64_t>(now_ms) / 1000) & kStateMask;
}
constexpr uint32_t IdleSeconds(uint32_t state, uint32_t now_stamp) {
  return (now_stamp - state) & kStateMask;
}

// ---- the counter
inline constexpr uint32_t kCounterStart = 5;  // a new key is not the first to go
inline constexpr uint32_t kCounterMax = 255;
constexpr uint32_t CounterMinutes(UnixMs now_ms) {
  return static_cast<uint32_t>(static_cast<uint64_t>(now_ms) / 60'000) & 0xffff;
}
constexpr uint32_t CounterState(uint32_t minutes, uint32_t counter) {
  return (minutes << 8) | counter;
}
// What is left of it by now. Redis counts a turn of the minutes as 65,535 of them.
constexpr uint32_t DecayedCounter(uint32_t state, uint32_t minutes, uint32_t decay_min) {
  const uint32_t then = state >> 8;
  const uint32_t elapsed = minutes >= then ? minutes - then : 65535 - then + minutes;
  const uint32_t lost = decay_min == 0 ? 0 : elapsed / decay_min;
  return (state & 0xff) - std::min(state & 0xff, lost);
}
// Counts up with probability 1 / ((counter - kCounterStart) * factor + 1).
inline uint32_t GrownCounter(uint32_t counter, uint32_t log_factor, SeededRandom& random) {
  constexpr uint32_t kRandomBits = 24;
  if (counter == kCounterMax) return counter;
  const uint64_t above = counter > kCounterStart ? counter - kCounterStart : 0;
  const uint64_t draw = random.Next() >> (64 - kRandomBits);
  return draw * (above * log_factor + 1) < (1u << kRandomBits) ? counter + 1 : counter;
}

// ---- the queues
inline constexpr uint32_t kHitsMask = 3;
inline constexpr uint32_t kMainBit = 4;
inline constexpr uint32_t kStampShift = 3;
inline constexpr uint32_t kStampMask = (1u << 21) - 1;
constexpr uint32_t QueueHits(uint32_t state) { return state & kHitsMask; }
constexpr bool InMain(uint32_t state) { return (state & kMainBit) != 0; }
constexpr uint32_t QueueAge(uint32_t state, uint32_t clock) {
  return (clock - (state >> kStampShift)) & kStampMask;
}
constexpr uint32_t QueueState(bool main, uint32_t clock, uint32_t hits) {
  return ((clock & kStampMask) << kStampShift) | (main ? kMainBit : 0) | hits;
}

struct AccessRule {
  StateUse use = StateUse::kClock;
  uint32_t clock = 0;    // ClockStamp of now
  uint32_t minutes = 0;  // CounterMinutes of now
  uint32_t lfu_log_factor = 10;
  uint32_t lfu_decay_min = 1;

  static AccessRule At(UnixMs now_ms, StateUse use, const Tuning& tuning) {
    return {use, ClockStamp(now_ms), CounterMinutes(now_ms), tuning.lfu_log_factor,
            tuning.lfu_decay_min};
  }

  // The key was accessed. Writes only what differs: a read need not dirty the entry's cache line
  // again within a second, or once its hits are full.
  void Touch(memtable::Entry& entry, SeededRandom& random) const {
    const uint32_t state = entry.eviction_state();
    switch (use) {
      case StateUse::kClock:
        if (state != clock) entry.set_eviction_state(clock);
        return;
      case StateUse::kQueueBits:
        if (QueueHits(state) != kHitsMask) entry.set_eviction_state(state + 1);
        return;
      case StateUse::kCounter:
        return Count(entry, state, random);
    }
  }
  // A new key, but for the queues: those know themselves where it belongs (ShardQueues::Enter).
  uint32_t NewState() const {
    return use == StateUse::kCounter ? CounterState(minutes, kCounterStart) : clock;
  }
  uint32_t Counter(uint32_t state) const { return DecayedCounter(state, minutes, lfu_decay_min); }

 private:
  void Count(memtable::Entry& entry, uint32_t state, SeededRandom& random) const {
    const uint32_t counted =
        CounterState(minutes, GrownCounter(Counter(state), lfu_log_factor, random));
    if (counted != state) entry.set_eviction_state(counted);
  }
};

}  // namespace holdfast::eviction
