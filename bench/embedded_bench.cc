// The embedded door, DbSession::Execute: dispatch alone (PING), GET and SET of 1 million random
// 16-byte keys with 32-byte values at 1 and 2 threads with the log off and on, and the thread CPU
// time of the slowest SETs while a store grows to 10 million keys.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "holdfast/db.h"
#include "holdfast/random.h"

namespace holdfast {
namespace {

constexpr uint64_t kKeys = 1'000'000;
constexpr size_t kGrownKeys = 10'000'000;
constexpr std::string_view kValue = "0123456789abcdef0123456789abcdef";

class KeyName {
 public:
  explicit KeyName(uint64_t number) { fmt::format_to(text_, "key:{:012}", number); }
  std::string_view view() const { return {text_, sizeof(text_)}; }

 private:
  char text_[16];
};

// A folder under $HOLDFAST_BENCH_DIR, or the current one: a real disk, not /tmp.
std::string NewFolder() {
  const char* parent = std::getenv("HOLDFAST_BENCH_DIR");
  std::string path = std::string(parent != nullptr ? parent : ".") + "/embedded_bench.XXXXXX";
  if (mkdtemp(path.data()) == nullptr) std::abort();
  return path;
}

// Shared by the threads of one run; the first comes and the last goes outside the measured loop.
class BenchStore {
 public:
  void Open(bool logged) {
    folder_ = logged ? NewFolder() : "";
    auto opened = Db::Open({.directory = folder_});
    if (!opened) std::abort();
    db_ = *std::move(opened);
    const auto session = db_->NewSession();
    for (uint64_t i = 0; i < kKeys; ++i) session->Execute({"SET", KeyName(i).view(), kValue});
  }
  void Close() {
    if (!db_->Close()) std::abort();
    db_.reset();
    if (!folder_.empty()) std::filesystem::remove_all(folder_);
  }
  std::unique_ptr<DbSession> NewSession() { return db_->NewSession(); }

 private:
  std::string folder_;
  std::unique_ptr<Db> db_;
};

BenchStore bench_store;

void OpenStore(const benchmark::State& state) { bench_store.Open(state.range(0) != 0); }
void CloseStore(const benchmark::State&) { bench_store.Close(); }

void Dispatch(benchmark::State& state) {
  const auto session = bench_store.NewSession();
  for (auto _ : state) benchmark::DoNotOptimize(session->Execute({"PING"}));
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(Dispatch)->Setup(OpenStore)->Teardown(CloseStore)->Arg(0)->ArgName("logged");

void Get(benchmark::State& state) {
  const auto session = bench_store.NewSession();
  SeededRandom random(static_cast<uint64_t>(state.thread_index()) + 1);
  for (auto _ : state) {
    benchmark::DoNotOptimize(session->Execute({"GET", KeyName(random.Below(kKeys)).view()}));
  }
  state.SetItemsProcessed(state.iterations());
}

void Set(benchmark::State& state) {
  const auto session = bench_store.NewSession();
  SeededRandom random(static_cast<uint64_t>(state.thread_index()) + 1);
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        session->Execute({"SET", KeyName(random.Below(kKeys)).view(), kValue}));
  }
  state.SetItemsProcessed(state.iterations());
}

void AtOneAndTwoThreads(benchmark::internal::Benchmark* bench) {
  bench->Setup(OpenStore)->Teardown(CloseStore)->ArgName("logged")->Arg(0)->Arg(1);
  bench->Threads(1)->Threads(2)->UseRealTime();
}
BENCHMARK(Get)->Apply(AtOneAndTwoThreads);
BENCHMARK(Set)->Apply(AtOneAndTwoThreads);

int64_t ThreadCpuNs() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return now.tv_sec * 1'000'000'000 + now.tv_nsec;
}

void Growth(benchmark::State& state) {
  for (auto _ : state) {
    auto db = Db::Open({});
    if (!db) std::abort();
    const auto session = (*db)->NewSession();
    std::vector<int64_t> spent_ns(kGrownKeys);
    for (size_t i = 0; i < kGrownKeys; ++i) {
      const KeyName name(i);
      const int64_t started_ns = ThreadCpuNs();
      session->Execute({"SET", name.view(), kValue});
      spent_ns[i] = ThreadCpuNs() - started_ns;
    }
    std::sort(spent_ns.begin(), spent_ns.end());
    const auto at = [&](size_t behind) {
      return static_cast<double>(spent_ns[kGrownKeys - 1 - behind]) / 1e3;
    };
    state.counters["p50_us"] = at(kGrownKeys / 2);
    state.counters["p99.999_us"] = at(kGrownKeys / 100'000);
    state.counters["max_us"] = at(0);
  }
}
BENCHMARK(Growth)->Iterations(1)->Unit(benchmark::kSecond);

}  // namespace
}  // namespace holdfast

BENCHMARK_MAIN();
