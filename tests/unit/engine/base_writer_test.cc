// What a rewrite holds in memory while images come faster than the disk takes them.
#include "engine/base_writer.h"

#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <vector>

#include "engine/keyspace/key_access.h"
#include "engine/keyspace/keyspace.h"
#include "engine/keyspace/locked_shards.h"
#include "tests/unit/engine/engine_fixture.h"

namespace holdfast::engine_test {
namespace {

constexpr uint64_t kValueBytes = uint64_t{8} << 20;
// More images than fit, by what stands around the values; and so many that all fit.
constexpr int kTooMany = BaseWriter::kMaxBuffered / kValueBytes;
constexpr int kFitting = kTooMany - 1;

// Forgets what is written; tells who wants to know before each write.
class Drain final : public FileSystem {
 public:
  std::function<Status()> before_write = [] { return Status(); };
  uint64_t written = 0;

  Result<std::unique_ptr<File>> Open(const std::string&, OpenMode) override {
    return std::make_unique<Hole>(*this);
  }
  Status Rename(const std::string&, const std::string&) override { return {}; }
  Status Unlink(const std::string&) override { return {}; }
  Status RemoveDirectory(const std::string&) override { return {}; }
  Status SyncDirectory(const std::string&) override { return {}; }
  Status CreateDirectory(const std::string&) override { return {}; }
  Result<std::vector<std::string>> List(const std::string&) override { return {}; }
  Result<bool> Exists(const std::string&) override { return false; }
  Result<bool> IsDirectory(const std::string&) override { return false; }
  Result<std::unique_ptr<FileLock>> Lock(const std::string&) override { return nullptr; }
  Result<uint64_t> FreeBytes(const std::string&) override { return uint64_t{0}; }

 private:
  class Hole final : public File {
   public:
    explicit Hole(Drain& drain) : drain_(drain) {}
    Result<size_t> ReadAt(uint64_t, std::span<char>) override { return size_t{0}; }
    Status WriteAt(uint64_t, std::span<const std::string_view> parts) override {
      HF_TRY_STATUS(drain_.before_write());
      for (const std::string_view part : parts) drain_.written += part.size();
      return {};
    }
    Status Sync() override { return {}; }
    Status Truncate(uint64_t) override { return {}; }
    Result<uint64_t> Size() override { return drain_.written; }

   private:
    Drain& drain_;
  };
};

// One large value, whose images share its bytes.
class BaseWriterTest : public testing::Test {
 protected:
  BaseWriterTest() : keyspace_({.seed = {1, 2}, .databases = 1, .shards = 1}) {
    const keyspace::KeyHandle key = keyspace_.Handle(0, "large");
    keyspace::LockedShards locks(keyspace_);
    locks.LockKeys({&key, 1});
    keyspace::KeyAccess access(keyspace_, {.now_ms = 1});
    const std::string value(kValueBytes, 'v');
    entry_ = access.SetString(key, nullptr, {.bytes = value});
    EXPECT_NE(entry_->block(), nullptr);
    EXPECT_TRUE(base_.Create("base"));
  }
  void Images(int count) {
    for (int i = 0; i < count; ++i) base_.Image({keyspace_.shards()[0], 0, 0, *entry_});
  }

  keyspace::Keyspace keyspace_;
  memtable::Entry* entry_ = nullptr;
  Drain drain_;
  TestClock clock_;
  std::atomic<bool> congested_{false};
  BaseWriter base_{drain_, clock_, 7, congested_};
};

TEST_F(BaseWriterTest, IsCongestedWhileMoreThanItsBoundWaits) {
  Images(kFitting);
  EXPECT_FALSE(congested_);
  Images(1);
  EXPECT_TRUE(congested_);
  Images(3);
  EXPECT_TRUE(congested_);
  ASSERT_TRUE(base_.Drain(false));
  EXPECT_FALSE(congested_);
  EXPECT_GT(drain_.written, (kTooMany + 3) * kValueBytes);
  EXPECT_EQ(drain_.written, base_.bytes());
  Images(kFitting);  // nothing of the first is counted any more
  EXPECT_FALSE(congested_);
  Images(1);
  EXPECT_TRUE(congested_);
  ASSERT_TRUE(base_.Finish(1));
  EXPECT_FALSE(congested_);
}

// What was taken to be written is in memory until it is written.
TEST_F(BaseWriterTest, WhatIsBeingWrittenCounts) {
  int writes = 0;
  drain_.before_write = [&] {
    EXPECT_TRUE(congested_);
    if (++writes == kTooMany) Images(kFitting);
    return Status();
  };
  Images(kTooMany);
  ASSERT_TRUE(base_.Drain(false));
  EXPECT_EQ(writes, kTooMany);  // a frame each
  EXPECT_FALSE(congested_);     // what came meanwhile fits
  Images(1);
  EXPECT_TRUE(congested_);
}

TEST_F(BaseWriterTest, AFailedWriteFreesNothing) {
  Images(kTooMany);
  drain_.before_write = [] { return MakeError(ErrorCode::kNoSpace, "full"); };
  ASSERT_FALSE(base_.Drain(false));
  EXPECT_TRUE(congested_);  // until the rewrite, which ends with that, is gone
}

}  // namespace
}  // namespace holdfast::engine_test
