#include "tests/sim/simulated_file_system.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace holdfast::sim {
namespace {

std::unique_ptr<File> Create(SimulatedFileSystem& disk, const std::string& path) {
  auto file = disk.Open(path, {.write = true, .create = true});
  EXPECT_TRUE(file);
  return *std::move(file);
}

Status Write(File& file, uint64_t offset, std::string_view bytes) {
  return file.WriteAt(offset, {&bytes, 1});
}

TEST(SimulatedFileSystemTest, BehavesLikeAFileSystem) {
  SimulatedFileSystem disk;
  ASSERT_TRUE(disk.CreateDirectory("data"));
  ASSERT_TRUE(disk.CreateDirectory("data/"));
  EXPECT_EQ(disk.Open("data/a", {}).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(disk.Open("none/a", {.write = true, .create = true}).error().code,
            ErrorCode::kNotFound);
  auto file = Create(disk, "data/a");
  EXPECT_EQ(disk.Open("data/a", {.write = true, .create = true, .exclusive = true}).error().code,
            ErrorCode::kBusy);
  const std::string_view parts[] = {"ab", "", "cd"};
  ASSERT_TRUE(file->WriteAt(2, parts));
  EXPECT_EQ(*file->Size(), 6U);
  EXPECT_EQ(*disk.Contents("data//a"), std::string("\0\0abcd", 6));
  std::string buffer(10, 'x');
  EXPECT_EQ(*file->ReadAt(4, buffer), 2U);
  ASSERT_TRUE(file->Truncate(3));
  ASSERT_TRUE(disk.Rename("data/a", "data/b"));
  EXPECT_EQ(disk.Paths(), std::vector<std::string>{"data/b"});
  EXPECT_EQ(*disk.List("data"), std::vector<std::string>{"b"});
  EXPECT_TRUE(*disk.IsDirectory("data"));
  EXPECT_FALSE(*disk.IsDirectory("data/b"));
  ASSERT_TRUE(disk.Unlink("data/b"));
  EXPECT_FALSE(*disk.Exists("data/b"));
  EXPECT_EQ(*file->Size(), 3U);  // open files outlive their name
  auto lock = disk.Lock("data/lock");
  ASSERT_TRUE(lock);
  EXPECT_EQ(disk.Lock("data/lock").error().code, ErrorCode::kBusy);
  lock->reset();
  EXPECT_TRUE(disk.Lock("data/lock"));
}

TEST(SimulatedFileSystemTest, OnlySyncedDataAndNamesAreSure) {
  SimulatedFileSystem disk;
  auto file = Create(disk, "a");
  ASSERT_TRUE(Write(*file, 0, "one"));
  ASSERT_TRUE(file->Sync());
  ASSERT_TRUE(disk.SyncDirectory("."));
  ASSERT_TRUE(Write(*file, 3, "two"));
  const size_t end = disk.operations();
  ASSERT_EQ(end, 5U);
  using Data = PowerCut::Data;
  using Names = PowerCut::Names;
  const auto after = [&](size_t n, Data data, Names names, uint64_t prefix = 0) {
    return disk
        .AfterPowerCut({.operation = n, .data = data, .prefix_bytes = prefix, .names = names})
        ->Contents("a");
  };
  EXPECT_EQ(after(end, Data::kKeepAll, Names::kDropUnsynced), "onetwo");
  EXPECT_EQ(after(end, Data::kDropUnsynced, Names::kDropUnsynced), "one");
  EXPECT_EQ(after(end, Data::kPrefix, Names::kDropUnsynced, 2), "onetw");
  EXPECT_EQ(after(2, Data::kDropUnsynced, Names::kKeepAll), "");
  EXPECT_EQ(after(2, Data::kKeepAll, Names::kKeepAll), "one");
  EXPECT_EQ(after(3, Data::kKeepAll, Names::kDropUnsynced), std::nullopt);
  EXPECT_EQ(after(0, Data::kKeepAll, Names::kKeepAll), std::nullopt);
  // What is found is durable from then on.
  auto second = disk.AfterPowerCut({.operation = end, .data = Data::kPrefix, .prefix_bytes = 1});
  EXPECT_EQ(second->AfterPowerCut({.operation = 0})->Contents("a"), "onet");
}

TEST(SimulatedFileSystemTest, RenamesAndRemovalsCanBeLost) {
  SimulatedFileSystem disk;
  disk.SetContents("d/old", "1");
  disk.SetContents("d/gone", "2");
  ASSERT_TRUE(disk.Rename("d/old", "d/new"));
  ASSERT_TRUE(disk.Unlink("d/gone"));
  const auto paths = [&](size_t n, PowerCut::Names names, uint64_t seed = 1) {
    return disk.AfterPowerCut({.operation = n, .names = names, .seed = seed})->Paths();
  };
  using Paths = std::vector<std::string>;
  EXPECT_EQ(paths(2, PowerCut::Names::kDropUnsynced), (Paths{"d/gone", "d/old"}));
  EXPECT_EQ(paths(2, PowerCut::Names::kKeepAll), Paths{"d/new"});
  std::set<Paths> prefixes;
  std::set<Paths> subsets;
  for (uint64_t seed = 0; seed < 100; ++seed) {
    prefixes.insert(paths(2, PowerCut::Names::kRandomPrefix, seed));
    subsets.insert(paths(2, PowerCut::Names::kRandomSubset, seed));
  }
  EXPECT_EQ(prefixes.size(), 3U);
  EXPECT_EQ(subsets.size(), 4U);
  ASSERT_TRUE(disk.SyncDirectory("d"));
  EXPECT_EQ(paths(3, PowerCut::Names::kDropUnsynced), Paths{"d/new"});
  EXPECT_EQ(disk.AfterPowerCut({.operation = 3})->Contents("d/new"), "1");
}

TEST(SimulatedFileSystemTest, ALostDirectoryTakesItsFilesAlong) {
  SimulatedFileSystem disk;
  ASSERT_TRUE(disk.CreateDirectory("d"));
  auto file = Create(disk, "d/a");
  ASSERT_TRUE(Write(*file, 0, "x"));
  ASSERT_TRUE(file->Sync());
  ASSERT_TRUE(disk.SyncDirectory("d"));
  const PowerCut cut{.operation = disk.operations(), .names = PowerCut::Names::kDropUnsynced};
  EXPECT_TRUE(disk.AfterPowerCut(cut)->Paths().empty());
  ASSERT_TRUE(disk.SyncDirectory(""));
  const PowerCut later{.operation = disk.operations(), .names = PowerCut::Names::kDropUnsynced};
  EXPECT_EQ(disk.AfterPowerCut(later)->Contents("d/a"), "x");
}

TEST(SimulatedFileSystemTest, SectorsReachTheDiskInAnyOrder) {
  SimulatedFileSystem disk;
  disk.SetContents("a", std::string(2048, '0'));
  auto file = *disk.Open("a", {.write = true});
  ASSERT_TRUE(Write(*file, 0, std::string(2048, '1')));
  ASSERT_TRUE(Write(*file, 512, std::string(1024, '2')));
  std::set<std::string> seen;
  for (uint64_t seed = 0; seed < 2000; ++seed) {
    const auto content =
        *disk.AfterPowerCut({.operation = 2, .data = PowerCut::Data::kRandomSectors, .seed = seed})
             ->Contents("a");
    ASSERT_EQ(content.size(), 2048U);
    std::string versions;
    for (size_t at = 0; at < 2048; at += 512) {
      versions += content[at];
      ASSERT_EQ(content.substr(at, 512), std::string(512, content[at]));  // never half a sector
    }
    seen.insert(versions);
  }
  EXPECT_EQ(seen.size(), 2U * 3 * 3 * 2);
  std::set<size_t> torn;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    const auto content =
        *disk.AfterPowerCut({.operation = 1, .data = PowerCut::Data::kTornSectors, .seed = seed})
             ->Contents("a");
    torn.insert(static_cast<size_t>(std::count(content.begin(), content.end(), '1')));
  }
  EXPECT_EQ(torn, (std::set<size_t>{0, 512, 1024, 1536, 2048}));
}

TEST(SimulatedFileSystemTest, AFailedSyncIsNeverMadeGoodByALaterOne) {
  SimulatedFileSystem disk;
  disk.SetContents("a", "base");
  auto file = *disk.Open("a", {.write = true});
  ASSERT_TRUE(Write(*file, 4, "lost"));
  disk.FailAt({.calls = kSync});
  EXPECT_EQ(file->Sync().error().code, ErrorCode::kIoError);
  ASSERT_TRUE(Write(*file, 8, "kept"));
  ASSERT_TRUE(file->Sync());
  EXPECT_EQ(disk.AfterPowerCut({.operation = disk.operations()})->Contents("a"),
            "base" + std::string(4, '\0') + "kept");
  EXPECT_EQ(disk.Contents("a"), "baselostkept");
  ASSERT_TRUE(Write(*file, 4, "back"));
  ASSERT_TRUE(file->Sync());
  EXPECT_EQ(disk.AfterPowerCut({.operation = disk.operations()})->Contents("a"), "basebackkept");
}

TEST(SimulatedFileSystemTest, FaultsHitTheNthCallOnceOrForEver) {
  SimulatedFileSystem disk;
  auto file = Create(disk, "a");
  disk.FailAt({.calls = kWrite, .nth = 2, .code = ErrorCode::kNoSpace, .written_256ths = 128});
  ASSERT_TRUE(Write(*file, 0, "1234"));
  const Status failed = Write(*file, 4, "5678");
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, ErrorCode::kNoSpace);
  EXPECT_EQ(disk.Contents("a"), "123456");
  ASSERT_TRUE(Write(*file, 4, "5678"));
  disk.FailAt({.calls = kSync | kTruncate, .nth = 1, .for_ever = true, .path_part = "a"});
  EXPECT_FALSE(file->Sync());
  EXPECT_FALSE(file->Truncate(0));
  EXPECT_FALSE(file->Sync());
  EXPECT_TRUE(disk.Open("a", {}));
  disk.ClearFaults();
  EXPECT_TRUE(file->Sync());
  EXPECT_EQ(disk.FaultsRaised(), 4U);
  EXPECT_EQ(disk.CallCount(kSync), 3U);
  disk.FailAt({.calls = kOpen, .path_part = "other"});
  EXPECT_TRUE(disk.Open("a", {}));
}

}  // namespace
}  // namespace holdfast::sim
