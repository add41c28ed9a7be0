// Names of threads, for `top -H`, `perf` and debuggers. Any thread; cannot fail.
#pragma once

#include <pthread.h>
#include <unistd.h>

#include <string>
#include <string_view>

namespace holdfast {

// Names the calling thread "hf-<role>", as far as the 15 characters go that Linux keeps. The main
// thread's name is the name of the process: that stays.
inline void NameThisThread(std::string_view role) {
  constexpr size_t kMostCharacters = 15;
  if (gettid() == getpid()) return;
  std::string name = "hf-";
  name += role.substr(0, kMostCharacters - name.size());
  static_cast<void>(pthread_setname_np(pthread_self(), name.c_str()));
}

}  // namespace holdfast
