#include "engine/replay_worker.h"

#include <fmt/core.h>

#include <algorithm>

#include "engine/store.h"
#include "holdfast/check.h"
#include "holdfast/thread_name.h"

namespace holdfast {
namespace {

constexpr uint64_t kMostHeldBytes = uint64_t{64} << 20;
constexpr uint64_t kHeldPart = 16;  // of a memory limit

}  // namespace

bool Rendezvous::Arrive() { return missing_.fetch_sub(1, std::memory_order_acq_rel) == 1; }

void Rendezvous::Release() {
  released_.store(true, std::memory_order_release);
  released_.notify_all();
}

void Rendezvous::Await() { released_.wait(false, std::memory_order_acquire); }

ReplayWorker::ReplayWorker(Store& store, const std::vector<aof::LogSource>& sources)
    : store_(store),
      sources_(sources),
      max_held_bytes_(std::min(kMostHeldBytes, store.keyspace().budget().limit() / kHeldPart)),
      thread_([this] { Run(); }) {}

ReplayWorker::~ReplayWorker() { static_cast<void>(Finish()); }

void ReplayWorker::Deal(ReplayShare share) {
  const uint64_t bytes = share.batch->held_bytes();
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] {
    return queue_.size() < kMaxQueued &&
           (held_bytes_ == 0 || held_bytes_ + bytes <= max_held_bytes_);
  });
  held_bytes_ += bytes;
  queue_.push_back(std::move(share));
  changed_.notify_all();
}

Status ReplayWorker::Finish() {
  {
    const std::lock_guard lock(mutex_);
    finishing_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
  if (!failed()) return {};
  return MakeError(ErrorCode::kCorruption, error_);
}

std::optional<ReplayShare> ReplayWorker::Take() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return finishing_ || !queue_.empty(); });
  if (queue_.empty()) return std::nullopt;
  ReplayShare share = std::move(queue_.front());
  queue_.pop_front();
  changed_.notify_all();
  return share;
}

void ReplayWorker::Run() {
  NameThisThread("replay");
  Executor executor(store_);
  while (std::optional<ReplayShare> share = Take()) {
    Apply(executor, *share);
    const uint64_t bytes = share->batch->held_bytes();
    share.reset();
    const std::lock_guard lock(mutex_);
    held_bytes_ -= bytes;
    changed_.notify_all();
  }
}

void ReplayWorker::Apply(Executor& executor, const ReplayShare& share) {
  std::vector<PreparedCommand> window;
  for (size_t i = 0; i < share.items.size(); i += kWindow) {
    const size_t end = std::min(i + kWindow, share.items.size());
    window.clear();
    for (size_t j = i; j < end; ++j) window.push_back(share.items[j].command);
    executor.Prefetch(window);
    for (size_t j = i; j < end; ++j) ApplyItem(executor, share, share.items[j]);
  }
}

// After an error nothing more is applied, but every rendezvous is still kept: others wait there.
void ReplayWorker::ApplyItem(Executor& executor, const ReplayShare& share, const ReplayItem& item) {
  if (item.rendezvous != nullptr && !item.rendezvous->Arrive()) return item.rendezvous->Await();
  if (!failed()) {
    if (Status applied = executor.Replay(item.database, item.command); !applied) {
      error_ = fmt::format("{}: the group at offset {} cannot be applied: '{}': {}",
                           sources_[share.batch->source].path, item.offset, item.command.args[0],
                           applied.error().message);
      failed_.store(true, std::memory_order_relaxed);
    }
  }
  if (item.rendezvous != nullptr) item.rendezvous->Release();
}

}  // namespace holdfast
