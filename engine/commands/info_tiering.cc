// INFO's Tiering section: where the keys lie, and what moves.
#include <fmt/core.h>

#include <algorithm>

#include "engine/commands/info_sections.h"
#include "engine/commands/tier_figures.h"

namespace holdfast::commands {
namespace {

using View = const InfoView&;

std::string Number(uint64_t value) { return std::to_string(value); }

template <typename Field>
uint64_t Sum(View view, Field field) {
  uint64_t sum = 0;
  for (const auto& database : view.databases) sum += database.*field;
  return sum;
}
using Size = keyspace::Keyspace::DatabaseSize;

uint64_t HotKeys(View v) { return v.keys() - Sum(v, &Size::cold); }

// Of the hits, how many were answered from memory.
double HotHitRatio(View v) {
  if (v.counters.hits == 0) return 1;
  return Ratio(v.counters.hits - std::min(v.counters.hits, v.counters.loaded), v.counters.hits);
}

constexpr InfoField kTiering[] = {
    {"tier_enabled",
     [](View v) { return Number(v.services->keyspace->cold_store() != nullptr ? 1 : 0); }},
    {"hot_keys", [](View v) { return Number(HotKeys(v)); }},
    {"hot_bytes", [](View v) { return Number(v.keyspace_bytes); }},
    {"clean_keys", [](View v) { return Number(Sum(v, &Size::clean)); }},
    {"clean_bytes", [](View v) { return Number(Sum(v, &Size::clean_bytes)); }},
    {"reference_keys", [](View v) { return Number(Sum(v, &Size::references)); }},
    {"dirty_keys", [](View v) { return Number(HotKeys(v) - Sum(v, &Size::clean)); }},
    {"cold_keys", [](View v) { return Number(Sum(v, &Size::cold)); }},
    {"unknown_keys", [](View v) { return Number(Sum(v, &Size::unknown)); }},
    {"tombstones", [](View v) { return Number(Sum(v, &Size::tombstones)); }},
    {"leaving_bytes", [](View v) { return Number(v.services->keyspace->budget().leaving()); }},
    {"spilled_keys", [](View v) { return Number(v.counters.spilled); }},
    {"loaded_keys", [](View v) { return Number(v.counters.loaded); }},
    {"loaded_references", [](View v) { return Number(v.counters.referenced); }},
    {"cold_reads", [](View v) { return Number(v.counters.cold_reads); }},
    {"coalesced_loads", [](View v) { return Number(v.counters.coalesced); }},
    {"disk_bytes", [](View v) { return Number(v.log.disk_bytes); }},
    {"disk_full", [](View v) { return Number(v.log.disk_full ? 1 : 0); }},
    {"hot_hit_ratio", [](View v) { return fmt::format("{:.4f}", HotHitRatio(v)); }},
};

}  // namespace

std::span<const InfoField> TieringFields() { return kTiering; }

void AppendTierLines(const InfoView& view, std::string& out) {
  TierFields fields;
  for (const TierFigures* figures : view.services->tier_figures) figures->Add(fields);
  for (const auto& [name, value] : fields)
    out.append(name).append(":").append(value).append("\r\n");
}

}  // namespace holdfast::commands
