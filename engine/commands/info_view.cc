#include "engine/commands/info_view.h"

#include <fmt/core.h>

#include <algorithm>

#include "engine/commands/clients.h"

namespace holdfast::commands {
namespace {

void CollectClients(Services& services, InfoView& view) {
  view.clients = services.clients->count();
  services.clients->ForEach([&](Session& session) {
    if (session.shared.blocked.load(std::memory_order_relaxed)) ++view.blocked_clients;
    if (session.connection == nullptr) return;
    view.biggest_input = std::max(view.biggest_input, session.connection->QueryBufferBytes());
    view.biggest_output = std::max(view.biggest_output, session.connection->OutputBytes());
  });
}

}  // namespace

InfoView CollectInfo(CommandContext& ctx) {
  Services& services = ctx.services;
  InfoView view;
  view.services = &services;
  view.now_ms = ctx.now_ms;
  if (services.host != nullptr) {
    view.process = services.host->Process();
    view.allocator = services.host->Allocator();
    view.store_memory = services.host->Memory();
  }
  if (services.persistence != nullptr) {
    view.log = services.persistence->Log();
    view.load = services.persistence->Load();
  }
  view.totals = services.statistics->Sum();
  view.rates = services.statistics->RatesNow();
  view.over_limit = services.statistics->OverLimitAt(services.clock->MonotonicNs());
  // Figures, not data: they do not wait for the log, or INFO would not answer while the disk is
  // dead.
  const bool visited = ctx.locks.visited();
  view.counters = services.keyspace->Counters(ctx.locks);
  for (int database = 0; database < services.keyspace->databases(); ++database)
    view.databases.push_back(services.keyspace->SizeOf(ctx.locks, database));
  view.keyspace_bytes = services.keyspace->AllocatedBytes(ctx.locks);
  view.policy_bytes = services.keyspace->PolicyBytes(ctx.locks);
  ctx.locks.set_visited(visited);
  view.used_bytes = view.keyspace_bytes + view.policy_bytes + TotalBytes(view.store_memory);
  view.peak_bytes = services.statistics->NoteMemory(view.used_bytes);
  CollectClients(services, view);
  return view;
}

void CollectAverageTtls(CommandContext& ctx, InfoView& view) {
  view.average_ttls_ms.assign(view.databases.size(), 0);
  for (size_t i = 0; i < view.databases.size(); ++i) {
    if (view.databases[i].expiring == 0) continue;
    view.average_ttls_ms[i] =
        ctx.services.keyspace->AverageTtlMs(ctx.locks, static_cast<int>(i), ctx.now_ms);
  }
}

uint64_t UsedBytes(Services& services, keyspace::LockedShards& locks) {
  uint64_t bytes = services.keyspace->AllocatedBytes(locks) + services.keyspace->PolicyBytes(locks);
  if (services.host != nullptr) {
    const StoreMemory memory = services.host->Memory();
    bytes += TotalBytes(memory);
  }
  services.statistics->NoteMemory(bytes);
  return bytes;
}

uint64_t MemoryLimit(const Services& services) {
  const eviction::MemoryBudget& budget = services.keyspace->budget();
  return budget.limited() ? budget.limit() : 0;
}

std::string HumanBytes(uint64_t bytes) {
  if (bytes < 1024) return fmt::format("{}B", bytes);
  double value = static_cast<double>(bytes);
  size_t unit = 0;
  constexpr std::string_view kUnits = "BKMGTP";
  while (value >= 1024 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  return fmt::format("{:.2f}{}", value, kUnits[unit]);
}

double Ratio(uint64_t part, uint64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

}  // namespace holdfast::commands
