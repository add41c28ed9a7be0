#include "holdfast/thread_name.h"

#include <pthread.h>
#include <unistd.h>

#include <string>

namespace holdfast {

void NameThisThread(std::string_view role) {
  constexpr size_t kMostCharacters = 15;
  if (gettid() == getpid()) return;
  std::string name = "hf-";
  name += role.substr(0, kMostCharacters - name.size());
  static_cast<void>(pthread_setname_np(pthread_self(), name.c_str()));
}

}  // namespace holdfast
