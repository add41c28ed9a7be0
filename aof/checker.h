// aof-check without its main: verifies a log file, a manifest, a checkpoint or a data directory,
// cuts it back, exports it. Everything it says goes through a console, everything it touches
// through a file system, so that tests and a fuzzer run the whole tool. One thread; bounded memory;
// no input, file or argument makes it crash.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "aof/checkpoint_source.h"
#include "aof/preamble.h"
#include "holdfast/file_system.h"

namespace holdfast::aof {

struct CheckOptions {
  bool help = false;
  bool fix = false;
  bool yes = false;
  std::optional<int64_t> truncate_to_timestamp;  // unix seconds, as redis-check-aof
  std::string export_path;
  bool stats = false;
  bool json = false;
  std::string path;
};

// Without the program's name. kInvalidArgument says what is wrong.
Result<CheckOptions> ParseCheckArguments(std::span<const std::string_view> args);
// The help text.
std::string_view CheckUsage();

class CheckConsole {
 public:
  virtual ~CheckConsole() = default;
  virtual void Print(std::string_view line) = 0;       // a line of the result
  virtual void PrintError(std::string_view line) = 0;  // why there is none
  virtual void Progress(uint64_t done_bytes, uint64_t all_bytes) = 0;
  virtual bool Confirm(const std::string& question) = 0;
};

// Exit codes.
inline constexpr int kCheckSound = 0;
inline constexpr int kCheckDamaged = 1;  // torn or damaged, and not fixed
inline constexpr int kCheckFailed = 2;   // usage or I/O error, a format that is not known

// The whole program: parses, checks, prints. Without `preambles` RDB files are refused, without
// `checkpoints` those.
int RunAofCheck(FileSystem& fs, std::span<const std::string_view> args, CheckConsole& console,
                const PreambleOpener& preambles = {}, const CheckpointOpener& checkpoints = {});

}  // namespace holdfast::aof
