// The live tier: what it costs to land rows and to read them, in CPU (compactions apart). 100-byte
// values, half of each random, keys in random order.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <chrono>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "bench/folder.h"
#include "holdfast/random.h"
#include "snapshot/live_tier.h"

namespace holdfast::snapshot {
namespace {

using bench::CpuSeconds;
using bench::Folder;

constexpr size_t kRows = 1'000'000;
constexpr size_t kValueBytes = 100;

// Row `i` of a data set. Absent ones have numbers from kRows on, so that they lie among the others.
struct Row {
  explicit Row(size_t i) : name(fmt::format("key:{:012}", i)) {
    SeededRandom random(i);
    key = {0, random.Below(memtable::kOrderEnd), name};
    value.assign(kValueBytes, 'v');
    for (size_t at = 0; at < kValueBytes / 2; ++at) value[at] = static_cast<char>(random.Next());
  }
  std::string name;
  std::string value;
  ColdKey key;
};

// What landing costs this thread is added to `seconds`.
void LandRows(LiveTier& tier, size_t from, size_t count, double& seconds) {
  std::vector<Row> rows;
  rows.reserve(count);
  for (size_t i = from; i < from + count; ++i) {
    Row& row = rows.emplace_back(i);
    row.key.name = row.name;
  }
  std::vector<ColdWrite> writes;
  for (const Row& row : rows) {
    writes.push_back({.key = row.key, .header = {.size = kValueBytes}, .payload = row.value});
  }
  const double before = CpuSeconds(CLOCK_THREAD_CPUTIME_ID);
  if (!tier.Land(writes)) std::abort();
  seconds += CpuSeconds(CLOCK_THREAD_CPUTIME_ID) - before;
}

// Until nothing has been compacted for a while.
void AwaitCompactions() {
  for (int idle = 0; idle < 10;) {
    const double before = CpuSeconds(CLOCK_PROCESS_CPUTIME_ID);
    std::this_thread::sleep_for(std::chrono::milliseconds(30));
    idle = CpuSeconds(CLOCK_PROCESS_CPUTIME_ID) - before < 0.001 ? idle + 1 : 0;
  }
}

std::unique_ptr<LiveTier> OpenTier(const Folder& folder) {
  auto opened = LiveTier::Open({.directory = folder.tier(), .checkpoint = {}});
  if (!opened) std::abort();
  return *std::move(opened);
}

// So many rows at a time, a million of them. land_us_per_row: of the thread that lands them, and
// nothing else; background_us_per_row: of compactions, until they rest.
void Land(benchmark::State& state) {
  const auto batch = static_cast<size_t>(state.range(0));
  for (auto _ : state) {
    const Folder folder;
    const auto tier = OpenTier(folder);
    double landing = 0;
    const double all = CpuSeconds(CLOCK_PROCESS_CPUTIME_ID);
    const double mine = CpuSeconds(CLOCK_THREAD_CPUTIME_ID);
    for (size_t at = 0; at < kRows; at += batch) {
      LandRows(*tier, at, batch, landing);
      while (tier->Congested()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    AwaitCompactions();
    const double background =
        CpuSeconds(CLOCK_PROCESS_CPUTIME_ID) - all - (CpuSeconds(CLOCK_THREAD_CPUTIME_ID) - mine);
    const LiveTierFigures figures = tier->Figures();
    state.counters["land_us_per_row"] = landing * 1e6 / kRows;
    state.counters["background_us_per_row"] = background * 1e6 / kRows;
    state.counters["disk_bytes_per_row"] = static_cast<double>(figures.disk_bytes) / kRows;
    state.counters["memory_bytes_per_row"] = static_cast<double>(figures.memory_bytes) / kRows;
    state.counters["newest_files"] = static_cast<double>(figures.newest_files);
  }
}
BENCHMARK(Land)
    ->Arg(1'000)
    ->Arg(5'000)
    ->Arg(20'000)
    ->Arg(100'000)
    ->Iterations(1)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

// range(0): keys a call; range(1): 0 present, 1 absent.
void Read(benchmark::State& state) {
  const Folder folder;
  const auto tier = OpenTier(folder);
  double landing = 0;
  for (size_t at = 0; at < kRows; at += 20'000) LandRows(*tier, at, 20'000, landing);
  AwaitCompactions();
  const LiveTierFigures before = tier->Figures();
  const auto keys_a_call = static_cast<size_t>(state.range(0));
  const auto absent = static_cast<size_t>(state.range(1));
  SeededRandom random(1);
  for (auto _ : state) {
    state.PauseTiming();
    std::vector<Row> rows;
    rows.reserve(keys_a_call);
    std::vector<ColdKey> keys;
    for (size_t i = 0; i < keys_a_call; ++i) {
      Row& row = rows.emplace_back(absent * kRows + random.Below(kRows));
      row.key.name = row.name;
      keys.push_back(row.key);
    }
    state.ResumeTiming();
    const auto read = tier->Read(keys, ReadDepth::kValue);
    if (!read || (*read)[0].has_value() != (state.range(1) == 0)) std::abort();
  }
  const LiveTierFigures after = tier->Figures();
  const auto looks = static_cast<double>(keys_a_call) * static_cast<double>(state.iterations());
  const uint64_t in_vain = (after.filter_passes - after.filter_true_passes) -
                           (before.filter_passes - before.filter_true_passes);
  state.counters["reads_in_vain_percent"] = 100 * static_cast<double>(in_vain) / looks;
  state.SetItemsProcessed(static_cast<int64_t>(looks));
}
BENCHMARK(Read)->ArgsProduct({{1, 16, 128}, {0, 1}})->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace holdfast::snapshot

BENCHMARK_MAIN();
