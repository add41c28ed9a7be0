// The figures that INFO and MEMORY show, collected once per command. Plain values: the sections
// only format them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/commands/context.h"
#include "engine/commands/host.h"
#include "engine/commands/persistence.h"
#include "engine/commands/statistics.h"

namespace holdfast::commands {

struct InfoView {
  Services* services = nullptr;
  UnixMs now_ms = 0;
  ProcessFigures process;
  AllocatorFigures allocator;
  StoreMemory store_memory;
  LogFigures log;
  LoadFigures load;
  Statistics::Totals totals;
  Statistics::Rates rates;
  Statistics::OverLimit over_limit;
  keyspace::ShardCounters counters;
  std::vector<keyspace::Keyspace::DatabaseSize> databases;
  std::vector<int64_t> average_ttls_ms;  // by database; only for INFO's Keyspace section
  uint64_t keyspace_bytes = 0;
  uint64_t policy_bytes = 0;  // what eviction remembers of keys that it took
  uint64_t used_bytes = 0;
  uint64_t peak_bytes = 0;
  size_t clients = 0;
  size_t blocked_clients = 0;
  uint64_t biggest_input = 0;
  uint64_t biggest_output = 0;

  uint64_t keys() const {
    uint64_t sum = 0;
    for (const auto& database : databases) sum += database.keys;
    return sum;
  }
  // Of what is not keys: buffers.
  uint64_t overhead_bytes() const { return used_bytes - keyspace_bytes; }
  // Resident bytes by used bytes; 0 if one is unknown.
  double fragmentation() const {
    return used_bytes == 0
               ? 0
               : static_cast<double>(process.resident_bytes) / static_cast<double>(used_bytes);
  }
};

// Locks each shard in turn, unless the command holds it already.
InfoView CollectInfo(CommandContext& ctx);
// Fills in average_ttls_ms. The same about locks.
void CollectAverageTtls(CommandContext& ctx, InfoView& view);
// used_memory; notes the peak. The same about locks.
uint64_t UsedBytes(Services& services, keyspace::LockedShards& locks);

// maxmemory in bytes; 0: none.
uint64_t MemoryLimit(const Services& services);

// "12.34M", as Redis shows sizes to people.
std::string HumanBytes(uint64_t bytes);
double Ratio(uint64_t part, uint64_t whole);  // 0 if there is no whole
inline int64_t Difference(uint64_t a, uint64_t b) {
  return static_cast<int64_t>(a) - static_cast<int64_t>(b);
}

}  // namespace holdfast::commands
