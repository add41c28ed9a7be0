// BACKUP TO: what it makes opens as a store with the data set as of one moment; nothing that is not
// a backup is touched; a disk that fails leaves the earlier backup, or nothing.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <thread>

#include "aof/posix_file_system.h"
#include "snapshot/checkpoint_reader.h"
#include "tests/unit/engine/engine_fixture.h"

namespace holdfast::engine_test {
namespace {

namespace fs = std::filesystem;

// A disk on which the n-th change under a path fails, and all after it.
class FailingTarget final : public aof::PosixFileSystem {
 public:
  Result<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode) override {
    if (mode.write) HF_TRY_STATUS(Count(path));
    return aof::PosixFileSystem::Open(path, mode);
  }
  Status Rename(const std::string& from, const std::string& to) override {
    HF_TRY_STATUS(Count(to));
    return aof::PosixFileSystem::Rename(from, to);
  }
  Status SyncDirectory(const std::string& directory) override {
    HF_TRY_STATUS(Count(directory));
    return aof::PosixFileSystem::SyncDirectory(directory);
  }
  Status CreateDirectory(const std::string& path) override {
    HF_TRY_STATUS(Count(path));
    return aof::PosixFileSystem::CreateDirectory(path);
  }
  std::string target;
  std::atomic<int64_t> left{INT64_MAX};

 private:
  Status Count(const std::string& path) {
    if (target.empty() || !path.starts_with(target) || left.fetch_sub(1) > 0) return {};
    return MakeError(ErrorCode::kIoError, "fails, as the test wants it");
  }
};

class BackupTest : public testing::Test {
 protected:
  BackupTest()
      : folder_(fs::temp_directory_path() / ("holdfast-backup-" + std::to_string(getpid()))) {
    fs::remove_all(folder_);
    fs::create_directory(folder_);
    db_ = Open(store());
    session_ = db_->NewSession();
  }
  ~BackupTest() override {
    session_.reset();
    db_.reset();
    fs::remove_all(folder_);
  }
  std::unique_ptr<Db> Open(const fs::path& directory) {
    Options options = OptionsOn(files_);
    options.directory = directory.string();
    options.settings.emplace_back("eviction-action", "spill");
    options.settings.emplace_back("save", "");
    auto opened = Db::Open(options);
    EXPECT_TRUE(opened) << opened.error().message;
    return opened ? *std::move(opened) : nullptr;
  }
  std::string Run(std::string_view line) { return Execute(*session_, line); }
  std::string BackUp(const fs::path& directory) { return Run("BACKUP TO " + directory.string()); }
  fs::path store() const { return folder_ / "store"; }
  fs::path target() const { return folder_ / "target"; }
  static std::vector<fs::path> Checkpoints(const fs::path& directory) {
    std::vector<fs::path> found;
    for (const auto& entry : fs::directory_iterator(directory / "appendonlydir"))
      if (entry.is_directory()) found.push_back(entry.path());
    return found;
  }
  void Fill(int from, int to) {
    for (int i = from; i < to; ++i)
      ASSERT_EQ(Run("SET key" + std::to_string(i) + " value" + std::to_string(i)), "OK");
  }
  // As its own store has it.
  std::string StateIn(const fs::path& directory) {
    const fs::path copy = folder_ / "opened";
    fs::remove_all(copy);
    fs::copy(directory, copy, fs::copy_options::recursive);
    const auto opened = Open(copy);
    return opened ? StateOf(*opened) : "";
  }

  FailingTarget files_;
  const fs::path folder_;
  std::unique_ptr<Db> db_;
  std::unique_ptr<DbSession> session_;
};

TEST_F(BackupTest, OpensAsAStoreWithTheSameData) {
  Fill(0, 300);
  Run("SET long " + std::string(300'000, 'l'));
  Run("SET brief 1 EX 100000");
  Run("SELECT 2");
  Run("SET other 1");
  Run("SELECT 0");
  ASSERT_EQ(BackUp(target()), "OK");
  EXPECT_EQ(StateIn(target()), StateOf(*db_));
  EXPECT_FALSE(fs::exists(target().string() + ".unfinished"));
  ASSERT_EQ(Checkpoints(target()).size(), 1u);
  EXPECT_TRUE(snapshot::VerifyCheckpoint(files_, Checkpoints(target())[0].string(),
                                         [](uint64_t, uint64_t) {}));
}

// The second one takes the place of the first, whose tables that still count are the same files.
TEST_F(BackupTest, AgainToTheSameTarget) {
  Fill(0, 2000);
  fs::create_directory(target());  // an empty one is as good as none
  ASSERT_EQ(BackUp(target().string() + "/"), "OK");
  const std::string first = StateOf(*db_);
  Fill(2000, 2100);
  ASSERT_EQ(BackUp(target()), "OK");
  EXPECT_NE(StateOf(*db_), first);
  EXPECT_EQ(StateIn(target()), StateOf(*db_));
  ASSERT_EQ(Checkpoints(target()).size(), 1u);
  int tables = 0;
  for (const auto& entry : fs::directory_iterator(Checkpoints(target())[0])) {
    if (entry.path().extension() != ".sst") continue;
    ++tables;
    EXPECT_GE(fs::hard_link_count(entry.path()), 2u) << "the store's own file, and no copy";
  }
  EXPECT_GT(tables, 0);
  Fill(0, 50);
  ASSERT_EQ(Run("SAVE"), "OK");
  ASSERT_EQ(Run("SAVE"), "OK");
  EXPECT_EQ(Checkpoints(store()).size(), 1u) << "none stays pinned";
}

TEST_F(BackupTest, BesideTrafficItIsOneMoment) {
  Fill(0, 3000);
  std::atomic<bool> done{false};
  std::thread writer([&] {
    const auto session = db_->NewSession();
    for (int i = 0; !done; ++i) {
      const std::string number = std::to_string(i);
      Execute(*session, "MSET one " + number + " two " + number);
      if (i % 50 == 0) Execute(*session, "SAVE");
    }
  });
  for (int round = 0; round < 5; ++round) ASSERT_EQ(BackUp(target()), "OK");
  done = true;
  writer.join();
  const fs::path copy = folder_ / "copy";
  fs::copy(target(), copy, fs::copy_options::recursive);
  const auto opened = Open(copy);
  const auto session = opened->NewSession();
  EXPECT_EQ(Execute(*session, "DBSIZE"), "3002");
  EXPECT_EQ(Execute(*session, "GET one"), Execute(*session, "GET two"));
}

TEST_F(BackupTest, WhatIsNoBackupIsNotTouched) {
  Fill(0, 100);
  EXPECT_TRUE(Run("BACKUP TO relative/path").starts_with("ERR "));
  EXPECT_TRUE(Run("BACKUP FROM /tmp/x").starts_with("ERR syntax"));
  EXPECT_TRUE(BackUp(store()).starts_with("ERR BACKUP TO: that is in"));
  EXPECT_TRUE(BackUp(store() / "live-tier" / "b").starts_with("ERR BACKUP TO: that is in"));
  EXPECT_TRUE(BackUp(folder_ / "x" / ".." / "store" / "b").starts_with("ERR "));
  EXPECT_TRUE(BackUp(folder_ / "no" / "parent").starts_with("ERR "));
  fs::create_directory(target());
  std::ofstream(target() / "mine") << "text";
  EXPECT_TRUE(BackUp(target()).starts_with("ERR "));
  EXPECT_TRUE(fs::exists(target() / "mine"));
  EXPECT_EQ(std::distance(fs::directory_iterator(target()), fs::directory_iterator()), 1);
  EXPECT_TRUE(BackUp(target() / "mine").starts_with("ERR "));
  {
    const auto other = Open(folder_ / "other");
    const auto session = other->NewSession();
    Execute(*session, "SET a 1");
    EXPECT_EQ(Execute(*session, "BACKUP TO " + (folder_ / "others").string()), "OK");
  }
  EXPECT_TRUE(BackUp(folder_ / "others").starts_with("ERR ")) << "another data set";
  ASSERT_EQ(BackUp(folder_ / "used"), "OK");
  {
    const auto user = Open(folder_ / "used");
    EXPECT_TRUE(BackUp(folder_ / "used").starts_with("ERR ")) << "a store runs on it";
    Execute(*user->NewSession(), "SET written on");
  }
  EXPECT_TRUE(BackUp(folder_ / "used").starts_with("ERR ")) << "it was written on";
  // Looks like what a crash left, and is somebody's.
  fs::copy(folder_ / "used", folder_ / "new.unfinished", fs::copy_options::recursive);
  EXPECT_TRUE(BackUp(folder_ / "new").starts_with("ERR "));
  EXPECT_NE(StateIn(folder_ / "new.unfinished"), "");
}

TEST_F(BackupTest, EveryFailingCallLeavesNothingOrTheEarlierOne) {
  Fill(0, 200);
  files_.target = target().string();
  for (const bool again : {false, true}) {
    const std::string before = StateOf(*db_);
    if (again) Fill(200, 300);
    int64_t calls = 0;
    for (;; ++calls) {
      files_.left = calls;
      const std::string reply = BackUp(target());
      files_.left = INT64_MAX;
      if (reply == "OK") break;
      ASSERT_TRUE(reply.starts_with("ERR ")) << reply;
      if (again) {
        const std::string state = StateIn(target());
        ASSERT_TRUE(state == before || state == StateOf(*db_)) << calls;
      } else if (fs::exists(target())) {  // only the sync of its parent was left to do
        ASSERT_EQ(StateIn(target()), before) << calls;
        fs::remove_all(target());
      }
      fs::remove_all(folder_ / "opened");
    }
    EXPECT_GT(calls, 5);
    EXPECT_EQ(StateIn(target()), StateOf(*db_));
    EXPECT_EQ(Checkpoints(target()).size(), 1u);
    EXPECT_FALSE(fs::exists(target().string() + ".unfinished"));
  }
}

// What a kill leaves: the next one clears it away.
TEST_F(BackupTest, AnUnfinishedOneIsMadeAnew) {
  Fill(0, 100);
  ASSERT_EQ(BackUp(target()), "OK");
  const fs::path unfinished = target().string() + "2.unfinished";
  fs::copy(target(), unfinished, fs::copy_options::recursive);
  fs::remove(unfinished / "appendonlydir" / "appendonly.aof.manifest");
  ASSERT_EQ(BackUp(target().string() + "2"), "OK");
  EXPECT_FALSE(fs::exists(unfinished));
  EXPECT_EQ(StateIn(target().string() + "2"), StateOf(*db_));
}

TEST_F(BackupTest, OnAnotherFileSystemTablesAreCopiedOnce) {
  const fs::path far =
      fs::path("/dev/shm") / folder_.filename();  // a file system of its own, mostly
  Fill(0, 2000);
  ASSERT_EQ(BackUp(far), "OK");
  std::set<ino_t> first;
  for (const auto& entry : fs::directory_iterator(Checkpoints(far)[0])) {
    struct stat file{};
    ::stat(entry.path().c_str(), &file);
    if (entry.path().extension() == ".sst") first.insert(file.st_ino);
  }
  EXPECT_FALSE(first.empty());
  Run("SET one more");
  ASSERT_EQ(BackUp(far), "OK");
  size_t kept = 0;
  for (const auto& entry : fs::directory_iterator(Checkpoints(far)[0])) {
    struct stat file{};
    ::stat(entry.path().c_str(), &file);
    kept += first.count(file.st_ino);
  }
  EXPECT_GT(kept, 0u);
  EXPECT_EQ(StateIn(far), StateOf(*db_));
  fs::remove_all(far);
}

TEST(BackupWithoutTier, SaysSo) {
  const auto db = Db::Open({});
  ASSERT_TRUE(db);
  EXPECT_TRUE(Execute(*(*db)->NewSession(), "BACKUP TO /tmp/none").starts_with("ERR there are no"));
}

}  // namespace
}  // namespace holdfast::engine_test
