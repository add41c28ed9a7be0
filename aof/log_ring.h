// The ring in memory that every mutation enters while it holds the locks of its keys, and that the
// flusher empties into the log. The order of the ring is the order of the log.
//
// Owner: LogWriter. Append may run on any number of threads at once, each with a LogSlot of its
// own; it never waits and never fails: whoever appends was admitted before it took its locks
// (LogWriter::Admits). StableEnd, Gather: one thread at a time, the holder of the flush lock.
// Release: the sync thread.
//
// How a reader knows what is complete without a word per record: a thread stores the tail it saw in
// its slot before it takes its place (fetch_add), and clears the slot after the copy. Whatever lies
// below the tail and below every slot is complete.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <map>
#include <mutex>
#include <span>
#include <string_view>
#include <vector>

#include "aof/request_parser.h"
#include "holdfast/bytes.h"
#include "holdfast/check.h"
#include "holdfast/memory.h"

namespace holdfast::aof {

// A place in the log of this process: bytes of the ring since it was opened, never decreasing. 0 is
// before everything. Big values count nothing here (they do not lie in the ring).
using LogPosition = uint64_t;

// One thread's mark of where it may be writing. From LogRing::BorrowSlot.
struct alignas(64) LogSlot {
  static constexpr LogPosition kIdle = UINT64_MAX;
  std::atomic<LogPosition> from{kIdle};
  std::atomic<bool> borrowed{false};
};

// A piece of a record: bytes to copy, or a block to share (not both).
struct LogPart {
  ByteView bytes;
  CountedBlock* block = nullptr;
};

class LogRing {
 public:
  static constexpr size_t kMaxSlots = 128;
  static constexpr uint64_t kMinBytes = uint64_t{1} << 18;
  // Values of at least this size should enter by reference (LogPart::block).
  static constexpr size_t kReferenceBytes = size_t{64} << 10;

  // `capacity` is rounded down to a power of two, and up to kMinBytes.
  explicit LogRing(uint64_t capacity);
  ~LogRing();
  LogRing(const LogRing&) = delete;
  LogRing& operator=(const LogRing&) = delete;

  // A slot for one thread, or for one call of one. Waits (yielding) while all are out: borrow
  // before taking locks.
  LogSlot& BorrowSlot();
  void ReturnSlot(LogSlot& slot);

  // Copies one whole group in; returns the position behind it. `record` is RESP: 3 bytes or more.
  LogPosition Append(LogSlot& slot, ByteView record) {
    if (!Fits(record.size())) [[unlikely]]
      return AppendInBlock(slot, record);
    return Place(slot, record.size(), [&](LogPosition at) { CopyIn(at, record); });
  }
  // The same for a group of one command, which is encoded in its place: written into a buffer first
  // and copied from there, it would be read back while its stores are still on their way to the
  // cache (a third of the cost of logging a small SET).
  LogPosition AppendRequest(LogSlot& slot, std::span<const std::string_view> args) {
    const size_t bytes = RequestBytes(args);
    if (!Fits(bytes)) [[unlikely]]
      return AppendEncoded(slot, args);
    return Place(slot, bytes, [&](LogPosition at) { EncodeIn(at, bytes, args); });
  }
  // The same for a record with big values in it. The first and the last part are bytes.
  LogPosition Append(LogSlot& slot, std::span<const LogPart> record);

  LogPosition tail() const { return tail_.load(std::memory_order_acquire); }
  LogPosition released() const { return released_.load(std::memory_order_acquire); }
  // Bytes retained: in the ring and by reference.
  uint64_t RetainedBytes() const;
  // Bytes by reference among them.
  uint64_t ReferencedBytes() const { return referenced_bytes_.load(std::memory_order_acquire); }
  // Admission closes when this much is retained,
  uint64_t bound() const { return copy_bound_; }
  // which is when an append ends here or beyond.
  LogPosition full_at() const { return full_at_.load(std::memory_order_relaxed); }
  uint64_t capacity() const { return capacity_; }

  // Everything before it is complete: the longest prefix without holes.
  LogPosition StableEnd() const;
  // The bytes of [from, to), in order, appended to `parts`; valid until Release(to) or beyond.
  // Both are group boundaries in the stable prefix, not released yet.
  void Gather(LogPosition from, LogPosition to, std::vector<ByteView>& parts);
  // Gives up everything before `to`.
  void Release(LogPosition to);

 private:
  // The ring is larger than any cache: without this every record waits for its lines at the next
  // atomic operation, under the shard's lock.
  void PrefetchBehind(LogPosition at, size_t bytes) {
    constexpr size_t kLine = 64;
    constexpr size_t kAhead = 1024;
    for (size_t i = 0; i < bytes + kLine; i += kLine)
      __builtin_prefetch(memory_ + ((at + kAhead + i) & mask_), 1);
  }
  // Whether a record is to be copied in; otherwise it lies in a block of its own.
  bool Fits(size_t bytes) const {
    const LogPosition released = released_.load(std::memory_order_acquire);
    return bytes <= max_copy_ && tail_.load(std::memory_order_relaxed) - released <= copy_bound_;
  }
  template <typename Write>
  LogPosition Place(LogSlot& slot, size_t bytes, Write write) {
    slot.from.store(tail_.load(std::memory_order_relaxed), std::memory_order_release);
    const LogPosition at = tail_.fetch_add(bytes, std::memory_order_acq_rel);
    PrefetchBehind(at, bytes);
    write(at);
    slot.from.store(LogSlot::kIdle, std::memory_order_release);
    return at + bytes;
  }
  void EncodeIn(LogPosition at, size_t bytes, std::span<const std::string_view> args) {
    HF_CHECK(at + bytes - released_.load(std::memory_order_acquire) <= capacity_);
    char* const place = memory_ + (at & mask_);
    if (capacity_ - (at & mask_) < bytes) [[unlikely]]
      return EncodeAround(at, args);
    const char* end = WriteRequest(place, args);
    HF_CHECK(end == place + bytes);
  }
  void CopyIn(LogPosition at, ByteView bytes) {
    // The slack over copy_bound_ is sized so that this holds; see the constructor.
    HF_CHECK(at + bytes.size() - released_.load(std::memory_order_acquire) <= capacity_);
    const uint64_t offset = at & mask_;
    const uint64_t room = capacity_ - offset;
    if (bytes.size() <= room) [[likely]] {
      std::memcpy(memory_ + offset, bytes.data(), bytes.size());
      return;
    }
    std::memcpy(memory_ + offset, bytes.data(), room);
    std::memcpy(memory_, bytes.data() + room, bytes.size() - room);
  }
  void EncodeAround(LogPosition at, std::span<const std::string_view> args);
  LogPosition AppendEncoded(LogSlot& slot, std::span<const std::string_view> args);
  LogPosition AppendInBlock(LogSlot& slot, ByteView record);
  LogPosition AppendCopied(LogSlot& slot, std::span<const LogPart> record, uint64_t copied);
  void Reference(LogPosition at, BlockRef block);
  void UpdateFullAt();
  void GatherRing(LogPosition from, LogPosition to, std::vector<ByteView>& parts) const;

  const uint64_t capacity_;
  const uint64_t mask_;
  const uint64_t copy_bound_;
  const size_t max_copy_;
  char* const memory_;

  alignas(64) std::atomic<LogPosition> tail_{0};
  alignas(64) std::atomic<LogPosition> released_{0};
  std::atomic<LogPosition> full_at_;
  std::atomic<uint64_t> referenced_bytes_{0};
  std::atomic<uint64_t> reference_count_{0};
  std::atomic<size_t> slots_used_{0};  // slots ever borrowed: the ones StableEnd must read
  std::array<LogSlot, kMaxSlots> slots_;

  // Blocks by the position of the ring byte they stand before; always strictly inside a record, so
  // records never share a position. The mutex also orders the writers of full_at_.
  std::mutex references_mutex_;
  std::multimap<LogPosition, BlockRef> references_;
};

}  // namespace holdfast::aof
