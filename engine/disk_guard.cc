#include "engine/disk_guard.h"

#include <fmt/core.h>
#include <sys/stat.h>

#include <filesystem>
#include <set>
#include <system_error>
#include <utility>

#include "engine/cold_tier.h"
#include "engine/config/config.h"
#include "engine/store.h"
#include "engine/store_log.h"

namespace holdfast {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kSecondNs = 1'000'000'000;
constexpr int64_t kLookNs = kSecondNs;
constexpr int64_t kIdleLookNs = 10 * kSecondNs;  // nothing depends on it but INFO
constexpr int64_t kSavePauseNs = 60 * kSecondNs;
constexpr int64_t kDropPauseNs = 5 * kSecondNs;
constexpr uint64_t kDroppingPart = 8;  // above the limit, before what adds data is refused as well

constexpr std::string_view kSnapshotsFailText =
    "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to "
    "disk. Commands that may modify the data set are disabled, because this instance is configured "
    "to report errors during writes if RDB snapshotting fails (stop-writes-on-bgsave-error "
    "option). "
    "Please check the Redis logs for details about the RDB error.";
constexpr std::string_view kDiskFullText =
    "MAXDISK the data takes more room on disk than 'max-disk' allows: what may add to it is "
    "refused, deleting is not";

}  // namespace

std::optional<uint64_t> BytesOnDisk(std::span<const std::string> directories) {
  uint64_t bytes = 0;
  std::set<std::pair<dev_t, ino_t>> shared;
  for (const std::string& directory : directories) {
    std::error_code error;
    fs::recursive_directory_iterator at(directory, error);
    if (error == std::errc::no_such_file_or_directory) continue;
    for (; !error && at != fs::recursive_directory_iterator(); at.increment(error)) {
      struct stat facts = {};
      if (::lstat(at->path().c_str(), &facts) != 0 || !S_ISREG(facts.st_mode)) continue;
      if (facts.st_nlink > 1 && !shared.emplace(facts.st_dev, facts.st_ino).second) continue;
      bytes += static_cast<uint64_t>(facts.st_size);
    }
    if (error) return std::nullopt;
  }
  return bytes;
}

// Redis's order, in which the disk's error comes first.
std::string_view DiskGuard::Refusal(bool writes, bool grows) const {
  const uint8_t reasons = reasons_.load(std::memory_order_relaxed);
  if (writes && (reasons & kSnapshotsFail) != 0) return kSnapshotsFailText;
  if (grows && (reasons & kNoRoom) != 0) return kDiskFullText;
  return {};
}

void DiskGuard::Set(Reason reason, bool holds) {
  if (holds) {
    reasons_.fetch_or(reason, std::memory_order_relaxed);
  } else {
    reasons_.fetch_and(static_cast<uint8_t>(~reason), std::memory_order_relaxed);
  }
}

uint64_t DiskGuard::Limit() const {
  return store_.in_memory() ? 0 : static_cast<uint64_t>(store_.config().Integer("max-disk"));
}

bool DiskGuard::Drops() const {
  return store_.cold_tier() != nullptr &&
         store_.config().Enum<config::MaxDiskPolicy>("max-disk-policy") ==
             config::MaxDiskPolicy::kDropColdest;
}

// As in Redis, without rules for snapshots one that failed was the client's own wish.
void DiskGuard::Follow() {
  Set(kSnapshotsFail, store_.cold_tier() != nullptr && store_.log().SnapshotsFail() &&
                          store_.config().Bool("stop-writes-on-bgsave-error") &&
                          !store_.config().SavePoints().empty());
  const uint64_t limit = Limit();
  const uint64_t over = limit == 0 || bytes() <= limit ? 0 : bytes() - limit;
  over_.store(over, std::memory_order_relaxed);
  Set(kNoRoom, over > (Drops() ? limit / kDroppingPart : 0));
}

void DiskGuard::Look() {
  Follow();
  if (store_.in_memory()) return;
  const int64_t now_ns = store_.clock().MonotonicNs();
  const int64_t pause_ns = Limit() != 0 ? kLookNs : kIdleLookNs;
  if (looked_ns_ && now_ns - *looked_ns_ < pause_ns) return;
  looked_ns_ = now_ns;
  const auto found = BytesOnDisk(store_.log().DataDirectories());
  if (found) bytes_.store(*found, std::memory_order_relaxed);
  Follow();
  if (full() != was_full_) {
    was_full_ = full();
    store_.Report(
        was_full_ ? LogLevel::kWarning : LogLevel::kNotice,
        fmt::format("The data takes {} bytes on disk, max-disk is {}: {}", bytes(), Limit(),
                    !was_full_ ? "writes are taken as ever"
                    : Drops()  ? "the coldest keys are deleted"
                               : "writes that add to it are refused"));
  }
  // What was deleted, and what the log tells twice, goes with a snapshot.
  if (!full() || store_.cold_tier() == nullptr) return;
  if (saved_ns_ && now_ns - *saved_ns_ < (Drops() ? kDropPauseNs : kSavePauseNs)) return;
  saved_ns_ = now_ns;
  static_cast<void>(store_.log().StartSave(false));  // one may be under way
}

}  // namespace holdfast
