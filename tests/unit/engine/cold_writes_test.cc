// The queue of cold writes: order, retries, bounds, what it counts, its end.
#include "engine/cold_writes.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "engine/value_references.h"
#include "holdfast/random.h"
#include "tests/unit/engine/fake_cold_rows.h"

namespace holdfast {
namespace {

using keyspace::ColdItem;
using keyspace::ColdLanded;
using keyspace::ColdProbed;
using std::chrono::milliseconds;

constexpr uint64_t kLimit = uint64_t{16} << 20;
constexpr uint64_t kBound = uint64_t{128} << 10;  // of the queue under that limit

class Lines final : public Logger {
 public:
  void Write(LogLevel, std::string_view line) override {
    const std::lock_guard lock(mutex_);
    lines_.emplace_back(line);
  }
  std::vector<std::string> lines() const {
    const std::lock_guard lock(mutex_);
    return lines_;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> lines_;
};

class ColdWritesTest : public testing::Test {
 protected:
  struct Report {
    uint16_t shard;
    FakeColdRows::Key key;
    uint16_t ticket;
    bool evict;
    uint32_t leaving_bytes;
  };

  void Make(milliseconds gather = milliseconds(20)) {
    writes_ = std::make_unique<ColdWrites>(
        ColdWritesParts{.rows = &rows_,
                        .budget = &budget_,
                        .probed =
                            [this](auto items) {
                              for (const auto& i : items) NoteProbe(i);
                            },
                        .landed =
                            [this](auto items) {
                              for (const auto& i : items) Note(i);
                            },
                        .damaged = [this](const Error&) { ++damaged_; },
                        .logger = &lines_,
                        .gather = gather,
                        .first_retry = milliseconds(2)});
    writes_->Start();
  }
  void Note(const ColdLanded& item) {
    const std::lock_guard lock(mutex_);
    reports_.push_back({item.shard,
                        {item.key.space, item.key.order, std::string(item.key.name)},
                        item.ticket,
                        item.evict,
                        item.leaving_bytes});
  }
  void NoteProbe(const ColdProbed& item) {
    const std::lock_guard lock(mutex_);
    reports_before_probe_ = reports_.size();
    EXPECT_TRUE(probed_.emplace(std::pair(item.shard, item.cut), item).second);
  }
  std::vector<Report> reports() const {
    const std::lock_guard lock(mutex_);
    return reports_;
  }
  static ColdItem Put(std::string_view name, std::string_view value, uint16_t shard = 0,
                      uint16_t ticket = 1) {
    return {.shard = shard,
            .key = {.space = 0, .order = shard, .name = name},
            .ticket = ticket,
            .facts = {.size = value.size()},
            .bytes = value};
  }
  static ColdItem Erase(std::string_view name, uint16_t shard = 0) {
    return {.shard = shard, .key = {0, shard, name}, .ticket = 1, .erase = true};
  }
  static BlockRef Block(size_t bytes) {
    BlockRef block = BlockRef::Adopt(CountedBlock::Create(bytes));
    std::fill_n(block->data(), bytes, 'b');
    block->size = bytes;
    return block;
  }
  // Also when an attempt that fails was under way when the disk came back.
  void AwaitLanded() {
    while (!writes_->WaitUntilLanded()) {
    }
  }
  void ExpectNothingCounted() {
    EXPECT_EQ(budget_.used(), 0U);
    EXPECT_EQ(budget_.leaving(), 0U);
    const ColdWritesFigures figures = writes_->Figures();
    EXPECT_EQ(figures.queued_items, 0U);
    EXPECT_EQ(figures.queued_bytes, 0U);
  }

  eviction::MemoryBudget budget_{256};
  FakeColdRows rows_;
  Lines lines_;
  mutable std::mutex mutex_;
  std::vector<Report> reports_;
  std::map<std::pair<uint16_t, uint8_t>, ColdProbed> probed_;  // by shard and cut
  size_t reports_before_probe_ = 0;
  std::atomic<int> damaged_{0};
  std::unique_ptr<ColdWrites> writes_;
};

TEST_F(ColdWritesTest, EachLandsInItsShardsOrderAndIsReported) {
  Make();
  SeededRandom random(1);
  constexpr int kShards = 20;
  std::vector<std::vector<FakeColdRows::Write>> expected(kShards);
  std::vector<std::vector<uint16_t>> tickets(kShards);
  for (int i = 0; i < 5'000; ++i) {
    const auto shard = static_cast<uint16_t>(random.Below(kShards));
    const std::string name(1 + random.Below(random.Below(50) == 0 ? 30'000 : 20), 'k');
    const std::string value(random.Below(300), static_cast<char>('a' + random.Below(26)));
    ColdItem item = random.Below(4) == 0 ? Erase(name, shard) : Put(name, value, shard);
    item.ticket = static_cast<uint16_t>(1 + i);
    item.evict = random.Below(2) == 0;
    item.leaving_bytes = static_cast<uint32_t>(i);
    expected[shard].push_back({{0, shard, name}, item.erase, item.erase ? "" : value});
    tickets[shard].push_back(item.ticket);
    writes_->Queue(item);
    if (random.Below(1000) == 0) {
      EXPECT_TRUE(writes_->WaitUntilLanded());
    }
  }
  EXPECT_GT(budget_.used(), 0U);
  EXPECT_EQ(budget_.used(), budget_.leaving());
  ASSERT_TRUE(writes_->WaitUntilLanded());
  std::vector<std::vector<FakeColdRows::Write>> landed(kShards);
  for (const FakeColdRows::Write& write : rows_.landed())
    landed[std::get<1>(write.key)].push_back(write);
  std::vector<std::vector<uint16_t>> reported(kShards);
  for (const Report& report : reports()) reported[report.shard].push_back(report.ticket);
  for (size_t shard = 0; shard < kShards; ++shard) {
    ASSERT_EQ(landed[shard].size(), expected[shard].size());
    for (size_t i = 0; i < landed[shard].size(); ++i) {
      EXPECT_EQ(landed[shard][i].key, expected[shard][i].key);
      EXPECT_EQ(landed[shard][i].erase, expected[shard][i].erase);
      EXPECT_EQ(landed[shard][i].value, expected[shard][i].value);
    }
    EXPECT_EQ(reported[shard], tickets[shard]);
  }
  for (const Report& report : reports()) EXPECT_EQ(report.leaving_bytes + 1, report.ticket);
  ExpectNothingCounted();
  const ColdWritesFigures figures = writes_->Figures();
  EXPECT_EQ(figures.landed_items, 5'000U);
  EXPECT_EQ(figures.landings, rows_.landings().size());
  EXPECT_LT(figures.landings, 500U);  // gathered
}

ColdItem Probing(ColdItem item, uint8_t cut) {
  item.probe = true;
  item.cut = cut;
  return item;
}

TEST_F(ColdWritesTest, AProbeSaysWhatWasThereBeforeTheWrite) {
  Make();
  rows_.PutRow({0, 1, "there"}, "old");
  writes_->Queue(Probing(Put("there", "new", 1), 7));
  writes_->Queue(Probing(Put("fresh", "new", 2), 8));
  writes_->Queue(Probing(Erase("gone", 3), 9));
  ColdItem question = Probing({.shard = 4, .key = {0, 4, "only asked for"}}, 10);
  question.write = false;
  writes_->Queue(question);
  ASSERT_TRUE(writes_->WaitUntilLanded());
  ASSERT_EQ(probed_.size(), 4U);
  EXPECT_EQ(reports_before_probe_, 0U);
  EXPECT_TRUE((probed_[{1, 7}].existed));
  EXPECT_FALSE((probed_[{2, 8}].existed));
  EXPECT_FALSE((probed_[{3, 9}].existed));
  EXPECT_FALSE((probed_[{4, 10}].existed));
  EXPECT_EQ(reports().size(), 3U);
  EXPECT_EQ(rows_.landed().size(), 3U);
  EXPECT_EQ(writes_->Figures().probed_items, 4U);
  ExpectNothingCounted();
}

TEST_F(ColdWritesTest, ADamagedRowIsTakenForNoneAndReported) {
  Make();
  rows_.PutRow({0, 1, "there"}, "old");
  rows_.Break("damaged");
  writes_->Queue(Probing(Put("there", "new", 1), 1));
  writes_->Queue(Probing(Put("damaged", "new", 2), 2));
  writes_->Queue(Probing(Put("fresh", "new", 3), 3));
  ASSERT_TRUE(writes_->WaitUntilLanded());
  EXPECT_TRUE((probed_[{1, 1}].existed));
  EXPECT_FALSE((probed_[{2, 2}].existed));
  EXPECT_FALSE((probed_[{3, 3}].existed));
  EXPECT_GE(damaged_.load(), 1);
  EXPECT_EQ(reports().size(), 3U);
}

TEST_F(ColdWritesTest, AProbeIsAnsweredWhileNothingCanLandAndOnce) {
  Make();
  rows_.Fail(true);
  writes_->Queue(Probing(Put("k", "v"), 1));
  EXPECT_FALSE(writes_->WaitUntilLanded());
  rows_.Fail(false);
  AwaitLanded();
  EXPECT_EQ(probed_.size(), 1U);
  EXPECT_EQ(reports().size(), 1U);
}

TEST_F(ColdWritesTest, ALongValueIsSharedUntilItHasLanded) {
  Make();
  rows_.Shut(FakeColdRows::kLandDoor);
  BlockRef block = Block(200'000);
  ColdItem item = Put("long", {});
  item.facts.size = block->size;
  item.block = block;
  writes_->Queue(std::move(item));
  rows_.AwaitSomebodyAt(FakeColdRows::kLandDoor);
  EXPECT_TRUE(block->Shared());
  EXPECT_LT(budget_.used(), 100'000U);
  rows_.Open(FakeColdRows::kLandDoor);
  ASSERT_TRUE(writes_->WaitUntilLanded());
  EXPECT_FALSE(block->Shared());
  EXPECT_EQ(rows_.rows().begin()->second, block->view());
}

TEST_F(ColdWritesTest, WhatCannotLandStaysAndIsTriedAgain) {
  Make();
  rows_.Fail(true);
  writes_->Queue(Put("a", "1"));
  writes_->Queue(Put("b", "2"));
  const Status failed = writes_->WaitUntilLanded();
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().message, "the disk is full");
  EXPECT_FALSE(writes_->HasRoom(Put("c", "3")));
  EXPECT_TRUE(writes_->Congested());
  EXPECT_TRUE(writes_->Figures().failing);
  EXPECT_EQ(writes_->Figures().last_error, "the disk is full");
  EXPECT_EQ(writes_->Figures().queued_items, 2U);
  EXPECT_TRUE(reports().empty());
  // What had room before it was known.
  writes_->Queue(Put("a", "newer"));
  while (rows_.failures() < 4) std::this_thread::yield();
  rows_.Fail(false);
  AwaitLanded();
  EXPECT_TRUE(writes_->HasRoom(Put("c", "3")));
  EXPECT_FALSE(writes_->Figures().failing);
  const std::map<FakeColdRows::Key, std::string> expected = {{{0, 0, "a"}, "newer"},
                                                             {{0, 0, "b"}, "2"}};
  EXPECT_EQ(rows_.rows(), expected);
  EXPECT_EQ(rows_.landed().size(), 3U);
  EXPECT_EQ(reports().size(), 3U);
  EXPECT_GE(writes_->Figures().failed_landings, 4U);
  // Told once each.
  ASSERT_EQ(lines_.lines().size(), 2U);
  EXPECT_TRUE(lines_.lines()[0].contains("the disk is full"));
  EXPECT_TRUE(lines_.lines()[1].contains("again"));
  ExpectNothingCounted();
}

TEST_F(ColdWritesTest, ItsMemoryIsBounded) {
  budget_.SetLimit(kLimit);
  Make();
  rows_.Shut(FakeColdRows::kLandDoor);
  const std::string value(100, 'v');
  size_t queued = 0;
  for (; writes_->HasRoom(Put("key", value)); ++queued) writes_->Queue(Put("key", value));
  EXPECT_GT(queued, kBound / 400);
  EXPECT_LE(budget_.used(), kBound);
  EXPECT_EQ(budget_.used(), budget_.leaving());
  EXPECT_TRUE(writes_->Congested());
  // An image of a cut is taken all the same.
  writes_->Queue(Put("image", value));
  rows_.Open(FakeColdRows::kLandDoor);
  ASSERT_TRUE(writes_->WaitUntilLanded());
  EXPECT_EQ(rows_.landed().size(), queued + 1);
  EXPECT_TRUE(writes_->HasRoom(Put("key", value)));
  EXPECT_FALSE(writes_->Congested());
  ExpectNothingCounted();
}

TEST_F(ColdWritesTest, WhatIsLongerThanTheBoundGoesAlone) {
  budget_.SetLimit(kLimit);
  Make();
  rows_.Shut(FakeColdRows::kLandDoor);
  const std::string name(2 * kBound, 'n');
  ASSERT_TRUE(writes_->HasRoom(Put(name, "v")));
  writes_->Queue(Put(name, "v"));
  EXPECT_FALSE(writes_->HasRoom(Put("short", "v")));
  rows_.Open(FakeColdRows::kLandDoor);
  ASSERT_TRUE(writes_->WaitUntilLanded());
  // So do blocks, of which others may know as well.
  rows_.Shut(FakeColdRows::kLandDoor);
  ColdItem item = Put("block", {});
  item.block = Block(3 << 20);
  ASSERT_TRUE(writes_->HasRoom(item));
  writes_->Queue(item);
  EXPECT_FALSE(writes_->HasRoom(item));
  EXPECT_TRUE(writes_->HasRoom(Put("short", "v")));
  rows_.Open(FakeColdRows::kLandDoor);
  ASSERT_TRUE(writes_->WaitUntilLanded());
  EXPECT_TRUE(writes_->HasRoom(item));
  ExpectNothingCounted();
}

TEST_F(ColdWritesTest, LandsByItselfAndSoonerWhenMemoryIsShort) {
  Make(milliseconds(1));
  writes_->Queue(Put("soon", "v"));
  while (rows_.landed().empty()) std::this_thread::yield();
  writes_->Stop();
  // Neither of these waits for an hour.
  Make(std::chrono::hours(1));
  writes_->Queue(Put("hurry", "v"));
  writes_->Hurry();
  while (rows_.landed().size() < 2) std::this_thread::yield();
  budget_.SetLimit(kLimit);
  const std::string value(1000, 'v');
  for (size_t bytes = 0; bytes <= kBound / 2; bytes += value.size())
    writes_->Queue(Put("much", value));
  while (rows_.landings().size() < 3) std::this_thread::yield();
}

TEST_F(ColdWritesTest, LandsNothingWhileCompactionsAreBehind) {
  Make();
  rows_.Congest(true);
  writes_->Queue(Put("k", "v"));
  std::thread waiter([this] { EXPECT_TRUE(writes_->WaitUntilLanded()); });
  std::this_thread::sleep_for(milliseconds(30));
  EXPECT_TRUE(rows_.landings().empty());
  rows_.Congest(false);
  waiter.join();
  EXPECT_EQ(rows_.landings().size(), 1U);
}

TEST_F(ColdWritesTest, StopsWithItemsQueuedAndUnderWay) {
  for (const bool fails : {false, true}) {
    Make(std::chrono::hours(1));
    rows_.Fail(fails);
    const size_t before = reports().size();
    BlockRef block = Block(5'000);
    ColdItem item = Put("block", {});
    item.block = block;
    writes_->Queue(item);
    item.block = {};
    if (fails) {
      EXPECT_FALSE(writes_->WaitUntilLanded());
    }
    writes_->Queue(Put("queued", "v"));
    writes_->Stop();
    EXPECT_FALSE(block->Shared());
    EXPECT_EQ(reports().size(), before);
    EXPECT_FALSE(writes_->HasRoom(Put("late", "v")));
    EXPECT_EQ(writes_->WaitUntilLanded().error().code, ErrorCode::kUnavailable);
    ExpectNothingCounted();
  }
}

TEST_F(ColdWritesTest, StopEndsAWaitAndAStall) {
  Make();
  rows_.Congest(true);
  writes_->Queue(Put("k", "v"));
  std::thread waiter([this] {
    const Status waited = writes_->WaitUntilLanded();
    ASSERT_FALSE(waited);
    EXPECT_EQ(waited.error().code, ErrorCode::kUnavailable);
  });
  writes_->Stop();
  waiter.join();
  EXPECT_TRUE(rows_.landings().empty());
  ExpectNothingCounted();
}

TEST_F(ColdWritesTest, AForgottenSpaceGoesWhenItsWritesHaveLanded) {
  Make();
  rows_.Shut(FakeColdRows::kLandDoor);
  ColdItem item = Put("k", "v");
  for (const keyspace::SpaceId space : {1U, 2U, 3U}) {
    item.key.space = space;
    writes_->Queue(item);
  }
  writes_->ForgetSpace(2);
  EXPECT_TRUE(rows_.dropped().empty());
  rows_.Open(FakeColdRows::kLandDoor);
  while (rows_.dropped().empty()) std::this_thread::yield();
  EXPECT_EQ(rows_.dropped(), std::vector<snapshot::SpaceId>{2});
  EXPECT_EQ(rows_.landed().size(), 3U);
  EXPECT_EQ(rows_.rows().size(), 2U);
  // During a snapshot it stays.
  writes_->KeepSpaces();
  writes_->KeepSpaces();
  writes_->ForgetSpace(1);
  writes_->LetSpacesGo();
  writes_->Queue(Put("other", "v"));
  ASSERT_TRUE(writes_->WaitUntilLanded());
  EXPECT_EQ(rows_.dropped().size(), 1U);
  EXPECT_EQ(writes_->Figures().forgotten_spaces, 1U);
  rows_.Fail(true);
  writes_->LetSpacesGo();
  while (rows_.failures() < 2) std::this_thread::yield();
  EXPECT_FALSE(writes_->HasRoom(Put("k", "v")));
  rows_.Fail(false);
  while (rows_.dropped().size() < 2) std::this_thread::yield();
  EXPECT_EQ(rows_.dropped().back(), 1U);
  AwaitLanded();
  EXPECT_TRUE(writes_->HasRoom(Put("k", "v")));
  EXPECT_EQ(writes_->Figures().forgotten_spaces, 0U);
}

// Threads that hold different shards' locks, others that wait and hurry, a disk that comes and
// goes.
TEST_F(ColdWritesTest, ManyThreads) {
  budget_.SetLimit(kLimit);
  Make(milliseconds(5));
  constexpr int kShards = 12;
  constexpr int kThreads = 3;
  constexpr int kItems = 3'000;
  std::array<std::mutex, kShards> locks;
  std::array<int, kShards> newest{};
  std::atomic<bool> done{false};
  std::vector<std::thread> threads;
  std::atomic<int> queued{0};
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      SeededRandom random(static_cast<uint64_t>(t));
      for (int i = 0; i < kItems; ++i) {
        const auto shard = static_cast<uint16_t>(random.Below(kShards));
        for (bool waits = true; waits;) {
          const std::lock_guard lock(locks[shard]);
          const std::string value = fmt::format("{:08}", newest[shard] + 1);
          if (!writes_->HasRoom(Put("k", value, shard))) continue;
          ++newest[shard];
          writes_->Queue(Put("k", value, shard));
          ++queued;
          waits = false;
        }
      }
    });
  }
  std::thread trouble([&] {
    for (bool fails = false; !done; fails = !fails) {
      rows_.Fail(fails);
      writes_->Hurry();
      std::this_thread::sleep_for(milliseconds(3));
    }
    rows_.Fail(false);
  });
  std::thread waiter([&] {
    while (!done) {
      const int before = queued;
      if (!writes_->WaitUntilLanded()) continue;
      EXPECT_GE(static_cast<int>(rows_.landed().size()), before);
    }
  });
  for (std::thread& thread : threads) thread.join();
  done = true;
  trouble.join();
  waiter.join();
  AwaitLanded();
  EXPECT_EQ(rows_.landed().size(), size_t{kThreads} * kItems);
  EXPECT_EQ(reports().size(), size_t{kThreads} * kItems);
  std::array<std::string, kShards> last;
  for (const FakeColdRows::Write& write : rows_.landed()) {
    std::string& before = last[std::get<1>(write.key)];
    EXPECT_LT(before, write.value);
    before = write.value;
  }
  for (int shard = 0; shard < kShards; ++shard)
    EXPECT_EQ(last[static_cast<size_t>(shard)],
              fmt::format("{:08}", newest[static_cast<size_t>(shard)]));
  ExpectNothingCounted();
}

// A row that names a value which the tier has; the reference is held until the row is there.
TEST_F(ColdWritesTest, AReferenceLandsAsARowThatNamesItsValue) {
  Make();
  ValueReferences references;
  rows_.Shut(FakeColdRows::kLandDoor);
  ColdItem item = Put("k", "");
  item.facts.size = 100'000;
  item.by_reference = true;
  item.block = references.To({.size = 100'000, .value_id = 7, .payload_bytes = 100'000});
  writes_->Queue(std::move(item));
  rows_.AwaitSomebodyAt(FakeColdRows::kLandDoor);
  EXPECT_TRUE(references.Held(7));
  rows_.Open(FakeColdRows::kLandDoor);
  AwaitLanded();
  EXPECT_EQ(rows_.NamedBy({0, 0, "k"}), 7U);
  EXPECT_FALSE(references.Held(7));
  ASSERT_EQ(rows_.landed().size(), 1U);
  EXPECT_EQ(rows_.landed()[0].value, "");
  ExpectNothingCounted();
}

}  // namespace
}  // namespace holdfast
