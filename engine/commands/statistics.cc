#include "engine/commands/statistics.h"

#include <fmt/core.h>

#include <algorithm>

#include "holdfast/check.h"

namespace holdfast::commands {
namespace {

// Redis's bounds of a slow log entry and of a latency series.
constexpr size_t kSlowlogArguments = 32;
constexpr size_t kSlowlogArgumentBytes = 128;
constexpr size_t kLatencySamples = 160;
constexpr size_t kErrorKinds = 128;
constexpr size_t kRateSamples = 16;
constexpr int64_t kRateSampleIntervalNs = 100'000'000;

void Add(Statistics::Totals& sum, const ThreadStatistics& thread) {
  for (const CommandStatistics& counts : thread.per_command) sum.commands += counts.calls.value();
  sum.errors += thread.errors.value();
  sum.changes += thread.changes.value();
  sum.input_bytes += thread.net_input_bytes.value();
  sum.output_bytes += thread.net_output_bytes.value();
  sum.reads += thread.reads.value();
  sum.writes += thread.writes.value();
}

void Add(Statistics::CommandTotals& sum, const CommandStatistics& counts) {
  sum.calls += counts.calls.value();
  sum.nanoseconds += counts.nanoseconds.value();
  sum.rejected += counts.rejected.value();
  sum.failed += counts.failed.value();
  for (size_t i = 0; i < kLatencyBuckets; ++i) sum.histogram[i] += counts.histogram[i].value();
}

std::vector<std::string> ShortenedForSlowlog(std::span<const std::string_view> args) {
  const size_t shown = std::min(args.size(), kSlowlogArguments);
  std::vector<std::string> result;
  for (size_t i = 0; i < shown; ++i) {
    if (shown != args.size() && i == shown - 1) {
      result.push_back(fmt::format("... ({} more arguments)", args.size() - shown + 1));
    } else if (args[i].size() > kSlowlogArgumentBytes) {
      result.push_back(fmt::format("{}... ({} more bytes)",
                                   args[i].substr(0, kSlowlogArgumentBytes),
                                   args[i].size() - kSlowlogArgumentBytes));
    } else {
      result.emplace_back(args[i]);
    }
  }
  return result;
}

}  // namespace

Statistics::Statistics(size_t commands)
    : command_count_(commands), retired_(commands), baseline_(commands) {}

ThreadStatistics& Statistics::NewThread() {
  const std::lock_guard lock(mutex_);
  return *threads_.emplace_back(std::make_unique<ThreadStatistics>(command_count_));
}

void Statistics::RetireThread(ThreadStatistics& thread) {
  const std::lock_guard lock(mutex_);
  const auto found = std::find_if(threads_.begin(), threads_.end(),
                                  [&](const auto& owned) { return owned.get() == &thread; });
  HF_CHECK(found != threads_.end());
  Add(retired_.totals, thread);
  for (size_t i = 0; i < command_count_; ++i) Add(retired_.per_command[i], thread.per_command[i]);
  threads_.erase(found);
}

Statistics::Totals Statistics::RawSum() const {
  Totals sum = retired_.totals;
  for (const auto& thread : threads_) Add(sum, *thread);
  return sum;
}

Statistics::CommandTotals Statistics::RawSumCommand(size_t index) const {
  CommandTotals sum = retired_.per_command[index];
  for (const auto& thread : threads_) Add(sum, thread->per_command[index]);
  return sum;
}

Statistics::Totals Statistics::Sum() const {
  const std::lock_guard lock(mutex_);
  Totals sum = RawSum();
  sum.commands -= baseline_.totals.commands;
  sum.errors -= baseline_.totals.errors;
  sum.input_bytes -= baseline_.totals.input_bytes;
  sum.output_bytes -= baseline_.totals.output_bytes;
  sum.reads -= baseline_.totals.reads;
  sum.writes -= baseline_.totals.writes;
  return sum;  // `changes` counts since the start: no statistic, RESETSTAT leaves it alone
}

Statistics::CommandTotals Statistics::SumCommand(size_t index) const {
  HF_CHECK(index < command_count_);
  const std::lock_guard lock(mutex_);
  CommandTotals sum = RawSumCommand(index);
  const CommandTotals& base = baseline_.per_command[index];
  sum.calls -= base.calls;
  sum.nanoseconds -= base.nanoseconds;
  sum.rejected -= base.rejected;
  sum.failed -= base.failed;
  for (size_t i = 0; i < kLatencyBuckets; ++i) sum.histogram[i] -= base.histogram[i];
  return sum;
}

void Statistics::Reset() {
  const std::lock_guard lock(mutex_);
  baseline_.totals = RawSum();
  for (size_t i = 0; i < command_count_; ++i) baseline_.per_command[i] = RawSumCommand(i);
  errors_.clear();
  rate_samples_.clear();
  rejected_connections.store(0, std::memory_order_relaxed);
  expire_cycle_us.store(0, std::memory_order_relaxed);
  expire_cycles_cut_short.store(0, std::memory_order_relaxed);
  over_limit_ns_.store(0, std::memory_order_relaxed);
  over_limit_since_ns_.store(0, std::memory_order_relaxed);
}

void Statistics::CountError(std::string_view code) {
  const std::lock_guard lock(mutex_);
  const auto at = std::lower_bound(errors_.begin(), errors_.end(), code,
                                   [](const auto& error, auto name) { return error.first < name; });
  if (at != errors_.end() && at->first == code) {
    ++at->second;
  } else if (errors_.size() < kErrorKinds) {
    errors_.emplace(at, std::string(code), 1);
  }
}

std::vector<std::pair<std::string, uint64_t>> Statistics::Errors() const {
  const std::lock_guard lock(mutex_);
  return errors_;
}

void Statistics::SlowlogAdd(std::span<const std::string_view> args, UnixMs now_ms,
                            int64_t microseconds, std::string address, std::string name,
                            size_t max_length) {
  SlowlogEntry entry{.id = 0,
                     .unix_ms = now_ms,
                     .microseconds = microseconds,
                     .args = ShortenedForSlowlog(args),
                     .client_address = std::move(address),
                     .client_name = std::move(name)};
  const std::lock_guard lock(mutex_);
  entry.id = next_slowlog_id_++;
  slowlog_.push_front(std::move(entry));
  while (slowlog_.size() > max_length) slowlog_.pop_back();
}

std::vector<SlowlogEntry> Statistics::Slowlog(int64_t count) const {
  const std::lock_guard lock(mutex_);
  const size_t shown =
      count < 0 ? slowlog_.size() : std::min(slowlog_.size(), static_cast<size_t>(count));
  return {slowlog_.begin(), slowlog_.begin() + static_cast<ptrdiff_t>(shown)};
}

size_t Statistics::SlowlogLength() const {
  const std::lock_guard lock(mutex_);
  return slowlog_.size();
}

void Statistics::SlowlogReset() {
  const std::lock_guard lock(mutex_);
  slowlog_.clear();
}

void Statistics::LatencyAdd(std::string_view event, UnixMs now_ms, int64_t milliseconds) {
  const auto worst = static_cast<uint32_t>(
      std::clamp<int64_t>(milliseconds, 0, std::numeric_limits<int32_t>::max()));
  const std::lock_guard lock(mutex_);
  auto found = std::find_if(latency_.begin(), latency_.end(),
                            [&](const auto& series) { return series.first == event; });
  if (found == latency_.end()) found = latency_.emplace(latency_.end(), event, LatencySeries{});
  LatencySeries& series = found->second;
  series.max_milliseconds = std::max(series.max_milliseconds, worst);
  const int64_t second = now_ms / 1000;
  if (!series.samples.empty() && series.samples.back().unix_seconds == second) {
    auto& last = series.samples.back();
    last.milliseconds = std::max(last.milliseconds, worst);
    return;
  }
  series.samples.push_back({second, worst});
  if (series.samples.size() > kLatencySamples) series.samples.pop_front();
}

std::vector<std::pair<std::string, LatencySeries>> Statistics::Latency() const {
  const std::lock_guard lock(mutex_);
  return latency_;
}

size_t Statistics::LatencyReset(std::span<const std::string_view> events) {
  const std::lock_guard lock(mutex_);
  if (!events.empty()) {
    return std::erase_if(latency_, [&](const auto& series) {
      return std::find(events.begin(), events.end(), series.first) != events.end();
    });
  }
  const size_t count = latency_.size();
  latency_.clear();
  return count;
}

void Statistics::SampleRates(int64_t monotonic_ns) {
  const std::lock_guard lock(mutex_);
  if (!rate_samples_.empty() &&
      monotonic_ns - rate_samples_.back().monotonic_ns < kRateSampleIntervalNs)
    return;
  rate_samples_.push_back({monotonic_ns, RawSum()});
  if (rate_samples_.size() > kRateSamples + 1) rate_samples_.pop_front();
}

Statistics::Rates Statistics::RatesNow() const {
  const std::lock_guard lock(mutex_);
  if (rate_samples_.size() < 2) return {};
  const RateSample& first = rate_samples_.front();
  const RateSample& last = rate_samples_.back();
  const double seconds = static_cast<double>(last.monotonic_ns - first.monotonic_ns) / 1e9;
  if (seconds <= 0) return {};
  const auto rate = [&](uint64_t from, uint64_t to) {
    return static_cast<double>(to - from) / seconds;
  };
  return {.commands = rate(first.totals.commands, last.totals.commands),
          .input_bytes = rate(first.totals.input_bytes, last.totals.input_bytes),
          .output_bytes = rate(first.totals.output_bytes, last.totals.output_bytes)};
}

void Statistics::NoteOverLimit(bool over, int64_t monotonic_ns) {
  int64_t since = over_limit_since_ns_.load(std::memory_order_relaxed);
  if (over == (since != 0)) return;
  const int64_t now = over ? std::max<int64_t>(monotonic_ns, 1) : 0;
  // Whoever ends it counts it.
  if (over_limit_since_ns_.compare_exchange_strong(since, now, std::memory_order_relaxed) && !over)
    over_limit_ns_.fetch_add(monotonic_ns - since, std::memory_order_relaxed);
}

Statistics::OverLimit Statistics::OverLimitAt(int64_t monotonic_ns) const {
  constexpr int64_t kNsPerMs = 1'000'000;
  const int64_t since = over_limit_since_ns_.load(std::memory_order_relaxed);
  const int64_t current = since == 0 ? 0 : std::max<int64_t>(monotonic_ns - since, 0);
  const int64_t before = over_limit_ns_.load(std::memory_order_relaxed);
  return {.total_ms = (before + current) / kNsPerMs, .current_ms = current / kNsPerMs};
}

uint64_t Statistics::NoteMemory(uint64_t bytes) {
  uint64_t peak = peak_bytes_.load(std::memory_order_relaxed);
  while (bytes > peak &&
         !peak_bytes_.compare_exchange_weak(peak, bytes, std::memory_order_relaxed)) {
  }
  return std::max(peak, bytes);
}

}  // namespace holdfast::commands
