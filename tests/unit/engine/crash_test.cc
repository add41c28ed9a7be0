// The power goes off under a whole store with `appendfsync always`, at many recorded operations of
// the disk, a rewrite and a transaction under way among them.
#include <fmt/core.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "tests/unit/engine/engine_fixture.h"

namespace holdfast::engine_test {
namespace {

// What a sequence of commands did: the state after each, and how far the disk's history was when
// the reply came.
struct Workload {
  std::vector<std::string> states;
  std::vector<size_t> acknowledged;
};

class ScriptedRun {
 public:
  explicit ScriptedRun(sim::SimulatedFileSystem& disk)
      : disk_(disk), db_(MustOpen(disk, {{"appendfsync", "always"}})), session_(db_->NewSession()) {
    Note();
  }

  void Do(std::string_view line) {
    const std::string reply = Execute(*session_, line);
    ASSERT_FALSE(reply.starts_with("ERR") || reply.starts_with("IOERR")) << line << ": " << reply;
    Note();
  }
  // One step of the model: nobody may see half of it.
  void DoTransaction(const std::vector<std::string>& lines) {
    Execute(*session_, "MULTI");
    for (const std::string& line : lines) ASSERT_EQ(Execute(*session_, line), "QUEUED");
    Do("EXEC");
  }
  void StartRewrite() { ASSERT_FALSE(Execute(*session_, Command{"BGREWRITEAOF"}).IsError()); }
  void FinishRewrite() {
    ASSERT_TRUE(Eventually([&] { return NothingRewrites(*session_); }));
    ASSERT_EQ(Persistence(*session_, "aof_last_bgrewrite_status"), "ok");
  }
  const Workload& workload() const { return workload_; }

 private:
  void Note() {
    workload_.acknowledged.push_back(disk_.operations());
    workload_.states.push_back(StateOf(*db_));
  }

  sim::SimulatedFileSystem& disk_;
  std::unique_ptr<Db> db_;
  std::unique_ptr<DbSession> session_;
  Workload workload_;
};

void RunScript(ScriptedRun& run) {
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 6; ++i) {
      run.Do(fmt::format("SET key:{} {}", i, round));
      run.Do("INCR count");
      run.DoTransaction({fmt::format("SET left {}.{}", round, i),
                         fmt::format("SET right {}.{}", round, i), "INCR both"});
      // The new file and the base come to be while these are written.
      if (i == 2) run.StartRewrite();
    }
    run.DoTransaction({"SELECT 1", fmt::format("APPEND other {}", round), "SELECT 0", "INCR both"});
    run.Do(fmt::format("SET big {}", std::string(70'000, 'v')));
    run.Do("DEL key:0 key:1");
    run.FinishRewrite();
    run.Do("SWAPDB 0 1");
    run.Do("SWAPDB 0 1");
  }
}

// States from the newest acknowledged one on: more may have reached the disk than was answered.
void ExpectAllowed(const Workload& workload, size_t operation, const std::string& state,
                   const std::string& what) {
  size_t newest = 0;
  for (size_t i = 0; i < workload.acknowledged.size(); ++i) {
    if (workload.acknowledged[i] <= operation) newest = i;
  }
  const size_t last = std::min(newest + 1, workload.states.size() - 1);
  for (size_t i = newest; i <= last; ++i) {
    if (state == workload.states[i]) return;
  }
  const auto older = std::find(workload.states.begin(), workload.states.end(), state);
  ADD_FAILURE() << what << ": not the state after step " << newest << " or the next, but "
                << (older == workload.states.end()
                        ? std::string("one that never was: ") + state
                        : fmt::format("that after step {}", older - workload.states.begin()));
}

class PowerCutTest : public testing::TestWithParam<sim::PowerCut> {};

TEST_P(PowerCutTest, KeepsWhatWasAcknowledged) {
  constexpr size_t kCuts = 70;
  sim::SimulatedFileSystem disk;
  Workload workload;
  {
    ScriptedRun run(disk);
    ASSERT_NO_FATAL_FAILURE(RunScript(run));
    workload = run.workload();
  }
  const size_t operations = disk.operations();
  const size_t stride = std::max<size_t>(1, operations / kCuts);
  for (size_t n = 0; n <= operations; n += stride) {
    sim::PowerCut cut = GetParam();
    cut.operation = n;
    cut.seed = n + 1;
    const std::string what = fmt::format("cut at {} of {}, data {}, names {}", n, operations,
                                         static_cast<int>(cut.data), static_cast<int>(cut.names));
    const auto after = disk.AfterPowerCut(cut);
    std::string state;
    {
      auto db = Db::Open(OptionsOn(*after));
      ASSERT_TRUE(db) << what << ": " << db.error().message;
      state = StateOf(**db);
      ExpectAllowed(workload, n, state, what);
      // It is a store like any other.
      const auto session = (*db)->NewSession();
      EXPECT_EQ(Execute(*session, "SET after cut"), "OK") << what;
      EXPECT_EQ(Execute(*session, "DEL after"), "1") << what;
    }
    const auto again = MustOpen(*after);
    EXPECT_EQ(StateOf(*again), state) << what << ", opened again";
  }
}

using Data = sim::PowerCut::Data;
using Names = sim::PowerCut::Names;

INSTANTIATE_TEST_SUITE_P(
    Disks, PowerCutTest,
    testing::Values(sim::PowerCut{.data = Data::kDropUnsynced, .names = Names::kDropUnsynced},
                    sim::PowerCut{.data = Data::kRandomSectors, .names = Names::kRandomSubset},
                    sim::PowerCut{.data = Data::kTornSectors, .names = Names::kRandomPrefix},
                    sim::PowerCut{.data = Data::kKeepAll, .names = Names::kKeepAll}),
    [](const auto& kind) { return fmt::format("Kind{}", kind.index); });

}  // namespace
}  // namespace holdfast::engine_test
