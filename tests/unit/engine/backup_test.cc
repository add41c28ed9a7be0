// BACKUP TO: what it makes opens as a store with the data set as of one moment; nothing that is not
// a backup is touched; a disk that fails leaves the earlier backup, or nothing.
#include <fmt/core.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <span>
#include <thread>

#include "aof/posix_file_system.h"
#include "snapshot/backup.h"
#include "snapshot/checkpoint_reader.h"
#include "tests/unit/engine/engine_fixture.h"
#include "tests/unit/engine/parking_client.h"

namespace holdfast::engine_test {
namespace {

namespace fs = std::filesystem;

// A disk on which the n-th change under a path fails, and all after it.
class FailingTarget final : public aof::PosixFileSystem {
 public:
  Result<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode) override {
    if (mode.write) HF_TRY_STATUS(Count(path));
    auto file = HF_TRY(aof::PosixFileSystem::Open(path, mode));
    if (!path.ends_with(".sst")) return file;
    if (mode.write && endless) copier = std::this_thread::get_id();
    return std::make_unique<Table>(std::move(file), *this);
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
  // To the thread that makes a new table, tables have no end (for twenty seconds), and nothing of
  // them is kept.
  std::atomic<bool> endless{false};
  std::atomic<std::thread::id> copier{};
  std::atomic<int> endless_reads{0};
  static constexpr int kMostEndlessReads = 20'000;

 private:
  class Table final : public File {
   public:
    Table(std::unique_ptr<File> file, FailingTarget& files)
        : file_(std::move(file)), files_(files) {}
    Result<size_t> ReadAt(uint64_t offset, std::span<char> out) override {
      if (!Endless()) return file_->ReadAt(offset, out);
      if (++files_.endless_reads > kMostEndlessReads) return size_t{0};
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      return out.size();
    }
    Status WriteAt(uint64_t offset, std::span<const std::string_view> parts) override {
      return Endless() ? Status() : file_->WriteAt(offset, parts);
    }
    Status Sync() override { return file_->Sync(); }
    Status Truncate(uint64_t size) override { return file_->Truncate(size); }
    Result<uint64_t> Size() override { return file_->Size(); }

   private:
    bool Endless() const { return files_.endless && files_.copier == std::this_thread::get_id(); }
    std::unique_ptr<File> file_;
    FailingTarget& files_;
  };

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
                                         [](uint64_t, uint64_t) { return Status(); }));
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

// Whatever is wrong with a target is said before a snapshot is made for it.
TEST_F(BackupTest, ABadTargetCostsNoSnapshot) {
  Fill(0, 100);
  ASSERT_EQ(BackUp(folder_ / "used"), "OK");
  Execute(*Open(folder_ / "used")->NewSession(), "SET written on");
  ASSERT_EQ(BackUp(folder_ / "locked"), "OK");
  const auto user = files_.Lock((folder_ / "locked" / "holdfast.lock").string());
  ASSERT_TRUE(user);
  fs::create_directory(target());
  std::ofstream(target() / "mine") << "text";
  files_.target = (folder_ / "unwritable").string();
  files_.left = 0;
  const std::vector<fs::path> before = Checkpoints(store());
  ASSERT_EQ(before.size(), 1u);
  const std::pair<fs::path, std::string_view> cases[] = {
      {folder_ / "no" / "parent", "parent"},
      {folder_ / "unwritable", "as the test wants it"},
      {"/proc/nothing", "/proc/nothing"},
      {store() / "inside", "that is in the data directory itself"},
      {target(), "neither empty nor a backup"},
      {target() / "mine", "is not a directory"},
      {folder_ / "used", "that was written on"},
      {folder_ / "locked", "is locked"},
  };
  for (const auto& [path, says] : cases) {
    const std::string reply = BackUp(path);
    EXPECT_TRUE(reply.starts_with("ERR ")) << path;
    EXPECT_NE(reply.find(says), std::string::npos) << reply;
    EXPECT_EQ(Checkpoints(store()), before) << path;
    EXPECT_FALSE(fs::exists(path.string() + ".unfinished"));
  }
  ASSERT_EQ(BackUp(folder_ / "good"), "OK");
  EXPECT_NE(Checkpoints(store()), before);
}

// Nor does the second one take what the first has made for a leftover.
TEST_F(BackupTest, OneAtATimeMayMakeTheSame) {
  const snapshot::BackupSource source{.hash_key = {},
                                      .append_dirname = "appendonlydir",
                                      .append_filename = "appendonly.aof",
                                      .lock_name = "holdfast.lock"};
  auto first = snapshot::BeginBackup(files_, source, target().string());
  ASSERT_TRUE(first) << first.error().message;
  const std::string made = target().string() + ".unfinished";
  const auto contents = [&] {
    return std::distance(fs::recursive_directory_iterator(made),
                         fs::recursive_directory_iterator());
  };
  const auto before = contents();
  const auto second = snapshot::BeginBackup(files_, source, target().string());
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::kBusy);
  EXPECT_EQ(contents(), before);
  first->reset();
  EXPECT_FALSE(fs::exists(made));
}

// The server stops while a client's backup copies.
TEST_F(BackupTest, AStopEndsACopy) {
  const fs::path far = fs::path("/dev/shm") / folder_.filename();
  session_.reset();
  db_.reset();
  for (const bool again : {false, true}) {
    fs::remove_all(far);
    config::Config config;
    MustSet(config, {{"dir", store().string()}, {"eviction-action", "spill"}, {"save", ""}});
    SystemClock clock;
    SystemRandom random;
    auto opened = Store::Open(
        {.config = &config, .clock = &clock, .random = &random, .file_system = &files_});
    ASSERT_TRUE(opened) << opened.error().message;
    auto executor = std::make_unique<Executor>(**opened);
    auto client = std::make_unique<ParkingClient>(*executor);
    for (int i = 0; i < 2000; ++i) client->Run(fmt::format("SET key{} {}{}", i, again, i));
    std::string first;
    if (again) {
      ASSERT_EQ(client->Run("BACKUP TO " + far.string()), "OK");
      first = StateIn(far);
      client->Run("SET more 1");
    }
    files_.endless_reads = 0;
    files_.endless = true;
    ASSERT_FALSE(client->Try("BACKUP TO " + far.string()));
    ASSERT_TRUE(Eventually([&] { return files_.endless_reads > 0; }));
    client.reset();
    executor.reset();
    ASSERT_TRUE((*opened)->Close());
    files_.endless = false;
    EXPECT_LE(files_.endless_reads, FailingTarget::kMostEndlessReads);
    EXPECT_EQ(fs::exists(far), again);
    EXPECT_FALSE(fs::exists(far.string() + ".unfinished"));
    if (!again) continue;
    EXPECT_EQ(StateIn(far), first);
    EXPECT_EQ(Checkpoints(far).size(), 1u);
  }
  fs::remove_all(far);
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
