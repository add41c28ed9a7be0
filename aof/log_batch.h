// What the log reader hands out: commands, in whole groups, as views into bytes that the batch
// owns. A group is what must be applied whole or not at all: one command, or what stood between
// MULTI and EXEC. SELECT, MULTI and EXEC themselves are taken out: every command carries its
// database.
//
//   for (const LogGroup& group : batch.groups)
//     for (const LogCommand& command : batch.Commands(group))
//       Apply(command.database, batch.Args(command));
//
// Plain values, owned by whoever reads; one thread at a time. Reuse batches: their memory stays.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "holdfast/check.h"
#include "holdfast/clock.h"

namespace holdfast::aof {

struct LogCommand {
  uint32_t first_arg;
  uint32_t arg_count;
  uint32_t database;
};

struct LogGroup {
  uint64_t offset;  // of its first byte in the file
  uint32_t first_command;
  uint32_t command_count;  // at least 1
  uint32_t frame;          // index into LogBatch::frames
};

// A frame; or, with number 0, commands that Redis wrote without one.
struct LogFrame {
  uint64_t number = 0;
  uint64_t term = 0;
  UnixMs unix_ms = 0;   // 0: not known
  uint64_t offset = 0;  // of its header line
};

class LogBatch {
 public:
  LogBatch() = default;
  LogBatch(LogBatch&&) noexcept = default;
  LogBatch& operator=(LogBatch&&) noexcept = default;
  LogBatch(const LogBatch&) = delete;
  LogBatch& operator=(const LogBatch&) = delete;

  std::span<const LogCommand> Commands(const LogGroup& group) const {
    return std::span(commands).subspan(group.first_command, group.command_count);
  }
  std::span<const std::string_view> Args(const LogCommand& command) const {
    return std::span(args).subspan(command.first_arg, command.arg_count);
  }

  size_t source = 0;  // index of the file among the reader's sources
  std::vector<LogFrame> frames;
  std::vector<LogGroup> groups;
  std::vector<LogCommand> commands;
  std::vector<std::string_view> args;

  void Clear() {
    frames.clear();
    groups.clear();
    commands.clear();
    args.clear();
    kept_.clear();
    kept_bytes_ = 0;
    size_ = 0;
  }
  // The bytes behind the views. Whoever fills a batch calls these, before there are any views.
  void Reserve(size_t bytes) {
    HF_CHECK(args.empty());
    if (bytes <= capacity_) return;
    auto grown = std::make_unique_for_overwrite<char[]>(bytes);
    std::string_view(memory_.get(), size_).copy(grown.get(), size_);
    memory_ = std::move(grown);
    capacity_ = bytes;
  }
  std::span<char> Room() { return {memory_.get() + size_, capacity_ - size_}; }
  void Added(size_t bytes) {
    HF_CHECK(bytes <= capacity_ - size_);
    size_ += bytes;
  }
  std::string_view bytes() const { return {memory_.get(), size_}; }
  // For arguments that are not among those bytes: they stay where they are.
  std::string_view Keep(std::string bytes) {
    kept_bytes_ += bytes.size();
    return kept_.emplace_back(std::move(bytes));
  }
  uint64_t held_bytes() const { return size_ + kept_bytes_; }

 private:
  std::unique_ptr<char[]> memory_;
  size_t size_ = 0;
  size_t capacity_ = 0;
  std::list<std::string> kept_;
  uint64_t kept_bytes_ = 0;
};

}  // namespace holdfast::aof
