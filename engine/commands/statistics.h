// Counters of what was executed, for INFO, LATENCY and SLOWLOG. Each executing thread counts into
// a ThreadStatistics of its own (relaxed stores by one writer, no shared cache line); readers add
// them up. Owned by the Db.
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
  void Reset() { value_.store(0, std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

inline constexpr size_t kLatencyBuckets = 32;  // bucket b: less than 2^b microseconds

struct CommandStatistics {
  Counter calls;
  Counter nanoseconds;
  Counter rejected;  // refused before execution (arity, auth, OOM)
  Counter failed;    // answered with an error by the handler
  std::array<Counter, kLatencyBuckets> histogram;
};

struct ThreadStatistics {
  explicit ThreadStatistics(size_t command_count) : per_command(command_count) {}
  Counter commands;
  Counter errors;
  Counter changes;  // of keys, for rdb_changes_since_last_save and save rules
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
  explicit Statistics(size_t commands) : command_count_(commands) {}

  // Kept until the Statistics goes; a thread that ends leaves its counts.
  ThreadStatistics& NewThread();
  // Sums. `index`: a CommandEntry::index.
  struct Totals {
    uint64_t commands = 0, errors = 0, changes = 0, input_bytes = 0, output_bytes = 0, reads = 0,
             writes = 0;
  };
  Totals Sum() const;
  struct CommandTotals {
    uint64_t calls = 0, nanoseconds = 0, rejected = 0, failed = 0;
    std::array<uint64_t, kLatencyBuckets> histogram{};
  };
  CommandTotals SumCommand(size_t index) const;
  void Reset();                       // CONFIG RESETSTAT
  void ResetHistogram(size_t index);  // LATENCY RESET does not; kept for CONFIG RESETSTAT

  // Errors by code ("ERR", "WRONGTYPE"), for INFO errorstats.
  void CountError(std::string_view code);
  std::vector<std::pair<std::string, uint64_t>> Errors() const;

  // Slow log: newest first. A negative threshold switches it off.
  void SlowlogAdd(std::span<const std::string_view> args, UnixMs now_ms, int64_t microseconds,
                  std::string address, std::string name, size_t max_length);
  std::vector<SlowlogEntry> Slowlog(int64_t count) const;
  size_t SlowlogLength() const;
  void SlowlogReset();

  void LatencyAdd(std::string_view event, UnixMs now_ms, int64_t milliseconds);
  std::vector<std::pair<std::string, LatencySeries>> Latency() const;
  size_t LatencyReset(std::span<const std::string_view> events);  // none given: all

 private:
  size_t command_count_;
  mutable std::mutex mutex_;
  std::vector<std::unique_ptr<ThreadStatistics>> threads_;
  std::vector<std::pair<std::string, uint64_t>> errors_;
  std::deque<SlowlogEntry> slowlog_;
  uint64_t next_slowlog_id_ = 0;
  std::vector<std::pair<std::string, LatencySeries>> latency_;
};

}  // namespace holdfast::commands
