// Stores over a tier in memory (fake_cold_store.h), for tests of what commands see of it.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "engine/commands/session.h"
#include "engine/config/config.h"
#include "engine/executor.h"
#include "engine/store.h"
#include "holdfast/random.h"
#include "tests/sim/simulated_file_system.h"
#include "tests/unit/engine/engine_fixture.h"
#include "tests/unit/engine/fake_cold_store.h"

namespace holdfast::engine_test {

// So that two stores hash, and pick, alike, whichever thread asks first.
class OneNumber final : public RandomSource {
 public:
  uint64_t NextRandom() override { return 4711; }
};

// A store whose background threads sleep, as the fake is used by one thread; over a tier or none.
// In memory, or with its log on a simulated disk.
class TieredStore {
 public:
  TieredStore(bool with_tier, TestClock& clock, FileSystem* disk = nullptr);
  ~TieredStore();

  std::string Run(const Command& words);
  std::string Run(std::string_view line) { return Run(Split(line)); }
  // Everything leaves memory; with a `random`, what is queued for some shards does not land yet.
  void EvictAll(SeededRandom* random = nullptr);
  uint64_t loaded();

  Store& store() { return *store_; }
  Executor& executor() { return *executor_; }
  keyspace::FakeColdStore& tier() { return tier_; }

 private:
  void EvictFrom(keyspace::Shard& shard, int database);

  TestClock& clock_;
  config::Config config_;
  OneNumber random_;
  sim::SimulatedFileSystem no_disk_;
  keyspace::FakeColdStore tier_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<Executor> executor_;
  commands::Session session_;
};

}  // namespace holdfast::engine_test
