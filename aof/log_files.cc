#include "aof/log_files.h"

#include <algorithm>
#include <utility>

#include "aof/crc32c.h"
#include "holdfast/check.h"

namespace holdfast::aof {
namespace {

// Metadata of a new file and the manifest.
constexpr uint64_t kRoomBytes = uint64_t{16} << 10;
constexpr uint64_t kMinFillBytes = uint64_t{16} << 10;
constexpr uint64_t kMaxFillBytes = uint64_t{1} << 20;

}  // namespace

LogFiles::LogFiles(LogEnvironment environment, LogRing& ring)
    : environment_(std::move(environment)),
      ring_(ring),
      fill_reserve_(ring.bound() + environment_.reserve_bytes),
      fill_margin_(environment_.reserve_bytes),
      fill_piece_(std::clamp(environment_.reserve_bytes / 4, kMinFillBytes, kMaxFillBytes)) {}

std::string LogFiles::PathOf(const std::string& name) const {
  return environment_.directory + "/" + name;
}

// Recovery removes files of such names.
std::string LogFiles::TemporaryPath(const std::string& name) const {
  return PathOf("temp-" + name);
}

Result<std::shared_ptr<Segment>> LogFiles::CreateSegment(const std::string& path) {
  return Segment::Create(*environment_.file_system, path, environment_.random->NextRandom());
}

Status LogFiles::Open(const LogStart& start) {
  HF_CHECK(start.next_frame >= 1);
  HF_CHECK(newest_.segment == nullptr && (!start.closed || !start.name.empty()));
  name_ = start.name;
  log_bytes_.store(start.log_bytes, std::memory_order_relaxed);
  if (!start.name.empty()) {
    newest_.segment = HF_TRY(Segment::Continue(*environment_.file_system, PathOf(start.name),
                                               start.file_id, start.size));
  } else {
    name_ = environment_.catalog->NextName();
    newest_.segment = HF_TRY(CreateSegment(PathOf(name_)));
    HF_TRY_STATUS(newest_.segment->Sync());
    HF_TRY_STATUS(environment_.file_system->SyncDirectory(environment_.directory));
    HF_TRY_STATUS(environment_.catalog->List(name_, newest_.segment->file_id()));
    log_bytes_.fetch_add(kFileHeaderBytes, std::memory_order_relaxed);
  }
  newest_.size = newest_.segment->end();
  newest_.frame = start.next_frame - 1;
  synced_size_ = newest_.size;
  synced_frame_ = newest_.frame;
  next_frame_ = start.next_frame;
  closed_frame_ = start.closed ? newest_.frame : 0;
  term_.store(start.term, std::memory_order_relaxed);
  return {};
}

// ---- flush role

Result<bool> LogFiles::Flush() {
  if (failing()) return false;
  const LogPosition before = written();
  // In this order: records behind a cut are only seen together with the cut.
  const LogPosition stable = ring_.StableEnd();
  const LogPosition boundary = rotate_at_.load(std::memory_order_acquire);
  const LogPosition first = std::min(stable, boundary);
  if (first > written()) HF_TRY_STATUS(WriteFrame(first));
  if (written() == boundary) {
    SwitchSegment();
    if (stable > written()) HF_TRY_STATUS(WriteFrame(stable));
  }
  return written() != before;
}

Status LogFiles::WriteFrame(LogPosition end) {
  const LogPosition begin = written();
  HF_CHECK(end > begin);
  const Frame frame{next_frame_++, begin, end};
  Segment* segment = nullptr;
  uint64_t synced_frame = 0;
  {
    const std::lock_guard lock(state_mutex_);
    HF_CHECK(frames_.empty() ? begin == synced() : frames_.back().end == begin);
    frames_.push_back(frame);
    segment = newest_.segment.get();
    synced_frame = synced_frame_;
  }
  if (unsynced_since_ns_.load(std::memory_order_relaxed) == 0) {
    unsynced_since_ns_.store(std::max<int64_t>(environment_.clock->MonotonicNs(), 1),
                             std::memory_order_relaxed);
  }
  const uint64_t size_before = segment->end();
  if (auto status = WriteTo(*segment, frame, synced_frame); !status) {
    return Fail(std::move(status).error(), true);
  }
  frame_count_.fetch_add(1, std::memory_order_relaxed);
  log_bytes_.fetch_add(segment->end() - size_before, std::memory_order_relaxed);
  {
    const std::lock_guard lock(state_mutex_);
    newest_.size = segment->end();
    newest_.frame = frame.number;
    newest_.position = end;
    // Under the mutex: a sync that sees the mark must not be ahead of what counts as written.
    written_.store(end, std::memory_order_seq_cst);
  }
  if (segment->FilledAhead() < fill_reserve_ + fill_margin_ / 2) {
    wants_fill_.store(true, std::memory_order_relaxed);
  }
  return {};
}

Status LogFiles::WriteTo(Segment& segment, const Frame& frame, uint64_t synced_frame) {
  parts_.assign(1, {});
  ring_.Gather(frame.begin, frame.end, parts_);
  FrameHeader header{.number = frame.number,
                     .term = term_.load(std::memory_order_relaxed),
                     .unix_ms = environment_.clock->NowMs(),
                     .synced = synced_frame};
  for (const std::string_view part : parts_) {
    header.bytes += part.size();
    header.crc = Crc32c(header.crc, part);
  }
  HF_CHECK(header.bytes >= frame.end - frame.begin);
  return segment.WriteFrame(header, parts_);
}

void LogFiles::SwitchSegment() {
  const std::lock_guard lock(state_mutex_);
  HF_CHECK(rotation_ == Rotation::kRequested);
  HF_CHECK(next_ != nullptr && sealing_.segment == nullptr);
  HF_CHECK(newest_.position == written());
  point_ = {next_name_, newest_.frame, newest_.position,
            log_bytes_.load(std::memory_order_relaxed)};
  sealing_ = newest_;
  newest_ = {std::move(next_), kFileHeaderBytes, sealing_.frame, sealing_.position};
  HF_CHECK(newest_.segment->end() == kFileHeaderBytes);
  name_ = next_name_;
  rotation_ = Rotation::kSealing;
  rotate_at_.store(kNever, std::memory_order_release);
  log_bytes_.fetch_add(kFileHeaderBytes, std::memory_order_relaxed);
  wants_fill_.store(true, std::memory_order_relaxed);
}

// ---- sync role

Status LogFiles::Sync() {
  SyncMark old;
  SyncMark mark;
  {
    const std::lock_guard lock(state_mutex_);
    if (failing()) return std::unexpected(last_error_);
    old = sealing_;
    mark = newest_;
    syncing_since_ns_.store(unsynced_since_ns_.load(std::memory_order_relaxed),
                            std::memory_order_relaxed);
    unsynced_since_ns_.store(0, std::memory_order_relaxed);
  }
  Status status;
  bool frames_lost = true;
  // Files become durable strictly in order: nothing of the newer one counts before this.
  if (old.segment != nullptr) {
    status = FinishSealing(old);
    frames_lost = !listing_rotated_;
  }
  if (status && mark.position > synced()) {
    status = mark.segment->Sync();
    if (status) {
      syncs_.fetch_add(1, std::memory_order_relaxed);
      CommitSync(mark);
    }
  }
  if (!status) {
    unsynced_since_ns_.store(syncing_since_ns_.load(std::memory_order_relaxed),
                             std::memory_order_relaxed);
  }
  syncing_since_ns_.store(0, std::memory_order_relaxed);
  if (!status) return Fail(std::move(status).error(), frames_lost);
  return {};
}

Status LogFiles::FinishSealing(const SyncMark& old) {
  HF_TRY_STATUS(old.segment->Seal(old.size));
  syncs_.fetch_add(1, std::memory_order_relaxed);
  CommitSync(old);
  listing_rotated_ = true;
  return ListRotated();
}

// The old file is sealed and durable: the one rotated to takes its place in the manifest.
Status LogFiles::ListRotated() {
  HF_CHECK(listing_rotated_);
  std::string name;
  uint64_t file_id = 0;
  {
    const std::lock_guard lock(state_mutex_);
    name = name_;
    file_id = newest_.segment->file_id();
  }
  HF_TRY_STATUS(environment_.catalog->List(name, file_id));
  listing_rotated_ = false;
  const std::lock_guard lock(state_mutex_);
  HF_CHECK(rotation_ == Rotation::kSealing);
  sealing_ = {};
  synced_size_ = kFileHeaderBytes;
  rotation_ = Rotation::kIdle;
  rotation_result_ = point_;
  rotation_pending_.store(false, std::memory_order_release);
  return {};
}

void LogFiles::CommitSync(const SyncMark& mark) {
  {
    const std::lock_guard lock(state_mutex_);
    HF_CHECK(mark.position >= synced() && mark.position <= written());
    HF_CHECK(mark.frame >= synced_frame_);
    while (!frames_.empty() && frames_.front().end <= mark.position) frames_.pop_front();
    HF_CHECK(frames_.empty() || frames_.front().begin == mark.position);
    synced_frame_ = mark.frame;
    synced_size_ = mark.size;
    synced_.store(mark.position, std::memory_order_seq_cst);
  }
  ring_.Release(mark.position);
}

Status LogFiles::Recover() {
  const std::lock_guard files_lock(files_mutex_);
  const FlushGuard flush_guard(flush_lock_);
  HF_CHECK(failing());
  auto status = Repair();
  if (!status) return Fail(std::move(status).error(), false);
  syncs_.fetch_add(1, std::memory_order_relaxed);
  recoveries_.fetch_add(1, std::memory_order_relaxed);
  return {};
}

// newest_, sealing_ and frames_ are read without the mutex here: only the flush and the sync role
// change them, and this is both.
Status LogFiles::Repair() {
  if (repaired_.listing) return ListRepaired();
  if (listing_rotated_) {
    HF_TRY_STATUS(ListRotated());
    const std::lock_guard lock(state_mutex_);
    if (!frames_lost_) {
      failing_.store(false, std::memory_order_release);
      return {};
    }
  }
  AbortRotation();
  Segment& oldest = sealing_.segment != nullptr ? *sealing_.segment : *newest_.segment;
  repaired_.cut_bytes = oldest.end() - synced_size_;
  if (sealing_.segment != nullptr) repaired_.cut_bytes += newest_.segment->end();
  // A full disk gets the reserve back now: it was filled ahead for this. If that fails there may
  // still be room.
  static_cast<void>(oldest.CutZeros());
  static_cast<void>(newest_.segment->CutZeros());
  repaired_.name = environment_.catalog->NextName();
  HF_CHECK(sealing_.segment == nullptr || repaired_.name == name_);
  auto fresh = WriteAgain(repaired_.name);
  if (!fresh) {
    static_cast<void>(environment_.file_system->Unlink(TemporaryPath(repaired_.name)));
  }
  if (!fresh && CutMakesRoom()) {
    HF_TRY_STATUS(oldest.Seal(synced_size_));
    if (sealing_.segment != nullptr) HF_TRY_STATUS(newest_.segment->Seal(kFileHeaderBytes));
    fresh = WriteAgain(repaired_.name);
  }
  repaired_.segment = HF_TRY(std::move(fresh));
  HF_TRY_STATUS(oldest.Seal(synced_size_));
  repaired_.listing = true;
  return ListRepaired();
}

// On a full disk there may be no place for the frames to stand twice. They are only cut first if
// that makes the difference: a process that is killed before they are written again loses them.
// (After a failed sync the kernel may drop their pages at any time as well.)
bool LogFiles::CutMakesRoom() {
  const uint64_t needed = ring_.RetainedBytes() + frames_.size() * kMaxAnnotationBytes + kRoomBytes;
  const auto free = environment_.file_system->FreeBytes(environment_.directory);
  return free && *free < needed && *free + repaired_.cut_bytes >= needed;
}

Status LogFiles::ListRepaired() {
  HF_TRY_STATUS(environment_.catalog->List(repaired_.name, repaired_.segment->file_id()));
  Adopt();
  repaired_ = {};
  return {};
}

// The frames that no sync covers, with their numbers and boundaries, in a synced file that takes
// the next place in the log. Until the old file is cut they stand in both: replaying either is
// right, and a process that dies now loses nothing that it showed.
Result<std::shared_ptr<Segment>> LogFiles::WriteAgain(const std::string& name) {
  const std::string temporary = TemporaryPath(name);
  auto fresh = HF_TRY(CreateSegment(temporary));
  for (const Frame& frame : frames_) HF_TRY_STATUS(WriteTo(*fresh, frame, synced_frame_));
  HF_TRY_STATUS(fresh->Sync());
  HF_TRY_STATUS(environment_.file_system->Rename(temporary, PathOf(name)));
  HF_TRY_STATUS(environment_.file_system->SyncDirectory(environment_.directory));
  return fresh;
}

// Everything that was retained is durable in the repaired file.
void LogFiles::Adopt() {
  LogPosition position = written();
  {
    const std::lock_guard lock(state_mutex_);
    uint64_t frame = newest_.frame;
    if (!frames_.empty()) {
      HF_CHECK(frames_.front().begin == synced() && frames_.back().end >= position);
      position = frames_.back().end;
      frame = frames_.back().number;
    }
    HF_CHECK(frame + 1 == next_frame_);
    newest_ = {repaired_.segment, repaired_.segment->end(), frame, position};
    sealing_ = {};
    name_ = repaired_.name;
    frames_.clear();
    synced_size_ = newest_.size;
    synced_frame_ = frame;
    frames_lost_ = false;
    log_bytes_.fetch_add(newest_.size - repaired_.cut_bytes, std::memory_order_relaxed);
    written_.store(position, std::memory_order_seq_cst);
    synced_.store(position, std::memory_order_seq_cst);
    unsynced_since_ns_.store(0, std::memory_order_relaxed);
    wants_fill_.store(true, std::memory_order_relaxed);
    failing_.store(false, std::memory_order_release);
  }
  ring_.Release(position);
}

Status LogFiles::Close() {
  const std::lock_guard files_lock(files_mutex_);
  const FlushGuard flush_guard(flush_lock_);
  if (failing()) return std::unexpected(last_error());
  HF_CHECK(frames_.empty() && synced() == written());
  DropPrepared();
  return CloseNewest();
}

// Everything in the newest file is synced.
Status LogFiles::CloseNewest() {
  HF_CHECK(newest_.size == newest_.segment->end() && newest_.frame == synced_frame_);
  // Behind a sealed file a listed one follows: that proves enough.
  const bool no_frames = newest_.size == kFileHeaderBytes;
  if (no_frames || newest_.frame == closed_frame_) return newest_.segment->Seal(newest_.size);
  const uint64_t size =
      HF_TRY(newest_.segment->Close({.number = next_frame_,
                                     .term = term_.load(std::memory_order_relaxed),
                                     .unix_ms = environment_.clock->NowMs(),
                                     .synced = synced_frame_}));
  log_bytes_.fetch_add(size - newest_.size, std::memory_order_relaxed);
  // After a rest the log goes on behind it: in the next file, with the next number.
  const std::lock_guard lock(state_mutex_);
  newest_.size = synced_size_ = size;
  newest_.frame = synced_frame_ = closed_frame_ = next_frame_++;
  return {};
}

// Never used: an empty file that recovery would throw away as well.
void LogFiles::DropPrepared() {
  {
    const std::lock_guard lock(state_mutex_);
    if (next_ == nullptr) return;
    next_ = nullptr;
    if (rotation_ == Rotation::kPrepared) rotation_ = Rotation::kIdle;
  }
  static_cast<void>(environment_.file_system->Unlink(PathOf(next_name_)));
}

void LogFiles::StartResting() {
  const std::lock_guard files_lock(files_mutex_);
  resting_.store(true, std::memory_order_release);
}

Status LogFiles::Wake(const std::function<Status()>& prepare) {
  const std::lock_guard files_lock(files_mutex_);
  if (failing()) return std::unexpected(last_error());
  if (synced() != ring_.tail()) {
    return MakeError(ErrorCode::kUnavailable, "the end of the log is not written yet");
  }
  HF_TRY_STATUS(prepare());
  resting_.store(false, std::memory_order_release);
  return {};
}

Status LogFiles::Rest() {
  const std::lock_guard files_lock(files_mutex_);
  const FlushGuard flush_guard(flush_lock_);
  if (failing()) return std::unexpected(last_error());
  if (!resting() || AtRest() || synced() != ring_.tail()) return {};
  DropPrepared();
  Status closed = CloseNewest();
  if (!closed) return Fail(std::move(closed).error(), true);
  return {};
}

bool LogFiles::AtRest() const {
  const std::lock_guard lock(state_mutex_);
  return newest_.segment->sealed() && frames_.empty() && !failing();
}

// ---- fill role

Result<bool> LogFiles::Fill() {
  std::shared_ptr<Segment> segment;
  {
    const std::lock_guard lock(state_mutex_);
    if (failing()) return false;
    segment = newest_.segment;
  }
  bool sync_failed = false;
  auto more = segment->FillAhead(fill_reserve_ + fill_margin_, fill_piece_, sync_failed);
  // The kernel reports a lost page once, to whoever syncs next: it may have been a frame's.
  if (!more && sync_failed) return Fail(std::move(more).error(), true);
  const bool low = segment->FilledAhead() < fill_reserve_;
  if (!more && low) {
    const std::lock_guard lock(state_mutex_);
    last_error_ = more.error();
  }
  if (!more || !low) disk_low_.store(low, std::memory_order_release);
  if (more && !*more) wants_fill_.store(false, std::memory_order_relaxed);
  return more;
}

// ---- rotation

Status LogFiles::PrepareRotation() {
  const std::lock_guard files_lock(files_mutex_);
  {
    const std::lock_guard lock(state_mutex_);
    if (failing()) return std::unexpected(last_error_);
    if (rotation_ == Rotation::kPrepared) return {};
    if (rotation_ != Rotation::kIdle) {
      return MakeError(ErrorCode::kBusy, "a rotation of the log is under way");
    }
  }
  const std::string name = environment_.catalog->NextName();
  auto fresh = HF_TRY(CreateSegment(PathOf(name)));
  bool sync_failed = false;
  HF_TRY(fresh->FillAhead(1, fill_piece_, sync_failed));
  HF_TRY_STATUS(environment_.file_system->SyncDirectory(environment_.directory));
  const std::lock_guard lock(state_mutex_);
  if (failing()) return std::unexpected(last_error_);
  next_ = std::move(fresh);
  next_name_ = name;
  rotation_ = Rotation::kPrepared;
  return {};
}

Status LogFiles::Rotate() {
  const std::lock_guard lock(state_mutex_);
  if (failing()) return std::unexpected(last_error_);
  if (rotation_ != Rotation::kPrepared) {
    return MakeError(ErrorCode::kUnavailable, "the next log file is not ready");
  }
  HF_CHECK(ring_.StableEnd() == ring_.tail());  // the caller holds the gate
  rotation_ = Rotation::kRequested;
  rotation_result_.reset();
  rotation_pending_.store(true, std::memory_order_release);
  rotate_at_.store(ring_.tail(), std::memory_order_release);
  return {};
}

std::optional<Result<RotationPoint>> LogFiles::TakeRotation() {
  const std::lock_guard lock(state_mutex_);
  return std::exchange(rotation_result_, std::nullopt);
}

// A failure takes the name of the next file for the frames that must be written again.
void LogFiles::AbortRotation() {
  const std::lock_guard lock(state_mutex_);
  next_ = nullptr;
  rotate_at_.store(kNever, std::memory_order_release);
  if (rotation_ == Rotation::kRequested || rotation_ == Rotation::kSealing) {
    rotation_result_ = std::unexpected(
        Error{ErrorCode::kUnavailable, "the log failed during the cut: " + last_error_.message});
    rotation_pending_.store(false, std::memory_order_release);
  }
  rotation_ = Rotation::kIdle;
}

void LogFiles::SetBase(uint64_t base_bytes, const RotationPoint& point) {
  uint64_t bytes = log_bytes_.load(std::memory_order_relaxed);
  while (!log_bytes_.compare_exchange_weak(
      bytes, base_bytes + (bytes - std::min(bytes, point.log_bytes)), std::memory_order_relaxed)) {
  }
}

// ---- state

std::unexpected<Error> LogFiles::Fail(Error error, bool frames_lost) {
  errors_.fetch_add(1, std::memory_order_relaxed);
  const std::lock_guard lock(state_mutex_);
  last_error_ = error;
  frames_lost_ |= frames_lost;
  // Stays until the fill thread has filled the whole reserve again.
  if (error.code == ErrorCode::kNoSpace) disk_low_.store(true, std::memory_order_release);
  failing_.store(true, std::memory_order_release);
  return std::unexpected(std::move(error));
}

Error LogFiles::last_error() const {
  const std::lock_guard lock(state_mutex_);
  return last_error_;
}

int64_t LogFiles::OldestUnsyncedNs() const {
  const int64_t syncing = syncing_since_ns_.load(std::memory_order_relaxed);
  return syncing != 0 ? syncing : unsynced_since_ns_.load(std::memory_order_relaxed);
}

}  // namespace holdfast::aof
