// A store that still reads its log: what may run meanwhile, and the moment when it is done.
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>

#include "aof/posix_file_system.h"
#include "engine/commands/session.h"
#include "engine/executor.h"
#include "engine/reply_sinks.h"
#include "engine/store.h"
#include "engine/system_clock.h"
#include "tests/unit/commands/command_fixture.h"

namespace holdfast::commands {
namespace {

constexpr std::string_view kRefused = "LOADING Redis is loading the dataset in memory";

class LoadingTest : public testing::Test {
 protected:
  LoadingTest() {
    const testing::TestInfo& test = *testing::UnitTest::GetInstance()->current_test_info();
    folder_ = std::filesystem::path(testing::TempDir()) /
              (std::string("holdfast-loading-") + test.name());
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directory(folder_);
    const std::string directory[] = {folder_.string()};
    EXPECT_TRUE(config_.SetAtStart("dir", directory));
    const Result<std::unique_ptr<Store>> first = Store::Open(parts_);
    EXPECT_TRUE(first.has_value());
    Client writer(**first);
    EXPECT_EQ(writer.Run("SET kept 1"), "OK");
  }
  ~LoadingTest() override { std::filesystem::remove_all(folder_); }

  // A connection and the thread that serves it.
  class Client {
   public:
    explicit Client(Store& store) : store_(store), executor_(store) {
      store_.clients().Add(session_, 0);
    }
    ~Client() {
      executor_.ResetTransaction(session_);
      store_.clients().Remove(session_);
    }
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;

    std::string Run(std::string_view line) {
      executor_.BeginTurn();
      std::string reply = RunInTurn(line);
      executor_.EndTurn();
      return reply;
    }
    std::string RunInTurn(std::string_view line) {
      const std::vector<std::string> words = Words(line);
      const std::vector<std::string_view> args(words.begin(), words.end());
      PreparedCommand command{.args = args, .entry = nullptr, .key = {}};
      executor_.Prepare(session_, command);
      ValueSink sink(2);
      EXPECT_EQ(executor_.Execute(session_, command, sink), Outcome::kReplied);
      return Text(sink.Take());
    }

   private:
    Store& store_;
    Executor executor_;
    Session session_;
  };

  std::map<std::string, std::string> Files() const {
    std::map<std::string, std::string> files;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder_)) {
      if (!entry.is_regular_file()) continue;
      if (entry.path().parent_path().filename() == "live-tier") continue;  // scratch
      std::ifstream file(entry.path(), std::ios::binary);
      files[entry.path().string()] = {std::istreambuf_iterator<char>(file), {}};
    }
    return files;
  }

  std::filesystem::path folder_;
  config::Config config_;
  SystemClock clock_;
  SystemRandom random_;
  aof::PosixFileSystem files_;
  StoreParts parts_{
      .config = &config_, .clock = &clock_, .random = &random_, .file_system = &files_};
};

TEST_F(LoadingTest, RefusesAllButTheFlagged) {
  const auto store = Store::Create(parts_);
  ASSERT_TRUE(store.has_value());
  Client client(**store);
  EXPECT_EQ(client.Run("GET kept"), kRefused);
  EXPECT_EQ(client.Run("SET early 1"), kRefused);
  EXPECT_EQ(client.Run("PING"), kRefused);
  EXPECT_EQ(client.Run("ECHO x"), "\"x\"");
  EXPECT_EQ(client.Run("CONFIG SET appendonly no"), kRefused);
  EXPECT_EQ(client.Run("DEBUG RELOAD").substr(0, 3), "ERR") << "not allowed at all";
  EXPECT_THAT(client.Run("INFO persistence"), testing::HasSubstr("loading_eta_seconds:"));
  EXPECT_EQ(client.Run("MULTI"), "OK");
  EXPECT_EQ(client.Run("SET early 1"), kRefused);
  EXPECT_EQ(client.Run("EXEC"), "EXECABORT Transaction discarded because of previous errors.");
  ASSERT_TRUE((*store)->Recover().has_value());
  EXPECT_EQ(client.Run("GET kept"), "\"1\"");
  EXPECT_EQ(client.Run("EXISTS early"), "0");
  EXPECT_THAT(client.Run("INFO persistence"),
              testing::Not(testing::HasSubstr("loading_eta_seconds:")));
}

TEST_F(LoadingTest, ATurnThatBeganWhileLoadingWritesNothing) {
  {
    const auto store = Store::Create(parts_);
    ASSERT_TRUE(store.has_value());
    Client client(**store);
    EXPECT_EQ(client.Run("GET kept"), kRefused);
    ASSERT_TRUE((*store)->Recover().has_value());
    EXPECT_EQ(client.RunInTurn("SET between 1"), kRefused) << "it could not be logged";
    EXPECT_EQ(client.Run("SET after 1"), "OK");
  }
  const auto again = Store::Open(parts_);
  ASSERT_TRUE(again.has_value());
  Client client(**again);
  EXPECT_EQ(client.Run("MGET kept between after"), "[\"1\", nil, \"1\"]");
}

TEST_F(LoadingTest, WhatIsReadMarksWatchedKeys) {
  const auto store = Store::Create(parts_);
  ASSERT_TRUE(store.has_value());
  Client client(**store);
  Client other(**store);
  EXPECT_EQ(client.Run("WATCH kept"), "OK");
  EXPECT_EQ(other.Run("WATCH absent"), "OK");
  ASSERT_TRUE((*store)->Recover().has_value());
  for (Client* each : {&client, &other}) {
    each->Run("MULTI");
    each->Run("ECHO x");
  }
  EXPECT_EQ(client.Run("EXEC"), "nil-array");
  EXPECT_EQ(other.Run("EXEC"), "[\"x\"]");
}

TEST_F(LoadingTest, CancelledItTouchesNothing) {
  const auto before = Files();
  {
    const auto store = Store::Create(parts_);
    ASSERT_TRUE(store.has_value());
    (*store)->CancelRecovery();
    const Status recovered = (*store)->Recover();
    ASSERT_FALSE(recovered.has_value());
    EXPECT_EQ(recovered.error().code, ErrorCode::kUnavailable);
    Client client(**store);
    EXPECT_EQ(client.Run("GET kept"), kRefused);
  }
  EXPECT_EQ(Files(), before);
  const auto store = Store::Open(parts_);
  ASSERT_TRUE(store.has_value());
  Client client(**store);
  EXPECT_EQ(client.Run("GET kept"), "\"1\"");
}

}  // namespace
}  // namespace holdfast::commands
