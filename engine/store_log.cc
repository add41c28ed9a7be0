#include "engine/store_log.h"

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <cstring>

#include "aof/log_recovery.h"
#include "aof/log_writer.h"
#include "engine/cold_tier.h"
#include "engine/initial_data.h"
#include "engine/log_catalog.h"
#include "engine/log_rewrite.h"
#include "engine/store.h"
#include "holdfast/check.h"
#include "snapshot/checkpoint.h"

namespace holdfast {
namespace {

constexpr uint64_t kMaxRingBytes = uint64_t{64} << 20;
constexpr uint64_t kLargestRingBytes = uint64_t{1} << 30;  // of one that was asked for

uint64_t RingBytes(const config::Config& config, const eviction::MemoryBudget& budget) {
  const auto wanted = static_cast<uint64_t>(config.Integer("aof-ring-size"));
  if (wanted != 0) return std::min(wanted, kLargestRingBytes);
  return std::min(kMaxRingBytes, budget.limit() / 16);  // without a limit that is much
}

std::string ParentOf(std::string_view path) {
  while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  return aof::DirectoryOf(path);
}

aof::HashKey RandomHashKey(RandomSource& random) {
  aof::HashKey key;
  const uint64_t words[] = {random.NextRandom(), random.NextRandom()};
  std::memcpy(key.data(), words, sizeof(words));
  return key;
}

}  // namespace

aof::SyncPolicy StoreLog::Policy() const {
  switch (store_.config().Enum<config::AppendFsync>("appendfsync")) {
    case config::AppendFsync::kAlways:
      return aof::SyncPolicy::kAlways;
    case config::AppendFsync::kNo:
      return aof::SyncPolicy::kNo;
    case config::AppendFsync::kEverysec:
      return aof::SyncPolicy::kEverysec;
  }
  return aof::SyncPolicy::kEverysec;
}

StoreLog::StoreLog(Store& store) : store_(store) {}
StoreLog::~StoreLog() = default;

std::string StoreLog::LogDirectory() const {
  return aof::JoinPath(store_.config().Text("dir"), store_.config().Text("appenddirname"));
}

Status StoreLog::LockDirectory() {
  const std::string directory = store_.config().Text("dir");
  FileSystem& files = store_.file_system();
  const bool fresh = !HF_TRY(files.Exists(directory));
  HF_TRY_STATUS(files.CreateDirectory(directory));
  // Or a power cut takes the whole directory with all that was synced inside. One that was there
  // may be of a process that was killed before it came here, or in a directory that we may not
  // read.
  Status synced = files.SyncDirectory(ParentOf(directory));
  if (fresh) HF_TRY_STATUS(std::move(synced));
  directory_lock_ = HF_TRY(files.Lock(aof::JoinPath(directory, kLockName)));
  return {};
}

// Redis before 7 kept one file beside everything else: it becomes the base of a new directory, as
// Redis 7 does it.
Status StoreLog::AdoptSingleFile() {
  FileSystem& files = store_.file_system();
  const std::string directory = store_.config().Text("dir");
  const std::string name = store_.config().Text("appendfilename");
  const std::string target = aof::JoinPath(LogDirectory(), name);
  const std::string source = aof::JoinPath(directory, name);
  if (HF_TRY(files.Exists(source))) {
    HF_TRY_STATUS(files.Rename(source, target));
    HF_TRY_STATUS(files.SyncDirectory(LogDirectory()));
    HF_TRY_STATUS(files.SyncDirectory(directory));
  }
  location_->manifest.base =
      aof::LogFileEntry{.name = name, .sequence = 1, .type = aof::LogFileType::kBase, .id = {}};
  location_->sources = HF_TRY(aof::SourcesOf(files, location_->manifest, LogDirectory(), name));
  return {};
}

Status StoreLog::ReadLocation() {
  FileSystem& files = store_.file_system();
  const config::Config& config = store_.config();
  location_ = std::make_unique<aof::LogLocation>(HF_TRY(aof::LocateLog(
      files, config.Text("dir"), config.Text("appenddirname"), config.Text("appendfilename"))));
  recovery_point_ = HF_TRY(snapshot::FindRecoveryPoint(files, *location_));
  HF_TRY_STATUS(files.CreateDirectory(LogDirectory()));
  HF_TRY_STATUS(files.SyncDirectory(config.Text("dir")));
  if (!location_->has_manifest && !location_->sources.empty()) HF_TRY_STATUS(AdoptSingleFile());
  if (!location_->manifest.hash_key) location_->manifest.hash_key = RandomHashKey(store_.random());
  MakeCatalog(location_->manifest);
  return {};
}

void StoreLog::MakeCatalog(aof::Manifest manifest) {
  const std::string name = store_.config().Text("appendfilename");
  catalog_ = std::make_unique<LogCatalog>(
      store_.file_system(), aof::JoinPath(LogDirectory(), aof::ManifestFileName(name)), name,
      std::move(manifest));
}

Result<memtable::HashSeed> StoreLog::OpenDirectory() {
  last_save_ms_ = store_.clock().NowMs();
  const bool keeps = store_.config().Bool("appendonly") || WantsTier();
  if (keeps) HF_TRY_STATUS(LockDirectory());
  if (keeps) HF_TRY_STATUS(ReadLocation());
  HF_TRY_STATUS(LookForInitialData());
  // Before anybody can ask how far loading is.
  load_started_ms_ = store_.clock().NowMs();
  load_total_bytes_ = LogBytes();
  seed_ = keeps ? snapshot::SeedOf(*location_->manifest.hash_key)
                : memtable::HashSeed{store_.random().NextRandom(), store_.random().NextRandom()};
  return seed_;
}

Status StoreLog::Recover() {
  aof::LogEnd end;
  if (initial_ != nullptr) HF_TRY_STATUS(Import(end));
  if (catalog_ == nullptr) return {};
  end.next_frame = FirstFrame();
  if (!location_->sources.empty()) HF_TRY_STATUS(ReplayAndCut(end));
  HF_TRY_STATUS(aof::RemoveTemporaryFiles(store_.file_system(), LogDirectory(),
                                          store_.config().Text("appendfilename")));
  // The hash key and what Redis wrote become ours with the first manifest of ours.
  HF_TRY_STATUS(catalog_->Write());
  for (const std::string& name : HF_TRY(aof::RemoveSupersededFiles(
           store_.file_system(), LogDirectory(), store_.config().Text("appendfilename"),
           catalog_->manifest()))) {
    store_.Report(
        LogLevel::kWarning,
        fmt::format("{} was being turned into the log when the process ended; it is kept, "
                    "but not part of the data set",
                    aof::JoinPath(LogDirectory(), name)));
  }
  if (store_.config().Bool("appendonly")) {
    HF_TRY_STATUS(catalog_->BeginLog());
    HF_TRY_STATUS(OpenWriter(end));
    store_.set_active_log(writer_.get());
    const std::lock_guard lock(mutex_);  // figures are asked for while the store loads
    log_wanted_ = true;
  }
  StartMaintenance();
  return {};
}

// For the progress that INFO shows: a file that cannot be read counts for nothing, its reader will
// say why.
uint64_t StoreLog::LogBytes() const {
  uint64_t bytes = 0;
  std::vector<aof::LogSource> sources;
  if (initial_ != nullptr) {
    sources = initial_->sources;
  } else if (location_ != nullptr) {
    sources = location_->sources;
  }
  for (const aof::LogSource& source : sources) {
    const auto file = store_.file_system().Open(source.path, {});
    if (!file) continue;
    if (const Result<uint64_t> size = (*file)->Size()) bytes += *size;
  }
  return bytes;
}

// Ok if the log can be used up to where it ends or was torn.
Status StoreLog::JudgeVerdict(const aof::LogReader& reader, std::string_view torn_end) {
  const aof::LogVerdict& verdict = reader.verdict();
  if (verdict.kind == aof::LogVerdict::Kind::kDamage)
    return MakeError(ErrorCode::kCorruption, verdict.Text());
  if (verdict.kind == aof::LogVerdict::Kind::kSound) return {};
  if (!store_.config().Bool("aof-load-truncated"))
    return MakeError(ErrorCode::kCorruption,
                     verdict.Text() + " (aof-load-truncated is off: not cut)");
  store_.Report(LogLevel::kWarning, fmt::format("{}{}", verdict.Text(), torn_end));
  return {};
}

Status StoreLog::ReplayAndCut(aof::LogEnd& end) {
  FileSystem& files = store_.file_system();
  aof::LogReader reader(files, location_->sources,
                        {.first_frame = FirstFrame(),
                         .open_preamble = snapshot::RdbPreambles({.counts = &rdb_counts_})});
  HF_TRY_STATUS(
      ReplayLog(store_, reader, {.workers = store_.replay_workers(), .progress = &progress_}));
  HF_TRY_STATUS(JudgeVerdict(reader, "; cut there"));
  WarnAboutClock();
  end = HF_TRY(aof::CutTornEnd(files, reader));
  for (const std::string& side : end.side_files)
    store_.Report(LogLevel::kWarning, "what was cut is kept in " + side);
  for (const size_t source : end.to_list) {
    const std::string& path = location_->sources[source].path;
    HF_TRY_STATUS(catalog_->List(path.substr(path.rfind('/') + 1), reader.states()[source].id));
  }
  return {};
}

// Expiry times are wall times: a clock that went back keeps keys for longer than they should live.
void StoreLog::WarnAboutClock() {
  constexpr int64_t kMsPerSecond = 1000;
  const int64_t newest_ms = progress_.newest_ms.load(std::memory_order_relaxed);
  const int64_t behind_ms = newest_ms - store_.clock().NowMs();
  if (behind_ms < kMsPerSecond) return;
  store_.Report(LogLevel::kWarning,
                fmt::format("the clock is {} s behind the newest record of the log: keys with a "
                            "time to live will expire late",
                            behind_ms / kMsPerSecond));
}

Status StoreLog::OpenWriter(const aof::LogEnd& end) {
  writer_ = HF_TRY(
      aof::LogWriter::Open({.environment = {.file_system = &store_.file_system(),
                                            .clock = &store_.clock(),
                                            .random = &store_.random(),
                                            .catalog = catalog_.get(),
                                            .directory = LogDirectory()},
                            .policy = Policy(),
                            .ring_bytes = RingBytes(store_.config(), store_.keyspace().budget()),
                            .base_bytes = end.log_bytes},
                           aof::StartAt(end, location_->sources)));
  store_.set_log_writer(writer_.get());
  return {};
}

Status StoreLog::Close() {
  if (!maintenance_.joinable()) return {};
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
    if (ColdTier* tier = store_.cold_tier()) tier->CancelReclaiming();
    // One that turns the log on is let to its end: without a base the log is worth nothing. And a
    // snapshot would have to be made again.
    if (rewrite_ != nullptr && !OwesBase() && store_.cold_tier() == nullptr) {
      rewrite_->Cancel();
      writer_->AbandonRotations();
    }
  }
  wake_.notify_all();
  maintenance_.join();
  const bool incomplete = OwesBase();
  const bool unsaved = store_.active_log() == nullptr && OwesSnapshot();
  Status closed = writer_ != nullptr ? writer_->Close() : Status{};
  store_.set_active_log(nullptr);
  store_.set_log_writer(nullptr);
  writer_.reset();
  directory_lock_.reset();
  if (closed && incomplete)
    return MakeError(ErrorCode::kUnavailable, "the log that was turned on could not be completed");
  if (closed && unsaved)
    return MakeError(ErrorCode::kIoError,
                     "the last snapshot failed: what changed since the one before is lost");
  return closed;
}

}  // namespace holdfast
