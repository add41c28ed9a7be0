#include "server/allocator.h"

#include <fmt/core.h>
#include <sys/prctl.h>
#include <sys/types.h>

#include <cstddef>

// jemalloc's settings for the server, read by it before main() (jemalloc(3), "malloc_conf").
//
// Huge pages: the keyspace is touched at random, and without them a pipelined command spends a
// tenth of its time in page walks (measured: -10% CPU at -P 16 and -P 100, fewer bytes per key, 10
// MB more when empty). What speaks against them in Redis, copy-on-write after fork, does not exist
// here.
//
// The background thread gives freed pages back although no thread allocates any more: memory that
// a burst of large replies took is the machine's again within seconds.
extern "C" const char* const malloc_conf;
extern "C" const char* const malloc_conf = "thp:always,background_thread:true";

// Another allocator (that of a sanitizer) has none.
extern "C" [[gnu::weak]] int mallctl(const char* name, void* old_value, size_t* old_size,
                                     void* new_value, size_t new_size);

namespace holdfast::server {
namespace {

constexpr ssize_t kUnlimitedDecayMs = 10'000;  // jemalloc's default
constexpr ssize_t kLimitedDecayMs = 500;

void SetDecay(ssize_t decay_ms) {
  unsigned arenas = 0;
  size_t size = sizeof(arenas);
  mallctl("arenas.dirty_decay_ms", nullptr, nullptr, &decay_ms, sizeof(decay_ms));
  if (mallctl("arenas.narenas", &arenas, &size, nullptr, 0) != 0) return;
  for (unsigned arena = 0; arena < arenas; ++arena)  // those that there are already
    mallctl(fmt::format("arena.{}.dirty_decay_ms", arena).c_str(), nullptr, nullptr, &decay_ms,
            sizeof(decay_ms));
}

}  // namespace

void FollowMemoryLimit(uint64_t limit_bytes) {
  const bool limited = limit_bytes != 0;
  ::prctl(PR_SET_THP_DISABLE, limited ? 1 : 0, 0, 0, 0);
  if (mallctl != nullptr) SetDecay(limited ? kLimitedDecayMs : kUnlimitedDecayMs);
}

}  // namespace holdfast::server
