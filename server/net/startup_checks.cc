#include "server/net/startup_checks.h"

#include <fmt/core.h>
#include <sys/resource.h>

#include <algorithm>
#include <fstream>

namespace holdfast::server {
namespace {

constexpr rlim_t kOwnFiles = 64;  // logs, listeners, epoll sets
// The cold tier keeps its tables open, one for each 32 MB: so many must be possible, and so many
// should be, if the machine allows it.
constexpr rlim_t kLeastTierFiles = 256;
constexpr rlim_t kMostTierFiles = 16384;
constexpr uint64_t kLittleDiskBytes = uint64_t{1} << 30;

bool Spills(const config::Config& config) {
  return config.Enum<config::EvictionAction>("eviction-action") == config::EvictionAction::kSpill;
}

std::string FirstLine(const char* path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

}  // namespace

std::vector<std::string> AdjustFileLimit(config::Config& config) {
  const auto clients = static_cast<rlim_t>(config.Integer("maxclients"));
  const rlim_t own = kOwnFiles + (Spills(config) ? kLeastTierFiles : 0);
  const rlim_t wanted = clients + own;
  const rlim_t best = wanted + (Spills(config) ? kMostTierFiles - kLeastTierFiles : 0);
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return {"the limit of open files is not known"};
  if (limit.rlim_cur >= best) return {};
  rlimit raised{.rlim_cur = best, .rlim_max = std::max(limit.rlim_max, best)};
  if (::setrlimit(RLIMIT_NOFILE, &raised) == 0) return {};
  raised = {.rlim_cur = std::min(best, limit.rlim_max), .rlim_max = limit.rlim_max};
  if (::setrlimit(RLIMIT_NOFILE, &raised) == 0 && raised.rlim_cur >= wanted) return {};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_cur >= wanted) return {};
  const rlim_t possible = limit.rlim_cur > own ? limit.rlim_cur - own : 1;
  const std::string words[] = {std::to_string(possible)};
  static_cast<void>(config.SetAtStart("maxclients", words));
  return {
      fmt::format("maxclients lowered from {} to {}: the limit of open files is {}; raise it "
                  "with 'ulimit -n {}'",
                  clients, possible, limit.rlim_cur, wanted)};
}

std::vector<std::string> CheckMachine(const config::Config& config, FileSystem& file_system) {
  std::vector<std::string> findings;
  if (FirstLine("/proc/sys/vm/overcommit_memory") == "2") {
    findings.push_back(
        "vm.overcommit_memory is 2: allocations may fail although memory is free; 'sysctl "
        "vm.overcommit_memory=1' avoids that");
  }
  if (FirstLine("/sys/kernel/mm/transparent_hugepage/enabled").find("[always]") !=
      std::string::npos) {
    findings.push_back(
        "transparent huge pages are always on: latency and memory use suffer; 'echo madvise > "
        "/sys/kernel/mm/transparent_hugepage/enabled' as root mends it");
  }
  if (!config.Bool("appendonly") && !Spills(config)) return findings;
  const auto free_bytes = file_system.FreeBytes(config.Text("dir"));
  if (free_bytes && *free_bytes < kLittleDiskBytes) {
    findings.push_back(fmt::format("only {} MiB are free in {}: writes will soon be refused",
                                   *free_bytes >> 20, config.Text("dir")));
  }
  return findings;
}

}  // namespace holdfast::server
