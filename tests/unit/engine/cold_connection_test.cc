// Connections over cold keys: an I/O thread never waits, replies keep their order, reads of a
// pipeline go out together, and a connection that closes leaves nothing behind.
#include <fcntl.h>
#include <fmt/core.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "engine/keyspace/shard_residency.h"
#include "server/net/io_thread.h"
#include "tests/unit/engine/cold_store_fixture.h"

namespace holdfast::engine_test {
namespace {

// The client's end of a connection. What it waits for comes, or the test fails after a long while.
class Peer {
 public:
  explicit Peer(server::IoThread& thread) {
    int ends[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    EXPECT_EQ(::fcntl(ends[1], F_SETFL, O_NONBLOCK), 0);
    const timeval limit{.tv_sec = 30, .tv_usec = 0};
    EXPECT_EQ(::setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), 0);
    fd_ = ends[0];
    thread.Adopt(ends[1], {.peer = "", .local = "", .unix_socket = true});
  }
  ~Peer() { ::close(fd_); }
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  void Send(std::string_view bytes) {
    EXPECT_EQ(::send(fd_, bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
  }
  void SendLines(const std::vector<std::string>& lines) {
    std::string bytes;
    for (const std::string& line : lines) bytes += line + "\r\n";
    Send(bytes);
  }
  // As many bytes as are expected; fewer if they do not come.
  std::string Receive(size_t bytes) {
    std::string received(bytes, '\0');
    size_t size = 0;
    while (size < bytes) {
      const ssize_t got = ::recv(fd_, received.data() + size, bytes - size, 0);
      if (got <= 0) break;
      size += static_cast<size_t>(got);
    }
    received.resize(size);
    return received;
  }
  void Expect(const std::string& replies) { EXPECT_EQ(Receive(replies.size()), replies); }

 private:
  int fd_;
};

class ColdConnection : public testing::Test {
 protected:
  static constexpr int kKeys = 100;

  ColdConnection() {
    for (int i = 0; i < kKeys; ++i) {
      plain_.Run(fmt::format("SET key:{} {}", i, 1000 + i));
      store_.Run(fmt::format("SET key:{} {}", i, 1000 + i));
    }
    store_.EvictAll();
    thread_ = std::make_unique<server::IoThread>(store_.store());
    runs_ = std::thread([this] { thread_->Run(); });
  }
  ~ColdConnection() override { StopThread(); }

  void StopThread() {
    if (!runs_.joinable()) return;
    thread_->Stop();
    runs_.join();
  }
  keyspace::FakeColdStore& tier() { return store_.tier(); }
  static std::string Bulk(std::string_view text) {
    return fmt::format("${}\r\n{}\r\n", text.size(), text);
  }
  static std::string Value(int key) { return Bulk(std::to_string(1000 + key)); }
  size_t Loads() {
    size_t loads = 0;
    for (keyspace::Shard& shard : store_.store().keyspace().shards()) {
      shard.lock.Lock();
      loads += shard.residency->loads();
      shard.lock.Unlock();
    }
    return loads;
  }

  TestClock clock_;
  TieredStore plain_{false, clock_};
  TieredStore store_{true, clock_};
  std::unique_ptr<server::IoThread> thread_;
  std::thread runs_;
};

TEST_F(ColdConnection, APipelineIssuesItsReadsTogetherAndKeepsItsOrder) {
  Peer peer(*thread_);
  std::vector<std::string> lines;
  std::string replies;
  for (int i = 0; i < kKeys; ++i) {
    lines.push_back(fmt::format("GET key:{}", i));
    replies += Value(i);
  }
  peer.SendLines(lines);
  EXPECT_TRUE(Eventually([&] { return tier().reading() == kKeys; }));
  while (tier().Finish(tier().reading() / 2)) {  // in another order
  }
  peer.Expect(replies);
  EXPECT_EQ(tier().reads_started(), static_cast<size_t>(kKeys));
  EXPECT_TRUE(Eventually([&] { return Loads() == 0; }));
}

TEST_F(ColdConnection, WalksAndReadsKeepTheOrderOfReplies) {
  std::string scan = "*2\r\n$1\r\n0\r\n";
  std::string all = plain_.Run("KEYS *");
  std::vector<std::string> keys;
  for (size_t from = 0; from <= all.size();) {
    const size_t to = std::min(all.find(',', from), all.size());
    keys.push_back(all.substr(from, to - from));
    from = to + 1;
  }
  ASSERT_EQ(keys.size(), static_cast<size_t>(kKeys));
  std::string list = fmt::format("*{}\r\n", keys.size());
  for (const std::string& key : keys) list += Bulk(key);
  scan += list;
  Peer peer(*thread_);
  peer.SendLines({"GET key:3", "SCAN 0 COUNT 1000", "SET new v", "KEYS *9", "DBSIZE", "KEYS new",
                  "GET key:4", "PING"});
  EXPECT_TRUE(Eventually([&] {
    tier().FinishAll();
    return tier().reads_started() >= 2;
  }));
  std::string nines = "*10\r\n";
  for (const std::string& key : keys) {
    if (key.ends_with("9")) nines += Bulk(key);
  }
  const std::string expected = Value(3) + scan + "+OK\r\n" + nines +
                               fmt::format(":{}\r\n", kKeys + 1) + "*1\r\n" + Bulk("new") +
                               Value(4) + "+PONG\r\n";
  std::thread finisher([&] {
    Eventually([&] {
      tier().FinishAll();
      return Loads() == 0 && tier().reads_started() >= 2;
    });
  });
  peer.Expect(expected);
  finisher.join();
}

TEST_F(ColdConnection, OneThatWaitsHoldsNoOtherUp) {
  Peer waits(*thread_);
  Peer other(*thread_);
  waits.SendLines({"GET key:1", "PING"});
  EXPECT_TRUE(Eventually([&] { return tier().reading() == 1; }));
  other.SendLines({"PING", "SET key:3 v", "SETNX key:2 v", "GET key:1"});
  EXPECT_TRUE(Eventually([&] { return tier().reading() == 2; }));  // key:2: was there one?
  other.Expect("+PONG\r\n+OK\r\n");                                // SET asks nothing
  tier().FinishAll();
  waits.Expect(Value(1) + "+PONG\r\n");
  other.Expect(":0\r\n" + Value(1));
  EXPECT_EQ(tier().reads_started(), 2U) << "one read of key:1 for both";
}

// The copy is a reference to the value, which somebody reads while it goes; in a shard with cold
// keys.
TEST_F(ColdConnection, AReferenceMayGoWhileItsValueIsRead) {
  Peer waits(*thread_);
  Peer other(*thread_);
  store_.Run(Command{"SET", "long", std::string(5000, 'v')});
  store_.EvictAll();
  EXPECT_EQ(store_.Run("COPY long {key:1}copy"), "1");
  waits.SendLines({"GET {key:1}copy"});
  EXPECT_TRUE(Eventually([&] { return tier().reading() == 1; }));
  other.SendLines({"DEL {key:1}copy {key:1}copy", "EXISTS {key:1}copy"});
  other.Expect(":1\r\n");
  tier().FinishAll();
  waits.Expect("$-1\r\n");
  EXPECT_TRUE(Eventually([&] { return tier().FinishAll(), Loads() == 0; }));
  other.Expect(":0\r\n");
}

TEST_F(ColdConnection, AFailedReadIsAnErrorAndTheNextCommandRuns) {
  Peer peer(*thread_);
  peer.SendLines({"GET key:1", "PING"});
  EXPECT_TRUE(Eventually([&] { return tier().reading() == 1; }));
  EXPECT_TRUE(tier().Finish(0, true));
  peer.Expect("-IOERR a key cannot be read: the disk is on fire\r\n+PONG\r\n");
}

TEST_F(ColdConnection, OnesThatCloseLeaveNothingBehind) {
  for (int i = 0; i < 20; ++i) {
    Peer peer(*thread_);
    peer.SendLines({fmt::format("GET key:{}", i), "KEYS *", "GET key:50"});
    if (i % 2 == 0) {
      EXPECT_TRUE(Eventually([&] { return tier().reading() > 0; }));
    }
  }
  for (int i = 0; i < 5; ++i) {
    Peer peer(*thread_);
    peer.SendLines({"KEYS *"});
  }
  EXPECT_TRUE(Eventually([&] {
    tier().FinishAll();
    return thread_->connections() == 0 && Loads() == 0;
  }));
}

TEST_F(ColdConnection, TheThreadStopsWhileItsConnectionsWait) {
  Peer reads(*thread_);
  Peer walks(*thread_);
  reads.SendLines({"GET key:1"});
  walks.SendLines({"KEYS *"});
  EXPECT_TRUE(Eventually([&] { return tier().reading() == 1; }));
  StopThread();
  tier().FinishAll();
  EXPECT_EQ(Loads(), 0U);
}

// The swap waits until it knows whether the other database has the watched key; in a transaction
// as well.
TEST_F(ColdConnection, ASwapLooksForWatchedKeysInTheOtherDatabase) {
  store_.Run("SELECT 1");
  for (int i = 0; i < 600; ++i) store_.Run(fmt::format("SET filler:{} v", i));  // in all shards
  store_.EvictAll();
  for (const bool in_transaction : {false, true}) {
    for (const std::string key : {"nowhere", "filler:5"}) {
      Peer watcher(*thread_);
      Peer swapper(*thread_);
      const std::string exists = key == "nowhere" ? ":0\r\n" : ":1\r\n";
      watcher.SendLines({"SELECT 2", "WATCH " + key + " nothing"});
      watcher.Expect("+OK\r\n+OK\r\n");
      const size_t before = tier().reads_started();
      if (in_transaction) {
        swapper.SendLines({"MULTI", "SWAPDB 1 2", "SWAPDB 2 1", "EXEC"});
      } else {
        // What the pipeline read for its own use goes when the swap asks for more.
        swapper.SendLines({"SELECT 1", "EXISTS " + key, "SWAPDB 1 2", "SWAPDB 1 2"});
      }
      EXPECT_TRUE(Eventually([&] { return tier().reads_started() > before; }));
      std::thread finisher([&] {
        EXPECT_TRUE(Eventually([&] {
          tier().FinishAll();
          return Loads() == 0 && tier().reading() == 0;
        }));
      });
      swapper.Expect(in_transaction ? "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n+OK\r\n+OK\r\n"
                                    : "+OK\r\n" + exists + "+OK\r\n+OK\r\n");
      finisher.join();
      watcher.SendLines({"MULTI", "PING", "EXEC"});
      watcher.Expect(std::string("+OK\r\n+QUEUED\r\n") +
                     (key == "nowhere" ? "*1\r\n+PONG\r\n" : "*-1\r\n"));
    }
  }
}

TEST_F(ColdConnection, ATransactionWaitsForAllItsKeysAndRunsOnce) {
  Peer peer(*thread_);
  peer.SendLines({"WATCH key:9", "MULTI", "INCR key:1", "APPEND key:2 x", "GET key:1", "EXEC"});
  std::thread finisher([&] {
    Eventually([&] {
      tier().FinishAll();
      return tier().reads_started() >= 2;
    });
  });
  peer.Expect("+OK\r\n+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n*3\r\n:1002\r\n:5\r\n" +
              Bulk("1002"));
  finisher.join();
}

}  // namespace
}  // namespace holdfast::engine_test
