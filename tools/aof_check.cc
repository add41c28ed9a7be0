// aof-check: verifies, cuts back and exports append-only logs. Everything is in aof/checker.h; here
// is the terminal.
#include <fmt/core.h>
#include <stdio.h>
#include <unistd.h>

#include <string>
#include <string_view>
#include <vector>

#include "aof/checker.h"
#include "aof/posix_file_system.h"
#include "snapshot/checkpoint_reader.h"
#include "snapshot/rdb_preamble.h"

namespace {

class Terminal final : public holdfast::aof::CheckConsole {
 public:
  void Print(std::string_view line) override {
    ClearProgress();
    fmt::print("{}\n", line);
  }
  void PrintError(std::string_view line) override {
    ClearProgress();
    fmt::print(stderr, "{}\n", line);
  }
  void Progress(uint64_t done_bytes, uint64_t all_bytes) override {
    if (!shows_progress_ || all_bytes == 0) return;
    const int percent =
        static_cast<int>(static_cast<double>(done_bytes) * 100 / static_cast<double>(all_bytes));
    if (percent == percent_) return;
    percent_ = percent;
    fmt::print(stderr, "\r{:3}% of {} MiB", percent, all_bytes >> 20);
    fflush(stderr);
  }
  bool Confirm(const std::string& question) override {
    ClearProgress();
    fmt::print(stderr, "{} [y/N] ", question);
    fflush(stderr);
    const int answer = getchar();
    if (answer == EOF) fmt::print(stderr, "\n");
    return answer == 'y' || answer == 'Y';
  }

 private:
  void ClearProgress() {
    if (percent_ >= 0) fmt::print(stderr, "\r\x1b[K");
    percent_ = -1;
  }

  const bool shows_progress_ = isatty(STDERR_FILENO) != 0;
  int percent_ = -1;
};

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string_view> args(argv + (argc > 0 ? 1 : 0), argv + argc);
  holdfast::aof::PosixFileSystem fs;
  Terminal terminal;
  return holdfast::aof::RunAofCheck(fs, args, terminal, holdfast::snapshot::RdbPreambles(),
                                    holdfast::snapshot::Checkpoints());
}
