// A workload for the crash and fault tests of the log writer: what is appended, flushed, synced and
// rotated when, and what had been promised after each step.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/unit/aof/log_fixture.h"

namespace holdfast::aof {

// One character per step:
//   a  append a small group      m  append MULTI .. EXEC       b  append a big value by reference
//   f  FlushTurn                 s  one second passes, then SyncTurn        t  SyncTurn
//   z  FillTurn                  p  PrepareRotation            r  Rotate (if it is prepared)
//   R  FinishRotation            d  append a DEL (admitted while the disk is full)
inline constexpr std::string_view kSteps = "ambfstzprRd";

class ScriptRun {
 public:
  ScriptRun(sim::SimulatedFileSystem& disk, SyncPolicy policy)
      : disk_(disk), harness_(disk, policy) {}

  // What was promised when `operations` had been done.
  struct Promise {
    size_t operations = 0;
    size_t covered = 0;  // groups that a reply may have shown
    size_t synced = 0;   // groups said to be synced
  };

  bool Open() {
    const bool ok = harness_.Open().has_value();
    Note();
    return ok;
  }
  void Run(std::string_view script) {
    for (const char step : script) {
      Step(step);
      Note();
    }
  }
  // Time passes until the log has repaired itself, or a minute is over.
  bool RunUntilRepaired() {
    for (int i = 0; i < 60; ++i) {
      harness_.clock.AdvanceMs(1000);
      Step('t');
      Step('z');
      Step('f');
      Step('t');
      Note();
      if (log().Admits() && log().covered() == log().tail()) return true;
    }
    return false;
  }
  Status Close() {
    const Status status = log().Close();
    Note();
    return status;
  }

  LogWriter& log() { return *harness_.log; }
  LogHarness& harness() { return harness_; }
  size_t groups() const { return groups_.size(); }
  size_t refused() const { return refused_; }
  const std::vector<Promise>& promises() const { return promises_; }

  // How many whole groups `payload` is; -1 if it is not a prefix of what was appended.
  int WholeGroups(const std::string& payload) const {
    size_t at = 0;
    for (size_t i = 0; i < groups_.size(); ++i) {
      if (at == payload.size()) return static_cast<int>(i);
      if (payload.compare(at, groups_[i].size(), groups_[i]) != 0) return -1;
      at += groups_[i].size();
    }
    return at == payload.size() ? static_cast<int>(groups_.size()) : -1;
  }

  // The promise in force after `operations`.
  Promise At(size_t operations) const {
    Promise promise;
    for (const Promise& candidate : promises_) {
      if (candidate.operations <= operations) promise = candidate;
    }
    return promise;
  }

 private:
  static std::string Command(std::initializer_list<std::string> args) {
    std::string text = "*" + std::to_string(args.size()) + "\r\n";
    for (const std::string& arg : args) {
      text += "$" + std::to_string(arg.size()) + "\r\n" + arg + "\r\n";
    }
    return text;
  }

  void Append(const std::string& record, bool frees) {
    if (frees ? !log().AdmitsFreeing() : !log().Admits()) {
      ++refused_;
      return;
    }
    ends_.push_back(harness_.Append(record));
    groups_.push_back(record);
  }

  void AppendBig(const std::string& key) {
    if (!log().Admits()) {
      ++refused_;
      return;
    }
    const std::string value(9'000, static_cast<char>('a' + groups_.size() % 26));
    CountedBlock* block = CountedBlock::Create(value.size());
    std::memcpy(block->data(), value.data(), value.size());
    block->size = value.size();
    const BlockRef owner = BlockRef::Adopt(block);
    const std::string record = Command({"SET", key, value});
    const std::string head = record.substr(0, record.size() - value.size() - 2);
    const LogPart parts[] = {{.bytes = head}, {.bytes = {}, .block = block}, {.bytes = "\r\n"}};
    LogSlot& slot = log().BorrowSlot();
    ends_.push_back(log().Append(slot, parts));
    log().ReturnSlot(slot);
    groups_.push_back(record);
  }

  void Step(char step) {
    const std::string key = "key:" + std::to_string(groups_.size());
    switch (step) {
      case 'a':
        return Append(Command({"SET", key, "value"}), false);
      case 'd':
        return Append(Command({"DEL", key}), true);
      case 'm':
        return Append(Command({"MULTI"}) + Command({"SET", key, "1"}) + Command({"INCR", key}) +
                          Command({"EXEC"}),
                      false);
      case 'b':
        return AppendBig(key);
      case 'f':
        return log().FlushTurn();
      case 's':
        harness_.clock.AdvanceMs(1000);
        return log().SyncTurn();
      case 't':
        return log().SyncTurn();
      case 'z':
        return log().FillTurn();
      case 'p':
        return static_cast<void>(log().PrepareRotation());
      case 'r':
        return static_cast<void>(log().Rotate());
      case 'R':
        return static_cast<void>(log().FinishRotation());
      default:
        FAIL() << "no such step: " << step;
    }
  }

  void Note() {
    Promise promise{.operations = disk_.operations()};
    if (harness_.log != nullptr) {
      const auto groups_before = [this](LogPosition position) {
        return static_cast<size_t>(std::upper_bound(ends_.begin(), ends_.end(), position) -
                                   ends_.begin());
      };
      promise.covered = groups_before(log().covered());
      promise.synced = groups_before(log().synced());
    }
    promises_.push_back(promise);
  }

  sim::SimulatedFileSystem& disk_;
  LogHarness harness_;
  std::vector<std::string> groups_;
  std::vector<LogPosition> ends_;
  std::vector<Promise> promises_;
  size_t refused_ = 0;
};

}  // namespace holdfast::aof
