// BACKUP TO: a checkpoint is made, and taken along as a data directory of its own.
#include <fmt/core.h>

#include <filesystem>

#include "aof/log_recovery.h"
#include "engine/cold_tier.h"
#include "engine/log_catalog.h"
#include "engine/store.h"
#include "engine/store_log.h"
#include "holdfast/check.h"
#include "snapshot/backup.h"

namespace holdfast {
namespace {

// Why no backup may lie there; null: it may.
const char* Unfit(std::string_view target, const std::string& data_directory) {
  if (!target.starts_with('/')) return "ERR BACKUP TO needs an absolute path";
  if (target.find('\0') != std::string_view::npos) return "ERR no path has a zero byte";
  if (target.find("/../") != std::string_view::npos || target.ends_with("/.."))
    return "ERR BACKUP TO needs a path without '..'";
  // What a start finds there that it does not know, it may remove.
  std::error_code failed;
  const auto inside = std::filesystem::weakly_canonical(target, failed)
                          .lexically_relative(std::filesystem::weakly_canonical(
                              std::filesystem::path(data_directory), failed));
  if (failed) return "ERR BACKUP TO: the path cannot be followed";
  const bool apart = inside.empty() || *inside.begin() == "..";
  return apart ? nullptr : "ERR BACKUP TO: that is in the data directory itself";
}

}  // namespace

Status StoreLog::BackUp(std::string_view directory) {
  if (store_.cold_tier() == nullptr)
    return MakeError(ErrorCode::kUnsupported,
                     "ERR there are no backups without a cold tier (eviction-action spill)");
  if (store_.loading()) return MakeError(ErrorCode::kUnavailable, commands::kLoadingText);
  while (directory.size() > 1 && directory.ends_with('/')) directory.remove_suffix(1);
  if (const char* reason = Unfit(directory, store_.config().Text("dir")))
    return MakeError(ErrorCode::kInvalidArgument, reason);
  const std::unique_lock turn(backup_mutex_, std::try_to_lock);
  if (!turn) return MakeError(ErrorCode::kBusy, "ERR a backup is in progress");
  const Status made = BackUpTo(std::string(directory));
  store_.Report(made ? LogLevel::kNotice : LogLevel::kWarning,
                made ? fmt::format("Backup to {} finished successfully", directory)
                     : fmt::format("Backup to {} failed: {}", directory, made.error().message));
  if (made || made.error().message.starts_with("ERR ")) return made;
  return MakeError(made.error().code, "ERR " + made.error().message);
}

// A target that will not do is refused before the snapshot. One that is made meanwhile leaves the
// checkpoint where it is until the copy is done.
Status StoreLog::BackUpTo(const std::string& directory) {
  const auto backup =
      HF_TRY(snapshot::BeginBackup(store_.file_system(),
                                   {.hash_key = catalog_->manifest().hash_key.value(),
                                    .append_dirname = store_.config().Text("appenddirname"),
                                    .append_filename = store_.config().Text("appendfilename"),
                                    .lock_name = std::string(kLockName)},
                                   directory));
  HF_TRY_STATUS(SaveAfterOthers());
  const auto checkpoint = catalog_->PinNewestCheckpoint();
  HF_CHECK(checkpoint.has_value());
  const Status taken =
      backup->Take(aof::JoinPath(LogDirectory(), checkpoint->name), checkpoint->id, closing_);
  catalog_->Unpin();
  return taken;
}

void StoreLog::LetWaitersGo() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
  }
  wake_.notify_all();
}

}  // namespace holdfast
