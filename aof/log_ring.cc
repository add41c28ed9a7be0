#include "aof/log_ring.h"

#include <algorithm>
#include <bit>
#include <string>
#include <thread>

namespace holdfast::aof {
namespace {

BlockRef CopyToBlock(ByteView bytes) {
  CountedBlock* block = CountedBlock::Create(bytes.size());
  std::memcpy(block->data(), bytes.data(), bytes.size());
  block->size = bytes.size();
  return BlockRef::Adopt(block);
}

}  // namespace

// Three quarters are for records that are copied, which is also where admission closes. Threads
// that were admitted just before go on: each of kMaxSlots may pass the check against copy_bound_ at
// the same moment and copy at most max_copy_, together one eighth. Records after that leave two
// bytes in the ring and lie in blocks of their own; the last eighth has room for capacity / 16 of
// them.
LogRing::LogRing(uint64_t capacity)
    : capacity_(std::bit_floor(std::max(capacity, kMinBytes))),
      mask_(capacity_ - 1),
      copy_bound_(capacity_ / 4 * 3),
      max_copy_(std::min<uint64_t>(kReferenceBytes, capacity_ / 8 / kMaxSlots)),
      memory_(static_cast<char*>(Allocate(capacity_))),
      full_at_(copy_bound_) {
  HF_CHECK(std::has_single_bit(capacity_));
  HF_CHECK(copy_bound_ + max_copy_ * kMaxSlots < capacity_);
}

LogRing::~LogRing() { Free(memory_, capacity_); }

LogSlot& LogRing::BorrowSlot() {
  // A different first try per thread, so that borrowing per call meets little contention.
  static thread_local const char kThreadMark = 0;
  const size_t start = (reinterpret_cast<uintptr_t>(&kThreadMark) * 0x9e3779b97f4a7c15ULL) >> 61;
  for (;;) {
    for (size_t i = 0; i < kMaxSlots; ++i) {
      const size_t index = (start + i) % kMaxSlots;
      LogSlot& slot = slots_[index];
      if (slot.borrowed.load(std::memory_order_relaxed) ||
          slot.borrowed.exchange(true, std::memory_order_acquire)) {
        continue;
      }
      size_t used = slots_used_.load(std::memory_order_relaxed);
      while (used < index + 1 &&
             !slots_used_.compare_exchange_weak(used, index + 1, std::memory_order_acq_rel)) {
      }
      HF_CHECK(slot.from.load(std::memory_order_relaxed) == LogSlot::kIdle);
      return slot;
    }
    std::this_thread::yield();
  }
}

void LogRing::ReturnSlot(LogSlot& slot) {
  HF_CHECK(&slot >= slots_.data() && &slot < slots_.data() + kMaxSlots);
  HF_CHECK(slot.from.load(std::memory_order_relaxed) == LogSlot::kIdle);
  slot.borrowed.store(false, std::memory_order_release);
}

void LogRing::EncodeAround(LogPosition at, std::span<const std::string_view> args) {
  std::string record;
  aof::AppendRequest(record, args);
  CopyIn(at, record);
}

LogPosition LogRing::AppendEncoded(LogSlot& slot, std::span<const std::string_view> args) {
  std::string record;
  aof::AppendRequest(record, args);
  return AppendInBlock(slot, record);
}

LogPosition LogRing::AppendInBlock(LogSlot& slot, ByteView record) {
  HF_CHECK(record.size() >= 3);
  const BlockRef block = CopyToBlock(record.substr(1, record.size() - 2));
  const LogPart parts[] = {{.bytes = record.substr(0, 1)},
                           {.bytes = {}, .block = block.get()},
                           {.bytes = record.substr(record.size() - 1)}};
  return AppendCopied(slot, parts, 2);
}

LogPosition LogRing::Append(LogSlot& slot, std::span<const LogPart> record) {
  HF_CHECK(!record.empty() && !record.front().bytes.empty() && !record.back().bytes.empty());
  uint64_t copied = 0;
  for (const LogPart& part : record) {
    HF_CHECK(part.block == nullptr || part.bytes.empty());
    copied += part.bytes.size();
  }
  const LogPosition released = released_.load(std::memory_order_acquire);
  const LogPosition seen = tail_.load(std::memory_order_relaxed);
  if (copied <= max_copy_ && seen - released <= copy_bound_) {
    return AppendCopied(slot, record, copied);
  }
  // Too much to copy: the inner bytes move to blocks; the first and last byte stay in the ring.
  std::vector<BlockRef> blocks;
  std::vector<LogPart> parts = {{.bytes = record.front().bytes.substr(0, 1)}};
  for (size_t i = 0; i < record.size(); ++i) {
    if (record[i].block != nullptr) {
      parts.push_back(record[i]);
      continue;
    }
    ByteView bytes = record[i].bytes;
    if (i == 0) bytes.remove_prefix(1);
    if (i + 1 == record.size()) {
      HF_CHECK(!bytes.empty());  // a record of one part has at least 3 bytes
      bytes.remove_suffix(1);
    }
    if (bytes.empty()) continue;
    blocks.push_back(CopyToBlock(bytes));
    parts.push_back({.bytes = {}, .block = blocks.back().get()});
  }
  parts.push_back({.bytes = record.back().bytes.substr(record.back().bytes.size() - 1)});
  return AppendCopied(slot, parts, 2);
}

LogPosition LogRing::AppendCopied(LogSlot& slot, std::span<const LogPart> record, uint64_t copied) {
  HF_CHECK(copied <= max_copy_ && copied >= 2);
  slot.from.store(tail_.load(std::memory_order_relaxed), std::memory_order_release);
  const LogPosition begin = tail_.fetch_add(copied, std::memory_order_acq_rel);
  LogPosition at = begin;
  for (const LogPart& part : record) {
    if (part.block != nullptr) {
      HF_CHECK(at > begin && at < begin + copied);
      Reference(at, BlockRef::Share(part.block));
      continue;
    }
    CopyIn(at, part.bytes);
    at += part.bytes.size();
  }
  HF_CHECK(at == begin + copied);
  slot.from.store(LogSlot::kIdle, std::memory_order_release);
  return at;
}

void LogRing::Reference(LogPosition at, BlockRef block) {
  referenced_bytes_.fetch_add(block->size, std::memory_order_acq_rel);
  const std::lock_guard lock(references_mutex_);
  references_.emplace(at, std::move(block));
  reference_count_.fetch_add(1, std::memory_order_acq_rel);
  UpdateFullAt();
}

void LogRing::UpdateFullAt() {
  const uint64_t referenced = referenced_bytes_.load(std::memory_order_acquire);
  full_at_.store(
      released_.load(std::memory_order_acquire) + copy_bound_ - std::min(referenced, copy_bound_),
      std::memory_order_relaxed);
}

uint64_t LogRing::RetainedBytes() const {
  // In this order the difference cannot be negative.
  const LogPosition released = released_.load(std::memory_order_acquire);
  return tail_.load(std::memory_order_acquire) - released +
         referenced_bytes_.load(std::memory_order_acquire);
}

LogPosition LogRing::StableEnd() const {
  LogPosition end = tail_.load(std::memory_order_acquire);
  const size_t used = slots_used_.load(std::memory_order_acquire);
  for (size_t i = 0; i < used; ++i) {
    end = std::min(end, slots_[i].from.load(std::memory_order_acquire));
  }
  return end;
}

void LogRing::GatherRing(LogPosition from, LogPosition to, std::vector<ByteView>& parts) const {
  HF_CHECK(from <= to && to - from <= capacity_);
  if (from == to) return;
  const uint64_t offset = from & mask_;
  const uint64_t first = std::min(to - from, capacity_ - offset);
  parts.emplace_back(memory_ + offset, first);
  if (first < to - from) parts.emplace_back(memory_, to - from - first);
}

void LogRing::Gather(LogPosition from, LogPosition to, std::vector<ByteView>& parts) {
  HF_CHECK(from >= released_.load(std::memory_order_acquire));
  HF_CHECK(to <= tail_.load(std::memory_order_acquire));
  if (reference_count_.load(std::memory_order_acquire) != 0) {
    const std::lock_guard lock(references_mutex_);
    for (auto at = references_.lower_bound(from); at != references_.end() && at->first < to; ++at) {
      GatherRing(from, at->first, parts);
      from = at->first;
      if (at->second->size != 0) parts.push_back(at->second->view());
    }
  }
  GatherRing(from, to, parts);
}

void LogRing::Release(LogPosition to) {
  HF_CHECK(to >= released_.load(std::memory_order_relaxed));
  HF_CHECK(to <= tail_.load(std::memory_order_acquire));
  // The blocks are freed outside the mutex: an appender under a shard lock may want it.
  std::multimap<LogPosition, BlockRef> gone;
  const std::lock_guard lock(references_mutex_);
  uint64_t bytes = 0;
  while (!references_.empty() && references_.begin()->first < to) {
    bytes += references_.begin()->second->size;
    gone.insert(gone.end(), references_.extract(references_.begin()));
  }
  referenced_bytes_.fetch_sub(bytes, std::memory_order_acq_rel);
  reference_count_.fetch_sub(gone.size(), std::memory_order_acq_rel);
  released_.store(to, std::memory_order_release);
  UpdateFullAt();
}

}  // namespace holdfast::aof
