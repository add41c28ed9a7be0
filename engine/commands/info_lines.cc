// INFO's sections of changing length: Commandstats, Errorstats, Latencystats, Keyspace.
#include <fmt/format.h>

#include <iterator>

#include "engine/commands/info_sections.h"
#include "engine/config/config.h"

namespace holdfast::commands {
namespace {

template <typename Visit>
void ForEachCommand(const InfoView& view, const Visit& visit) {
  const CommandTable& table = *view.services->table;
  for (size_t i = 0; i < table.entry_count(); ++i) {
    visit(table.entry(static_cast<uint16_t>(i)).spec->name,
          view.services->statistics->SumCommand(i));
  }
}

// The upper bound, in microseconds, of the bucket that holds the command at `percentile`.
double PercentileUs(const Statistics::CommandTotals& totals, double percentile) {
  const auto target = percentile / 100 * static_cast<double>(totals.calls);
  double cumulative = 0;
  for (size_t i = 0; i < kLatencyBuckets; ++i) {
    cumulative += static_cast<double>(totals.histogram[i]);
    if (cumulative >= target && cumulative > 0)
      return static_cast<double>((uint64_t{1024} << i) - 1) / 1000;
  }
  return 0;
}

}  // namespace

void AppendFields(std::span<const InfoField> fields, const InfoView& view, std::string& out) {
  for (const InfoField& field : fields) {
    out.append(field.name).append(":");
    if (field.value != nullptr) {
      out += field.value(view);
    } else {
      out += field.constant;
    }
    out += "\r\n";
  }
}

void AppendErrorLines(const InfoView& view, std::string& out) {
  for (const auto& [code, count] : view.services->statistics->Errors())
    fmt::format_to(std::back_inserter(out), "errorstat_{}:count={}\r\n", code, count);
}

void AppendCommandLines(const InfoView& view, std::string& out) {
  ForEachCommand(view, [&](std::string_view name, const Statistics::CommandTotals& totals) {
    if (totals.calls == 0 && totals.rejected == 0 && totals.failed == 0) return;
    const double usec = static_cast<double>(totals.nanoseconds) / 1000;
    fmt::format_to(
        std::back_inserter(out),
        "cmdstat_{}:calls={},usec={},usec_per_call={:.2f},rejected_calls={},failed_calls={}\r\n",
        name, totals.calls, totals.nanoseconds / 1000,
        totals.calls == 0 ? 0.0 : usec / static_cast<double>(totals.calls), totals.rejected,
        totals.failed);
  });
}

void AppendLatencyLines(const InfoView& view, std::string& out) {
  if (!view.services->config->Bool("latency-tracking")) return;
  const std::vector<std::string> percentiles =
      view.services->config->Words("latency-tracking-info-percentiles");
  ForEachCommand(view, [&](std::string_view name, const Statistics::CommandTotals& totals) {
    if (totals.calls == 0) return;
    fmt::format_to(std::back_inserter(out), "latency_percentiles_usec_{}:", name);
    std::string_view separator;
    for (const std::string& percentile : percentiles) {
      fmt::format_to(std::back_inserter(out), "{}p{}={:.3f}", separator, percentile,
                     PercentileUs(totals, std::strtod(percentile.c_str(), nullptr)));
      separator = ",";
    }
    out += "\r\n";
  });
}

void AppendKeyspaceLines(const InfoView& view, std::string& out) {
  for (size_t i = 0; i < view.databases.size(); ++i) {
    const auto& database = view.databases[i];
    if (database.keys == 0 && database.expiring == 0) continue;
    fmt::format_to(std::back_inserter(out), "db{}:keys={},expires={},avg_ttl={}\r\n", i,
                   database.keys, database.expiring, view.average_ttls_ms[i]);
  }
}

}  // namespace holdfast::commands
