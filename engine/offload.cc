#include "engine/offload.h"

#include <chrono>
#include <utility>

#include "engine/commands/transaction_handlers.h"
#include "engine/executor.h"
#include "engine/store.h"
#include "holdfast/check.h"
#include "holdfast/thread_name.h"

namespace holdfast {
namespace {
constexpr std::chrono::milliseconds kPutOffPause{1};
}

OffloadedCommand::OffloadedCommand(const commands::Session& session,
                                   const commands::CommandEntry& entry,
                                   std::span<const std::string_view> args)
    : entry_(entry),
      args_(args.begin(), args.end()),
      reply_(session.protocol),
      listener_(session.load_listener) {
  HF_CHECK(listener_ != nullptr);
  session_.SetDatabase(session.database);
  session_.SetProtocol(session.protocol);
  session_.shared.no_touch.store(session.shared.no_touch.load(std::memory_order_relaxed),
                                 std::memory_order_relaxed);
  session_.shared.name = session.shared.NameCopy();
}

void OffloadedCommand::TakeTransaction(commands::Session& session, keyspace::Keyspace& keyspace,
                                       keyspace::LockedShards& locks) {
  commands::MoveTransaction(session, session_, keyspace, locks);
}

// It never runs: nothing may be told that keys change which it watched.
void OffloadedCommand::LeaveUndone(keyspace::Keyspace& keyspace) {
  keyspace::LockedShards none(keyspace);
  commands::ForgetWatches(session_, keyspace, none);
}

void OffloadedCommand::Abandon() {
  const std::lock_guard lock(mutex_);
  listener_ = nullptr;
}

bool OffloadedCommand::abandoned() {
  const std::lock_guard lock(mutex_);
  return listener_ == nullptr;
}

void OffloadedCommand::Finish() {
  HF_CHECK(!Done());
  const std::lock_guard lock(mutex_);
  done_.store(true, std::memory_order_release);
  if (listener_ != nullptr) listener_->OnLoaded();
}

void Offload::Submit(std::shared_ptr<OffloadedCommand> command) {
  const std::lock_guard lock(mutex_);
  HF_CHECK(!stop_);
  waiting_.push_back(std::move(command));
  if (idle_ < waiting_.size() && threads_.size() < kMostThreads)
    threads_.emplace_back([this] { Loop(); });
  wake_.notify_one();
}

void Offload::Stop() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
  for (const auto& command : std::exchange(waiting_, {})) command->LeaveUndone(store_.keyspace());
}

std::shared_ptr<OffloadedCommand> Offload::Next() {
  std::unique_lock lock(mutex_);
  ++idle_;
  wake_.wait(lock, [this] { return stop_ || !waiting_.empty(); });
  --idle_;
  if (stop_) return nullptr;
  std::shared_ptr<OffloadedCommand> next = std::move(waiting_.front());
  waiting_.pop_front();
  return next;
}

void Offload::Loop() {
  NameThisThread("offload");
  Executor executor(store_);
  while (const std::shared_ptr<OffloadedCommand> command = Next()) {
    if (command->abandoned()) {
      command->LeaveUndone(store_.keyspace());
      continue;
    }
    executor.BeginTurn();
    const bool ran = executor.RunOffloaded(*command);
    executor.EndTurn();
    if (ran) {
      command->Finish();
    } else {
      PutOff(command);
    }
  }
}

// Others may run meanwhile.
void Offload::PutOff(std::shared_ptr<OffloadedCommand> command) {
  std::unique_lock lock(mutex_);
  waiting_.push_back(std::move(command));
  wake_.wait_for(lock, kPutOffPause, [this] { return stop_; });
}

}  // namespace holdfast
