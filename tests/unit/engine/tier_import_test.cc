// The first data of a store with a tier: it moves there while it is read, so that memory stays
// within its limit, and is there whole or not at all.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <set>
#include <utility>

#include "aof/log_recovery.h"
#include "aof/posix_file_system.h"
#include "engine/keyspace/keyspace.h"
#include "tests/unit/engine/tier_fixture.h"
#include "tests/unit/snapshot/rdb_text.h"

namespace holdfast::engine_test {
namespace {

namespace fs = std::filesystem;
using snapshot::RdbText;

// Calls back before every read of a dump, and before every change.
class WatchedFiles final : public aof::PosixFileSystem {
 public:
  Result<std::unique_ptr<File>> Open(const std::string& path, OpenMode mode) override {
    if (mode.write) Change(path);
    auto file = HF_TRY(aof::PosixFileSystem::Open(path, mode));
    if (!path.ends_with(".rdb")) return file;
    return std::make_unique<Dump>(std::move(file), *this);
  }
  Status Rename(const std::string& from, const std::string& to) override {
    Change(to);
    return aof::PosixFileSystem::Rename(from, to);
  }
  Status Unlink(const std::string& path) override {
    Change(path);
    return aof::PosixFileSystem::Unlink(path);
  }
  Status SyncDirectory(const std::string& path) override {
    Change(path);
    return aof::PosixFileSystem::SyncDirectory(path);
  }
  Status CreateDirectory(const std::string& path) override {
    Change(path);
    return aof::PosixFileSystem::CreateDirectory(path);
  }
  std::function<void()> at_read;
  std::function<void(const std::string& path)> at_change;

 private:
  class Dump final : public File {
   public:
    Dump(std::unique_ptr<File> file, WatchedFiles& files) : file_(std::move(file)), files_(files) {}
    Result<size_t> ReadAt(uint64_t offset, std::span<char> out) override {
      if (files_.at_read) files_.at_read();
      return file_->ReadAt(offset, out);
    }
    Status WriteAt(uint64_t offset, std::span<const std::string_view> parts) override {
      return file_->WriteAt(offset, parts);
    }
    Status Sync() override { return file_->Sync(); }
    Status Truncate(uint64_t size) override { return file_->Truncate(size); }
    Result<uint64_t> Size() override { return file_->Size(); }

   private:
    std::unique_ptr<File> file_;
    WatchedFiles& files_;
  };

  void Change(const std::string& path) {
    if (at_change) at_change(path);
  }
};

class TierImportTest : public TierFixture<WatchedFiles> {
 protected:
  TierImportTest() : source_(folder_.string() + "-source") {
    fs::remove_all(source_);
    fs::create_directory(source_);
  }
  ~TierImportTest() override {
    files_.at_read = nullptr;
    files_.at_change = nullptr;
    fs::remove_all(source_);
  }

  // `keys` of about a thousand bytes each; a log of Redis's that changes some follows, or nothing.
  void MakeSource(int keys, bool log) {
    RdbText text;
    text.Select(0);
    for (int i = 0; i < keys; ++i) text.String(Name(i), Value(i), false);
    text.Select(2).ExpireMs(4'102'444'800'000).String("later", std::string(200'000, 'v'));
    if (!log) return Write(dump(), text.End());
    const fs::path logs = source_ / "appendonlydir";
    fs::create_directory(logs);
    Write(logs / "appendonly.aof.manifest",
          "file appendonly.aof.1.base.rdb seq 1 type b\n"
          "file appendonly.aof.1.incr.aof seq 1 type i\n");
    Write(logs / "appendonly.aof.1.base.rdb", text.End());
    std::string commands = "*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n";
    for (int i = 0; i < keys; i += 3) {
      const std::string name = Name(i);
      commands += fmt::format("*3\r\n$6\r\nAPPEND\r\n${}\r\n{}\r\n$1\r\n+\r\n", name.size(), name);
    }
    Write(logs / "appendonly.aof.1.incr.aof", commands);
  }
  static void Write(const fs::path& path, std::string_view bytes) {
    std::ofstream(path, std::ios::binary) << bytes;
  }
  static std::string Name(int i) { return "key:" + std::to_string(i); }
  static std::string Value(int i) {
    return std::to_string(i) + std::string(900 + static_cast<size_t>(i % 200), 'a' + i % 26);
  }
  fs::path dump() const { return source_ / "dump.rdb"; }
  fs::path logs() const { return folder_ / "appendonlydir"; }
  static Settings Importing(const fs::path& source, const Settings& more = {}) {
    Settings all = {{"import", source.string()},
                    {"maxmemory", std::to_string(kLimit)},
                    {"appendfsync", "always"}};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  // What a store that never had a tier makes of it.
  static std::string Expected(const fs::path& source) {
    aof::PosixFileSystem files;
    const fs::path folder(source.string() + "-expected");
    fs::remove_all(folder);
    Options options = OptionsOn(files, {{"import", source.string()}, {"eviction-action", "drop"}});
    options.directory = folder.string();
    std::string state;
    {
      const auto db = Db::Open(options);
      EXPECT_TRUE(db) << db.error().message;
      if (db) state = StateOf(**db);
    }
    fs::remove_all(folder);
    return state;
  }
  // From its parts, so that somebody can look in while it recovers.
  Result<std::unique_ptr<Store>> Create(const Settings& settings) {
    Settings all = settings;
    all.emplace_back("dir", folder_.string());
    MustSet(config_, all);
    return Store::Create(
        {.config = &config_, .clock = &real_clock_, .random = &random_, .file_system = &files_});
  }
  // All files, but for the live tier's, and their sizes.
  static std::string LooksOf(const fs::path& folder) {
    std::set<std::string> files;
    for (auto at = fs::recursive_directory_iterator(folder); at != fs::end(at); ++at) {
      if (at->path().filename() == "live-tier") {
        at.disable_recursion_pending();
      } else {
        const auto size = at->is_regular_file() ? at->file_size() : 0;
        files.insert(fmt::format("{} {}", at->path().string(), size));
      }
    }
    return fmt::format("{}", fmt::join(files, "\n"));
  }
  bool HasDataSet() {
    const auto found = aof::LocateLog(files_, folder_.string(), "appendonlydir", "appendonly.aof");
    EXPECT_TRUE(found) << found.error().message;
    return found && (found->checkpoint || !found->sources.empty());
  }

  static constexpr uint64_t kLimit = uint64_t{8} << 20;
  static constexpr int kKeys = 30'000;  // some four times the limit
  const fs::path source_;
  config::Config config_;
  SystemClock real_clock_;
  SystemRandom random_;
};

TEST_F(TierImportTest, MemoryStaysWithinItsLimit) {
  for (const bool log : {false, true}) {
    fs::remove_all(folder_);
    MakeSource(kKeys, log);
    const fs::path source = log ? source_ : dump();
    const std::string expected = Expected(source);
    uint64_t most = 0;
    int reads = 0;
    {
      auto store = Create(Importing(source));
      ASSERT_TRUE(store) << store.error().message;
      files_.at_read = [&] {
        ++reads;
        most = std::max(most, (*store)->keyspace().budget().used());
      };
      const Status recovered = (*store)->Recover();
      ASSERT_TRUE(recovered) << recovered.error().message;
      files_.at_read = nullptr;
    }
    EXPECT_GT(reads, 20);
    EXPECT_GT(most, kLimit / 2);
    EXPECT_LE(most, kLimit + kLimit / 4);  // what the tier itself needs comes and goes
    Open();
    EXPECT_GT(Number("cold_keys"), uint64_t{kKeys} / 2);
    EXPECT_EQ(StateOf(*db_), expected);
    EXPECT_EQ(Run("GET " + Name(3)), Value(3) + (log ? "+" : ""));
    Close();
    fs::remove_all(source_);
    fs::create_directory(source_);
  }
}

TEST_F(TierImportTest, BecomesACheckpointThatTheLogFollows) {
  MakeSource(2000, false);
  const std::string expected = Expected(dump());
  Open(Importing(dump()));
  EXPECT_EQ(Persistence(*session_, "rdb_changes_since_last_save"), "0");
  EXPECT_EQ(Run("CONFIG GET import"), "");
  EXPECT_EQ(StateOf(*db_), expected);
  const auto manifest = aof::ReadManifest(files_, logs() / "appendonly.aof.manifest");
  ASSERT_TRUE(manifest);
  EXPECT_FALSE(manifest->base);
  ASSERT_EQ(manifest->checkpoints.size(), 1u);
  EXPECT_EQ(manifest->checkpoints[0].log_sequence, 1);
  EXPECT_EQ(Run("SET after import"), "OK");
  EXPECT_EQ(Run("DEL " + Name(1)), "1");
  const fs::path now(folder_.string() + "-now");
  fs::copy(folder_, now, fs::copy_options::recursive);
  Close();
  fs::remove_all(folder_);
  fs::rename(now, folder_);
  Open();  // as if it had been killed
  EXPECT_EQ(Run("GET after"), "import");
  EXPECT_EQ(Run("GET " + Name(1)), "nil");
  EXPECT_EQ(Run("DBSIZE"), "2000");
  Close();
  const auto again = TryOpen(Importing(dump()));
  ASSERT_FALSE(again);
  EXPECT_NE(again.error().message.find("holds a data set already"), std::string::npos);
}

TEST_F(TierImportTest, WithoutALogItIsACheckpointToo) {
  MakeSource(2000, false);
  const std::string expected = Expected(dump());
  Open(Importing(dump(), {{"appendonly", "no"}}));
  Close();
  fs::remove(dump());
  Open({{"appendonly", "no"}});
  EXPECT_EQ(StateOf(*db_), expected);
  Close();
  Open();
  EXPECT_EQ(StateOf(*db_), expected);
  Close();
}

// What lies there before any change of a file, with whatever was spilled by then: the import is
// done, or it is begun again.
TEST_F(TierImportTest, KilledAtEveryChange) {
  constexpr int kFewer = 5000;  // which do not fit in half the memory
  MakeSource(kFewer, false);
  const Settings importing = Importing(dump(), {{"maxmemory", std::to_string(kLimit / 2)}});
  const std::string expected = Expected(dump());
  const fs::path kept(folder_.string() + "-kept");
  fs::remove_all(kept);
  fs::create_directory(kept);
  int kills = 0;
  std::string last;
  files_.at_change = [&](const std::string&) {
    const std::string looks = fs::exists(folder_) ? LooksOf(folder_) : last;
    if (std::exchange(last, looks) == looks) return;
    const fs::path copy = kept / std::to_string(kills++);
    fs::create_directory(copy);
    for (const auto& entry : fs::directory_iterator(folder_)) {
      // That is scratch: whatever is found of it is thrown away.
      if (entry.path().filename() == "live-tier") continue;
      fs::copy(entry.path(), copy / entry.path().filename(), fs::copy_options::recursive);
    }
  };
  Open(importing);
  files_.at_change = nullptr;
  Close();
  int done = 0;
  for (int i = 0; i < kills; ++i) {
    SCOPED_TRACE(i);
    fs::remove_all(folder_);
    fs::rename(kept / std::to_string(i), folder_);
    fs::create_directory(folder_ / "live-tier");
    Write(folder_ / "live-tier" / "000009.sst", "what a crash leaves");
    const bool whole = HasDataSet();
    done += whole ? 1 : 0;
    Open(whole ? Settings{} : importing);
    ASSERT_NE(db_, nullptr);
    EXPECT_EQ(StateOf(*db_), expected);
    Close();
    if (i % 4 != 0) continue;
    Open();
    EXPECT_EQ(StateOf(*db_), expected) << "opened again";
    Close();
  }
  EXPECT_GE(done, 2);
  EXPECT_GT(kills, done + 5);
  fs::remove_all(kept);
}

// Its checksum comes last, when most of it has been spilled.
TEST_F(TierImportTest, NothingOfADamagedOneIsServed) {
  MakeSource(kKeys, false);
  std::fstream file(dump(), std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(-1, std::ios::end);
  file.put('x');
  file.close();
  const auto refused = TryOpen(Importing(dump()));
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("damage in "), std::string::npos)
      << refused.error().message;
  EXPECT_FALSE(HasDataSet());
  Open();
  EXPECT_EQ(Run("DBSIZE"), "0");
  EXPECT_EQ(Run("GET " + Name(1)), "nil");
  Close();
}

TEST_F(TierImportTest, CanBeCancelled) {
  MakeSource(kKeys, false);
  for (const bool read : {false, true}) {
    {
      auto store = Create(Importing(dump()));
      ASSERT_TRUE(store);
      int calls = 0;
      if (!read) {
        files_.at_read = [&] {
          ++calls;
          (*store)->CancelRecovery();
        };
      }
      // All is read, the snapshot is to begin.
      if (read)
        files_.at_change = [&](const std::string& path) {
          if (!path.ends_with("appendonly.aof.manifest")) return;
          ++calls;
          (*store)->CancelRecovery();
        };
      const Status recovered = (*store)->Recover();
      files_.at_read = nullptr;
      files_.at_change = nullptr;
      ASSERT_FALSE(recovered);
      EXPECT_GT(calls, 0);
      EXPECT_EQ(recovered.error().code, ErrorCode::kUnavailable) << recovered.error().message;
      EXPECT_TRUE((*store)->Close());
    }
    EXPECT_FALSE(HasDataSet());
  }
  Open(Importing(dump()));
  EXPECT_EQ(Run("DBSIZE"), std::to_string(kKeys));
  Close();
}

// Memory is full and nothing can leave it: an error, and not an import without end.
TEST_F(TierImportTest, ATierThatCannotBeWrittenEndsIt) {
  MakeSource(kKeys, false);
  int reads = 0;
  files_.at_read = [&] {
    if (++reads == 3) fs::remove_all(folder_ / "live-tier");
  };
  const auto failed = TryOpen(Importing(dump()));
  files_.at_read = nullptr;
  ASSERT_FALSE(failed);
  EXPECT_NE(failed.error().message.find("cold tier cannot be written"), std::string::npos)
      << failed.error().message;
  EXPECT_FALSE(HasDataSet());
  Open(Importing(dump()));
  EXPECT_EQ(Run("DBSIZE"), std::to_string(kKeys));
  Close();
}

// Keys without a TTL stay in memory, whatever the limit, as they do in Redis.
TEST_F(TierImportTest, WhatThePolicyKeepsIsNotWaitedFor) {
  MakeSource(kKeys / 2, false);
  const std::string expected = Expected(dump());
  for (const char* policy : {"volatile-lru", "noeviction"}) {
    fs::remove_all(folder_);
    Open(Importing(dump(), {{"maxmemory-policy", policy}}));
    EXPECT_LE(Number("cold_keys"), 1u) << policy;
    EXPECT_EQ(StateOf(*db_), expected);
    Close();
  }
}

}  // namespace
}  // namespace holdfast::engine_test
