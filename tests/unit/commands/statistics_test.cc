// Statistics: counters of several threads, resets, retirement.
#include "engine/commands/statistics.h"

#include <gtest/gtest.h>

#include <thread>

#include "engine/commands/info_view.h"

namespace holdfast::commands {
namespace {

TEST(StatisticsTest, SumsThreadsAndRetiredOnes) {
  Statistics statistics(3);
  ThreadStatistics& first = statistics.NewThread();
  ThreadStatistics& second = statistics.NewThread();
  first.per_command[1].calls.Add(2);
  second.per_command[1].calls.Add(3);
  second.per_command[1].nanoseconds.Add(500);
  statistics.RetireThread(second);
  EXPECT_EQ(statistics.SumCommand(1).calls, 5u);
  EXPECT_EQ(statistics.SumCommand(1).nanoseconds, 500u);
  EXPECT_EQ(statistics.Sum().commands, 5u);
}

// A reset stores nothing into a thread's counters: it cannot be lost, nor lose a count.
TEST(StatisticsTest, ResetBesideCountingThreads) {
  constexpr uint64_t kCounts = 100'000;
  Statistics statistics(1);
  ThreadStatistics& thread = statistics.NewThread();
  std::thread counting([&] {
    for (uint64_t i = 0; i < kCounts; ++i) thread.per_command[0].calls.Add(1);
  });
  uint64_t before_resets = 0;
  for (int i = 0; i < 50; ++i) {
    statistics.Reset();
    before_resets = statistics.SumCommand(0).calls;
    EXPECT_LE(before_resets, kCounts);
  }
  counting.join();
  statistics.Reset();
  EXPECT_EQ(statistics.SumCommand(0).calls, 0u);
  thread.per_command[0].calls.Add(7);
  EXPECT_EQ(statistics.SumCommand(0).calls, 7u);
}

TEST(StatisticsTest, LatencyBuckets) {
  EXPECT_EQ(LatencyBucket(0), 0u);
  EXPECT_EQ(LatencyBucket(1023), 0u);
  EXPECT_EQ(LatencyBucket(1024), 1u);
  EXPECT_EQ(LatencyBucket(2047), 1u);
  EXPECT_EQ(LatencyBucket(2048), 2u);
  EXPECT_EQ(LatencyBucket(UINT64_MAX), kLatencyBuckets - 1);
}

TEST(StatisticsTest, ErrorsAreSortedAndBounded) {
  Statistics statistics(1);
  statistics.CountError("WRONGTYPE");
  statistics.CountError("ERR");
  statistics.CountError("ERR");
  const auto errors = statistics.Errors();
  ASSERT_EQ(errors.size(), 2u);
  EXPECT_EQ(errors[0], (std::pair<std::string, uint64_t>("ERR", 2)));
  for (int i = 0; i < 1000; ++i) statistics.CountError("E" + std::to_string(i));
  EXPECT_EQ(statistics.Errors().size(), 128u);
}

TEST(StatisticsTest, RatesOfTheLastSamples) {
  Statistics statistics(1);
  ThreadStatistics& thread = statistics.NewThread();
  EXPECT_EQ(statistics.RatesNow().commands, 0);
  for (int i = 0; i < 40; ++i) {
    statistics.SampleRates(i * 100'000'000LL);
    statistics.SampleRates(i * 100'000'000LL + 1);  // too soon: no sample
    thread.per_command[0].calls.Add(100);
    thread.net_input_bytes.Add(1000);
  }
  EXPECT_DOUBLE_EQ(statistics.RatesNow().commands, 1000);
  EXPECT_DOUBLE_EQ(statistics.RatesNow().input_bytes, 10'000);
}

TEST(StatisticsTest, LatencySeriesKeepsTheWorstOfASecond) {
  Statistics statistics(1);
  for (int i = 0; i < 200; ++i) statistics.LatencyAdd("event", i * 1000, i);
  statistics.LatencyAdd("event", 199'500, 500);
  statistics.LatencyAdd("event", 199'600, 1);
  const auto series = statistics.Latency().at(0).second;
  EXPECT_EQ(series.samples.size(), 160u);
  EXPECT_EQ(series.samples.back().milliseconds, 500u);
  EXPECT_EQ(series.max_milliseconds, 500u);
}

TEST(StatisticsTest, PeakMemory) {
  Statistics statistics(1);
  EXPECT_EQ(statistics.NoteMemory(100), 100u);
  EXPECT_EQ(statistics.NoteMemory(50), 100u);
  EXPECT_EQ(statistics.NoteMemory(150), 150u);
}

TEST(HumanBytesTest, AsRedisShowsThem) {
  EXPECT_EQ(HumanBytes(0), "0B");
  EXPECT_EQ(HumanBytes(1023), "1023B");
  EXPECT_EQ(HumanBytes(1024), "1.00K");
  EXPECT_EQ(HumanBytes(916680), "895.20K");
  EXPECT_EQ(HumanBytes(25276502016), "23.54G");
}

}  // namespace
}  // namespace holdfast::commands
