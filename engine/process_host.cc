#include "engine/process_host.h"

#include <fmt/core.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <memory>

#include "aof/log_writer.h"
#include "engine/cold_tier.h"
#include "engine/commands/persistence.h"
#include "engine/digest.h"
#include "engine/store.h"

// jemalloc's control interface, if the program is linked with it.
extern "C" [[gnu::weak]] int mallctl(const char* name, void* old_value, size_t* old_size,
                                     void* new_value, size_t new_size);

namespace holdfast {
namespace {

double Seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

rusage Usage(int who) {
  rusage usage{};
  getrusage(who, &usage);
  return usage;
}

uint64_t ResidentBytes() {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen("/proc/self/statm", "r"),
                                                             &std::fclose);
  if (file == nullptr) return 0;
  unsigned long pages = 0;
  if (std::fscanf(file.get(), "%*u %lu", &pages) != 1) return 0;  // NOLINT(cert-err34-c)
  return pages * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

uint64_t PhysicalBytes() {
  return static_cast<uint64_t>(sysconf(_SC_PHYS_PAGES)) *
         static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

std::string Executable() {
  std::array<char, 4096> path;
  const ssize_t length = readlink("/proc/self/exe", path.data(), path.size());
  return length <= 0 ? std::string() : std::string(path.data(), static_cast<size_t>(length));
}

std::string System() {
  utsname name{};
  if (uname(&name) != 0) return {};
  return fmt::format("{} {} {}", name.sysname, name.release, name.machine);
}

uint64_t AllocatorValue(const char* name) {
  size_t value = 0;
  size_t size = sizeof(value);
  return mallctl(name, &value, &size, nullptr, 0) == 0 ? value : 0;
}

}  // namespace

commands::ProcessFigures ProcessHost::Process() {
  const rusage self = Usage(RUSAGE_SELF);
  const rusage children = Usage(RUSAGE_CHILDREN);
  const rusage thread = Usage(RUSAGE_THREAD);
  return {.process_id = getpid(),
          .executable = Executable(),
          .system = System(),
          .compiler = fmt::format("{}.{}.{}", __GNUC__, __GNUC_MINOR__, __GNUC_PATCHLEVEL__),
          .resident_bytes = ResidentBytes(),
          .machine_bytes = PhysicalBytes(),
          .user_seconds = Seconds(self.ru_utime),
          .system_seconds = Seconds(self.ru_stime),
          .child_user_seconds = Seconds(children.ru_utime),
          .child_system_seconds = Seconds(children.ru_stime),
          .thread_user_seconds = Seconds(thread.ru_utime),
          .thread_system_seconds = Seconds(thread.ru_stime)};
}

commands::AllocatorFigures ProcessHost::Allocator() {
  if (mallctl == nullptr) return {};
  uint64_t epoch = 1;  // refreshes the figures
  size_t size = sizeof(epoch);
  mallctl("epoch", &epoch, &size, &epoch, size);
  const char* version = "";
  size_t pointer = sizeof(version);
  mallctl("version", static_cast<void*>(&version), &pointer, nullptr, 0);
  const std::string_view number(version);
  return {.name = fmt::format("jemalloc-{}", number.substr(0, number.find('-'))),
          .allocated = AllocatorValue("stats.allocated"),
          .active = AllocatorValue("stats.active"),
          .resident = AllocatorValue("stats.resident")};
}

commands::StoreMemory ProcessHost::Memory() {
  commands::StoreMemory memory;
  if (const aof::LogWriter* log = store_.log_writer()) {
    memory.log = log->touched_bytes() + log->referenced_bytes();
    const uint64_t ring = log->touched_bytes();
    memory.not_counted = ring - std::min(ring, store_.LogReserve());
  }
  if (const ColdTier* tier = store_.cold_tier()) memory.tier = tier->MemoryBytes();
  store_.clients().ForEach([&](commands::Session& session) {
    memory.clients += sizeof(session) + session.shared.queued_bytes.load(std::memory_order_relaxed);
    if (const commands::ClientConnection* connection = session.connection) {
      memory.clients += connection->OutputBytes() + connection->QueryBufferBytes() +
                        connection->QueryBufferFreeBytes();
    }
  });
  return memory;
}

uint64_t ProcessHost::MemoryAtHand() {
  uint64_t bytes = PhysicalBytes();
  for (const char* path :
       {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"}) {
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path, "r"), &std::fclose);
    unsigned long long limit = 0;
    if (file != nullptr && std::fscanf(file.get(), "%llu", &limit) == 1 &&  // NOLINT(cert-err34-c)
        limit > 0)
      bytes = std::min<uint64_t>(bytes, limit);
  }
  return bytes;
}

void ProcessHost::PurgeAllocator() {
  if (mallctl == nullptr) return;
  constexpr unsigned kAllArenas = 4096;  // MALLCTL_ARENAS_ALL
  mallctl(fmt::format("arena.{}.purge", kAllArenas).c_str(), nullptr, nullptr, nullptr, 0);
}

std::array<uint8_t, 20> ProcessHost::Sha1(std::string_view bytes) { return holdfast::Sha1(bytes); }

}  // namespace holdfast
