#include "engine/log_catalog.h"

#include <algorithm>

#include "holdfast/check.h"

namespace holdfast {

int64_t LogCatalog::FollowingSequence() const {
  return manifest_.incremental.empty() ? 1 : manifest_.incremental.back().sequence + 1;
}

int64_t LogCatalog::NextSequence() const { return std::max(FollowingSequence(), least_sequence_); }

std::string LogCatalog::NextName() {
  const std::lock_guard lock(mutex_);
  return aof::IncrementalFileName(append_filename_, NextSequence());
}

Status LogCatalog::Switch(const aof::Manifest& manifest) {
  HF_TRY_STATUS(aof::WriteManifest(file_system_, manifest_path_, manifest));
  manifest_ = manifest;
  return {};
}

Status LogCatalog::Write() {
  const std::lock_guard lock(mutex_);
  HF_CHECK(!withheld_);
  return Switch(manifest_);
}

void LogCatalog::Withhold(int64_t first_sequence) {
  const std::lock_guard lock(mutex_);
  HF_CHECK(first_sequence > FollowingSequence());
  withheld_ = true;
  least_sequence_ = first_sequence;
}

bool LogCatalog::withheld() {
  const std::lock_guard lock(mutex_);
  return withheld_;
}

aof::Manifest LogCatalog::manifest() {
  const std::lock_guard lock(mutex_);
  return manifest_;
}

Status LogCatalog::List(const std::string& name, uint64_t file_id) {
  const std::lock_guard lock(mutex_);
  const int64_t sequence = NextSequence();
  HF_CHECK(name == aof::IncrementalFileName(append_filename_, sequence));
  aof::Manifest changed = manifest_;
  changed.incremental.push_back(
      {.name = name, .sequence = sequence, .type = aof::LogFileType::kIncremental, .id = file_id});
  if (!withheld_) return Switch(changed);
  manifest_ = std::move(changed);
  return {};
}

int64_t LogCatalog::NextBaseSequence() const {
  const int64_t listed = manifest_.base ? manifest_.base->sequence : 0;
  return std::max(listed, newest_base_sequence_) + 1;
}

std::string LogCatalog::NextBaseName() {
  const std::lock_guard lock(mutex_);
  return aof::BaseFileName(append_filename_, NextBaseSequence());
}

Status LogCatalog::SetFirstBase(const std::string& name, uint64_t file_id) {
  const std::lock_guard lock(mutex_);
  HF_CHECK(!manifest_.base && manifest_.incremental.empty());
  HF_CHECK(name == aof::BaseFileName(append_filename_, 1));
  aof::Manifest changed = manifest_;
  changed.base = aof::LogFileEntry{
      .name = name, .sequence = 1, .type = aof::LogFileType::kBase, .id = file_id};
  return Switch(changed);
}

Result<std::vector<std::string>> LogCatalog::ReplaceBase(const std::string& name, uint64_t file_id,
                                                         const std::string& first_incremental) {
  const std::lock_guard lock(mutex_);
  aof::Manifest changed = manifest_;
  const int64_t sequence = NextBaseSequence();
  HF_CHECK(name == aof::BaseFileName(append_filename_, sequence));
  std::vector<std::string> superseded = void_bases_;
  if (changed.base) superseded.push_back(changed.base->name);
  changed.base = aof::LogFileEntry{
      .name = name, .sequence = sequence, .type = aof::LogFileType::kBase, .id = file_id};
  const auto first =
      std::find_if(changed.incremental.begin(), changed.incremental.end(),
                   [&](const aof::LogFileEntry& entry) { return entry.name == first_incremental; });
  HF_CHECK(first != changed.incremental.end());
  for (auto old = changed.incremental.begin(); old != first; ++old) superseded.push_back(old->name);
  changed.incremental.erase(changed.incremental.begin(), first);
  newest_base_sequence_ = sequence;
  if (Status switched = Switch(changed); !switched) {
    void_bases_.push_back(name);
    return std::unexpected(std::move(switched).error());
  }
  void_bases_.clear();
  withheld_ = false;
  least_sequence_ = 0;
  return superseded;
}

}  // namespace holdfast
