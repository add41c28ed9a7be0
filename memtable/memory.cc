#include "holdfast/memory.h"

#include <malloc.h>

#include <cstdlib>
#include <new>

// jemalloc's sized entry points, if the program is linked with it: a size is then computed instead
// of looked up from the block's address, and a free does not look it up either. Sanitizers put
// their own malloc in place, which must see every call.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#if defined(__has_feature)
#if !__has_feature(address_sanitizer) && !__has_feature(thread_sanitizer) && \
    !__has_feature(memory_sanitizer)
#define HF_SIZED_MALLOC 1
#endif
#else
#define HF_SIZED_MALLOC 1
#endif
#endif

#ifdef HF_SIZED_MALLOC
extern "C" {
[[gnu::weak]] void* mallocx(size_t size, int flags);
[[gnu::weak]] size_t nallocx(size_t size, int flags);
[[gnu::weak]] void sdallocx(void* block, size_t size, int flags);
}
#endif

namespace holdfast {
namespace {

constexpr size_t kLineBytes = 64;
constexpr int kAlignLine = 6;  // MALLOCX_LG_ALIGN(6): the exponent itself

#ifdef HF_SIZED_MALLOC
inline bool Sized() { return mallocx != nullptr && nallocx != nullptr && sdallocx != nullptr; }
inline void* SizedAllocate(size_t bytes, int flags) { return mallocx(bytes, flags); }
inline size_t SizedUsable(size_t bytes, int flags) { return nallocx(bytes, flags); }
inline void SizedFree(void* block, size_t bytes, int flags) { sdallocx(block, bytes, flags); }
#else
inline bool Sized() { return false; }
inline void* SizedAllocate(size_t, int) { return nullptr; }
inline size_t SizedUsable(size_t, int) { return 0; }
inline void SizedFree(void*, size_t, int) {}
#endif

inline size_t LookUpSize(const void* block) {
  return malloc_usable_size(const_cast<void*>(block));  // NOLINT: it only reads
}

}  // namespace

void* Allocate(size_t bytes) {
  HF_CHECK(bytes > 0);
  void* block = Sized() ? SizedAllocate(bytes, 0) : std::malloc(bytes);
  HF_CHECK(block != nullptr);
  return block;
}

size_t UsableSize(const void* block, size_t bytes) {
  return Sized() ? SizedUsable(bytes, 0) : LookUpSize(block);
}

void Free(void* block, size_t bytes) {
  if (Sized()) {
    SizedFree(block, bytes, 0);
  } else {
    std::free(block);
  }
}

bool FitsInPlace(const void* block, size_t bytes, size_t wanted) {
  if (bytes == wanted) return true;
  // A sized free needs the size class to stay what it was; it bounds the waste too.
  if (Sized()) return SizedUsable(bytes, 0) == SizedUsable(wanted, 0);
  const size_t usable = LookUpSize(block);
  return wanted <= usable && usable - wanted <= usable / 4;
}

void* AllocateLines(size_t bytes) {
  HF_CHECK(bytes > 0 && bytes % kLineBytes == 0);
  void* block = Sized() ? SizedAllocate(bytes, kAlignLine) : std::aligned_alloc(kLineBytes, bytes);
  HF_CHECK(block != nullptr);
  return block;
}

size_t UsableLines(const void* block, size_t bytes) {
  return Sized() ? SizedUsable(bytes, kAlignLine) : LookUpSize(block);
}

void FreeLines(void* block, size_t bytes) {
  if (Sized()) {
    SizedFree(block, bytes, kAlignLine);
  } else {
    std::free(block);
  }
}

CountedBlock* CountedBlock::Create(uint64_t capacity) {
  HF_CHECK(capacity < (uint64_t{1} << 48));
  auto* block = new (Allocate(sizeof(CountedBlock) + capacity)) CountedBlock;
  block->references.store(1, std::memory_order_relaxed);
  block->reserved = 0;
  block->size = 0;
  block->capacity = capacity;
  return block;
}

size_t CountedBlock::AllocatedBytes() const {
  return UsableSize(this, sizeof(CountedBlock) + capacity);
}

void BlockRef::Reset() {
  CountedBlock* block = std::exchange(block_, nullptr);
  if (block == nullptr) return;
  const uint32_t before = block->references.fetch_sub(1, std::memory_order_acq_rel);
  HF_CHECK(before > 0);
  if (before > 1) return;
  HF_CHECK(block->size <= block->capacity);
  const size_t bytes = sizeof(CountedBlock) + block->capacity;
  block->~CountedBlock();
  Free(block, bytes);
}

}  // namespace holdfast
