// The one allocation function of the library and the counted block.
//
// Bytes are counted as the allocator hands them out, not as asked for: used_memory is a promise
// about the machine. The library uses the host program's malloc; when that is jemalloc (the server
// links it), its sized entry points are found at link time and used instead of looking sizes up.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

#include "holdfast/check.h"

namespace holdfast {

// What the allocator handed out for `block`, of which `bytes` are in use.
size_t UsableSize(const void* block, size_t bytes);
// Never null: an allocation failure ends the process (HF_CHECK), as in Redis.
void* Allocate(size_t bytes);
// `bytes` is what Allocate was asked for, or what FitsInPlace has allowed since.
void Free(void* block, size_t bytes);
// Whether the block, of which `bytes` are in use, can hold `wanted` bytes without being moved and
// without wasting much more than a new one would.
bool FitsInPlace(const void* block, size_t bytes, size_t wanted);

// The same for blocks that begin on a cache line (64 bytes). `bytes` is a multiple of 64.
void* AllocateLines(size_t bytes);
size_t UsableLines(const void* block, size_t bytes);
void FreeLines(void* block, size_t bytes);

// An immutable-when-shared run of bytes with a reference count. The log, a reply under way and a
// snapshot hold references to big values instead of copying them under a lock. Whoever holds the
// only reference may change it.
struct CountedBlock {
  std::atomic<uint32_t> references;
  uint32_t reserved;
  uint64_t size;      // bytes in use
  uint64_t capacity;  // bytes that fit

  char* data() { return reinterpret_cast<char*>(this + 1); }
  std::string_view view() const { return {reinterpret_cast<const char*>(this + 1), size}; }
  // Bytes the allocator handed out for this block.
  size_t AllocatedBytes() const;

  // A block with one reference, size 0 and room for `capacity` bytes.
  static CountedBlock* Create(uint64_t capacity);
  bool Shared() const { return references.load(std::memory_order_acquire) > 1; }
};

// Owning reference. Copying counts up; the last one out frees the block.
class BlockRef {
 public:
  BlockRef() = default;
  // Takes over one reference.
  static BlockRef Adopt(CountedBlock* block) {
    BlockRef ref;
    ref.block_ = block;
    return ref;
  }
  static BlockRef Share(CountedBlock* block) {
    block->references.fetch_add(1, std::memory_order_relaxed);
    return Adopt(block);
  }
  BlockRef(const BlockRef& other) : block_(other.block_) {
    if (block_ != nullptr) block_->references.fetch_add(1, std::memory_order_relaxed);
  }
  BlockRef(BlockRef&& other) noexcept : block_(std::exchange(other.block_, nullptr)) {}
  BlockRef& operator=(BlockRef other) noexcept {
    std::swap(block_, other.block_);
    return *this;
  }
  ~BlockRef() { Reset(); }
  void Reset();
  // Gives the reference up to the caller.
  CountedBlock* Release() { return std::exchange(block_, nullptr); }
  CountedBlock* get() const { return block_; }
  CountedBlock* operator->() const { return block_; }
  explicit operator bool() const { return block_ != nullptr; }

 private:
  CountedBlock* block_ = nullptr;
};

}  // namespace holdfast
