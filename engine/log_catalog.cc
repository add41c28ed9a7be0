#include "engine/log_catalog.h"

#include <algorithm>

#include "holdfast/check.h"

namespace holdfast {

int64_t LogCatalog::NextSequence() const {
  return manifest_.incremental.empty() ? 1 : manifest_.incremental.back().sequence + 1;
}

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
  return Switch(manifest_);
}

Status LogCatalog::List(const std::string& name, uint64_t file_id) {
  const std::lock_guard lock(mutex_);
  const int64_t sequence = NextSequence();
  HF_CHECK(name == aof::IncrementalFileName(append_filename_, sequence));
  aof::Manifest changed = manifest_;
  changed.incremental.push_back(
      {.name = name, .sequence = sequence, .type = aof::LogFileType::kIncremental, .id = file_id});
  return Switch(changed);
}

std::string LogCatalog::NextBaseName() {
  const std::lock_guard lock(mutex_);
  return aof::BaseFileName(append_filename_, manifest_.base ? manifest_.base->sequence + 1 : 1);
}

Result<std::vector<std::string>> LogCatalog::ReplaceBase(const std::string& name, uint64_t file_id,
                                                         const std::string& first_incremental) {
  const std::lock_guard lock(mutex_);
  aof::Manifest changed = manifest_;
  std::vector<std::string> superseded;
  if (changed.base) superseded.push_back(changed.base->name);
  changed.base = aof::LogFileEntry{.name = name,
                                   .sequence = manifest_.base ? manifest_.base->sequence + 1 : 1,
                                   .type = aof::LogFileType::kBase,
                                   .id = file_id};
  const auto first =
      std::find_if(changed.incremental.begin(), changed.incremental.end(),
                   [&](const aof::LogFileEntry& entry) { return entry.name == first_incremental; });
  HF_CHECK(first != changed.incremental.end());
  for (auto old = changed.incremental.begin(); old != first; ++old) superseded.push_back(old->name);
  changed.incremental.erase(changed.incremental.begin(), first);
  HF_TRY_STATUS(Switch(changed));
  return superseded;
}

}  // namespace holdfast
