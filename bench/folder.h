// What benches of the disk share: a folder that goes with them, and how long a CPU worked.
#pragma once

#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <string>

namespace holdfast::bench {

class Folder {
 public:
  Folder() {
    std::string name = std::filesystem::temp_directory_path() / "holdfast-bench-XXXXXX";
    path_ = ::mkdtemp(name.data());
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  std::string tier() const { return path_ + "/tier"; }

 private:
  std::string path_;
};

inline double CpuSeconds(clockid_t clock) {
  timespec time{};
  ::clock_gettime(clock, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

}  // namespace holdfast::bench
