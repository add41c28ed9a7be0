#include "aof/log_ring.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

namespace holdfast::aof {
namespace {

std::string Gathered(LogRing& ring, LogPosition from, LogPosition to) {
  std::vector<ByteView> parts;
  ring.Gather(from, to, parts);
  std::string bytes;
  for (const ByteView part : parts) bytes += part;
  return bytes;
}

BlockRef Block(ByteView bytes) {
  CountedBlock* block = CountedBlock::Create(bytes.size());
  std::memcpy(block->data(), bytes.data(), bytes.size());
  block->size = bytes.size();
  return BlockRef::Adopt(block);
}

TEST(LogRingTest, KeepsOrderAroundItsEnd) {
  LogRing ring(LogRing::kMinBytes);
  LogSlot& slot = ring.BorrowSlot();
  const std::string record(97, 'x');
  LogPosition from = 0;
  for (int i = 0; i < 20000; ++i) {
    const std::string mine = record + std::to_string(i);
    const LogPosition end = ring.Append(slot, mine);
    ASSERT_EQ(end - from, mine.size());
    ASSERT_EQ(ring.StableEnd(), end);
    ASSERT_EQ(Gathered(ring, from, end), mine);
    ring.Release(end);
    from = end;
  }
  EXPECT_GT(from, 7 * ring.capacity());
  ring.ReturnSlot(slot);
}

TEST(LogRingTest, RequestsAreEncodedInPlaceAroundItsEnd) {
  LogRing ring(LogRing::kMinBytes);
  LogSlot& slot = ring.BorrowSlot();
  const std::string bytes(LogRing::kMinBytes, 'v');
  LogPosition from = 0;
  for (size_t i = 0; i < 20000; ++i) {
    // One in a thousand is too long to be copied in.
    const size_t length = i % 1000 == 999 ? LogRing::kMinBytes : i % 70;
    const std::string key = std::to_string(i);
    const std::string_view args[] = {"SET", key, std::string_view(bytes).substr(0, length)};
    std::string expected;
    AppendRequest(expected, args);
    const LogPosition end = ring.AppendRequest(slot, args);
    ASSERT_EQ(ring.StableEnd(), end);
    ASSERT_EQ(Gathered(ring, from, end), expected);
    ring.Release(end);
    from = end;
  }
  EXPECT_GT(from, 3 * ring.capacity());
  ring.ReturnSlot(slot);
}

TEST(LogRingTest, TheStableEndStopsAtAHole) {
  LogRing ring(LogRing::kMinBytes);
  LogSlot& first = ring.BorrowSlot();
  LogSlot& second = ring.BorrowSlot();
  ASSERT_NE(&first, &second);
  const LogPosition before = ring.Append(first, "*1\r\n");
  // What a thread looks like that took its place and has not copied yet.
  first.from.store(before);
  ring.Append(second, "*2\r\n");
  EXPECT_EQ(ring.StableEnd(), before);
  first.from.store(LogSlot::kIdle);
  EXPECT_EQ(ring.StableEnd(), ring.tail());
  ring.ReturnSlot(first);
  ring.ReturnSlot(second);
}

TEST(LogRingTest, BigValuesEnterByReference) {
  LogRing ring(LogRing::kMinBytes);
  LogSlot& slot = ring.BorrowSlot();
  const std::string big(100'000, 'v');
  const BlockRef value = Block(big);
  const LogPart record[] = {
      {.bytes = "*head\r\n"}, {.bytes = {}, .block = value.get()}, {.bytes = "\r\n"}};
  LogPosition end = ring.Append(slot, record);
  EXPECT_TRUE(value->Shared());
  EXPECT_EQ(end, 9u);
  EXPECT_EQ(ring.RetainedBytes(), 9 + big.size());
  EXPECT_EQ(Gathered(ring, 0, end), "*head\r\n" + big + "\r\n");
  // Two in a row, and around a plain record.
  const LogPart pair[] = {{.bytes = "*"},
                          {.bytes = {}, .block = value.get()},
                          {.bytes = {}, .block = value.get()},
                          {.bytes = "\n"}};
  ring.Append(slot, "*plain\r\n");
  end = ring.Append(slot, pair);
  EXPECT_EQ(Gathered(ring, 9, end), "*plain\r\n*" + big + big + "\n");
  ring.Release(9);
  EXPECT_EQ(Gathered(ring, 9, end), "*plain\r\n*" + big + big + "\n");
  ring.Release(end);
  EXPECT_FALSE(value->Shared());
  EXPECT_EQ(ring.RetainedBytes(), 0u);
  ring.ReturnSlot(slot);
}

// Admission is asked before the locks; a thread that was admitted may append a lot, and must
// neither wait nor lose it.
TEST(LogRingTest, AnAppendAlwaysFits) {
  LogRing ring(LogRing::kMinBytes);
  LogSlot& slot = ring.BorrowSlot();
  std::string all;
  const auto append = [&](const std::string& record) {
    ring.Append(slot, record);
    all += record;
  };
  append("*1\r\n" + std::string(3 * LogRing::kMinBytes, 'h') + "\r\n");  // one huge record
  for (int i = 0; i < 12000; ++i) append("*2\r\n" + std::string(40, 'a') + "\r\n");
  ASSERT_GT(all.size(), 4 * ring.capacity());
  EXPECT_EQ(Gathered(ring, 0, ring.tail()), all);
  EXPECT_EQ(ring.RetainedBytes(), all.size());
  ring.Release(ring.tail());
  EXPECT_EQ(ring.RetainedBytes(), 0u);
  ring.ReturnSlot(slot);
}

TEST(LogRingTest, PartsTooBigToCopyMoveToBlocks) {
  LogRing ring(LogRing::kMinBytes);
  LogSlot& slot = ring.BorrowSlot();
  const std::string head = "*" + std::string(70'000, 'a');
  const std::string tail = std::string(70'000, 'b') + "\n";
  const BlockRef value = Block(std::string(80'000, 'v'));
  const LogPart record[] = {{.bytes = head}, {.bytes = {}, .block = value.get()}, {.bytes = tail}};
  const LogPosition end = ring.Append(slot, record);
  EXPECT_EQ(end, 2u);
  EXPECT_EQ(Gathered(ring, 0, end), head + std::string(80'000, 'v') + tail);
  ring.ReturnSlot(slot);
}

TEST(LogRingTest, FullAtFollowsWhatIsRetained) {
  LogRing ring(LogRing::kMinBytes);
  LogSlot& slot = ring.BorrowSlot();
  EXPECT_EQ(ring.full_at(), ring.bound());
  const BlockRef value = Block(std::string(100'000, 'v'));
  const LogPart record[] = {{.bytes = "*"}, {.bytes = {}, .block = value.get()}, {.bytes = "\n"}};
  const LogPosition end = ring.Append(slot, record);
  EXPECT_EQ(ring.full_at(), ring.bound() - 100'000);
  ring.Append(slot, record);
  EXPECT_LE(ring.full_at(), ring.tail());
  ring.Release(end);
  EXPECT_EQ(ring.full_at(), end + ring.bound() - 100'000);
  ring.ReturnSlot(slot);
}

// Each thread's records are found complete and in its own order, whatever the others do.
TEST(LogRingTest, ThreadsAppendAtOnce) {
  constexpr int kThreads = 4;
  constexpr int kRecords = 5000;
  LogRing ring(LogRing::kMinBytes);
  std::vector<std::thread> threads;
  std::atomic<int> running{kThreads};
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      LogSlot& slot = ring.BorrowSlot();
      for (int i = 0; i < kRecords; ++i) {
        while (ring.RetainedBytes() > ring.bound()) std::this_thread::yield();  // admission
        const std::string text = std::to_string(t) + ":" + std::to_string(i);
        ring.Append(slot, "<" + text + std::string(static_cast<size_t>(i % 90), '.') + ">");
      }
      ring.ReturnSlot(slot);
      running.fetch_sub(1);
    });
  }
  std::vector<int> next(kThreads, 0);
  LogPosition done = 0;
  std::string bytes;
  while (running.load() > 0 || done < ring.tail()) {
    const LogPosition end = ring.StableEnd();
    if (end <= done) continue;
    bytes = Gathered(ring, done, end);
    ring.Release(end);
    done = end;
    for (size_t at = 0; at < bytes.size();) {
      ASSERT_EQ(bytes[at], '<');
      const size_t close = bytes.find('>', at);
      ASSERT_NE(close, std::string::npos);
      const size_t thread = static_cast<size_t>(bytes[at + 1] - '0');
      ASSERT_LT(thread, next.size());
      ASSERT_EQ(std::stoi(bytes.substr(at + 3)), next[thread]++);
      at = close + 1;
    }
  }
  for (std::thread& thread : threads) thread.join();
  for (const int count : next) EXPECT_EQ(count, kRecords);
}

}  // namespace
}  // namespace holdfast::aof
