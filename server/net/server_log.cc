#include "server/net/server_log.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <ctime>

namespace holdfast::server {

ServerLog::~ServerLog() {
  if (descriptor_ > 2) ::close(descriptor_);
}

Status ServerLog::Open(const std::string& path) {
  if (path.empty()) return {};
  const int opened = ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
  if (opened < 0)
    return MakeError(ErrorCode::kIoError,
                     fmt::format("can't open the log file {}: {}", path, std::strerror(errno)));
  const std::lock_guard lock(mutex_);
  descriptor_ = opened;
  return {};
}

void ServerLog::Write(LogLevel level, std::string_view line) {
  constexpr char kMarks[] = {'.', '-', '*', '#'};
  if (level < level_.load(std::memory_order_relaxed)) return;
  timeval now{};
  ::gettimeofday(&now, nullptr);
  tm parts{};
  ::localtime_r(&now.tv_sec, &parts);
  char when[32];
  const size_t length = std::strftime(when, sizeof(when), "%d %b %Y %H:%M:%S", &parts);
  const std::string text =
      fmt::format("{}:M {}.{:03} {} {}\n", ::getpid(), std::string_view(when, length),
                  now.tv_usec / 1000, kMarks[static_cast<size_t>(level)], line);
  const std::lock_guard lock(mutex_);
  if (::write(descriptor_, text.data(), text.size()) < 0) return;
}

}  // namespace holdfast::server
