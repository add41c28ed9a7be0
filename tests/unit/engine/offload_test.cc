// Commands that wait for the tier on threads of their own: the session parks and takes the reply.
#include "engine/offload.h"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "tests/unit/engine/cold_store_fixture.h"
#include "tests/unit/engine/parking_client.h"

namespace holdfast::engine_test {
namespace {

// Holds the tier up until it is opened.
class Barrier {
 public:
  void Pass() {
    std::unique_lock lock(mutex_);
    ++arrived_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return open_; });
  }
  void AwaitArrivals(int arrivals) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return arrived_ >= arrivals; });
  }
  void Open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int arrived_ = 0;
  bool open_ = false;
};

struct Client : ParkingClient {
  explicit Client(TieredStore& store) : ParkingClient(store.executor()) {}
};

class OffloadTest : public testing::Test {
 protected:
  OffloadTest() {
    for (int i = 0; i < 50; ++i) {
      store_.Run(fmt::format("SET key:{} {}", i, i));
      plain_.Run(fmt::format("SET key:{} {}", i, i));
    }
    store_.EvictAll();
    store_.Run("SET hot v");
    plain_.Run("SET hot v");
  }

  // An EXEC that is admitted now, and whose turn comes when the barrier opens.
  void HandOverBehindOthers(Client& client) {
    store_.tier().on_list = [this] { barrier_.Pass(); };
    for (int i = 0; i < 4; ++i) {
      listing_.push_back(std::make_unique<Client>(store_));
      EXPECT_EQ(listing_.back()->Try("KEYS *"), std::nullopt);
    }
    barrier_.AwaitArrivals(4);
    for (const char* line : {"MULTI", "SET a 1", "DBSIZE"}) EXPECT_TRUE(client.Try(line)) << line;
    EXPECT_EQ(client.Try("EXEC"), std::nullopt);
  }

  Barrier barrier_;  // outlives the store's threads
  TestClock clock_;
  TieredStore plain_{false, clock_};
  TieredStore store_{true, clock_};
  std::vector<std::unique_ptr<Client>> listing_;
};

TEST_F(OffloadTest, TheSessionParksAndTakesTheReplyThatItWouldHaveMade) {
  Client client(store_);
  int told = 0;
  for (const char* line : {"SCAN 0 COUNT 20", "KEYS *1*", "RANDOMKEY", "DEBUG DIGEST",
                           "SCAN 0 COUNT 1000 TYPE list", "KEYS nothing"}) {
    EXPECT_EQ(client.Try(line), std::nullopt) << line;
    client.told.Await(++told);
    const auto reply = client.Try(line);
    ASSERT_TRUE(reply.has_value()) << line;
    if (std::string_view(line) != "RANDOMKEY") {
      EXPECT_EQ(*reply, plain_.Run(line));
    } else {
      EXPECT_TRUE(reply->starts_with("key:") || reply == "hot") << *reply;
    }
    EXPECT_EQ(client.session.offloaded, nullptr);
  }
  EXPECT_EQ(client.told.times(), told);
}

TEST_F(OffloadTest, WhatNeedsNoTierNeedsNoOtherThread) {
  Client client(store_);
  EXPECT_EQ(client.Try("DBSIZE"), "51");
  EXPECT_EQ(client.Try("SCAN x"), "ERR invalid cursor");
  store_.Run("FLUSHALL");
  store_.Run("SET hot v");
  EXPECT_EQ(client.Try("KEYS *"), "hot");
  EXPECT_EQ(client.told.times(), 0);
}

TEST_F(OffloadTest, AnotherTryBeforeItIsDoneParksAgain) {
  Client client(store_);
  store_.tier().on_list = [this] { barrier_.Pass(); };
  EXPECT_EQ(client.Try("KEYS *"), std::nullopt);
  barrier_.AwaitArrivals(1);
  EXPECT_EQ(client.Try("KEYS *"), std::nullopt);
  EXPECT_EQ(client.told.times(), 0);
  barrier_.Open();
  client.told.Await(1);
  EXPECT_EQ(client.Try("KEYS *"), plain_.Run("KEYS *"));
}

TEST_F(OffloadTest, ASessionThatEndsMeanwhileIsToldNothing) {
  Told told;
  store_.tier().on_list = [this] { barrier_.Pass(); };
  {
    auto client = std::make_unique<Client>(store_);
    client->session.load_listener = &told;
    EXPECT_EQ(client->Try("KEYS *"), std::nullopt);
    barrier_.AwaitArrivals(1);
  }
  barrier_.Open();
  Client other(store_);
  EXPECT_EQ(other.Try("KEYS *"), std::nullopt);
  other.told.Await(1);
  EXPECT_EQ(other.Try("KEYS *"), plain_.Run("KEYS *"));
  EXPECT_EQ(told.times(), 0);
}

TEST_F(OffloadTest, AStoreThatClosesWaitsForWhatHasBegunAndForgetsTheRest) {
  store_.tier().on_list = [this] { barrier_.Pass(); };
  {
    std::vector<std::unique_ptr<Client>> clients;
    for (int i = 0; i < 9; ++i) {
      clients.push_back(std::make_unique<Client>(store_));
      EXPECT_EQ(clients.back()->Try("KEYS *"), std::nullopt);
    }
    barrier_.AwaitArrivals(4);
  }
  barrier_.Open();
  EXPECT_TRUE(store_.store().Close().has_value());
}

TEST_F(OffloadTest, ManyAtATimeGetTheirOwnReplies) {
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 20; ++i) {
    clients.push_back(std::make_unique<Client>(store_));
    EXPECT_EQ(clients.back()->Try(fmt::format("KEYS key:{}", i)), std::nullopt);
  }
  for (int i = 0; i < 20; ++i) {
    clients[static_cast<size_t>(i)]->told.Await(1);
    EXPECT_EQ(clients[static_cast<size_t>(i)]->Try(fmt::format("KEYS key:{}", i)),
              fmt::format("key:{}", i));
  }
}

TEST_F(OffloadTest, AnErrorOfTheTierIsItsReplyAndIsCounted) {
  Client client(store_);
  store_.tier().list_fails = true;
  EXPECT_EQ(client.Try("KEYS *"), std::nullopt);
  client.told.Await(1);
  EXPECT_TRUE(client.Try("KEYS *")->starts_with("IOERR "));
  EXPECT_NE(store_.Run("INFO errorstats").find("errorstat_IOERR:count=1"), std::string::npos);
}

// An EXEC may have run by the time its session is asked for it again.
TEST_F(OffloadTest, WhatWasAdmittedOnceIsNotRefusedLater) {
  Client client(store_);
  for (const char* line : {"MULTI", "SET a 1", "DBSIZE"}) EXPECT_TRUE(client.Try(line)) << line;
  EXPECT_EQ(client.Try("EXEC"), std::nullopt);
  client.told.Await(1);
  store_.Run("CONFIG SET maxmemory-policy noeviction maxmemory 1");
  EXPECT_EQ(client.Try("EXEC"), "OK,52");
  EXPECT_EQ(store_.Run("GET a"), "1");
}

TEST_F(OffloadTest, ATransactionThatListsRunsElsewhereAsAWhole) {
  Client client(store_);
  for (const char* line : {"WATCH hot", "MULTI", "SET a 1", "KEYS key:1*", "SELECT 1", "SET b 2",
                           "DBSIZE", "GET nothing"}) {
    EXPECT_TRUE(client.Try(line)) << line;
    plain_.Run(line);
  }
  EXPECT_EQ(client.Try("EXEC"), std::nullopt);
  client.told.Await(1);
  EXPECT_EQ(client.Try("EXEC"), plain_.Run("EXEC"));
  EXPECT_EQ(client.session.database, 1);
  EXPECT_EQ(client.Try("GET b"), "2");
  EXPECT_EQ(client.Try("EXEC"), "ERR EXEC without MULTI");
}

TEST_F(OffloadTest, WatchesGoWithTheTransaction) {
  Client client(store_);
  store_.tier().on_list = [this] { barrier_.Pass(); };
  for (const bool changed_before : {true, false}) {
    for (const char* line : {"WATCH hot", "MULTI", "SET a 1", "DBSIZE"})
      EXPECT_TRUE(client.Try(line)) << line;
    if (changed_before) store_.Run("SET hot w");
    EXPECT_EQ(client.Try("EXEC"), std::nullopt);
    EXPECT_TRUE(client.session.watches.empty());
    client.told.Await(changed_before ? 1 : 2);
    const auto reply = client.Try("EXEC");
    ASSERT_TRUE(reply.has_value());
    EXPECT_EQ(*reply == plain_.Run("GET nothing"), changed_before) << *reply;
  }
  EXPECT_EQ(store_.Run("GET a"), "1");
}

// Four threads are held up in the tier: what waits behind them has not begun.
TEST_F(OffloadTest, ATransactionThatNobodyWaitsForIsForgottenWithItsWatches) {
  store_.tier().on_list = [this] { barrier_.Pass(); };
  {
    std::vector<std::unique_ptr<Client>> clients;
    for (int i = 0; i < 4; ++i) {
      clients.push_back(std::make_unique<Client>(store_));
      EXPECT_EQ(clients.back()->Try("KEYS *"), std::nullopt);
    }
    barrier_.AwaitArrivals(4);
    for (int i = 0; i < 2; ++i) {
      clients.push_back(std::make_unique<Client>(store_));
      for (const char* line : {"WATCH hot", "MULTI", "SET a 1", "KEYS *"})
        EXPECT_TRUE(clients.back()->Try(line)) << line;
      EXPECT_EQ(clients.back()->Try("EXEC"), std::nullopt);
    }
  }
  store_.Run("SET hot w");  // marks nobody that is gone
  barrier_.Open();
  EXPECT_TRUE(store_.store().Close().has_value());
}

// It waits, others do not: neither those that list nor those that were handed over behind it.
TEST_F(OffloadTest, ATransactionIsHeldUpWhereItRuns) {
  Client client(store_);
  Client other(store_);
  HandOverBehindOthers(client);
  EXPECT_EQ(store_.Run("CLIENT PAUSE 1000000 WRITE"), "OK");
  barrier_.Open();
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(other.Try("KEYS key:1"), std::nullopt);
    other.told.Await(i + 1);
    EXPECT_EQ(other.Try("KEYS key:1"), "key:1");
  }
  EXPECT_EQ(client.told.times(), 0);
  EXPECT_EQ(store_.Run("GET a"), "nil");
  EXPECT_EQ(store_.Run("CLIENT UNPAUSE"), "OK");
  client.told.Await(1);
  EXPECT_EQ(client.Try("EXEC"), "OK,52");
}

// By what became the case while it waited for its turn; counted once, as refused.
TEST_F(OffloadTest, ATransactionIsRefusedWhereItRuns) {
  Client client(store_);
  HandOverBehindOthers(client);
  EXPECT_EQ(store_.Run("CONFIG SET maxmemory 1gb maxmemory-policy noeviction"), "OK");
  EXPECT_EQ(store_.Run(Command{"SET", "hot", std::string(1 << 20, 'x')}), "OK");
  EXPECT_EQ(store_.Run("CONFIG SET maxmemory 1"), "OK");
  barrier_.Open();
  client.told.Await(1);
  const std::string refused = client.Try("EXEC").value_or("parked");
  EXPECT_TRUE(refused.starts_with("EXECABORT Transaction discarded because of: OOM")) << refused;
  EXPECT_EQ(store_.Run("GET a"), "nil");
  const std::string errors = store_.Run("INFO errorstats");
  EXPECT_NE(errors.find("errorstat_EXECABORT:count=1\r\n"), std::string::npos) << errors;
  const std::string commands = store_.Run("INFO commandstats");
  const size_t exec = commands.find("cmdstat_exec:calls=0,");
  ASSERT_NE(exec, std::string::npos) << commands;
  EXPECT_NE(commands.find("rejected_calls=1,failed_calls=0", exec), std::string::npos) << commands;
}

// What a monitor sees names the client, and CLIENT changes it: these stay with their session.
TEST_F(OffloadTest, ATransactionThatChangesItsClientStaysWithIt) {
  Client client(store_);
  for (const char* line : {"MULTI", "CLIENT SETNAME n", "DBSIZE"})
    EXPECT_TRUE(client.Try(line)) << line;
  EXPECT_EQ(client.Try("EXEC"), "OK,51");
  EXPECT_EQ(client.session.shared.NameCopy(), "n");
}

TEST(RecordingSink, ReplaysEveryKindOfReply) {
  const auto fill = [](ReplySink& sink) {
    sink.Array(11);
    sink.SimpleString("simple");
    sink.Error("ERR text");
    sink.Integer(-5);
    sink.BulkString(std::string_view("b\0ulk", 5));
    sink.Null();
    sink.NullArray();
    sink.Map(1);
    sink.BulkString("");
    sink.Double(1.5);
    sink.Set(1);
    sink.Boolean(true);
    sink.Push(0);
    sink.BigNumber("123456789012345678901234567890");
    sink.Verbatim("txt", "verbatim");
  };
  const auto describe = [](const Reply& reply, const auto& self) -> std::string {
    std::string text = fmt::format("{}:{}:{}:{}[", static_cast<int>(reply.type), reply.integer,
                                   reply.number, reply.text);
    for (const Reply& element : reply.elements) text += self(element, self) + ",";
    return text + "]";
  };
  ValueSink direct;
  fill(direct);
  RecordingSink recording(3);
  fill(recording);
  EXPECT_EQ(recording.errors(), 1U);
  ValueSink replayed;
  recording.ReplayTo(replayed);
  EXPECT_EQ(replayed.errors(), 1U);
  EXPECT_EQ(replayed.error_code(), "ERR");
  EXPECT_EQ(describe(replayed.Take(), describe), describe(direct.Take(), describe));
}

}  // namespace
}  // namespace holdfast::engine_test
