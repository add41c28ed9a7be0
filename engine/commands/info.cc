// INFO: which sections, in which order.
#include <algorithm>

#include "engine/commands/arguments.h"
#include "engine/commands/info_sections.h"
#include "engine/commands/server_handlers.h"

namespace holdfast::commands {
namespace {

constexpr InfoField kClusterFields[] = {{"cluster_enabled", nullptr, "0"}};

std::span<const InfoSection> Sections() {
  static const InfoSection kSections[] = {
      {"Server", true, ServerFields()},
      {"Clients", true, ClientsFields()},
      {"Memory", true, MemoryFields()},
      {"Persistence", true, PersistenceFields(), AppendPersistenceLines},
      {"Tiering", true, TieringFields(), AppendTierLines},
      {"Stats", true, StatsFields()},
      {"Replication", true, ReplicationFields()},
      {"CPU", true, CpuFields()},
      {"Modules", true},
      {"Commandstats", false, {}, AppendCommandLines},
      {"Errorstats", true, {}, AppendErrorLines},
      {"Latencystats", false, {}, AppendLatencyLines},
      {"Cluster", true, kClusterFields},
      {"Keyspace", true, {}, AppendKeyspaceLines},
  };
  return kSections;
}

bool Wanted(const InfoSection& section, std::span<const std::string_view> names) {
  if (names.empty()) return section.by_default;
  for (const std::string_view name : names) {
    if (IsToken(name, "all") || IsToken(name, "everything")) return true;
    if (IsToken(name, "default") && section.by_default) return true;
    std::string lower(section.name);
    for (char& c : lower) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
    if (IsToken(name, lower)) return true;
  }
  return false;
}

void AppendSection(const InfoSection& section, const InfoView& view, std::string& out) {
  if (!out.empty()) out += "\r\n";
  out.append("# ").append(section.name).append("\r\n");
  AppendFields(section.fields, view, out);
  if (section.lines != nullptr) section.lines(view, out);
}

// Exact counts of keys, unless the tier cannot give them now. False: not on this thread.
bool SettleKeyCounts(CommandContext& ctx, InfoView& view) {
  for (size_t i = 0; i < view.databases.size(); ++i) {
    if (view.databases[i].unknown == 0 || ctx.in_transaction) [[likely]]
      continue;
    if (!ctx.may_wait) return false;
    const auto settled = ctx.services.keyspace->SettleSize(ctx.locks, static_cast<int>(i));
    if (settled) view.databases[i] = *settled;
  }
  return true;
}

}  // namespace

void Info(CommandContext& ctx) {
  const auto names = ctx.args.subspan(1);
  const bool wants_keys = std::ranges::any_of(Sections(), [&](const InfoSection& section) {
    return section.lines == AppendKeyspaceLines && Wanted(section, names);
  });
  InfoView view = CollectInfo(ctx);
  if (wants_keys && !SettleKeyCounts(ctx, view)) {
    ctx.must_wait = true;
    return;
  }
  std::string text;
  for (const InfoSection& section : Sections()) {
    if (!Wanted(section, names)) continue;
    if (section.lines == AppendKeyspaceLines) CollectAverageTtls(ctx, view);
    AppendSection(section, view, text);
  }
  ctx.reply.Verbatim("txt", text);
}

}  // namespace holdfast::commands
