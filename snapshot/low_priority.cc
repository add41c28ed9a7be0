#include "snapshot/low_priority.h"

#include <sys/resource.h>

#include <algorithm>

#include "holdfast/check.h"
#include "holdfast/thread_name.h"

namespace holdfast::snapshot {
namespace {

// Of a busy core it gets a tenth of what a thread of normal priority gets: it is never starved.
constexpr int kLowered = 10;
constexpr int kLowest = 19;

class CompactionListener : public rocksdb::EventListener {
 public:
  const char* Name() const override { return "holdfast::CompactionListener"; }
  void OnCompactionBegin(rocksdb::DB*, const rocksdb::CompactionJobInfo&) override {
    [[maybe_unused]] thread_local const bool kOnce = (LowerThisThread(), true);
  }
};

}  // namespace

// Linux has a niceness for each thread: 0 is the one that calls.
void LowerThisThread() {
  const int now = getpriority(PRIO_PROCESS, 0);
  static_cast<void>(setpriority(PRIO_PROCESS, 0, std::min(now + kLowered, kLowest)));
}

std::shared_ptr<rocksdb::EventListener> LowersCompactions() {
  return std::make_shared<CompactionListener>();
}

LowPriorityThread::LowPriorityThread() : thread_([this] { Loop(); }) {}

LowPriorityThread::~LowPriorityThread() {
  {
    const std::lock_guard lock(mutex_);
    HF_CHECK(work_ == nullptr);
    stop_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

void LowPriorityThread::Run(const std::function<void()>& work) {
  std::unique_lock lock(mutex_);
  wake_.wait(lock, [this] { return work_ == nullptr; });
  work_ = &work;
  wake_.notify_all();
  wake_.wait(lock, [&] { return work_ != &work; });
}

void LowPriorityThread::Loop() {
  NameThisThread("cold-build");
  LowerThisThread();
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return stop_ || work_ != nullptr; });
    if (stop_) return;
    lock.unlock();
    (*work_)();
    lock.lock();
    work_ = nullptr;
    wake_.notify_all();
  }
}

}  // namespace holdfast::snapshot
