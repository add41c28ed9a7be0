// What INFO, MEMORY and DEBUG ask of the process that the store lives in. The engine implements it
// (engine/process_host.h); without one the figures are zero. Any thread.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace holdfast::commands {

struct ProcessFigures {
  int64_t process_id = 0;
  std::string executable;
  std::string system;    // "Linux 6.1.0 x86_64"
  std::string compiler;  // "12.2.0"
  uint64_t resident_bytes = 0;
  uint64_t machine_bytes = 0;
  double user_seconds = 0;
  double system_seconds = 0;
  double child_user_seconds = 0;
  double child_system_seconds = 0;
  double thread_user_seconds = 0;  // of the thread that asks
  double thread_system_seconds = 0;
};

struct AllocatorFigures {
  std::string name = "libc";
  uint64_t allocated = 0;  // zero: the allocator does not say
  uint64_t active = 0;
  uint64_t resident = 0;
};

// Bytes that the store holds beside its keys.
struct StoreMemory {
  uint64_t log = 0;      // the log's ring, as far as it was ever used, and values beside it
  uint64_t clients = 0;  // buffers of connections
  uint64_t tier = 0;     // filters and indexes of the cold tier, what is on its way to it
  // Of the log's ring, if it was opened for a larger budget than the present one.
  uint64_t not_counted = 0;
};

// In used_memory.
inline uint64_t TotalBytes(const StoreMemory& memory) {
  return memory.log + memory.clients + memory.tier;
}

class Host {
 public:
  virtual ~Host() = default;
  virtual ProcessFigures Process() = 0;
  virtual AllocatorFigures Allocator() = 0;
  virtual StoreMemory Memory() = 0;
  // Asks the allocator to give free pages back to the system.
  virtual void PurgeAllocator() = 0;
  virtual std::array<uint8_t, 20> Sha1(std::string_view bytes) = 0;
};

}  // namespace holdfast::commands
