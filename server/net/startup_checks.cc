#include "server/net/startup_checks.h"

#include <fmt/core.h>
#include <sys/resource.h>

#include <algorithm>
#include <fstream>

namespace holdfast::server {
namespace {

constexpr rlim_t kOwnFiles = 64;  // logs, listeners, epoll sets, RocksDB later
constexpr uint64_t kLittleDiskBytes = uint64_t{1} << 30;

std::string FirstLine(const char* path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

}  // namespace

std::vector<std::string> AdjustFileLimit(config::Config& config) {
  const auto clients = static_cast<rlim_t>(config.Integer("maxclients"));
  const rlim_t wanted = clients + kOwnFiles;
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return {"the limit of open files is not known"};
  if (limit.rlim_cur >= wanted) return {};
  rlimit raised{.rlim_cur = wanted, .rlim_max = std::max(limit.rlim_max, wanted)};
  if (::setrlimit(RLIMIT_NOFILE, &raised) == 0) return {};
  raised = {.rlim_cur = std::min(wanted, limit.rlim_max), .rlim_max = limit.rlim_max};
  if (::setrlimit(RLIMIT_NOFILE, &raised) == 0 && raised.rlim_cur >= wanted) return {};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  const rlim_t possible = limit.rlim_cur > kOwnFiles ? limit.rlim_cur - kOwnFiles : 1;
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
  const bool spills =
      config.Enum<config::EvictionAction>("eviction-action") == config::EvictionAction::kSpill;
  if (!config.Bool("appendonly") && !spills) return findings;
  const auto free_bytes = file_system.FreeBytes(config.Text("dir"));
  if (free_bytes && *free_bytes < kLittleDiskBytes) {
    findings.push_back(fmt::format("only {} MiB are free in {}: writes will soon be refused",
                                   *free_bytes >> 20, config.Text("dir")));
  }
  return findings;
}

}  // namespace holdfast::server
