#include "memtable/reclaimer.h"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <memory>
#include <thread>
#include <vector>

namespace holdfast::memtable {
namespace {

TEST(Reclaimer, FreesAtOnceWithoutReaders) {
  Reclaimer reclaimer;
  int freed = 0;
  reclaimer.Retire([&] { ++freed; });
  EXPECT_EQ(freed, 1);
}

TEST(Reclaimer, WaitsForGuardsThatWereInside) {
  Reclaimer reclaimer;
  Reclaimer::Reader first(reclaimer);
  Reclaimer::Reader second(reclaimer);
  int freed = 0;
  {
    auto early = std::make_unique<Reclaimer::Guard>(first);
    reclaimer.Retire([&] { ++freed; });
    EXPECT_EQ(freed, 0);
    // One that enters later does not hold the earlier retirement back.
    const Reclaimer::Guard late(second);
    reclaimer.Collect();
    EXPECT_EQ(freed, 0);
    early.reset();
    reclaimer.Collect();
    EXPECT_EQ(freed, 1);
    reclaimer.Retire([&] { ++freed; });
    EXPECT_EQ(freed, 1);
  }
  reclaimer.Collect();
  EXPECT_EQ(freed, 2);
}

TEST(Reclaimer, FreesTheRestWhenItGoes) {
  int freed = 0;
  {
    Reclaimer reclaimer;
    {
      Reclaimer::Reader reader(reclaimer);
      const Reclaimer::Guard guard(reader);
      reclaimer.Retire([&] { ++freed; });
    }
    EXPECT_EQ(freed, 0);
  }
  EXPECT_EQ(freed, 1);
}

TEST(Reclaimer, AFreeMayRetireAgain) {
  Reclaimer reclaimer;
  int freed = 0;
  reclaimer.Retire([&] { reclaimer.Retire([&] { ++freed; }); });
  EXPECT_EQ(freed, 1);
}

// A chain of boxes, one current at a time; a reader that finds a freed one sees the mark (and
// AddressSanitizer sees the access, ThreadSanitizer the race).
TEST(Reclaimer, ReadersNeverSeeWhatWasFreed) {
  struct Box {
    std::atomic<uint64_t> alive{0x600d600d};
    ~Box() { alive = 0xdead; }
  };
  Reclaimer reclaimer;
  std::atomic<Box*> current{new Box};
  std::atomic<bool> stop{false};
  std::vector<std::thread> readers;
  for (int i = 0; i < 3; ++i) {
    readers.emplace_back([&] {
      Reclaimer::Reader reader(reclaimer);
      while (!stop.load(std::memory_order_relaxed)) {
        const Reclaimer::Guard guard(reader);
        for (int k = 0; k < 4; ++k) {
          ASSERT_EQ(current.load()->alive.load(std::memory_order_relaxed), 0x600d600dU);
        }
      }
    });
  }
  for (int i = 0; i < 20'000; ++i) {
    Box* old = current.exchange(new Box);
    reclaimer.Retire([old] { delete old; });
  }
  stop = true;
  for (std::thread& reader : readers) reader.join();
  delete current.load();
}

}  // namespace
}  // namespace holdfast::memtable
