#include "server/session/output_queue.h"

#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <random>
#include <string>

#include "engine/commands/session.h"
#include "server/session/resp_reply.h"

namespace holdfast::server {
namespace {

BlockRef BlockOf(std::string_view bytes) {
  BlockRef block = BlockRef::Adopt(CountedBlock::Create(bytes.size()));
  std::memcpy(block->data(), bytes.data(), bytes.size());
  block->size = bytes.size();
  return block;
}

std::string Unsent(const OutputQueue& queue, uint64_t limit, size_t parts_limit = 64) {
  std::array<std::string_view, 64> parts;
  const size_t count = queue.Unsent(limit, std::span(parts).first(parts_limit));
  std::string bytes;
  for (size_t i = 0; i < count; ++i) {
    EXPECT_FALSE(parts[i].empty());
    bytes += parts[i];
  }
  return bytes;
}

TEST(OutputQueue, SendsUpToALimit) {
  OutputQueue queue;
  queue.text() += "hello";
  EXPECT_EQ(Unsent(queue, 3), "hel");
  queue.MarkSent(2);
  EXPECT_EQ(Unsent(queue, 3), "l");
  EXPECT_EQ(Unsent(queue, 2), "");
  EXPECT_EQ(queue.UnsentBytes(), 3u);
  queue.MarkSent(3);
  EXPECT_EQ(queue.UnsentBytes(), 0u);
  queue.text() += "x";
  EXPECT_EQ(queue.end(), 6u);
  EXPECT_EQ(Unsent(queue, 6), "x");
}

TEST(OutputQueue, BlocksAreReferredToAndLetGo) {
  const std::string value(100, 'v');
  const BlockRef block = BlockOf(value);
  OutputQueue queue;
  queue.text() += "$100\r\n";
  queue.AppendBlock(block, block->view());
  queue.text() += "\r\n";
  EXPECT_TRUE(block->Shared());
  EXPECT_EQ(Unsent(queue, queue.end()), "$100\r\n" + value + "\r\n");
  EXPECT_EQ(Unsent(queue, queue.end(), 2), "$100\r\n" + value);
  queue.MarkSent(105);
  EXPECT_TRUE(block->Shared());
  queue.MarkSent(1);
  EXPECT_FALSE(block->Shared());
  EXPECT_EQ(Unsent(queue, queue.end()), "\r\n");
}

// The few bytes around each long value must not take a text buffer with them: a client that does
// not read would pin as much again, which no limit counts.
TEST(OutputQueue, LongValuesPinNoTextBuffers) {
  const BlockRef block = BlockOf("value");
  OutputQueue queue;
  queue.text().reserve(OutputQueue::kPieceBytes);
  const char* buffer = queue.text().data();
  for (int i = 0; i < 100; ++i) {
    queue.text() += "$5\r\n";
    queue.AppendBlock(block, block->view());
    queue.text() += "\r\n";
    ASSERT_EQ(queue.text().data(), buffer);
  }
  EXPECT_EQ(Unsent(queue, 22), "$5\r\nvalue\r\n$5\r\nvalue\r\n");
}

TEST(OutputQueue, DropForgetsWhatIsUnsent) {
  const BlockRef block = BlockOf("abc");
  OutputQueue queue;
  queue.AppendBlock(block, block->view());
  queue.text() += "tail";
  queue.Drop();
  EXPECT_FALSE(block->Shared());
  EXPECT_EQ(queue.UnsentBytes(), 0u);
  EXPECT_EQ(queue.end(), 7u);
}

// A reader that is always some bytes behind must not keep what it has read in memory.
TEST(OutputQueue, WhatIsSentOfALongTextIsFreed) {
  commands::Session session;
  OutputQueue queue;
  RespReply reply(queue, session);
  for (int i = 0; i < 100000; ++i) {
    reply.BulkString("some bytes of a reply");
    if (queue.UnsentBytes() > 1000) queue.MarkSent(queue.UnsentBytes() - 1000);
    ASSERT_LE(queue.text().capacity(), 2 * OutputQueue::kPieceBytes);
  }
}

TEST(OutputQueue, RandomStepsAgreeWithAString) {
  std::mt19937_64 random(7);
  OutputQueue queue;
  std::string all;
  for (int step = 0; step < 20000; ++step) {
    const size_t length = random() % 3 == 0 ? random() % 100000 : random() % 50;
    switch (random() % 4) {
      case 0: {
        const std::string bytes(length, static_cast<char>('a' + step % 26));
        queue.CloseLongText();
        queue.text() += bytes;
        all += bytes;
        break;
      }
      case 1: {
        if (length < 2) break;
        const BlockRef block = BlockOf(std::string(length, static_cast<char>('A' + step % 26)));
        queue.AppendBlock(block, block->view().substr(1));
        all += block->view().substr(1);
        break;
      }
      default: {
        const uint64_t limit = queue.sent() + random() % (queue.UnsentBytes() + 1);
        const std::string unsent = Unsent(queue, limit, 1 + random() % 64);
        ASSERT_EQ(unsent, all.substr(0, unsent.size()));
        const size_t taken = random() % (unsent.size() + 1);
        queue.MarkSent(taken);
        all.erase(0, taken);
      }
    }
    ASSERT_EQ(queue.UnsentBytes(), all.size());
  }
}

}  // namespace
}  // namespace holdfast::server
