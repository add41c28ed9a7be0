// What aof-check counts while it reads, and how it says what it found: lines for a person, or one
// JSON object. Owned by the checker, one thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "aof/checkpoint_check.h"
#include "aof/log_reader.h"

namespace holdfast::aof {

// Text from a file, safe on a terminal: bytes that are not printable ASCII as \xHH.
std::string Printable(std::string_view text);

class CheckReport {
 public:
  explicit CheckReport(bool per_command) : per_command_(per_command) {}

  void Count(const LogBatch& batch);
  // `checkpoints`, oldest first; `rows` is what the last of them holds.
  void AddCheckpoints(std::vector<CheckedCheckpoint> checkpoints, RowStatistics rows);

  // The verdict, and what was counted if `stats`.
  std::vector<std::string> Lines(const LogReader& reader, bool stats) const;
  struct Outcome {
    std::string path;
    bool fixed = false;
    std::vector<std::string> side_files;
    int exit_code = 0;
  };
  std::string Json(const LogReader& reader, bool stats, const Outcome& outcome) const;
  static std::string JsonError(const std::string& path, std::string_view message, int exit_code);

 private:
  std::vector<std::string> CheckpointLines(bool stats) const;
  std::string CheckpointJson(bool stats) const;
  static std::string FileLine(const LogSource& source, const LogSourceState& state);
  std::vector<std::pair<std::string, uint64_t>> ByCount() const;

  const bool per_command_;
  uint64_t groups_ = 0;
  uint64_t commands_ = 0;
  UnixMs oldest_ms_ = 0;
  UnixMs newest_ms_ = 0;
  std::map<std::string, uint64_t, std::less<>> names_;  // at most kMaxNames
  uint64_t other_names_ = 0;
  std::vector<CheckedCheckpoint> checkpoints_;
  RowStatistics rows_;
};

}  // namespace holdfast::aof
