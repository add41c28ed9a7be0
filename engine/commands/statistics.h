// Counters of what was executed, for INFO, LATENCY and SLOWLOG. Each executing thread counts into
// a ThreadStatistics of its own (relaxed stores by one writer, no shared cache line); readers add
// them up. Nobody but its thread ever writes a counter: a reset remembers the sums of that moment
// and subtracts them from then on. Owned by the Db; any thread.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "holdfast/clock.h"

namespace holdfast::commands {

// Written by one thread, read by any.
class Counter {
 public:
  void Add(uint64_t n) {
    value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

// Bucket b counts commands of less than 2^b * 1024 ns; the last takes all the others.
inline constexpr size_t kLatencyBuckets = 32;
constexpr size_t LatencyBucket(uint64_t nanoseconds) {
  const uint64_t kibi = nanoseconds >> 10;
  const size_t bucket = kibi == 0 ? 0 : 64 - static_cast<size_t>(__builtin_clzll(kibi));
  return bucket < kLatencyBuckets ? bucket : kLatencyBuckets - 1;
}

struct CommandStatistics {
  Counter calls;
  Counter nanoseconds;
  Counter rejected;  // refused before execution (arity, auth, OOM)
  Counter failed;    // answered with an error by the handler
  std::array<Counter, kLatencyBuckets> histogram;
};

struct ThreadStatistics {
  explicit ThreadStatistics(size_t command_count) : per_command(command_count) {}
  Counter errors;
  Counter changes;  // of keys
  Counter net_input_bytes;
  Counter net_output_bytes;
  Counter reads;  // read events processed by this thread
  Counter writes;
  std::vector<CommandStatistics> per_command;  // by CommandEntry::index
};

struct SlowlogEntry {
  uint64_t id;
  UnixMs unix_ms;
  int64_t microseconds;
  std::vector<std::string> args;
  std::string client_address;
  std::string client_name;
};

// LATENCY: the last samples of one event, one per second (the worst of it), as in Redis.
struct LatencySeries {
  struct Sample {
    int64_t unix_seconds;
    uint32_t milliseconds;
  };
  std::deque<Sample> samples;  // at most 160
  uint32_t max_milliseconds = 0;
};

class Statistics {
 public:
  explicit Statistics(size_t commands);
  Statistics(const Statistics&) = delete;
  Statistics& operator=(const Statistics&) = delete;

  ThreadStatistics& NewThread();
  // The thread is done: its counts stay in the sums, the object goes.
  void RetireThread(ThreadStatistics& thread);

  struct Totals {
    uint64_t commands = 0, errors = 0, changes = 0, input_bytes = 0, output_bytes = 0, reads = 0,
             writes = 0;
  };
  Totals Sum() const;
  struct CommandTotals {
    uint64_t calls = 0, nanoseconds = 0, rejected = 0, failed = 0;
    std::array<uint64_t, kLatencyBuckets> histogram{};
  };
  CommandTotals SumCommand(size_t index) const;  // index: a CommandEntry::index
  void Reset();                                  // CONFIG RESETSTAT

  // Errors by code ("ERR", "WRONGTYPE"), for INFO errorstats, sorted by code.
  void CountError(std::string_view code);
  std::vector<std::pair<std::string, uint64_t>> Errors() const;

  // Slow log: newest first.
  void SlowlogAdd(std::span<const std::string_view> args, UnixMs now_ms, int64_t microseconds,
                  std::string address, std::string name, size_t max_length);
  std::vector<SlowlogEntry> Slowlog(int64_t count) const;  // negative: all
  size_t SlowlogLength() const;
  void SlowlogReset();

  void LatencyAdd(std::string_view event, UnixMs now_ms, int64_t milliseconds);
  std::vector<std::pair<std::string, LatencySeries>> Latency() const;
  size_t LatencyReset(std::span<const std::string_view> events);  // none given: all

  // Rates over the last 16 samples, at least 100 ms apart: a timer calls this as often or oftener.
  void SampleRates(int64_t monotonic_ns);
  struct Rates {
    double commands = 0, input_bytes = 0, output_bytes = 0;  // per second
  };
  Rates RatesNow() const;

  // Time spent over the memory limit: tells whether it is over now.
  void NoteOverLimit(bool over, int64_t monotonic_ns);
  struct OverLimit {
    int64_t total_ms = 0;
    int64_t current_ms = 0;
  };
  OverLimit OverLimitAt(int64_t monotonic_ns) const;

  // used_memory_peak. Returns the peak.
  uint64_t NoteMemory(uint64_t bytes);

  // Plain figures that few threads count, rarely.
  std::atomic<uint64_t> rejected_connections{0};
  std::atomic<uint64_t> expire_cycle_us{0};
  std::atomic<uint64_t> expire_cycles_cut_short{0};

 private:
  // What the sums begin with (threads that ended), and what is subtracted (the last reset).
  struct Frame {
    explicit Frame(size_t commands) : per_command(commands) {}
    Totals totals;
    std::vector<CommandTotals> per_command;
  };
  Totals RawSum() const;  // under mutex_, as the next
  CommandTotals RawSumCommand(size_t index) const;

  size_t command_count_;
  mutable std::mutex mutex_;
  std::vector<std::unique_ptr<ThreadStatistics>> threads_;
  Frame retired_;
  Frame baseline_;
  std::vector<std::pair<std::string, uint64_t>> errors_;
  std::deque<SlowlogEntry> slowlog_;  // newest first
  uint64_t next_slowlog_id_ = 0;
  std::vector<std::pair<std::string, LatencySeries>> latency_;
  struct RateSample {
    int64_t monotonic_ns;
    Totals totals;
  };
  std::deque<RateSample> rate_samples_;
  std::atomic<uint64_t> peak_bytes_{0};
  std::atomic<int64_t> over_limit_since_ns_{0};  // 0: it is not
  std::atomic<int64_t> over_limit_ns_{0};        // of the times before
};

}  // namespace holdfast::commands
