#include "engine/log_catalog.h"

#include <algorithm>

#include "holdfast/check.h"

namespace holdfast {

int64_t LogCatalog::FollowingSequence() const {
  int64_t sequence = manifest_.incremental.empty() ? 1 : manifest_.incremental.back().sequence + 1;
  // A cut of the log may have taken away the file that a checkpoint is followed by.
  for (const aof::CheckpointEntry& checkpoint : manifest_.checkpoints)
    sequence = std::max(sequence, checkpoint.log_sequence.value_or(1));
  return sequence;
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

Status LogCatalog::BeginLog() {
  const std::lock_guard lock(mutex_);
  HF_CHECK(!withheld_);
  if (manifest_.checkpoints.empty() || manifest_.checkpoints.back().log_sequence) return {};
  aof::Manifest changed = manifest_;
  changed.checkpoints.back().log_sequence = NextSequence();
  return Switch(changed);
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
  HF_CHECK(changed.checkpoints.empty());  // a base would have to hold what they hold
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

int64_t LogCatalog::NextCheckpointSequence() const {
  const int64_t listed = manifest_.checkpoints.empty() ? 0 : manifest_.checkpoints.back().sequence;
  return std::max(listed, newest_checkpoint_sequence_) + 1;
}

std::string LogCatalog::NextCheckpointName() {
  const std::lock_guard lock(mutex_);
  return aof::CheckpointName(append_filename_, NextCheckpointSequence());
}

std::optional<aof::CheckpointEntry> LogCatalog::PinNewestCheckpoint() {
  const std::lock_guard lock(mutex_);
  HF_CHECK(pinned_checkpoint_.empty());
  if (manifest_.checkpoints.empty()) return std::nullopt;
  pinned_checkpoint_ = manifest_.checkpoints.back().name;
  return manifest_.checkpoints.back();
}

void LogCatalog::Unpin() {
  const std::lock_guard lock(mutex_);
  pinned_checkpoint_.clear();
}

Result<Superseded> LogCatalog::SwitchToCheckpoint(const std::string& name, uint64_t id,
                                                  const std::string& first_incremental,
                                                  size_t keep) {
  const std::lock_guard lock(mutex_);
  HF_CHECK(keep >= 1);
  aof::Manifest changed = manifest_;
  aof::CheckpointEntry checkpoint{.name = name, .sequence = NextCheckpointSequence(), .id = id};
  HF_CHECK(name == aof::CheckpointName(append_filename_, checkpoint.sequence));
  const auto first =
      std::ranges::find(changed.incremental, first_incremental, &aof::LogFileEntry::name);
  HF_CHECK((first != changed.incremental.end()) == !first_incremental.empty());
  if (!first_incremental.empty()) checkpoint.log_sequence = first->sequence;
  changed.checkpoints.push_back(checkpoint);
  Superseded superseded{.files = void_bases_, .checkpoints = void_checkpoints_};
  while (changed.checkpoints.size() > keep) {
    superseded.checkpoints.push_back(changed.checkpoints.front().name);
    changed.checkpoints.erase(changed.checkpoints.begin());
  }
  // A log that has come to its end leads from no older checkpoint to this one.
  if (!checkpoint.log_sequence) {
    for (aof::CheckpointEntry& older : changed.checkpoints) older.log_sequence.reset();
  }
  size_t still_needed = changed.incremental.size();
  for (const aof::CheckpointEntry& kept : changed.checkpoints)
    still_needed = std::min(still_needed, changed.FirstLogOf(kept));
  if (changed.base) superseded.files.push_back(changed.base->name);
  changed.base.reset();
  const auto end = changed.incremental.begin() + static_cast<std::ptrdiff_t>(still_needed);
  for (auto old = changed.incremental.begin(); old != end; ++old)
    superseded.files.push_back(old->name);
  changed.incremental.erase(changed.incremental.begin(), end);
  newest_checkpoint_sequence_ = checkpoint.sequence;
  if (Status switched = Switch(changed); !switched) {
    void_checkpoints_.push_back(name);
    return std::unexpected(std::move(switched).error());
  }
  void_bases_.clear();
  void_checkpoints_.clear();
  // Goes with the next switch, or at the next start.
  if (std::erase(superseded.checkpoints, pinned_checkpoint_) > 0)
    void_checkpoints_.push_back(pinned_checkpoint_);
  withheld_ = false;
  least_sequence_ = 0;
  return superseded;
}

}  // namespace holdfast
