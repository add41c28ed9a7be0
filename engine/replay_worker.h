// One worker of a parallel replay, and what it is dealt. Owned by the replay in progress.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "aof/log_batch.h"
#include "aof/log_reader.h"
#include "engine/executor.h"

namespace holdfast {

// Several workers meet at it; the last to arrive runs the command, the others wait for that.
class Rendezvous {
 public:
  explicit Rendezvous(size_t parties) : missing_(parties) {}
  // True for the one that is to run the command; it then calls Release.
  bool Arrive();
  void Release();
  void Await();

 private:
  std::atomic<size_t> missing_;
  std::atomic<bool> released_{false};
};

struct ReplayItem {
  PreparedCommand command;
  int database = 0;
  uint64_t offset = 0;                     // of its group, for errors
  std::shared_ptr<Rendezvous> rendezvous;  // null: this worker's alone
};

// One batch's commands for one worker. The batch owns the bytes that they point into.
struct ReplayShare {
  std::shared_ptr<const aof::LogBatch> batch;
  std::vector<ReplayItem> items;
};

class ReplayWorker {
 public:
  ReplayWorker(Store& store, const std::vector<aof::LogSource>& sources);
  ~ReplayWorker();  // Finish was called, or what is queued is dropped
  ReplayWorker(const ReplayWorker&) = delete;
  ReplayWorker& operator=(const ReplayWorker&) = delete;

  // Waits while too much is queued.
  void Deal(ReplayShare share);
  // Applies what is queued, then ends the thread.
  Status Finish();
  bool failed() const { return failed_.load(std::memory_order_relaxed); }

 private:
  static constexpr size_t kMaxQueued = 4;
  static constexpr size_t kWindow = 16;  // commands prefetched ahead

  void Run();
  std::optional<ReplayShare> Take();
  void Apply(Executor& executor, const ReplayShare& share);
  void ApplyItem(Executor& executor, const ReplayShare& share, const ReplayItem& item);

  Store& store_;
  const std::vector<aof::LogSource>& sources_;
  const uint64_t max_held_bytes_;  // or one batch
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<ReplayShare> queue_;
  uint64_t held_bytes_ = 0;  // of batches dealt and not yet applied
  bool finishing_ = false;
  std::atomic<bool> failed_{false};
  std::string error_;
  std::thread thread_;
};

}  // namespace holdfast
