// The queue of cold writes (R5 of DESIGN section 6) and the thread that lands them: spilled values,
// images for a snapshot, deletes of tombstones. What was queued is gathered for a moment, lands in
// one piece with no lock held, and is then reported item by item, in its order.
//
// A landing that fails is tried again until it succeeds: nothing is forgotten, and nothing more is
// taken meanwhile (HasRoom), so that memory stays full and writers are held back at its limit. It
// goes on by itself once the disk does.
//
// The queue's memory counts in the budget, as used and as leaving: it goes as soon as it has
// landed. Long values are not copied; they count as long as somebody else counts them.
//
// HasRoom and Queue: any thread, under the shard's lock; short, without a call of the disk. The
// rest: any thread without locks; what may wait says so. Start and Stop: the owner.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "engine/cold_batch.h"
#include "engine/cold_rows.h"
#include "engine/keyspace/cold_store.h"
#include "eviction/memory_budget.h"
#include "holdfast/logger.h"

namespace holdfast {

struct ColdWritesParts {
  ColdRows* rows = nullptr;
  eviction::MemoryBudget* budget = nullptr;
  // What was found before the first write of a key of which nobody knew; and what landed. A few
  // dozen of one shard at a time. Called without locks, by the landing thread.
  std::function<void(std::span<const keyspace::ColdProbed>)> probed;
  std::function<void(std::span<const keyspace::ColdLanded>)> landed;
  std::function<void(const Error&)> damaged;  // a read met damage; may be called so as well
  Logger* logger = nullptr;                   // may be null
  // A batch is gathered for so long, unless there is much of it or somebody is in a hurry.
  std::chrono::milliseconds gather{50};
  std::chrono::milliseconds first_retry{50};
};

struct ColdWritesFigures {
  uint64_t queued_items = 0;  // not landed yet
  uint64_t queued_bytes = 0;  // of memory for them, long values not counted
  uint64_t probed_items = 0;
  uint64_t landed_items = 0;
  uint64_t landed_bytes = 0;  // of keys and values
  uint64_t landings = 0;
  uint64_t failed_landings = 0;
  uint64_t waits_for_compaction = 0;
  uint64_t forgotten_spaces = 0;  // not dropped yet
  bool failing = false;           // the last try failed: `last_error`
  std::string last_error;
};

class ColdWrites {
 public:
  explicit ColdWrites(ColdWritesParts parts);
  ~ColdWrites() { Stop(); }
  ColdWrites(const ColdWrites&) = delete;
  ColdWrites& operator=(const ColdWrites&) = delete;

  void Start();
  // What has not landed is given up, unreported: it is still in memory, and in the log.
  void Stop();

  // ---- under the item's shard's lock
  bool HasRoom(const keyspace::ColdItem& item) const;
  // HasRoom said so, or it is an image of a snapshot's cut, which cannot wait.
  void Queue(keyspace::ColdItem item);
  // Removed from the tier once all that was queued for it has landed, and no hold that was there
  // before forbids it. Any lock may be held.
  void ForgetSpace(keyspace::SpaceId space);

  // ---- no lock held
  // Waits for what is queued no longer than a few milliseconds.
  void Hurry();
  // Until all that was queued before the call has landed and was reported. The error of a landing
  // that failed meanwhile (it is tried again all the same), kUnavailable if Stop came first.
  Status WaitUntilLanded();
  // R9: spaces that are forgotten from now on stay until LetSpacesGo; calls nest.
  void KeepSpaces();
  void LetSpacesGo();
  // True: whoever can choose when to queue more should wait a moment.
  bool Congested() const;
  // The last try to land failed; the next comes by itself.
  bool Failing() const { return failing_.load(std::memory_order_relaxed); }
  ColdWritesFigures Figures() const;

 private:
  // A few queues, so that threads that hold different shards' locks seldom meet. A shard's items
  // are all in one.
  static constexpr size_t kQueues = 8;
  struct alignas(64) ShardsQueue {
    std::mutex mutex;
    ColdBatch batch;
  };

  bool PlentyQueued() const;
  uint64_t ByteBound() const;
  uint64_t BlockBound() const;
  void Wake(std::atomic<bool>& why);
  void Loop();
  void Gather(std::unique_lock<std::mutex>& lock);
  void TakeQueued();
  bool LandTaken();
  bool Probe();
  Status ProbeOnce(std::span<const ColdBatch::Record* const> records,
                   std::vector<keyspace::ColdProbed>& found);
  bool Retry(const std::function<Status()>& step);
  Status LandOnce(const std::vector<snapshot::ColdWrite>& writes);
  void ReportTaken();
  bool Pause(std::chrono::milliseconds time);
  void NoteFailure(const Error& error);
  void NoteSuccess();
  void DropSpaces(std::vector<keyspace::SpaceId> spaces);
  void Count(int64_t bytes);
  void Release(ColdBatch& batch);

  ColdWritesParts parts_;
  std::array<ShardsQueue, kQueues> queues_;
  std::array<ColdBatch, kQueues> taken_;  // the landing thread's

  std::atomic<uint64_t> bytes_{0};  // queued or taken
  std::atomic<uint64_t> block_bytes_{0};
  std::atomic<uint64_t> items_{0};
  std::atomic<bool> failing_{false};
  std::atomic<bool> closed_{true};
  // Why the landing thread should look: something is queued, much is, memory is short. Set once
  // until it has looked.
  std::atomic<bool> armed_{false};
  std::atomic<bool> plenty_{false};
  std::atomic<bool> hurried_{false};

  mutable std::mutex mutex_;  // guards what follows
  std::condition_variable wake_;
  std::condition_variable landed_;
  bool stop_ = false;
  uint64_t waits_wanted_ = 0;  // WaitUntilLanded
  uint64_t waits_done_ = 0;    // those up to here are over
  uint64_t failures_ = 0;
  uint64_t probed_items_ = 0;
  uint64_t landed_items_ = 0;
  uint64_t landed_bytes_ = 0;
  uint64_t landings_ = 0;
  uint64_t congestions_ = 0;
  std::string last_error_;
  int holds_ = 0;
  std::vector<keyspace::SpaceId> forgotten_;
  std::vector<keyspace::SpaceId> held_;  // forgotten since the first hold
  std::thread thread_;
};

}  // namespace holdfast
