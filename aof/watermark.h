// How far the log covers what replies show, and who waits for it.
//
// Owner: LogWriter. Any thread may call anything here.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <set>
#include <vector>

#include "aof/log_ring.h"

namespace holdfast::aof {

// One who parks replies until the log covers them: an I/O thread. Registered with a LogWriter;
// must be removed before it dies.
class WatermarkListener {
 public:
  virtual ~WatermarkListener() = default;
  // What was parked is covered, or (after AwaitAdmission) writes are admitted again. Comes from
  // whichever thread made it so, possibly the listener's own, inside FlushTurn; once per Park or
  // AwaitAdmission. It may only post or wake: no lock that is held while calling into the log.
  virtual void OnLogProgress() = 0;

 private:
  friend class Watermark;
  static constexpr LogPosition kNothing = UINT64_MAX;
  std::atomic<LogPosition> parked_{kNothing};
  std::atomic<bool> awaits_admission_{false};
};

class Watermark {
 public:
  LogPosition Get() const { return covered_.load(std::memory_order_seq_cst); }
  // Never moves back. Calls the listeners whose parked position it reaches.
  void Raise(LogPosition position);

  void Add(WatermarkListener& listener);
  void Remove(WatermarkListener& listener);
  // Asks for one call of OnLogProgress when the oldest position that was parked since the last call
  // is covered. False: `position` already is, and no call comes for it. By one thread per listener.
  bool Park(WatermarkListener& listener, LogPosition position);
  // One call when NotifyAdmission comes next. The caller looks again whether it is admitted after
  // this, and before it waits.
  void AwaitAdmission(WatermarkListener& listener);
  void NotifyAdmission();

  // Blocks until covered. False: the log was closed before.
  bool Wait(LogPosition position);
  // Lets all who Wait go.
  void Close();

 private:
  void Notify(LogPosition covered);

  std::atomic<LogPosition> covered_{0};
  std::mutex listeners_mutex_;
  std::vector<WatermarkListener*> listeners_;

  std::atomic<LogPosition> oldest_waiter_{UINT64_MAX};
  std::mutex waiters_mutex_;
  std::condition_variable waiters_changed_;
  std::multiset<LogPosition> waiters_;
  bool closed_ = false;
};

}  // namespace holdfast::aof
