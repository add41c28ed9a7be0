#include "aof/posix_file_system.h"

#include <fmt/core.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

namespace holdfast::aof {
namespace {

class PosixFileSystemTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = std::filesystem::temp_directory_path() / "holdfast-fs-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }
  std::string Path(const std::string& name) const { return directory_ + "/" + name; }

  PosixFileSystem fs_;
  std::string directory_;
};

TEST_F(PosixFileSystemTest, WritesManyPartsAndReadsThemBack) {
  auto file = fs_.Open(Path("a"), {.write = true, .create = true});
  ASSERT_TRUE(file);
  std::vector<std::string> texts;
  std::string expected;
  for (int i = 0; i < 500; ++i) {
    texts.push_back(i % 7 == 0 ? "" : fmt::format("part {};", i));
    expected += texts.back();
  }
  const std::vector<std::string_view> parts(texts.begin(), texts.end());
  ASSERT_TRUE((*file)->WriteAt(10, parts));
  ASSERT_TRUE((*file)->Sync());
  EXPECT_EQ(*(*file)->Size(), 10 + expected.size());
  std::string back(expected.size() + 100, 'x');
  EXPECT_EQ(*(*file)->ReadAt(10, back), expected.size());
  EXPECT_EQ(back.substr(0, expected.size()), expected);
  EXPECT_EQ(*(*file)->ReadAt(0, std::span(back).first(10)), 10U);
  EXPECT_EQ(back.substr(0, 10), std::string(10, '\0'));
  ASSERT_TRUE((*file)->Truncate(12));
  EXPECT_EQ(*(*file)->Size(), 12U);
  EXPECT_EQ(*(*file)->ReadAt(12, back), 0U);
}

TEST_F(PosixFileSystemTest, ErrorsNameThePath) {
  auto missing = fs_.Open(Path("none"), {});
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::kNotFound);
  EXPECT_NE(missing.error().message.find(Path("none")), std::string::npos);
  ASSERT_TRUE(fs_.Open(Path("a"), {.write = true, .create = true}));
  auto again = fs_.Open(Path("a"), {.write = true, .create = true, .exclusive = true});
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, ErrorCode::kBusy);
  EXPECT_EQ(fs_.Unlink(Path("none")).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(fs_.Rename(Path("none"), Path("b")).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(fs_.List(Path("none")).error().code, ErrorCode::kNotFound);
  EXPECT_FALSE(fs_.SyncDirectory(Path("none")));
  EXPECT_FALSE(fs_.CreateDirectory(Path("a")));
  EXPECT_FALSE(fs_.CreateDirectory(Path("none/deeper")));
}

TEST_F(PosixFileSystemTest, OffsetsBeyondTheSignedRangeAreErrors) {
  auto file = *fs_.Open(Path("a"), {.write = true, .create = true});
  const std::string_view part = "x";
  char byte;
  EXPECT_FALSE(file->WriteAt(UINT64_MAX, {&part, 1}));
  EXPECT_FALSE(file->ReadAt(UINT64_MAX - 1, {&byte, 1}));
  EXPECT_FALSE(file->Truncate(UINT64_MAX));
}

TEST_F(PosixFileSystemTest, ReadOnlyFilesRefuseWrites) {
  ASSERT_TRUE(fs_.Open(Path("a"), {.write = true, .create = true}));
  auto file = *fs_.Open(Path("a"), {});
  const std::string_view part = "x";
  EXPECT_EQ(file->WriteAt(0, {&part, 1}).error().code, ErrorCode::kIoError);
}

TEST_F(PosixFileSystemTest, AFullDiskIsNoSpace) {
  auto file = *fs_.Open("/dev/full", {.write = true});
  const std::string_view part = "x";
  const Status status = file->WriteAt(0, {&part, 1});
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kNoSpace);
  EXPECT_NE(status.error().message.find("No space left"), std::string::npos);
}

TEST_F(PosixFileSystemTest, Directories) {
  ASSERT_TRUE(fs_.CreateDirectory(Path("d")));
  ASSERT_TRUE(fs_.CreateDirectory(Path("d")));
  EXPECT_TRUE(*fs_.IsDirectory(Path("d")));
  EXPECT_FALSE(*fs_.IsDirectory(Path("e")));
  ASSERT_TRUE(fs_.Open(Path("d/one"), {.write = true, .create = true}));
  ASSERT_TRUE(fs_.Open(Path("d/two"), {.write = true, .create = true}));
  ASSERT_TRUE(fs_.Rename(Path("d/two"), Path("d/three")));
  ASSERT_TRUE(fs_.SyncDirectory(Path("d")));
  auto names = *fs_.List(Path("d"));
  std::sort(names.begin(), names.end());
  EXPECT_EQ(names, (std::vector<std::string>{"one", "three"}));
  EXPECT_TRUE(*fs_.Exists(Path("d/one")));
  ASSERT_TRUE(fs_.Unlink(Path("d/one")));
  EXPECT_FALSE(*fs_.Exists(Path("d/one")));
  EXPECT_FALSE(*fs_.Exists(Path("d/three/below")));
  EXPECT_GT(*fs_.FreeBytes(directory_), 0U);
}

TEST_F(PosixFileSystemTest, LockExcludesAndNamesTheHolder) {
  auto lock = fs_.Lock(Path("lock"));
  ASSERT_TRUE(lock);
  auto second = fs_.Lock(Path("lock"));
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::kBusy);
  EXPECT_NE(second.error().message.find(fmt::format("process {}", ::getpid())), std::string::npos);
  lock->reset();
  EXPECT_TRUE(fs_.Lock(Path("lock")));
}

TEST_F(PosixFileSystemTest, LockEndsWithItsProcess) {
  const pid_t child = ::fork();
  if (child == 0) {
    auto lock = fs_.Lock(Path("lock"));
    ::_exit(lock ? 0 : 1);  // no destructor runs
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_EQ(status, 0);
  EXPECT_TRUE(fs_.Lock(Path("lock")));
}

}  // namespace
}  // namespace holdfast::aof
