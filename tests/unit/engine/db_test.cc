// Opening and closing stores: several in one process, one per directory, and directories that must
// not be touched.
#include "holdfast/db.h"

#include <gtest/gtest.h>

#include <map>

#include "tests/unit/engine/engine_fixture.h"

namespace holdfast::engine_test {
namespace {

constexpr char kManifestPath[] = "/data/appendonlydir/appendonly.aof.manifest";
constexpr char kLogPath[] = "/data/appendonlydir/appendonly.aof.1.incr.aof";

// Without the zeros that a running store fills ahead at any time.
std::map<std::string, std::string> FilesOf(const sim::SimulatedFileSystem& disk) {
  std::map<std::string, std::string> files;
  for (const std::string& path : disk.Paths()) {
    if (path.ends_with(".lock")) continue;
    std::string bytes = disk.Contents(path).value_or("");
    bytes.resize(bytes.find_last_not_of('\0') + 1);
    files[path] = std::move(bytes);
  }
  return files;
}

TEST(DbOpen, TwoStoresInOneProcessKnowNothingOfEachOther) {
  sim::SimulatedFileSystem disk;
  Options first_options = OptionsOn(disk);
  Options second_options = OptionsOn(disk);
  second_options.directory = "/other";
  auto first = Db::Open(first_options);
  auto second = Db::Open(second_options);
  ASSERT_TRUE(first) << first.error().message;
  ASSERT_TRUE(second) << second.error().message;
  {
    const auto a = (*first)->NewSession();
    const auto b = (*second)->NewSession();
    EXPECT_EQ(Execute(*a, "SET who first"), "OK");
    EXPECT_EQ(Execute(*b, "GET who"), "nil");
    EXPECT_EQ(Execute(*b, "SET who second"), "OK");
    EXPECT_EQ(Execute(*b, "CONFIG SET appendfsync always"), "OK");
    EXPECT_EQ(Execute(*b, "SELECT 1"), "OK");
    EXPECT_EQ(Execute(*a, "DBSIZE"), "1");
    EXPECT_EQ(Execute(*a, "GET who"), "first");
  }
  ASSERT_TRUE((*first)->Close());
  {
    const auto b = (*second)->NewSession();
    EXPECT_EQ(Execute(*b, "GET who"), "second");
  }
  first = Db::Open(first_options);
  ASSERT_TRUE(first);
  EXPECT_EQ(Execute(*(*first)->NewSession(), "GET who"), "first");
}

TEST(DbOpen, ADirectoryBelongsToOne) {
  sim::SimulatedFileSystem disk;
  auto holder = MustOpen(disk);
  Execute(*holder->NewSession(), "SET a 1");
  const auto before = FilesOf(disk);
  const auto second = Db::Open(OptionsOn(disk));
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::kBusy) << second.error().message;
  EXPECT_EQ(FilesOf(disk), before);
  EXPECT_EQ(Execute(*holder->NewSession(), "SET a 2"), "OK");
  ASSERT_TRUE(holder->Close());
  ASSERT_TRUE(holder->Close()) << "closing twice is fine";
  const auto next = Db::Open(OptionsOn(disk));
  ASSERT_TRUE(next) << next.error().message;
  EXPECT_EQ(Execute(*(*next)->NewSession(), "GET a"), "2");
}

TEST(DbOpen, BadSettingsAreErrors) {
  sim::SimulatedFileSystem disk;
  for (const Settings& settings :
       {Settings{{"no-such-parameter", "1"}}, Settings{{"appendfsync", "sometimes"}},
        Settings{{"databases", "0"}}}) {
    const auto db = Db::Open({.directory = "/data", .settings = settings, .file_system = &disk});
    ASSERT_FALSE(db) << settings[0].first;
    EXPECT_EQ(db.error().code, ErrorCode::kInvalidArgument);
    EXPECT_NE(db.error().message.find(settings[0].first), std::string::npos);
  }
  EXPECT_TRUE(disk.Paths().empty());
}

// A disk with a data set whose manifest can be spoilt.
void Fill(sim::SimulatedFileSystem& disk) {
  const auto db = MustOpen(disk);
  const auto session = db->NewSession();
  Execute(*session, "SET a 1");
  ASSERT_TRUE(Rewrite(*session));
  Execute(*session, "INCR a");
}

void ExpectRefused(sim::SimulatedFileSystem& disk, ErrorCode code, const std::string& what) {
  const auto before = FilesOf(disk);
  const auto db = Db::Open(OptionsOn(disk));
  ASSERT_FALSE(db) << what;
  EXPECT_EQ(db.error().code, code) << what << ": " << db.error().message;
  EXPECT_NE(db.error().message.find("appendonly.aof"), std::string::npos) << db.error().message;
  EXPECT_EQ(FilesOf(disk), before) << what;
}

TEST(DbOpen, ANewerManifestIsRefusedUntouched) {
  sim::SimulatedFileSystem disk;
  Fill(disk);
  std::string manifest = disk.Contents(kManifestPath).value();
  const size_t version = manifest.find("v=1");
  ASSERT_NE(version, std::string::npos);
  manifest[version + 2] = '2';
  disk.SetContents(kManifestPath, manifest);
  ExpectRefused(disk, ErrorCode::kUnsupported, "version 2");
}

TEST(DbOpen, HalfAManifestIsRefusedUntouched) {
  for (const size_t kept_256ths : {32, 128, 200, 250}) {
    sim::SimulatedFileSystem disk;
    Fill(disk);
    const std::string manifest = disk.Contents(kManifestPath).value();
    disk.SetContents(kManifestPath, manifest.substr(0, manifest.size() * kept_256ths / 256));
    ExpectRefused(disk, ErrorCode::kCorruption, std::to_string(kept_256ths));
  }
}

TEST(DbOpen, AListedFileThatIsMissingIsRefusedUntouched) {
  sim::SimulatedFileSystem disk;
  Fill(disk);
  for (const std::string& path : disk.Paths()) {
    if (path.find(".base.") == std::string::npos) continue;
    ASSERT_TRUE(disk.Unlink(path));
  }
  const auto before = FilesOf(disk);
  EXPECT_FALSE(Db::Open(OptionsOn(disk)));
  EXPECT_EQ(FilesOf(disk), before);
}

TEST(DbOpen, DamageInTheMiddleNamesFileAndOffset) {
  sim::SimulatedFileSystem disk;
  Fill(disk);
  for (const std::string& path : disk.Paths()) {
    if (path.find(".base.") == std::string::npos) continue;
    std::string base = disk.Contents(path).value();
    base[base.size() / 2] = static_cast<char>(base[base.size() / 2] ^ 1);
    disk.SetContents(path, base);
  }
  ExpectRefused(disk, ErrorCode::kCorruption, "a flipped bit in the base");
}

// Closed cleanly, the log proves each of its frames, also what no sync of its own came after.
TEST(DbOpen, AChangedByteInTheLastValueIsDamageAfterAClose) {
  for (const char* policy : {"everysec", "no", "always"}) {
    sim::SimulatedFileSystem disk;
    const Settings settings = {{"appendfsync", policy}};
    {
      const auto db = MustOpen(disk, settings);
      ASSERT_EQ(Execute(*db->NewSession(), "SET a first"), "OK");
      ASSERT_EQ(Execute(*db->NewSession(), "SET a last-value"), "OK");
      ASSERT_TRUE(db->Close());
    }
    const std::string path = kLogPath;
    std::string log = disk.Contents(path).value();
    const size_t value = log.find("last-value");
    ASSERT_NE(value, std::string::npos);
    log[value] ^= 1;
    disk.SetContents(path, log);
    const auto db = Db::Open(OptionsOn(disk, settings));
    ASSERT_FALSE(db) << policy;
    EXPECT_EQ(db.error().code, ErrorCode::kCorruption);
    const size_t frame = log.rfind("#HF:i=", value);
    EXPECT_NE(db.error().message.find(path + " at offset " + std::to_string(frame)),
              std::string::npos)
        << db.error().message;
    EXPECT_EQ(disk.Contents(path), log);
    log[value] ^= 1;
    disk.SetContents(path, log);
    for (int restart = 0; restart < 3; ++restart) {
      const auto again = MustOpen(disk, settings);
      EXPECT_EQ(Execute(*again->NewSession(), "GET a"), "last-value");
      ASSERT_TRUE(again->Close());
      EXPECT_EQ(disk.Contents(path), log);
    }
  }
}

// Without a directory nothing is written anywhere.
TEST(DbOpen, InMemory) {
  sim::SimulatedFileSystem disk;
  const auto db = Db::Open({.file_system = &disk});
  ASSERT_TRUE(db);
  const auto session = (*db)->NewSession();
  EXPECT_EQ(Execute(*session, "SET a 1"), "OK");
  EXPECT_EQ(Execute(*session, "INCR a"), "2");
  EXPECT_TRUE(disk.Paths().empty());
}

}  // namespace
}  // namespace holdfast::engine_test
