// LATENCY.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "engine/commands/arguments.h"
#include "engine/commands/server_handlers.h"
#include "engine/commands/statistics.h"
#include "engine/config/config.h"

namespace holdfast::commands {
namespace {

std::optional<LatencySeries> SeriesOf(CommandContext& ctx, std::string_view event) {
  for (auto& [name, series] : ctx.services.statistics->Latency()) {
    if (name == event) return std::move(series);
  }
  return std::nullopt;
}

// One line of COMMAND HISTOGRAM's map: bounds in microseconds with the commands up to each.
void ReplyHistogram(ReplySink& reply, std::string_view name,
                    const Statistics::CommandTotals& totals) {
  reply.BulkString(name);
  reply.Map(2);
  reply.BulkString("calls");
  reply.Integer(static_cast<int64_t>(totals.calls));
  reply.BulkString("histogram_usec");
  reply.Map(static_cast<size_t>(std::count_if(totals.histogram.begin(), totals.histogram.end(),
                                              [](uint64_t count) { return count > 0; })));
  uint64_t cumulative = 0;
  for (size_t i = 0; i < kLatencyBuckets; ++i) {
    if (totals.histogram[i] == 0) continue;
    cumulative += totals.histogram[i];
    reply.Integer(static_cast<int64_t>((uint64_t{1024} << i) / 1000));
    reply.Integer(static_cast<int64_t>(cumulative));
  }
}

// The named commands, a container standing for its subcommands too; without names all.
std::vector<const CommandEntry*> HistogramCommands(CommandContext& ctx) {
  const CommandTable& table = *ctx.services.table;
  std::vector<const CommandEntry*> entries;
  if (ctx.args.size() == 2) {
    for (size_t i = 0; i < table.entry_count(); ++i)
      entries.push_back(&table.entry(static_cast<uint16_t>(i)));
    return entries;
  }
  for (const std::string_view name : ctx.args.subspan(2)) {
    const CommandEntry* entry = table.FindFull(name);
    if (entry == nullptr) continue;
    entries.push_back(entry);
    entries.insert(entries.end(), entry->subcommands.begin(), entry->subcommands.end());
  }
  return entries;
}

struct SeriesSummary {
  size_t spikes = 0;
  uint32_t low = 0;
  uint32_t high = 0;
  double mean = 0;
  double deviation = 0;
  double period_seconds = 0;
};

SeriesSummary Summarize(const LatencySeries& series, int64_t now_seconds) {
  SeriesSummary summary;
  summary.spikes = series.samples.size();
  if (summary.spikes == 0) return summary;
  const auto count = static_cast<double>(summary.spikes);
  summary.low = series.samples.front().milliseconds;
  for (const auto& sample : series.samples) {
    summary.low = std::min(summary.low, sample.milliseconds);
    summary.high = std::max(summary.high, sample.milliseconds);
    summary.mean += sample.milliseconds / count;
  }
  for (const auto& sample : series.samples)
    summary.deviation += std::abs(sample.milliseconds - summary.mean) / count;
  const auto span = static_cast<double>(now_seconds - series.samples.front().unix_seconds);
  summary.period_seconds = std::max(span, 1.0) / count;
  return summary;
}

// Columns of four rows, the newest sample to the right, with its age below.
std::string Graph(std::string_view event, const LatencySeries& series, int64_t now_seconds) {
  constexpr size_t kRows = 4;
  constexpr size_t kColumns = 80;
  const SeriesSummary summary = Summarize(series, now_seconds);
  std::string text = fmt::format("{} - high {} ms, low {} ms (all time high {} ms)\n{:-<80}\n",
                                 event, summary.high, summary.low, series.max_milliseconds, "");
  const size_t first =
      series.samples.size() > kColumns ? series.samples.size() - kColumns : size_t{0};
  const double range = std::max<double>(summary.high - summary.low, 1);
  for (size_t row = kRows; row > 0; --row) {
    for (size_t i = first; i < series.samples.size(); ++i) {
      const double height =
          (series.samples[i].milliseconds - summary.low) / range * static_cast<double>(kRows - 1);
      const auto top = static_cast<size_t>(std::lround(height)) + 1;
      text += row == top ? '#' : row < top ? '|' : ' ';
    }
    text += '\n';
  }
  const int64_t age = now_seconds - series.samples.back().unix_seconds;
  text += fmt::format("newest sample: {} s ago\n", std::max<int64_t>(age, 0));
  return text;
}

}  // namespace

void LatencyHistory(CommandContext& ctx) {
  const auto series = SeriesOf(ctx, ctx.args[2]);
  if (!series) return ctx.reply.Array(0);
  ctx.reply.Array(series->samples.size());
  for (const auto& sample : series->samples) {
    ctx.reply.Array(2);
    ctx.reply.Integer(sample.unix_seconds);
    ctx.reply.Integer(sample.milliseconds);
  }
}

void LatencyLatest(CommandContext& ctx) {
  const auto all = ctx.services.statistics->Latency();
  ctx.reply.Array(all.size());
  for (const auto& [event, series] : all) {
    ctx.reply.Array(4);
    ctx.reply.BulkString(event);
    ctx.reply.Integer(series.samples.back().unix_seconds);
    ctx.reply.Integer(series.samples.back().milliseconds);
    ctx.reply.Integer(series.max_milliseconds);
  }
}

void LatencyReset(CommandContext& ctx) {
  const size_t count = ctx.services.statistics->LatencyReset(ctx.args.subspan(2));
  ctx.reply.Integer(static_cast<int64_t>(count));
}

void LatencyHistogram(CommandContext& ctx) {
  std::vector<std::pair<std::string_view, Statistics::CommandTotals>> shown;
  for (const CommandEntry* entry : HistogramCommands(ctx)) {
    const auto totals = ctx.services.statistics->SumCommand(entry->index);
    if (totals.calls > 0) shown.emplace_back(entry->spec->name, totals);
  }
  ctx.reply.Map(shown.size());
  for (const auto& [name, totals] : shown) ReplyHistogram(ctx.reply, name, totals);
}

void LatencyGraph(CommandContext& ctx) {
  const auto series = SeriesOf(ctx, ctx.args[2]);
  if (!series) {
    return ctx.reply.Error(
        fmt::format("ERR No samples available for event '{}'", UntilNul(ctx.args[2])));
  }
  ctx.reply.Verbatim("txt", Graph(ctx.args[2], *series, ctx.now_ms / 1000));
}

void LatencyDoctor(CommandContext& ctx) {
  std::string text;
  const auto all = ctx.services.statistics->Latency();
  if (ctx.services.config->Integer("latency-monitor-threshold") == 0 && all.empty()) {
    text =
        "Latency monitoring is off. CONFIG SET latency-monitor-threshold <milliseconds> switches "
        "it on.\n";
  } else if (all.empty()) {
    text = "No event took longer than latency-monitor-threshold so far.\n";
  }
  for (const auto& [event, series] : all) {
    const SeriesSummary summary = Summarize(series, ctx.now_ms / 1000);
    text += fmt::format(
        "{}: {} spikes (average {:.0f} ms, mean deviation {:.0f} ms, one every {:.2f} s), worst "
        "ever {} ms.\n",
        event, summary.spikes, summary.mean, summary.deviation, summary.period_seconds,
        series.max_milliseconds);
  }
  if (!all.empty()) {
    text +=
        "SLOWLOG GET names slow commands. aof-* events tell of a slow disk: see appendfsync. A "
        "machine that swaps or whose CPU is shared shows in all events.\n";
  }
  ctx.reply.Verbatim("txt", text);
}

void LatencyHelp(CommandContext& ctx) {
  static constexpr std::string_view kLines[] = {
      "DOCTOR",
      "    A report for a person.",
      "GRAPH <event>",
      "    The samples of an event as a drawing.",
      "HISTOGRAM [<command> ...]",
      "    How the run times of commands are distributed.",
      "HISTORY <event>",
      "    The samples of an event: unix time and milliseconds.",
      "LATEST",
      "    The latest and the worst sample of each event.",
      "RESET [<event> ...]",
      "    Forget the samples of these events, or of all.",
  };
  ReplyHelp(ctx, kLines);
}

}  // namespace holdfast::commands
