// The operator's log: lines as Redis writes them, to a file or standard output.
//   1234:M 22 Nov 2026 15:15:15.123 * Ready to accept connections
// Owned by main(). Any thread. A line that cannot be written is lost; nothing else fails.
#pragma once

#include <atomic>
#include <mutex>
#include <string>
#include <string_view>

#include "holdfast/logger.h"
#include "holdfast/result.h"

namespace holdfast::server {

class ServerLog final : public Logger {
 public:
  ServerLog() = default;
  ~ServerLog() override;
  ServerLog(const ServerLog&) = delete;
  ServerLog& operator=(const ServerLog&) = delete;

  // Appends to `path`; empty: standard output.
  Status Open(const std::string& path);
  void SetLevel(LogLevel level) { level_.store(level, std::memory_order_relaxed); }
  void Write(LogLevel level, std::string_view line) override;

 private:
  std::mutex mutex_;
  int descriptor_ = 1;
  std::atomic<LogLevel> level_{LogLevel::kNotice};
};

}  // namespace holdfast::server
