// The read pool: what waits is read together, each load hears of its own key, nobody waits for a
// stranger's long value, nothing is left behind at the end.
#include "engine/cold_reads.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "engine/keyspace/load.h"
#include "holdfast/random.h"
#include "tests/unit/engine/fake_cold_rows.h"

namespace holdfast {
namespace {

using keyspace::Load;
using keyspace::Need;

class ColdReadsTest : public testing::Test {
 protected:
  // What a load brought, as text: the value, "(nil)", or the error.
  struct Found {
    std::string text;
    keyspace::ColdFacts facts;
    bool in_block = false;
    std::thread::id by;
    BlockRef reference;
  };

  void Make(size_t threads) {
    reads_ = std::make_unique<ColdReads>(
        ColdReadsParts{.rows = &rows_,
                       .loaded =
                           [this](const std::shared_ptr<Load>& load,
                                  Result<std::optional<keyspace::ColdValue>> found) {
                             Note(load, std::move(found));
                           },
                       .references = &references_,
                       .threads = threads});
    reads_->Start();
  }
  void Note(const std::shared_ptr<Load>& load, Result<std::optional<keyspace::ColdValue>> found) {
    Found noted{.text = "(nil)", .facts = {}, .by = std::this_thread::get_id(), .reference = {}};
    if (!found) {
      noted.text = "error: " + found.error().message;
    } else if (*found) {
      const keyspace::ColdValue& value = **found;
      noted.in_block = bool{value.block};
      noted.text = value.block ? value.block->view() : value.bytes;
      noted.facts = value.facts;
      noted.reference = value.reference;
    }
    const std::lock_guard lock(mutex_);
    EXPECT_TRUE(found_.emplace(load->name, noted).second) << "reported twice: " << load->name;
    changed_.notify_all();
  }
  std::shared_ptr<Load> Of(const std::string& name, Need need = Need::kValue) {
    auto load = std::make_shared<Load>();
    load->name = name;
    load->ref = memtable::MakeKeyRef({1, 2}, load->name);
    load->need = need;
    return load;
  }
  void Put(const std::string& name, const std::string& value) {
    rows_.PutRow({0, Of(name)->ref.order(), name}, value);
  }
  Found Await(const std::string& name) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return found_.contains(name); });
    return found_.at(name);
  }
  size_t reported() {
    const std::lock_guard lock(mutex_);
    return found_.size();
  }

  FakeColdRows rows_;
  ValueReferences references_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, Found> found_;
  std::unique_ptr<ColdReads> reads_;
};

TEST_F(ColdReadsTest, WhatWaitsIsReadTogether) {
  Make(1);
  rows_.Shut(FakeColdRows::kReadDoor);
  std::vector<std::shared_ptr<Load>> loads;
  for (int i = 0; i < 300; ++i) {
    const std::string name = fmt::format("key:{}", i);
    if (i % 3 != 0) Put(name, std::string(static_cast<size_t>(i) * 10, 'v'));
    loads.push_back(Of(name));
  }
  reads_->StartReads({Of("first")});
  rows_.AwaitSomebodyAt(FakeColdRows::kReadDoor);
  reads_->StartReads(loads);
  EXPECT_EQ(reads_->Figures().waiting, 300U);
  rows_.Open(FakeColdRows::kReadDoor);
  for (int i = 0; i < 300; ++i) {
    const Found found = Await(fmt::format("key:{}", i));
    const std::string value(static_cast<size_t>(i) * 10, 'v');
    EXPECT_EQ(found.text, i % 3 == 0 ? "(nil)" : value);
    // As memory will hold it.
    if (i % 3 != 0) {
      EXPECT_EQ(found.in_block, value.size() > memtable::kInlineValueLimit);
      EXPECT_EQ(found.facts.size, value.size());
    }
  }
  const ColdReadsFigures figures = reads_->Figures();
  EXPECT_EQ(figures.batches, 1U + 3U);  // 1, 128, 128, 44
  EXPECT_EQ(figures.reads, 301U);
  EXPECT_EQ(figures.absent, 101U);
  EXPECT_EQ(figures.errors, 0U);
  EXPECT_EQ(figures.waiting, 0U);
  EXPECT_GT(figures.bytes, 200'000U);
  EXPECT_GE(figures.p99_us, figures.p50_us);
}

TEST_F(ColdReadsTest, SeveralThreadsShareWhatWaits) {
  Make(4);
  rows_.Shut(FakeColdRows::kReadDoor);
  std::vector<std::shared_ptr<Load>> loads;
  for (int i = 0; i < 100; ++i) loads.push_back(Of(fmt::format("key:{}", i)));
  reads_->StartReads(loads);
  rows_.AwaitSomebodyAt(FakeColdRows::kReadDoor);
  rows_.Open(FakeColdRows::kReadDoor);
  for (int i = 0; i < 100; ++i) Await(fmt::format("key:{}", i));
  EXPECT_GE(reads_->Figures().batches, 4U);
}

TEST_F(ColdReadsTest, AFactIsNotAValue) {
  Make(1);
  Put("short", "abc");
  Put("long", std::string(100'000, 'x'));
  rows_.Shut(FakeColdRows::kLongDoor);  // nobody goes there
  reads_->StartReads({Of("short", Need::kHeader), Of("long", Need::kExistence)});
  EXPECT_EQ(Await("short").facts.size, 3U);
  EXPECT_EQ(Await("short").text, "");
  EXPECT_EQ(Await("long").facts.size, 100'000U);
  EXPECT_EQ(reads_->Figures().long_values, 0U);
}

// With a row goes its value, or what names one that is long; by that it can be read without the
// row.
TEST_F(ColdReadsTest, ARowNamesItsLongValue) {
  Make(1);
  Put("short", "abc");
  Put("long", std::string(100'000, 'x'));
  rows_.Shut(FakeColdRows::kLongDoor);
  reads_->StartReads({Of("short", Need::kRow), Of("long", Need::kRow)});
  EXPECT_EQ(Await("short").text, "abc");
  EXPECT_FALSE(Await("short").reference);
  const Found found = Await("long");
  EXPECT_EQ(found.text, "");
  EXPECT_EQ(found.facts.size, 100'000U);
  ASSERT_TRUE(found.reference);
  EXPECT_EQ(reads_->Figures().long_values, 0U);
  rows_.Open(FakeColdRows::kLongDoor);
  rows_.Shut(FakeColdRows::kReadDoor);
  for (const char* name : {"renamed", "in place", "gone"}) {
    const std::shared_ptr<Load> load = Of(name);
    load->reference = found.reference;
    if (std::string_view(name) == "gone")
      load->reference = references_.To({.size = 70'000, .value_id = 99, .payload_bytes = 70'000});
    if (std::string_view(name) == "in place") {
      const std::shared_ptr<Load> loads[] = {load};
      reads_->ReadInPlace(loads);
    } else {
      reads_->StartReads({load});
    }
  }
  EXPECT_EQ(Await("renamed").text, std::string(100'000, 'x'));
  EXPECT_EQ(Await("in place").text, std::string(100'000, 'x'));
  EXPECT_EQ(Await("gone").text, "error: no such value");
  EXPECT_EQ(reads_->Figures().long_values, 3U);
  rows_.Open(FakeColdRows::kReadDoor);
}

TEST_F(ColdReadsTest, OnlyThoseWhoWaitForABrokenKeyHearOfIt) {
  Make(1);
  Put("good", "1");
  Put("bad", "2");
  Put("better", "3");
  rows_.Break("bad");
  rows_.Shut(FakeColdRows::kReadDoor);
  reads_->StartReads({Of("first")});
  rows_.AwaitSomebodyAt(FakeColdRows::kReadDoor);
  reads_->StartReads({Of("good"), Of("bad"), Of("better")});
  rows_.Open(FakeColdRows::kReadDoor);
  EXPECT_EQ(Await("good").text, "1");
  EXPECT_EQ(Await("better").text, "3");
  EXPECT_EQ(Await("bad").text, "error: broken: bad");
  EXPECT_EQ(reads_->Figures().errors, 1U);
}

TEST_F(ColdReadsTest, ALongValueHoldsUpNobody) {
  Make(1);
  const std::string value(300'000, 'x');
  Put("long", value);
  Put("longer", value + value);
  Put("short", "abc");
  rows_.Shut(FakeColdRows::kLongDoor);
  reads_->StartReads({Of("long"), Of("longer")});
  rows_.AwaitSomebodyAt(FakeColdRows::kLongDoor);
  reads_->StartReads({Of("short")});
  EXPECT_EQ(Await("short").text, "abc");
  EXPECT_EQ(reported(), 1U);
  rows_.Open(FakeColdRows::kLongDoor);
  EXPECT_EQ(Await("long").text, value);
  EXPECT_EQ(Await("longer").text, value + value);
  EXPECT_EQ(reads_->Figures().long_values, 2U);
}

TEST_F(ColdReadsTest, InPlaceAllIsReportedByTheCaller) {
  Make(1);
  rows_.Shut(FakeColdRows::kReadDoor);
  reads_->StartReads({Of("stuck")});  // the pool is of no use
  rows_.AwaitSomebodyAt(FakeColdRows::kReadDoor);
  std::thread caller([this] {
    std::vector<std::shared_ptr<Load>> loads;
    for (int i = 0; i < 200; ++i) loads.push_back(Of(fmt::format("key:{}", i)));
    loads.push_back(Of("long"));
    reads_->ReadInPlace(loads);
    const std::lock_guard lock(mutex_);
    for (const auto& load : loads) {
      ASSERT_TRUE(found_.contains(load->name));
      EXPECT_EQ(found_.at(load->name).by, std::this_thread::get_id());
    }
  });
  Put("key:7", "seven");
  Put("long", std::string(100'000, 'x'));
  rows_.Open(FakeColdRows::kReadDoor);
  caller.join();
  EXPECT_EQ(Await("key:7").text, "seven");
  EXPECT_EQ(Await("long").text.size(), 100'000U);
}

TEST_F(ColdReadsTest, AtTheEndAllWhoWaitAreTold) {
  Make(1);
  Put("long", std::string(100'000, 'x'));
  Put("also long", std::string(100'000, 'x'));
  rows_.Shut(FakeColdRows::kLongDoor);
  reads_->StartReads({Of("long"), Of("also long")});
  rows_.AwaitSomebodyAt(FakeColdRows::kLongDoor);
  rows_.Shut(FakeColdRows::kReadDoor);
  reads_->StartReads({Of("reading")});
  rows_.AwaitSomebodyAt(FakeColdRows::kReadDoor);
  reads_->StartReads({Of("a"), Of("b")});
  std::thread opener([this] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    rows_.Open(FakeColdRows::kReadDoor);
    rows_.Open(FakeColdRows::kLongDoor);
  });
  reads_->Stop();
  opener.join();
  EXPECT_EQ(reported(), 5U);
  EXPECT_EQ(Await("reading").text, "(nil)");
  EXPECT_EQ(Await("long").text.size(), 100'000U);
  for (const char* name : {"a", "b", "also long"})
    EXPECT_EQ(Await(name).text, "error: the store is closing") << name;
  reads_->StartReads({Of("late")});
  EXPECT_EQ(Await("late").text, "error: the store is closing");
}

TEST_F(ColdReadsTest, ManyThreadsAskAndTheStoreCloses) {
  Make(3);
  for (int i = 0; i < 200; ++i)
    Put(fmt::format("{}", i), std::string(i % 50 == 0 ? 70'000 : 20, 'v'));
  std::vector<std::thread> threads;
  constexpr int kAsked = 2'000;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kAsked; i += 2) {
        // Names that are asked for once, of which a few are there.
        const int number = t * kAsked + i;
        reads_->StartReads({Of(fmt::format("{}", number)), Of(fmt::format("{}", number + 1))});
      }
    });
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  reads_->Stop();
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(reported(), size_t{3} * kAsked);
}

TEST(LatencyBucketsTest, PercentilesAreRightToAQuarter) {
  LatencyBuckets buckets;
  EXPECT_EQ(buckets.PercentileUs(50), 0U);
  std::vector<uint64_t> times;
  SeededRandom random(3);
  for (int i = 0; i < 10'000; ++i) {
    const uint64_t us = random.Next() >> (34 + random.Below(30));
    times.push_back(us);
    buckets.Add(std::chrono::microseconds(us));
  }
  std::ranges::sort(times);
  uint64_t before = 0;
  for (const double percent : {1.0, 10.0, 50.0, 90.0, 99.0, 99.9, 100.0}) {
    const uint64_t exact = times[static_cast<size_t>(percent / 100 * 10'000) - 1];
    const uint64_t said = buckets.PercentileUs(percent);
    EXPECT_GE(said, exact);
    EXPECT_LE(said, exact + exact / 4 + 1);
    EXPECT_GE(said, before);
    before = said;
  }
  buckets.Add(std::chrono::hours(10'000));  // longer than there is a bucket for
  EXPECT_GT(buckets.PercentileUs(100), 0U);
}

}  // namespace
}  // namespace holdfast
