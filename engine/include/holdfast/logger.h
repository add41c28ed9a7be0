// Where a store reports what an operator should know. Implemented by whoever opens it (the server's
// log file); any thread may call it; it must not block for long and cannot fail.
#pragma once

#include <cstdint>
#include <string_view>

namespace holdfast {

enum class LogLevel : uint8_t { kDebug, kVerbose, kNotice, kWarning };

class Logger {
 public:
  virtual ~Logger() = default;
  virtual void Write(LogLevel level, std::string_view line) = 0;
};

}  // namespace holdfast
