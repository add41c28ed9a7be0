// MEMORY.
#include <fmt/format.h>

#include <algorithm>
#include <climits>
#include <iterator>

#include "engine/commands/arguments.h"
#include "engine/commands/info_view.h"
#include "engine/commands/server_handlers.h"
#include "engine/config/config.h"

namespace holdfast::commands {
namespace {

struct Figure {
  std::string_view name;
  double value;
  bool fraction = false;  // shown as a double
};

std::vector<Figure> Figures(const InfoView& v) {
  const auto whole = [](uint64_t value) { return static_cast<double>(value); };
  const AllocatorFigures& allocator = v.allocator;
  const uint64_t resident = v.process.resident_bytes;
  return {
      {"peak.allocated", whole(v.peak_bytes)},
      {"total.allocated", whole(v.used_bytes)},
      {"startup.allocated", 0},
      {"replication.backlog", 0},
      {"clients.slaves", 0},
      {"clients.normal", whole(v.store_memory.clients)},
      {"cluster.links", 0},
      {"aof.buffer", whole(v.log.pending_bytes)},
      {"lua.caches", 0},
      {"functions.caches", 0},
      {"overhead.total", whole(v.overhead_bytes())},
      {"keys.count", whole(v.keys())},
      {"keys.bytes-per-key", whole(v.keyspace_bytes / std::max<uint64_t>(1, v.keys()))},
      {"dataset.bytes", whole(v.keyspace_bytes)},
      {"dataset.percentage", Ratio(v.keyspace_bytes, v.used_bytes) * 100, true},
      {"peak.percentage", Ratio(v.used_bytes, v.peak_bytes) * 100, true},
      {"allocator.allocated", whole(allocator.allocated)},
      {"allocator.active", whole(allocator.active)},
      {"allocator.resident", whole(allocator.resident)},
      {"allocator-fragmentation.ratio", Ratio(allocator.active, allocator.allocated), true},
      {"allocator-fragmentation.bytes", whole(allocator.active) - whole(allocator.allocated)},
      {"allocator-rss.ratio", Ratio(allocator.resident, allocator.active), true},
      {"allocator-rss.bytes", whole(allocator.resident) - whole(allocator.active)},
      {"rss-overhead.ratio", Ratio(resident, allocator.resident), true},
      {"rss-overhead.bytes", whole(resident) - whole(allocator.resident)},
      {"fragmentation", v.fragmentation(), true},
      {"fragmentation.bytes", whole(resident) - whole(v.used_bytes)},
  };
}

// What would make a person look closer, one sentence each.
std::vector<std::string> Findings(const InfoView& v) {
  std::vector<std::string> findings;
  const uint64_t limit = MemoryLimit(*v.services);
  if (Ratio(v.peak_bytes, v.used_bytes) > 1.5) {
    findings.push_back(fmt::format(
        "Peak: {} were in use once, {} are now. The allocator may hold the difference for reuse; "
        "MEMORY PURGE gives it back.",
        HumanBytes(v.peak_bytes), HumanBytes(v.used_bytes)));
  }
  if (Ratio(v.allocator.active, v.allocator.allocated) > 1.4 &&
      v.allocator.active - v.allocator.allocated > 10u << 20) {
    findings.push_back("Fragmentation: the allocator's pages are not well filled.");
  }
  if (v.clients > 0 && v.store_memory.clients / v.clients > 200'000) {
    findings.push_back(
        "Clients: their buffers are large (over 200 kB on average). CLIENT LIST shows whose.");
  }
  if (limit > 0 && v.used_bytes > limit / 10 * 9) {
    findings.push_back(fmt::format("Budget: {} of maxmemory's {} are in use.",
                                   HumanBytes(v.used_bytes), HumanBytes(limit)));
  }
  return findings;
}

}  // namespace

void MemoryUsage(CommandContext& ctx) {
  for (size_t i = 3; i < ctx.args.size(); i += 2) {
    if (!IsToken(ctx.args[i], "samples") || i + 1 == ctx.args.size())
      return ctx.reply.Error(errors::kSyntax);
    const auto samples = IntegerArgument(ctx, i + 1);
    if (!samples) return;
    if (*samples < 0) return ctx.reply.Error(errors::kSyntax);
  }
  const memtable::Entry* entry = ctx.access.Peek(ctx.keys[0]);
  if (entry == nullptr) return ctx.reply.Null();
  ctx.reply.Integer(static_cast<int64_t>(entry->AllocatedBytes()));
}

void MemoryStats(CommandContext& ctx) {
  const std::vector<Figure> figures = Figures(CollectInfo(ctx));
  ctx.reply.Map(figures.size());
  for (const Figure& figure : figures) {
    ctx.reply.BulkString(figure.name);
    if (figure.fraction) {
      ctx.reply.Double(figure.value);
    } else {
      ctx.reply.Integer(static_cast<int64_t>(figure.value));
    }
  }
}

void MemoryDoctor(CommandContext& ctx) {
  const InfoView view = CollectInfo(ctx);
  if (view.used_bytes < 5u << 20) {
    return ctx.reply.Verbatim(
        "txt", "Less than 5 MB are in use: too little to tell anything about memory.\n");
  }
  const std::vector<std::string> findings = Findings(view);
  if (findings.empty()) return ctx.reply.Verbatim("txt", "Nothing stands out.\n");
  std::string text;
  for (const std::string& finding : findings)
    fmt::format_to(std::back_inserter(text), "* {}\n", finding);
  ctx.reply.Verbatim("txt", text);
}

void MemoryPurge(CommandContext& ctx) {
  if (ctx.services.host != nullptr) ctx.services.host->PurgeAllocator();
  ctx.reply.Ok();
}

void MemoryHelp(CommandContext& ctx) {
  static constexpr std::string_view kLines[] = {
      "DOCTOR",
      "    A report for a person.",
      "PURGE",
      "    Give free pages of the allocator back to the system.",
      "STATS",
      "    Figures of memory use.",
      "USAGE <key> [SAMPLES <count>]",
      "    Bytes that a key and its value occupy. A collection is estimated from <count> elements",
      "    (0: all).",
  };
  ReplyHelp(ctx, kLines);
}

}  // namespace holdfast::commands
