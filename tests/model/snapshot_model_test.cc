// Random runs of the model: with the rules nothing is ever wrong, without any one of them something
// soon is. A few seconds by default; for longer:
//
//   HOLDFAST_MODEL_STEPS=300000000 HOLDFAST_MODEL_SEED=7 model_test
#include "tests/model/snapshot_model.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>

namespace holdfast::model {
namespace {

constexpr uint64_t kDefaultSteps = 8'000'000;
constexpr uint64_t kMostStepsOfABug = 30'000'000;

uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

uint64_t Seed() { return FromEnvironment("HOLDFAST_MODEL_SEED", 1); }

struct Outcome {
  std::string violation;
  uint64_t trial = 0;
  uint64_t steps = 0;
  SnapshotModel::Events events;
};

// Many short lives: each has its own mixture of steps.
Outcome RunTrials(Bug bug, uint64_t most_steps) {
  Outcome outcome;
  while (outcome.steps < most_steps && outcome.violation.empty()) {
    SeededRandom random(Seed() * 1'000'003 + ++outcome.trial);
    SnapshotModel model(random.Next(), bug);
    outcome.steps += static_cast<uint64_t>(model.Run(50 + static_cast<int>(random.Below(400))));
    outcome.violation = model.violation();
    for (const auto& [event, count] : model.events()) outcome.events[event] += count;
  }
  return outcome;
}

TEST(SnapshotModelTest, WithTheRulesNothingIsWrong) {
  const Outcome outcome =
      RunTrials(Bug::kNone, FromEnvironment("HOLDFAST_MODEL_STEPS", kDefaultSteps));
  std::cout << "seed " << Seed() << ": " << outcome.steps << " steps in " << outcome.trial
            << " lives\n";
  for (const auto& [event, count] : outcome.events)
    std::cout << "  " << event << ": " << count << '\n';
  EXPECT_EQ(outcome.violation, "") << "in life " << outcome.trial;
  // A run in which none of this happens proves nothing.
  for (const char* event : {"value handed over",
                            "tombstone handed over",
                            "tombstone walked",
                            "spill held back",
                            "unsaved entry spilled",
                            "snapshot aborted",
                            "snapshot complete",
                            "cold key deleted",
                            "cold key expired",
                            "load cancelled by a blind write",
                            "late load dropped",
                            "load of an earlier wait dropped",
                            "load of a dead space dropped",
                            "load finished during a snapshot",
                            "FLUSHDB during a snapshot",
                            "SWAPDB during a snapshot",
                            "table of a dead space walked",
                            "count corrected",
                            "count of a cut corrected",
                            "crash without a snapshot",
                            "crash before the walk is over",
                            "crash before the checkpoint",
                            "crash before the checkpoint is sealed",
                            "crash before the manifest is renamed",
                            "crash before the rename is durable",
                            "crash in recovery",
                            "gap in the log",
                            "torn group",
                            "barrier in replay",
                            "restored from the newest checkpoint",
                            "restored from an older checkpoint"}) {
    const auto found = outcome.events.find(event);
    EXPECT_TRUE(found != outcome.events.end() && found->second >= 3) << event;
  }
}

class PlantedBugTest : public testing::TestWithParam<int> {};

TEST_P(PlantedBugTest, IsCaught) {
  const auto bug = static_cast<Bug>(GetParam());
  const Outcome outcome = RunTrials(bug, kMostStepsOfABug);
  std::cout << NameOf(bug) << ": " << outcome.violation << " after " << outcome.steps << " steps\n";
  EXPECT_NE(outcome.violation, "") << NameOf(bug);
}

INSTANTIATE_TEST_SUITE_P(Each, PlantedBugTest, testing::Range(1, static_cast<int>(Bug::kBugs)));

}  // namespace
}  // namespace holdfast::model
