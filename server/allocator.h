// How memory is asked of the machine and given back, by the limit that the store has. Called by
// main before other threads start, and by CONFIG SET on any thread; cannot fail: where the kernel
// or the allocator knows no such setting, all stays as it is.
#pragma once

#include <cstdint>

namespace holdfast::server {

// With a limit of so many bytes (0: none) resident memory is to follow what is used: no huge pages,
// which stay resident for a few bytes in them and grow again round holes, and freed pages go back
// within half a second instead of ten. Measured with a limit of 64 MB and a cold tier at work: 108
// MB resident instead of 169. Without a limit huge pages are worth a tenth of the time at -P 100.
void FollowMemoryLimit(uint64_t limit_bytes);

}  // namespace holdfast::server
