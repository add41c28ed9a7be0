// A reply leaves only when the log has what it depends on. The disk's sync is held by the test.
#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <future>
#include <mutex>

#include "aof/log_writer.h"
#include "tests/unit/engine/engine_fixture.h"

namespace holdfast::engine_test {
namespace {

// Holds every sync of the disk between Hold and Release.
class SyncGate {
 public:
  explicit SyncGate(sim::SimulatedFileSystem& disk) {
    disk.set_before_sync([this](const std::string&) {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return !held_; });
    });
  }
  void Hold() {
    const std::lock_guard lock(mutex_);
    held_ = true;
  }
  void Release() {
    {
      const std::lock_guard lock(mutex_);
      held_ = false;
      released_.store(true);
    }
    changed_.notify_all();
  }
  bool released() const { return released_.load(); }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool held_ = false;
  std::atomic<bool> released_{false};
};

// Two keys in different shards, whatever the hash seed: slots come from CRC16 of the name.
constexpr char kKey[] = "foo";
constexpr char kFarKey[] = "bar";

TEST(ReplyWait, AlwaysWaitsForTheSyncAndSoDoReadersOfTheKey) {
  sim::SimulatedFileSystem disk;
  SyncGate gate(disk);
  const auto db = MustOpen(disk, {{"appendfsync", "always"}});
  ASSERT_NE(db->store().keyspace().Handle(0, kKey).shard,
            db->store().keyspace().Handle(0, kFarKey).shard);
  const auto writer = db->NewSession();
  const auto reader = db->NewSession();
  const auto other = db->NewSession();
  ASSERT_EQ(Text(Execute(*other, Command{"SET", kFarKey, "far"})), "OK");

  aof::LogWriter& log = *db->store().log_writer();
  const aof::LogPosition before = log.tail();
  gate.Hold();
  auto write = std::async(std::launch::async, [&] {
    const std::string reply = Text(Execute(*writer, Command{"SET", kKey, "1"}));
    return std::make_pair(reply, gate.released());
  });
  ASSERT_TRUE(Eventually([&] { return log.written() > before; }));
  auto read = std::async(std::launch::async, [&] {
    const std::string reply = Text(Execute(*reader, Command{"GET", kKey}));
    return std::make_pair(reply, gate.released());
  });
  // A key whose shard nobody changed depends on nothing that is under way. A wait here hangs.
  EXPECT_EQ(Text(Execute(*other, Command{"GET", kFarKey})), "far");
  EXPECT_EQ(Text(Execute(*other, Command{"PING"})), "PONG");
  EXPECT_FALSE(gate.released());
  // Not proof, but a reply that does not wait has every chance to come.
  EXPECT_EQ(read.wait_for(std::chrono::milliseconds(50)), std::future_status::timeout);
  gate.Release();
  EXPECT_EQ(write.get(), std::make_pair(std::string("OK"), true));
  EXPECT_EQ(read.get(), std::make_pair(std::string("1"), true));
  EXPECT_GE(log.synced(), log.tail());
}

TEST(ReplyWait, EverysecWaitsForTheWriteOnly) {
  sim::SimulatedFileSystem disk;
  SyncGate gate(disk);
  const auto db = MustOpen(disk, {{"appendfsync", "everysec"}});
  const auto session = db->NewSession();
  ASSERT_EQ(Execute(*session, "SET warm 1"), "OK");
  gate.Hold();
  aof::LogWriter& log = *db->store().log_writer();
  EXPECT_EQ(Execute(*session, "SET a 1"), "OK");
  EXPECT_GE(log.written(), log.tail());
  EXPECT_EQ(Execute(*session, "GET a"), "1");
  EXPECT_FALSE(gate.released());
  gate.Release();
}

// A transaction's reply depends on all of it; a failed EXEC (WATCH) shows the others' write too.
TEST(ReplyWait, ExecWaitsToo) {
  sim::SimulatedFileSystem disk;
  SyncGate gate(disk);
  const auto db = MustOpen(disk, {{"appendfsync", "always"}});
  const auto writer = db->NewSession();
  const auto watcher = db->NewSession();
  ASSERT_EQ(Text(Execute(*watcher, Command{"WATCH", kKey})), "OK");
  ASSERT_EQ(Execute(*watcher, "MULTI"), "OK");
  ASSERT_EQ(Execute(*watcher, "SET result 1"), "QUEUED");
  aof::LogWriter& log = *db->store().log_writer();
  const aof::LogPosition before = log.tail();
  gate.Hold();
  auto write = std::async(std::launch::async, [&] {
    Execute(*writer, "MULTI");
    Execute(*writer, Command{"SET", kKey, "1"});
    Execute(*writer, Command{"SET", kFarKey, "1"});
    const std::string reply = Execute(*writer, "EXEC");
    return std::make_pair(reply, gate.released());
  });
  ASSERT_TRUE(Eventually([&] { return log.written() > before; }));
  auto refused = std::async(std::launch::async, [&] {
    const std::string reply = Execute(*watcher, "EXEC");
    return std::make_pair(reply, gate.released());
  });
  EXPECT_EQ(refused.wait_for(std::chrono::milliseconds(50)), std::future_status::timeout);
  gate.Release();
  EXPECT_EQ(write.get(), std::make_pair(std::string("OK,OK"), true));
  EXPECT_EQ(refused.get(), std::make_pair(std::string("nil"), true));
}

}  // namespace
}  // namespace holdfast::engine_test
