// A store with a cold tier on a real directory, which tests stop and start again. `Files`: its file
// system.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "tests/unit/engine/engine_fixture.h"

namespace holdfast::engine_test {

template <typename Files>
class TierFixture : public testing::Test {
 public:
  ~TierFixture() override {
    session_.reset();
    db_.reset();
    std::filesystem::remove_all(folder_);
  }

 protected:
  TierFixture()
      : folder_(std::filesystem::temp_directory_path() /
                ("holdfast-tier-" + std::to_string(getpid()))) {
    std::filesystem::remove_all(folder_);
  }

  Result<std::unique_ptr<Db>> TryOpen(Settings more = {}) {
    Options options = OptionsOn(files_, std::move(more));
    options.directory = folder_.string();
    options.clock = clock_;
    options.settings.emplace_back("eviction-action", "spill");
    if (!rules_) options.settings.emplace_back("save", "");
    return Db::Open(options);
  }
  void Open(Settings more = {}) {
    auto opened = TryOpen(std::move(more));
    ASSERT_TRUE(opened) << opened.error().message;
    db_ = *std::move(opened);
    session_ = db_->NewSession();
  }
  void Close() {
    session_.reset();
    ASSERT_TRUE(db_->Close());
    db_.reset();
  }
  // Goes on with what the disk has now.
  void AsIfKilled() {
    const std::filesystem::path now(folder_.string() + "-now");
    ASSERT_EQ(Run("CONFIG SET appendfsync always"), "OK");
    // Waits until they are written, and all before them.
    ASSERT_EQ(Run("SET as-if-killed 1"), "OK");
    ASSERT_EQ(Run("DEL as-if-killed"), "1");
    // Files that are removed or cut off meanwhile fail a copy.
    ASSERT_TRUE(Eventually([&] {
      std::filesystem::remove_all(now);
      std::error_code failed;
      std::filesystem::copy(folder_, now, std::filesystem::copy_options::recursive, failed);
      return !failed;
    }));
    Close();
    std::filesystem::remove_all(folder_);
    std::filesystem::rename(now, folder_);
    Open();
  }
  std::string Run(std::string_view line) { return Execute(*session_, line); }
  // Of INFO tiering; empty: there is none.
  std::string Field(std::string_view field) {
    const std::string info = Run("INFO tiering");
    const std::string start = "\n" + std::string(field) + ":";
    const size_t at = info.find(start);
    if (at == std::string::npos) return "";
    const size_t begin = at + start.size();
    return info.substr(begin, info.find('\r', begin) - begin);
  }
  uint64_t Number(std::string_view field) {
    const std::string text = Field(field);
    return text.empty() ? UINT64_MAX : std::stoull(text);
  }

  Files files_;
  Clock* clock_ = nullptr;  // the machine's
  bool rules_ = false;      // those of `save` that are the default; else none
  const std::filesystem::path folder_;
  std::unique_ptr<Db> db_;
  std::unique_ptr<DbSession> session_;
};

}  // namespace holdfast::engine_test
