#include "aof/watermark.h"

#include <algorithm>

#include "holdfast/check.h"

namespace holdfast::aof {

// Who raises stores the mark and then reads who is parked; who parks stores that and then reads the
// mark. All four are sequentially consistent, so one of the two sees the other.

void Watermark::Raise(LogPosition position) {
  LogPosition covered = covered_.load(std::memory_order_seq_cst);
  while (covered < position) {
    if (covered_.compare_exchange_weak(covered, position, std::memory_order_seq_cst)) {
      Notify(position);
      return;
    }
  }
}

void Watermark::Notify(LogPosition covered) {
  if (oldest_waiter_.load(std::memory_order_seq_cst) <= covered) {
    {
      const std::lock_guard lock(waiters_mutex_);
    }
    waiters_changed_.notify_all();
  }
  const std::lock_guard lock(listeners_mutex_);
  for (WatermarkListener* listener : listeners_) {
    LogPosition parked = listener->parked_.load(std::memory_order_seq_cst);
    if (parked <= covered && listener->parked_.compare_exchange_strong(
                                 parked, WatermarkListener::kNothing, std::memory_order_seq_cst)) {
      listener->OnLogProgress();
    }
  }
}

void Watermark::Add(WatermarkListener& listener) {
  const std::lock_guard lock(listeners_mutex_);
  HF_CHECK(std::find(listeners_.begin(), listeners_.end(), &listener) == listeners_.end());
  listeners_.push_back(&listener);
}

void Watermark::Remove(WatermarkListener& listener) {
  const std::lock_guard lock(listeners_mutex_);
  const auto removed = std::erase(listeners_, &listener);
  HF_CHECK(removed == 1);
}

bool Watermark::Park(WatermarkListener& listener, LogPosition position) {
  LogPosition before = listener.parked_.load(std::memory_order_seq_cst);
  while (position < before &&
         !listener.parked_.compare_exchange_weak(before, position, std::memory_order_seq_cst)) {
  }
  if (Get() < position) return true;
  if (position >= before) return false;  // an older position is parked, whose call may come
  // If someone took the position out already, the call is on its way (or was made).
  return !listener.parked_.compare_exchange_strong(position, before, std::memory_order_seq_cst);
}

void Watermark::AwaitAdmission(WatermarkListener& listener) {
  listener.awaits_admission_.store(true, std::memory_order_seq_cst);
}

void Watermark::NotifyAdmission() {
  const std::lock_guard lock(listeners_mutex_);
  for (WatermarkListener* listener : listeners_) {
    if (listener->awaits_admission_.exchange(false, std::memory_order_seq_cst)) {
      listener->OnLogProgress();
    }
  }
}

bool Watermark::Wait(LogPosition position) {
  std::unique_lock lock(waiters_mutex_);
  const auto self = waiters_.insert(position);
  oldest_waiter_.store(*waiters_.begin(), std::memory_order_seq_cst);
  waiters_changed_.wait(lock, [&] { return Get() >= position || closed_; });
  waiters_.erase(self);
  oldest_waiter_.store(waiters_.empty() ? UINT64_MAX : *waiters_.begin(),
                       std::memory_order_seq_cst);
  return Get() >= position;
}

void Watermark::Close() {
  {
    const std::lock_guard lock(waiters_mutex_);
    closed_ = true;
  }
  waiters_changed_.notify_all();
}

}  // namespace holdfast::aof
