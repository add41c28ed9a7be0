// Names of threads, for `top -H`, `perf` and debuggers. Implemented in aof/.
#pragma once

#include <string_view>

namespace holdfast {

// Names the calling thread "hf-<role>", as far as the 15 characters go that Linux keeps. The main
// thread's name is the name of the process: that stays. Any thread; cannot fail.
void NameThisThread(std::string_view role);

}  // namespace holdfast
