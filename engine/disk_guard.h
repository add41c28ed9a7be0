// What stops writes for the sake of the disk, before they take any lock: snapshots that fail
// (Redis's stop-writes-on-bgsave-error), and more data on disk than `max-disk` allows. That the log
// cannot be written is the LogWriter's own matter.
//
// What counts: the files of the log, of the checkpoints and of the live tier; a file that several
// of them share counts once. A look at the disk is taken once a second while there is a limit, so a
// store may pass it by what is written in that time. Spilling, deleting, compacting and snapshots
// go on above it: they need room to make room. With max-disk-policy drop-coldest cold keys are
// deleted then, and what adds data is refused only where that is too slow.
//
// Owned by the Store. StopsWrites, Refusal and the figures: any thread. Follow: whoever changed
// what it goes by. Look: one background thread. None of them fails: what cannot be measured now
// leaves the last figure.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace holdfast {

class Store;

// The bytes of all files below the directories; one that is not there has none. Null: something
// went away in the middle of it.
std::optional<uint64_t> BytesOnDisk(std::span<const std::string> directories);

class DiskGuard {
 public:
  explicit DiskGuard(Store& store) : store_(store) {}

  bool StopsWrites() const { return reasons_.load(std::memory_order_relaxed) != 0; }
  // What a command is told that `writes`, or may let the data grow; empty: it may run.
  std::string_view Refusal(bool writes, bool grows) const;
  uint64_t bytes() const { return bytes_.load(std::memory_order_relaxed); }
  // Over the limit; and by how much.
  bool full() const { return over() != 0; }
  uint64_t over() const { return over_.load(std::memory_order_relaxed); }

  bool Drops() const;  // max-disk-policy drop-coldest
  void Follow();
  void Look();

 private:
  enum Reason : uint8_t { kSnapshotsFail = 1, kNoRoom = 2 };
  void Set(Reason reason, bool holds);
  uint64_t Limit() const;

  Store& store_;
  std::atomic<uint8_t> reasons_{0};
  std::atomic<uint64_t> bytes_{0};
  std::atomic<uint64_t> over_{0};
  bool was_full_ = false;  // the background thread's, like the next
  std::optional<int64_t> looked_ns_;
  std::optional<int64_t> saved_ns_;  // when a snapshot was last asked for
};

}  // namespace holdfast
