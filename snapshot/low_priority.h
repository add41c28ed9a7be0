// The tier's background work at a low CPU priority: building sorted files and compacting them takes
// tens of milliseconds of a core at a time, which a command would wait for on a busy machine. Only
// work that holds no lock of ours is lowered: who waits for a lock waits for its holder's priority.
//
// Private to snapshot/.
#pragma once

#include <rocksdb/listener.h>

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

namespace holdfast::snapshot {

// Lowers the calling thread for good: raising it again would need a privilege.
void LowerThisThread();

// Compactions run on threads of RocksDB's that are shared with whatever else in this process uses
// its default environment.
std::shared_ptr<rocksdb::EventListener> LowersCompactions();

// A lowered thread that does what others hand it, one thing at a time. Owned by the tier's
// Database. Run: any thread; it returns when `work` has run.
class LowPriorityThread {
 public:
  LowPriorityThread();
  ~LowPriorityThread();
  LowPriorityThread(const LowPriorityThread&) = delete;
  LowPriorityThread& operator=(const LowPriorityThread&) = delete;

  void Run(const std::function<void()>& work);

 private:
  void Loop();

  std::mutex mutex_;
  std::condition_variable wake_;
  const std::function<void()>* work_ = nullptr;  // of the caller that waits for it
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace holdfast::snapshot
