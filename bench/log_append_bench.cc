// What the log costs a mutation: Append under the shard's lock (1 and 2 threads), and a turn that
// ends with FlushTurn beside the bare pwrite(2) that it cannot do without.
#include <benchmark/benchmark.h>
#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>

#include "aof/log_writer.h"
#include "aof/posix_file_system.h"

namespace holdfast::aof {
namespace {

class RealClock final : public Clock {
 public:
  UnixMs NowMs() override {
    return std::chrono::duration_cast<std::chrono::milliseconds>(
               std::chrono::system_clock::now().time_since_epoch())
        .count();
  }
  int64_t MonotonicNs() override {
    return std::chrono::steady_clock::now().time_since_epoch().count();
  }
};

class SeededSource final : public RandomSource {
 public:
  uint64_t NextRandom() override { return random_.Next(); }

 private:
  SeededRandom random_{1};
};

class CountingCatalog final : public SegmentCatalog {
 public:
  std::string NextName() override { return "log." + std::to_string(listed_ + 1); }
  Status List(const std::string&, uint64_t) override {
    ++listed_;
    return {};
  }

 private:
  int listed_ = 0;
};

// A folder of its own under $HOLDFAST_BENCH_DIR, or the current one: a real disk, not /tmp.
struct Folder {
  Folder() {
    const char* parent = std::getenv("HOLDFAST_BENCH_DIR");
    path = std::string(parent != nullptr ? parent : ".") + "/log_append_bench.XXXXXX";
    if (mkdtemp(path.data()) == nullptr) std::abort();
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string path;
};

struct BenchLog {
  explicit BenchLog(SyncPolicy policy) {
    auto opened = LogWriter::Open(
        {.environment = {&files, &clock, &random, &catalog, folder.path}, .policy = policy}, {});
    if (!opened) std::abort();
    log = *std::move(opened);
  }
  ~BenchLog() { static_cast<void>(log->Close()); }
  Folder folder;
  PosixFileSystem files;
  RealClock clock;
  SeededSource random;
  CountingCatalog catalog;
  std::unique_ptr<LogWriter> log;
};

// 61 bytes: a SET of a 10-byte key and a 20-byte value.
const std::string kRecord =
    "*3\r\n$3\r\nSET\r\n$10\r\nkey:123456\r\n$20\r\n01234567890123456789\r\n";

// The ring alone: what an appending thread pays under its lock. Whoever finds it half full empties
// it.
class RingAppend : public benchmark::Fixture {
 public:
  void Empty() {
    while (ring.RetainedBytes() > ring.bound() / 2) {
      if (!emptying.try_lock()) continue;
      const LogPosition end = ring.StableEnd();
      if (end > ring.released()) ring.Release(end);
      emptying.unlock();
    }
  }
  LogRing ring{uint64_t{64} << 20};
  std::mutex emptying;
};

BENCHMARK_DEFINE_F(RingAppend, Set61Bytes)(benchmark::State& state) {
  LogSlot& slot = ring.BorrowSlot();
  uint64_t count = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(ring.Append(slot, kRecord));
    if (++count % 4096 == 0) Empty();
  }
  ring.ReturnSlot(slot);
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK_REGISTER_F(RingAppend, Set61Bytes)->Threads(1)->Threads(2)->Threads(4);

// A turn: n records, then FlushTurn. Everysec, sync and fill threads running, so the CPU time of
// the process has their share.
void BM_Turn(benchmark::State& state) {
  BenchLog bench(SyncPolicy::kEverysec);
  LogWriter& log = *bench.log;
  LogSlot& slot = log.BorrowSlot();
  const int64_t records = state.range(0);
  for (auto _ : state) {
    if (!log.Admits()) {
      state.PauseTiming();
      static_cast<void>(log.WaitForAdmission(false));
      state.ResumeTiming();
    }
    for (int64_t i = 0; i < records; ++i) log.Append(slot, kRecord);
    log.FlushTurn();
  }
  log.ReturnSlot(slot);
  state.SetItemsProcessed(state.iterations() * records);
}
BENCHMARK(BM_Turn)->Arg(1)->Arg(5)->Arg(16)->Arg(50)->Arg(500);

// The same bytes with nothing but pwrite, into a file filled ahead.
void BM_BareWrite(benchmark::State& state) {
  const Folder folder;
  const int file = open((folder.path + "/file").c_str(), O_RDWR | O_CREAT, 0600);
  if (file < 0) std::abort();
  constexpr off_t kSize = off_t{64} << 20;
  const std::string zeros(1 << 20, '\0');
  for (off_t at = 0; at < kSize; at += static_cast<off_t>(zeros.size())) {
    if (pwrite(file, zeros.data(), zeros.size(), at) < 0) std::abort();
  }
  fdatasync(file);
  std::string turn(90, '#');  // a frame's header
  for (int64_t i = 0; i < state.range(0); ++i) turn += kRecord;
  off_t at = 0;
  for (auto _ : state) {
    if (at + static_cast<off_t>(turn.size()) > kSize) at = 0;
    benchmark::DoNotOptimize(pwrite(file, turn.data(), turn.size(), at));
    at += static_cast<off_t>(turn.size());
  }
  close(file);
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_BareWrite)->Arg(1)->Arg(5)->Arg(16)->Arg(50)->Arg(500);

// A write that waits for its sync, alone: the whole way through the sync thread and back.
void BM_SyncedWrite(benchmark::State& state) {
  BenchLog bench(SyncPolicy::kAlways);
  LogWriter& log = *bench.log;
  LogSlot& slot = log.BorrowSlot();
  for (auto _ : state) {
    if (!log.WaitFor(log.Append(slot, kRecord))) std::abort();
  }
  log.ReturnSlot(slot);
  state.counters["syncs"] = static_cast<double>(log.Stats().syncs);
}
BENCHMARK(BM_SyncedWrite)->UseRealTime();

}  // namespace
}  // namespace holdfast::aof

BENCHMARK_MAIN();
