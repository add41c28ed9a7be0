// Assertions that stay on. HF_CHECK holds in every build: a broken invariant of a data store must
// stop the process before it writes more. HF_DCHECK is for checks too dear for the hot path.
#pragma once

#include <cstdio>
#include <cstdlib>

namespace holdfast {

[[noreturn]] inline void CheckFailed(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "holdfast: check failed: %s at %s:%d\n", condition, file, line);
  std::abort();
}

}  // namespace holdfast

#define HF_CHECK(condition)                          \
  (__builtin_expect(static_cast<bool>(condition), 1) \
       ? static_cast<void>(0)                        \
       : ::holdfast::CheckFailed(#condition, __FILE__, __LINE__))

#ifdef NDEBUG
#define HF_DCHECK(condition) static_cast<void>(sizeof(static_cast<bool>(condition)))
#else
#define HF_DCHECK(condition) HF_CHECK(condition)
#endif
