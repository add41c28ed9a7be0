// The way of keys to the live tier and back: what queueing costs under a shard's lock, how many
// rows a second one queue takes, and how long reads beside it wait. 100-byte values as in
// live_tier_bench.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "bench/folder.h"
#include "engine/cold_reads.h"
#include "engine/cold_writes.h"
#include "engine/keyspace/load.h"
#include "eviction/memory_budget.h"
#include "holdfast/random.h"

namespace holdfast {
namespace {

using bench::CpuSeconds;
using bench::Folder;

constexpr size_t kValueBytes = 100;
constexpr uint64_t kLimit = uint64_t{256} << 20;

// A tier with its queue and its pool, of a store with 256 MB.
class Path {
 public:
  Path() {
    budget_.SetLimit(kLimit);
    auto opened = snapshot::LiveTier::Open({.directory = folder_.tier(), .checkpoint = {}});
    if (!opened) std::abort();
    tier_ = *std::move(opened);
    rows_ = std::make_unique<LiveTierRows>(*tier_);
    writes_ = std::make_unique<ColdWrites>(
        ColdWritesParts{.rows = rows_.get(),
                        .budget = &budget_,
                        .probed = [](std::span<const keyspace::ColdProbed>) {},
                        .landed = [](std::span<const keyspace::ColdLanded>) {},
                        .damaged = [](const Error&) {}});
    reads_ = std::make_unique<ColdReads>(
        ColdReadsParts{.rows = rows_.get(),
                       .loaded = [this](const std::shared_ptr<keyspace::Load>&,
                                        Result<std::optional<keyspace::ColdValue>> found) {
                         if (!found || !*found) std::abort();
                         reported_.fetch_add(1, std::memory_order_relaxed);
                       }});
    writes_->Start();
    reads_->Start();
  }
  ~Path() {
    reads_->Stop();
    writes_->Stop();
  }

  // Queues row `i`; waits for room. Returns whether it had to.
  bool Put(size_t i) {
    const std::string name = fmt::format("key:{:012}", i);
    const memtable::KeyRef ref = memtable::MakeKeyRef({1, 2}, name);
    SeededRandom random(i);
    std::string value(kValueBytes, 'v');
    for (size_t at = 0; at < kValueBytes / 2; ++at) value[at] = static_cast<char>(random.Next());
    const keyspace::ColdItem item{.shard = static_cast<uint16_t>(ref.slot >> 6),
                                  .key = {0, ref.order(), name},
                                  .ticket = 1,
                                  .facts = {.size = kValueBytes},
                                  .bytes = value};
    bool waited = false;
    for (; !writes_->HasRoom(item); waited = true)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    const double before = CpuSeconds(CLOCK_THREAD_CPUTIME_ID);
    writes_->Queue(item);
    queueing_ += CpuSeconds(CLOCK_THREAD_CPUTIME_ID) - before;
    return waited;
  }
  void Fill(size_t from, size_t count) {
    for (size_t i = from; i < from + count; ++i) Put(i);
    if (!writes_->WaitUntilLanded()) std::abort();
  }
  void Ask(size_t i) {
    auto load = std::make_shared<keyspace::Load>();
    load->name = fmt::format("key:{:012}", i);
    load->ref = memtable::MakeKeyRef({1, 2}, load->name);
    reads_->StartReads({std::move(load)});
    ++asked_;
  }
  void AwaitReads() const {
    while (reported_.load(std::memory_order_relaxed) < asked_) std::this_thread::yield();
  }

  double queueing_seconds() const { return queueing_; }
  ColdWritesFigures writes() const { return writes_->Figures(); }
  ColdReadsFigures reads() const { return reads_->Figures(); }
  snapshot::LiveTierFigures tier() const { return tier_->Figures(); }

 private:
  Folder folder_;
  eviction::MemoryBudget budget_{256};
  std::unique_ptr<snapshot::LiveTier> tier_;
  std::unique_ptr<LiveTierRows> rows_;
  std::unique_ptr<ColdWrites> writes_;
  std::unique_ptr<ColdReads> reads_;
  std::atomic<uint64_t> reported_{0};
  uint64_t asked_ = 0;
  double queueing_ = 0;
};

// As many rows as there is room for; the queue's own cost includes that of looking at the clock.
void Spill(benchmark::State& state) {
  const auto rows = static_cast<size_t>(state.range(0));
  for (auto _ : state) {
    Path path;
    const double cpu = CpuSeconds(CLOCK_PROCESS_CPUTIME_ID);
    path.Fill(0, rows);
    state.counters["cpu_us_per_row"] =
        (CpuSeconds(CLOCK_PROCESS_CPUTIME_ID) - cpu) * 1e6 / static_cast<double>(rows);
    state.counters["queue_ns"] = path.queueing_seconds() * 1e9 / static_cast<double>(rows);
    const ColdWritesFigures figures = path.writes();
    state.counters["rows_a_landing"] =
        static_cast<double>(figures.landed_items) / static_cast<double>(figures.landings);
    state.counters["stalls"] = static_cast<double>(figures.waits_for_compaction);
    state.counters["memory_bytes_per_row"] =
        static_cast<double>(path.tier().memory_bytes) / static_cast<double>(rows);
  }
  state.SetItemsProcessed(state.range(0) * state.iterations());
}
BENCHMARK(Spill)->Arg(1'000'000)->Iterations(1)->Unit(benchmark::kMillisecond)->UseRealTime();

// range(0) reads a second of a million rows, for five seconds; range(1) rows a second spill beside.
void ReadBesideSpill(benchmark::State& state) {
  constexpr size_t kRows = 1'000'000;
  constexpr int kTicks = 5'000;  // of a millisecond
  Path path;
  path.Fill(0, kRows);
  SeededRandom random(1);
  for (auto _ : state) {
    size_t next = kRows;
    auto tick = std::chrono::steady_clock::now();
    for (int i = 0; i < kTicks; ++i) {
      for (int64_t n = 0; n < state.range(0) / 1000; ++n) path.Ask(random.Below(kRows));
      for (int64_t n = 0; n < state.range(1) / 1000; ++n) path.Put(next++);
      std::this_thread::sleep_until(tick += std::chrono::milliseconds(1));
    }
    path.AwaitReads();
  }
  state.counters["p50_us"] = static_cast<double>(path.reads().p50_us);
  state.counters["p99_us"] = static_cast<double>(path.reads().p99_us);
  state.SetItemsProcessed(state.range(0) * kTicks / 1000 * state.iterations());
}
BENCHMARK(ReadBesideSpill)
    ->Args({2'000, 0})
    ->Args({2'000, 20'000})
    ->Args({20'000, 20'000})
    ->Iterations(1)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

}  // namespace
}  // namespace holdfast

BENCHMARK_MAIN();
