// The table of the memtable, 256 shards as in a store: time and CPU of finds and sets with and
// without batch prefetch, and growth to 10 million keys with the CPU time of the slowest inserts
// and the bytes per key.
#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "holdfast/random.h"
#include "memtable/table.h"

namespace holdfast::memtable {
namespace {

constexpr size_t kNameBytes = 16;
constexpr size_t kBatch = 16;
constexpr HashSeed kSeed{0x9e3779b97f4a7c15, 0xbf58476d1ce4e5b9};

// Names in the order in which they will be asked for, side by side: reading them costs no miss.
class Names {
 public:
  Names(size_t count, uint64_t range, uint64_t seed) : bytes_(count * kNameBytes, '\0') {
    SeededRandom random(seed);
    for (size_t i = 0; i < count; ++i) {
      const uint64_t number = range == 0 ? i : random.Below(range);
      fmt::format_to(bytes_.data() + i * kNameBytes, "key:{:012}", number);
    }
  }
  size_t size() const { return bytes_.size() / kNameBytes; }
  std::string_view operator[](size_t i) const {
    return {bytes_.data() + i * kNameBytes, kNameBytes};
  }

 private:
  std::string bytes_;
};

class Shards {
 public:
  Shards() {
    for (auto& table : tables_) table = std::make_unique<Table>(TableOptions{8, &reclaimer_});
  }
  Table& operator[](const KeyRef& key) { return *tables_[key.slot >> 6]; }
  Reclaimer& reclaimer() { return reclaimer_; }
  size_t allocated_bytes() const {
    size_t bytes = 0;
    for (const auto& table : tables_) bytes += table->allocated_bytes();
    return bytes;
  }
  void Set(const KeyRef& key, const StringSpec& value) {
    Table& table = (*this)[key];
    benchmark::DoNotOptimize(table.SetString(key, table.Find(key), value));
  }
  void Fill(size_t keys, UnixMs expiry_ms) {
    const std::string value(32, 'v');
    for (size_t i = 0; i < keys; ++i) {
      const std::string name = fmt::format("key:{:012}", i);
      Set(MakeKeyRef(kSeed, name), {value, expiry_ms});
    }
  }

 private:
  Reclaimer reclaimer_;
  std::unique_ptr<Table> tables_[256];
};

void Slot(benchmark::State& state) {
  const Names names(4096, 1'000'000, 1);
  size_t i = 0;
  for (auto _ : state) benchmark::DoNotOptimize(SlotOf(names[i++ % names.size()]));
}
BENCHMARK(Slot);

void Hash(benchmark::State& state) {
  const Names names(4096, 1'000'000, 1);
  size_t i = 0;
  for (auto _ : state) benchmark::DoNotOptimize(KeyedHash(kSeed, names[i++ % names.size()]));
}
BENCHMARK(Hash);

// state.range: keys, whether to prefetch.
template <typename Operation>
void Run(benchmark::State& state, Operation operation) {
  const auto keys = static_cast<size_t>(state.range(0));
  const bool prefetch = state.range(1) != 0;
  Shards shards;
  shards.Fill(keys, kNoExpiry);
  const Names names(1 << 20, keys, 7);
  Reclaimer::Reader reader(shards.reclaimer());
  KeyRef batch[kBatch];
  size_t at = 0;
  for (auto _ : state) {
    for (KeyRef& key : batch) key = MakeKeyRef(kSeed, names[at++ % names.size()]);
    if (prefetch) {
      const Reclaimer::Guard guard(reader);
      const Bucket* buckets[kBatch];
      for (size_t i = 0; i < kBatch; ++i) buckets[i] = shards[batch[i]].PrefetchBucket(batch[i]);
      for (size_t i = 0; i < kBatch; ++i) Table::PrefetchEntry(buckets[i], batch[i]);
    }
    for (const KeyRef& key : batch) operation(shards, key);
  }
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations() * kBatch));
  state.counters["ns/op"] =
      benchmark::Counter(static_cast<double>(state.iterations() * kBatch) * 1e-9,
                         benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

void Find(benchmark::State& state) {
  Run(state, [](Shards& shards, const KeyRef& key) {
    const Entry* entry = shards[key].Find(key);
    Entry::Scratch scratch;
    benchmark::DoNotOptimize(entry->StringBytes(scratch).front());
  });
}
BENCHMARK(Find)->ArgsProduct({{1'000'000, 10'000'000}, {0, 1}})->ArgNames({"keys", "prefetch"});

void Overwrite(benchmark::State& state) {
  const std::string value(32, 'w');
  Run(state, [&](Shards& shards, const KeyRef& key) { shards.Set(key, {value}); });
}
BENCHMARK(Overwrite)
    ->ArgsProduct({{1'000'000, 10'000'000}, {0, 1}})
    ->ArgNames({"keys", "prefetch"});

void Insert(benchmark::State& state) {
  const Names names(static_cast<size_t>(state.range(0)), 0, 1);
  const std::string value(32, 'v');
  for (auto _ : state) {
    state.PauseTiming();
    auto shards = std::make_unique<Shards>();
    state.ResumeTiming();
    for (size_t i = 0; i < names.size(); ++i) shards->Set(MakeKeyRef(kSeed, names[i]), {value});
    state.PauseTiming();
    shards.reset();
    state.ResumeTiming();
  }
  state.counters["ns/op"] =
      benchmark::Counter(static_cast<double>(state.iterations() * state.range(0)) * 1e-9,
                         benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}
BENCHMARK(Insert)->Arg(1'000'000)->Unit(benchmark::kMillisecond)->ArgName("keys");

size_t ResidentBytes() {
  std::ifstream file("/proc/self/statm");
  size_t total = 0;
  size_t resident = 0;
  file >> total >> resident;
  return resident * static_cast<size_t>(getpagesize());
}

int64_t ThreadCpuNs() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return now.tv_sec * int64_t{1'000'000'000} + now.tv_nsec;
}

// state.range: keys, whether they expire. Memory of the times (4 bytes an insert) is resident
// before the first insert.
void Growth(benchmark::State& state) {
  const auto keys = static_cast<size_t>(state.range(0));
  const UnixMs expiry_ms = state.range(1) != 0 ? 1'900'000'000'000 : kNoExpiry;
  const std::string value(32, 'v');
  for (auto _ : state) {
    std::vector<uint32_t> ns(keys, 1);
    auto shards = std::make_unique<Shards>();
    const size_t resident = ResidentBytes();
    char name[kNameBytes];
    for (size_t i = 0; i < keys; ++i) {
      fmt::format_to(name, "key:{:012}", i);
      const int64_t start = ThreadCpuNs();
      shards->Set(MakeKeyRef(kSeed, {name, kNameBytes}), {value, expiry_ms});
      ns[i] = static_cast<uint32_t>(std::min<int64_t>(ThreadCpuNs() - start, UINT32_MAX));
    }
    const auto per_key = [keys](size_t bytes) {
      return static_cast<double>(bytes) / static_cast<double>(keys);
    };
    state.counters["rss/key"] = per_key(ResidentBytes() - resident);
    state.counters["allocated/key"] = per_key(shards->allocated_bytes());
    std::sort(ns.begin(), ns.end());
    state.counters["p99.99_us"] = ns[keys - 1 - keys / 10'000] / 1e3;
    state.counters["p99.999_us"] = ns[keys - 1 - keys / 100'000] / 1e3;
    state.counters["max_us"] = ns[keys - 1] / 1e3;
  }
}
BENCHMARK(Growth)
    ->ArgsProduct({{1'000'000, 10'000'000}, {0, 1}})
    ->ArgNames({"keys", "expiring"})
    ->Iterations(1)
    ->Unit(benchmark::kSecond);

}  // namespace
}  // namespace holdfast::memtable

BENCHMARK_MAIN();
