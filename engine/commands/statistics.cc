#include "engine/commands/statistics.h"

#include <algorithm>

namespace holdfast::commands {
namespace {

constexpr size_t kShownArguments = 32;
constexpr size_t kShownBytes = 128;
constexpr size_t kLatencySamples = 160;

}  // namespace

ThreadStatistics& Statistics::NewThread() {
  const std::lock_guard lock(mutex_);
  threads_.push_back(std::make_unique<ThreadStatistics>(command_count_));
  return *threads_.back();
}

void Statistics::CountError(std::string_view code) {
  const std::lock_guard lock(mutex_);
  for (auto& [known, count] : errors_) {
    if (known == code) {
      ++count;
      return;
    }
  }
  errors_.emplace_back(code, 1);
}

void Statistics::SlowlogAdd(std::span<const std::string_view> args, UnixMs now_ms,
                            int64_t microseconds, std::string address, std::string name,
                            size_t max_length) {
  SlowlogEntry entry{.id = 0,
                     .unix_ms = now_ms,
                     .microseconds = microseconds,
                     .args = {},
                     .client_address = std::move(address),
                     .client_name = std::move(name)};
  for (size_t i = 0; i < std::min(args.size(), kShownArguments); ++i) {
    if (i + 1 == kShownArguments && args.size() > kShownArguments) {
      entry.args.push_back("... (" + std::to_string(args.size() - i) + " more arguments)");
    } else if (args[i].size() > kShownBytes) {
      entry.args.push_back(std::string(args[i].substr(0, kShownBytes)) + "... (" +
                           std::to_string(args[i].size() - kShownBytes) + " more bytes)");
    } else {
      entry.args.emplace_back(args[i]);
    }
  }
  const std::lock_guard lock(mutex_);
  entry.id = next_slowlog_id_++;
  slowlog_.push_front(std::move(entry));
  while (slowlog_.size() > max_length) slowlog_.pop_back();
}

void Statistics::LatencyAdd(std::string_view event, UnixMs now_ms, int64_t milliseconds) {
  const int64_t second = now_ms / 1000;
  const auto sample = static_cast<uint32_t>(std::min<int64_t>(milliseconds, UINT32_MAX));
  const std::lock_guard lock(mutex_);
  auto found = std::find_if(latency_.begin(), latency_.end(),
                            [&](const auto& series) { return series.first == event; });
  if (found == latency_.end()) found = latency_.emplace(latency_.end(), event, LatencySeries{});
  LatencySeries& series = found->second;
  series.max_milliseconds = std::max(series.max_milliseconds, sample);
  if (!series.samples.empty() && series.samples.back().unix_seconds == second) {
    uint32_t& worst = series.samples.back().milliseconds;
    worst = std::max(worst, sample);
    return;
  }
  series.samples.push_back({second, sample});
  if (series.samples.size() > kLatencySamples) series.samples.pop_front();
}

}  // namespace holdfast::commands
