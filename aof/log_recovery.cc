#include "aof/log_recovery.h"

#include <fmt/core.h>

#include <algorithm>
#include <span>
#include <utility>

#include "aof/crc32c.h"
#include "holdfast/check.h"
#include "holdfast/number.h"

namespace holdfast::aof {
namespace {

constexpr size_t kPieceBytes = size_t{1} << 20;

bool IsLogFileName(std::string_view name, std::string_view append_filename) {
  if (!name.starts_with(append_filename)) return false;
  name.remove_prefix(append_filename.size());
  const bool type = name.ends_with(".base.aof") || name.ends_with(".incr.aof") ||
                    name.ends_with(".base.rdb") || name.ends_with(".checkpoint");
  return type && name.starts_with('.');
}

// The number in <append_filename>.<number>.<anything>.
std::optional<int64_t> SequenceIn(std::string_view name, std::string_view append_filename) {
  if (!name.starts_with(append_filename)) return std::nullopt;
  name.remove_prefix(append_filename.size());
  if (!name.starts_with('.')) return std::nullopt;
  name.remove_prefix(1);
  return ParseInteger(name.substr(0, name.find('.')));
}

// One, or what a checkpoint that was not completed leaves (RocksDB's own ending).
bool IsCheckpointName(std::string_view name, std::string_view append_filename, int64_t sequence) {
  const std::string whole = CheckpointName(append_filename, sequence);
  return name == whole || name == whole + ".tmp";
}

// Calls `take(piece)` for the bytes [from, to) of a file, piece by piece.
template <typename Take>
Status ForEachPiece(File& file, uint64_t from, uint64_t to, Take take) {
  std::string buffer(std::min<uint64_t>(kPieceBytes, to - from), '\0');
  while (from < to) {
    const auto room = std::span(buffer).first(std::min<uint64_t>(buffer.size(), to - from));
    const size_t count = HF_TRY(file.ReadAt(from, room));
    if (count == 0) return MakeError(ErrorCode::kIoError, "a log file became shorter");
    HF_TRY_STATUS(take(std::string_view(buffer).substr(0, count), from));
    from += count;
  }
  return {};
}

class EndCutter {
 public:
  // `location` for CutBack only.
  EndCutter(FileSystem& fs, const LogReader& reader, const LogLocation* location)
      : fs_(fs),
        reader_(reader),
        location_(location),
        sources_(reader.sources()),
        states_(reader.states()) {}

  Result<LogEnd> Cut() {
    const LogVerdict& verdict = reader_.verdict();
    stopped_ = verdict.kind != LogVerdict::Kind::kSound;
    HF_CHECK(!stopped_ || location_ != nullptr || verdict.kind == LogVerdict::Kind::kTorn);
    behind_last_ = stopped_ ? verdict.source + 1 : sources_.size();
    if (location_ != nullptr) HF_TRY_STATUS(CheckSomethingIsLeft());
    if (stopped_) HF_TRY_STATUS(SaveRest());
    if (location_ != nullptr && location_->has_manifest) HF_TRY_STATUS(ChangeManifest());
    HF_TRY_STATUS(RemoveLaterFiles());
    HF_TRY_STATUS(RemoveLaterCheckpoints());
    for (size_t i = 0; i < behind_last_; ++i) {
      if (Kept(i)) HF_TRY_STATUS(Settle(i));
    }
    Describe();
    return std::move(end_);
  }

 private:
  bool IsLast(size_t i) const { return i + 1 == behind_last_; }

  // A file that holds a part of the log. One that is not listed must hold frames for that.
  bool Kept(size_t i) const {
    if (i >= behind_last_ || !states_[i].present) return false;
    // Its header cannot be used: with a manifest the file itself goes, else nobody would read it.
    const bool useless = IsLast(i) && stopped_ && states_[i].end == 0;
    if (useless && location_ != nullptr && location_->has_manifest) return false;
    return sources_[i].listed || states_[i].frames > 0 ||
           (reader_.written_again() && reader_.written_again()->source + 1 == i);
  }

  Status CheckSomethingIsLeft() const {
    if (location_->checkpoint || sources_.empty()) return {};
    for (size_t i = 0; i < sources_.size(); ++i) {
      if (Kept(i)) return {};
    }
    return MakeError(ErrorCode::kInvalidArgument,
                     "no file of the log would be left: restore a copy instead");
  }

  Status SaveRest() {
    const char* kind = location_ != nullptr ? "cut" : "torn";
    for (size_t i = behind_last_ - 1; i < sources_.size(); ++i) {
      auto file = fs_.Open(sources_[i].path, {});
      if (!file && file.error().code == ErrorCode::kNotFound) continue;
      if (!file) return std::unexpected(std::move(file).error());
      const uint64_t from = Kept(i) ? states_[i].end : 0;
      const uint64_t to = HF_TRY((*file)->Size());
      std::string saved = HF_TRY(SaveSideFile(fs_, sources_[i].path, kind, from, to));
      if (!saved.empty()) end_.side_files.push_back(std::move(saved));
    }
    return {};
  }

  Status ChangeManifest() {
    Manifest manifest = location_->manifest;
    const size_t bases = manifest.base ? 1 : 0;
    // Files from before the checkpoint serve older ones, and stay.
    const size_t older = location_->checkpoint ? manifest.FirstLogOf(*location_->checkpoint) : 0;
    const size_t listed = bases + manifest.incremental.size() - older;
    int64_t sequence = manifest.incremental.empty() ? 0 : manifest.incremental.back().sequence;
    if (location_->checkpoint) {
      sequence = std::max(sequence, location_->checkpoint->log_sequence.value_or(1) - 1);
      std::erase_if(manifest.checkpoints, [this](const auto& entry) { return IsLater(entry); });
    }
    HF_CHECK(listed <= sources_.size());
    const auto first = manifest.incremental.begin() + static_cast<std::ptrdiff_t>(older);
    std::vector<LogFileEntry> kept(manifest.incremental.begin(), first);
    for (size_t i = bases; i < sources_.size(); ++i) {
      if (i < listed) {
        if (Kept(i)) kept.push_back(manifest.incremental[older + i - bases]);
        continue;
      }
      const std::string& path = sources_[i].path;
      LogFileEntry entry{path.substr(path.rfind('/') + 1), ++sequence, LogFileType::kIncremental,
                         std::nullopt};
      if (manifest.hash_key) entry.id = states_[i].id;  // a manifest of Redis's has no place for it
      if (Kept(i)) kept.push_back(std::move(entry));
    }
    manifest.incremental = std::move(kept);
    if (bases > 0 && !Kept(0)) manifest.base = std::nullopt;
    if (manifest == location_->manifest) return {};
    return WriteManifest(fs_, location_->manifest_path, manifest);
  }

  Status RemoveLaterFiles() {
    bool removed = false;
    for (size_t i = 0; i < sources_.size(); ++i) {
      if (Kept(i)) continue;
      HF_CHECK(!sources_[i].listed || location_ != nullptr);
      const Status status = fs_.Unlink(sources_[i].path);
      if (!status && status.error().code != ErrorCode::kNotFound) return status;
      removed = true;
    }
    // Frames with the numbers of the removed ones will be written: they must never come back.
    if (removed) return fs_.SyncDirectory(DirectoryOf(sources_.front().path));
    return {};
  }

  bool IsLater(const CheckpointEntry& entry) const {
    return entry.sequence > location_->checkpoint->sequence;
  }

  // The side files and the older checkpoint hold all that they held.
  Status RemoveLaterCheckpoints() {
    if (location_ == nullptr || !location_->checkpoint) return {};
    HF_CHECK(location_->has_manifest);
    for (const CheckpointEntry& entry : location_->manifest.checkpoints) {
      if (!IsLater(entry)) continue;
      HF_TRY_STATUS(RemoveCheckpointDirectory(fs_, JoinPath(location_->directory, entry.name)));
    }
    return {};
  }

  // Frames that stand in the next file as well are cut off here.
  uint64_t EndOf(size_t i) const {
    const auto& again = reader_.written_again();
    return again && again->source == i ? again->offset : states_[i].end;
  }

  // Brings a file on the disk to what was read of it.
  Status Settle(size_t i) {
    const uint64_t end = EndOf(i);
    const auto unsynced = std::ranges::find(reader_.unsynced(), i, &LogReader::Unsynced::source);
    const bool has_unsynced = unsynced != reader_.unsynced().end();
    if (end == states_[i].size && !has_unsynced && !IsLast(i)) return {};
    const auto file = HF_TRY(fs_.Open(sources_[i].path, {.write = true}));
    if (end != states_[i].size) HF_TRY_STATUS(file->Truncate(end));
    if (sources_[i].base && states_[i].framed && !states_[i].base_ended) {
      HF_TRY_STATUS(EndBase(*file, end));
    }
    if (has_unsynced && unsynced->offset < end) {
      const uint64_t from = sources_[i].listed ? unsynced->offset : 0;
      HF_TRY_STATUS(ForEachPiece(*file, from, end, [&](std::string_view piece, uint64_t at) {
        return file->WriteAt(at, {&piece, 1});
      }));
    }
    return file->Sync();
  }

  // A base that was cut gets an end line; the log goes on from frame 1 then.
  Status EndBase(File& file, uint64_t end) {
    const AnnotationLine line = FormatFrameHeader({}, states_[behind_last_ - 1].id);
    const std::string_view part = line.view();
    HF_TRY_STATUS(file.WriteAt(end, {&part, 1}));
    end_.log_bytes += line.size;
    return {};
  }

  void Describe() {
    end_.next_frame = reader_.next_frame();
    end_.term = reader_.term();
    std::optional<size_t> newest;
    for (size_t i = 0; i < behind_last_; ++i) {
      if (!Kept(i)) continue;
      newest = i;
      end_.log_bytes += EndOf(i);
      if (!sources_[i].listed) end_.to_list.push_back(i);
    }
    if (!newest) return;
    const LogSourceState& state = states_[*newest];
    if (!state.framed || state.plain_commands || sources_[*newest].base) return;
    end_.source = newest;
    end_.file_id = state.id;
    end_.size = EndOf(*newest);
    end_.closed = state.closed && end_.size == state.end;
  }

  FileSystem& fs_;
  const LogReader& reader_;
  const LogLocation* const location_;
  const std::vector<LogSource>& sources_;
  const std::vector<LogSourceState>& states_;
  bool stopped_ = false;    // before the end of the files
  size_t behind_last_ = 0;  // files up to here are read
  LogEnd end_;
};

}  // namespace

Result<std::vector<LogSource>> SourcesOf(FileSystem& fs, const Manifest& manifest,
                                         const std::string& directory,
                                         const std::string& append_filename,
                                         const CheckpointEntry* since) {
  std::vector<LogSource> sources;
  int64_t sequence = 0;
  size_t first = 0;
  if (since == nullptr && !manifest.checkpoints.empty()) since = &manifest.checkpoints.back();
  if (since != nullptr) {
    if (!since->log_sequence) return sources;
    first = manifest.FirstLogOf(*since);
    HF_CHECK(first <= manifest.incremental.size());
    sequence = *since->log_sequence - 1;
  }
  if (manifest.base) {
    HF_CHECK(since == nullptr);
    sources.push_back({JoinPath(directory, manifest.base->name), true, true, manifest.base->id});
  }
  for (const LogFileEntry& entry : std::span(manifest.incremental).subspan(first)) {
    sources.push_back({JoinPath(directory, entry.name), false, true, entry.id});
    sequence = entry.sequence;
  }
  // A file is made and filled before it is listed: a crash between the two leaves it unlisted.
  while (!append_filename.empty() && sequence < INT64_MAX) {
    std::string path = JoinPath(directory, IncrementalFileName(append_filename, ++sequence));
    const bool listed = std::ranges::find(sources, path, &LogSource::path) != sources.end();
    if (listed || !HF_TRY(fs.Exists(path))) break;
    sources.push_back({std::move(path), false, false, std::nullopt});
  }
  return sources;
}

Result<LogLocation> LocateLog(FileSystem& fs, const std::string& data_directory,
                              const std::string& append_dirname,
                              const std::string& append_filename) {
  LogLocation location;
  location.directory = JoinPath(data_directory, append_dirname);
  location.manifest_path = JoinPath(location.directory, ManifestFileName(append_filename));
  location.has_manifest = HF_TRY(fs.Exists(location.manifest_path));
  if (location.has_manifest) {
    location.manifest = HF_TRY(ReadManifest(fs, location.manifest_path));
    if (!location.manifest.checkpoints.empty())
      location.checkpoint = location.manifest.checkpoints.back();
    location.sources =
        HF_TRY(SourcesOf(fs, location.manifest, location.directory, append_filename));
    return location;
  }
  if (HF_TRY(fs.IsDirectory(location.directory))) {
    for (const std::string& name : HF_TRY(fs.List(location.directory))) {
      if (!IsLogFileName(name, append_filename)) continue;
      return MakeError(
          ErrorCode::kCorruption,
          fmt::format("{} is missing, but the log file {} is there", location.manifest_path, name));
    }
  }
  const std::string single = JoinPath(data_directory, append_filename);
  if (HF_TRY(fs.Exists(single)) && !HF_TRY(fs.IsDirectory(single))) {
    location.sources.push_back({single, false, true, std::nullopt});
  }
  return location;
}

Result<LogEnd> CutTornEnd(FileSystem& fs, const LogReader& reader) {
  return EndCutter(fs, reader, nullptr).Cut();
}

Status CheckCuttable(const LogReader& reader) {
  if (reader.verdict().kind != LogVerdict::Kind::kDamage) return {};
  const LogSourceState& state = reader.states()[reader.verdict().source];
  if (state.preamble.empty() || state.end > 0) return {};
  return MakeError(ErrorCode::kInvalidArgument,
                   "of a damaged RDB file nothing can be kept: restore a copy instead");
}

LogStart StartAt(const LogEnd& end, const std::vector<LogSource>& sources) {
  LogStart start{.name = {},
                 .file_id = end.file_id,
                 .size = end.size,
                 .closed = end.closed,
                 .next_frame = end.next_frame,
                 .term = end.term,
                 .log_bytes = end.log_bytes};
  if (end.source) {
    const std::string& path = sources[*end.source].path;
    start.name = path.substr(path.rfind('/') + 1);
  }
  return start;
}

Result<LogEnd> CutBack(FileSystem& fs, const LogReader& reader, const LogLocation& location) {
  HF_TRY_STATUS(CheckCuttable(reader));
  return EndCutter(fs, reader, &location).Cut();
}

Result<std::string> SaveSideFile(FileSystem& fs, const std::string& path, std::string_view kind,
                                 uint64_t from, uint64_t to) {
  HF_CHECK(from <= to);
  const auto file = HF_TRY(fs.Open(path, {}));
  // Named by its bytes: doing it again after a crash gives the same file, another end another one.
  uint64_t behind_last = from;
  uint32_t crc = 0;
  uint32_t crc_to_last = 0;
  HF_TRY_STATUS(ForEachPiece(*file, from, to, [&](std::string_view piece, uint64_t at) -> Status {
    if (const size_t last = piece.find_last_not_of('\0'); last != std::string_view::npos) {
      behind_last = at + last + 1;
      crc_to_last = Crc32c(crc, piece.substr(0, last + 1));
    }
    crc = Crc32c(crc, piece);
    return {};
  }));
  if (behind_last == from) return std::string();
  std::string copy_path = fmt::format("{}.{}-{}-{:08x}", path, kind, from, crc_to_last);
  const auto copy = HF_TRY(fs.Open(copy_path, {.write = true, .create = true}));
  HF_TRY_STATUS(copy->Truncate(0));
  HF_TRY_STATUS(ForEachPiece(*file, from, behind_last, [&](std::string_view piece, uint64_t at) {
    return copy->WriteAt(at - from, {&piece, 1});
  }));
  HF_TRY_STATUS(copy->Sync());
  HF_TRY_STATUS(fs.SyncDirectory(DirectoryOf(path)));
  return copy_path;
}

Status RemoveTemporaryFiles(FileSystem& fs, const std::string& directory,
                            const std::string& append_filename) {
  const std::string prefix = "temp-" + append_filename;
  for (const std::string& name : HF_TRY(fs.List(directory))) {
    if (name.starts_with(prefix)) HF_TRY_STATUS(fs.Unlink(JoinPath(directory, name)));
  }
  return {};
}

Status RemoveCheckpointDirectory(FileSystem& fs, const std::string& path) {
  if (!HF_TRY(fs.Exists(path))) return {};
  for (const std::string& name : HF_TRY(fs.List(path)))
    HF_TRY_STATUS(fs.Unlink(JoinPath(path, name)));
  return fs.RemoveDirectory(path);
}

Result<int64_t> NewestSequence(FileSystem& fs, const std::string& directory,
                               const std::string& append_filename) {
  int64_t newest = 0;
  for (const std::string& name : HF_TRY(fs.List(directory))) {
    const std::optional<int64_t> sequence = SequenceIn(name, append_filename);
    if (sequence && name == IncrementalFileName(append_filename, *sequence))
      newest = std::max(newest, *sequence);
  }
  return newest;
}

Result<std::vector<std::string>> RemoveSupersededFiles(FileSystem& fs, const std::string& directory,
                                                       const std::string& append_filename,
                                                       const Manifest& manifest) {
  const auto listed = [&](const std::string& name) {
    const auto is = [&](const LogFileEntry& entry) { return entry.name == name; };
    return (manifest.base && is(*manifest.base)) || std::ranges::any_of(manifest.history, is) ||
           std::ranges::any_of(manifest.incremental, is) ||
           std::ranges::find(manifest.checkpoints, name, &CheckpointEntry::name) !=
               manifest.checkpoints.end();
  };
  std::vector<std::string> unlisted;
  for (const std::string& name : HF_TRY(fs.List(directory))) {
    const std::optional<int64_t> sequence = SequenceIn(name, append_filename);
    if (!sequence || listed(name)) continue;
    const bool incremental = name == IncrementalFileName(append_filename, *sequence);
    const bool old =
        !manifest.incremental.empty() && *sequence < manifest.incremental.front().sequence;
    if (incremental && !old) {
      unlisted.push_back(name + ".unlisted");
      HF_TRY_STATUS(fs.Rename(JoinPath(directory, name), JoinPath(directory, unlisted.back())));
    } else if (incremental || name == BaseFileName(append_filename, *sequence)) {
      static_cast<void>(fs.Unlink(JoinPath(directory, name)));
    } else if (IsCheckpointName(name, append_filename, *sequence)) {
      static_cast<void>(RemoveCheckpointDirectory(fs, JoinPath(directory, name)));
    }
  }
  if (!unlisted.empty()) HF_TRY_STATUS(fs.SyncDirectory(directory));
  return unlisted;
}

}  // namespace holdfast::aof
