#include "aof/log_reader.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <utility>

#include "aof/crc32c.h"
#include "aof/group_parser.h"
#include "holdfast/bytes.h"
#include "holdfast/check.h"
#include "holdfast/number.h"

namespace holdfast::aof {
namespace {

constexpr size_t kMaxLineBytes = 1024;  // of a '#' line, as Redis has it
constexpr size_t kMaxUnsyncedFrames = 1 << 20;
constexpr std::string_view kTimestamp = "#TS:";
constexpr std::string_view kFileHeaderStart = "#HF:v=";

}  // namespace

LogReader::LogReader(FileSystem& file_system, std::vector<LogSource> sources,
                     LogReadOptions options)
    : file_system_(file_system),
      sources_(std::move(sources)),
      options_(std::move(options)),
      states_(sources_.size()),
      next_frame_(options_.first_frame) {
  HF_CHECK(options_.piece_bytes >= kMaxAnnotationBytes && options_.first_frame >= 1);
  for (size_t i = 1; i < sources_.size(); ++i) {
    HF_CHECK(!sources_[i].base && (sources_[i - 1].listed || !sources_[i].listed));
  }
}

LogReader::~LogReader() = default;

Result<bool> LogReader::Next(LogBatch& batch) {
  batch.Clear();
  while (!stopped_) {
    if (file_ == nullptr) {
      if (source_ == sources_.size()) {
        stopped_ = true;
        break;
      }
      HF_TRY_STATUS(OpenSource());
      continue;
    }
    batch.Clear();
    if (preamble_ != nullptr) {
      if (HF_TRY(ReadPreamble(batch))) return true;
      continue;
    }
    HF_TRY_STATUS(Fill(batch));
    HF_TRY_STATUS(ParseBuffer(batch));
    if (!batch.groups.empty()) return true;
  }
  return false;
}

// ---- files

Status LogReader::OpenSource() {
  HF_CHECK(file_ == nullptr && carried_.empty());
  offset_ = 0;
  wanted_ = 0;
  plain_database_ = 0;
  plain_ms_ = 0;
  after_plain_ = false;
  file_has_new_frames_ = false;
  repeated_.clear();
  expected_ = source().base ? 1 : next_frame_;
  auto opened = file_system_.Open(source().path, {});
  if (!opened) {
    if (opened.error().code != ErrorCode::kNotFound) return std::unexpected(opened.error());
    Stop(LogVerdict::Kind::kDamage, "the manifest names it, but it does not exist");
    return {};
  }
  file_ = *std::move(opened);
  state().present = true;
  state().size = HF_TRY(file_->Size());
  std::array<char, kMaxAnnotationBytes> buffer;
  const std::string_view head(buffer.data(), HF_TRY(file_->ReadAt(0, buffer)));
  const bool first = source_ == 0 && source().listed && !source().id;
  if (first && BeginsPreamble(head)) return OpenPreamble();
  return head.starts_with(kFileHeaderStart) ? OpenFramed(head) : OpenUnframed(head);
}

Status LogReader::OpenFramed(std::string_view head) {
  const auto parsed = ParseFileHeader(head);
  if (!parsed) {
    if (parsed.error().code == ErrorCode::kUnsupported) {
      return MakeError(ErrorCode::kUnsupported,
                       fmt::format("{}: {}", source().path, parsed.error().message));
    }
    // A listed file was synced with its header before it was listed.
    Stop(source().listed ? LogVerdict::Kind::kDamage : LogVerdict::Kind::kTorn,
         parsed.error().message);
    return {};
  }
  if (source().id && *source().id != parsed->header.file_id) {
    Stop(LogVerdict::Kind::kDamage, fmt::format("it is file {:016x}, the manifest names {:016x}",
                                                parsed->header.file_id, *source().id));
    return {};
  }
  state().framed = true;
  state().id = parsed->header.file_id;
  state().end = offset_ = parsed->line_bytes;
  return {};
}

Status LogReader::OpenUnframed(std::string_view head) {
  const bool empty = head.empty() || (head[0] == '\0' && HF_TRY(OnlyZerosFrom(0)));
  if (source().id) {
    Stop(LogVerdict::Kind::kDamage, "its header line is not there");
  } else if (empty) {
    EndSource();
  } else if (!source().listed) {
    Stop(LogVerdict::Kind::kTorn, "it is not in the manifest and has no header line");
  }
  return {};
}

// ---- a preamble

Status LogReader::OpenPreamble() {
  if (!options_.open_preamble) {
    return MakeError(
        ErrorCode::kUnsupported,
        fmt::format("{} is an RDB file (or begins with one), which cannot be read here",
                    source().path));
  }
  state().preamble = "RDB";
  auto opened = options_.open_preamble(*file_, state().size);
  if (!opened) return PreambleFails(std::move(opened).error());
  preamble_ = *std::move(opened);
  state().preamble = preamble_->Describe();
  return {};
}

// True: `batch` holds groups.
Result<bool> LogReader::ReadPreamble(LogBatch& batch) {
  batch.source = source_;
  const Result<bool> more = preamble_->Next(batch);
  HF_CHECK(preamble_->offset() >= offset_ && preamble_->offset() <= state().size);
  bytes_read_ += preamble_->offset() - offset_;
  offset_ = preamble_->offset();
  state().preamble = preamble_->Describe();
  if (!more) {
    preamble_.reset();
    HF_TRY_STATUS(PreambleFails(more.error()));
    return false;
  }
  if (*more) {
    HF_CHECK(!batch.groups.empty());
    state().groups += batch.groups.size();
    state().commands += batch.commands.size();
    return true;
  }
  // Only now its checksum is known to be right. Commands may follow.
  state().end = offset_;
  preamble_.reset();
  return false;
}

// Nothing of it can be told from the rest: its file ends at 0.
Status LogReader::PreambleFails(Error error) {
  if (error.code != ErrorCode::kCorruption) {
    return MakeError(error.code,
                     fmt::format("{} at offset {}: {}", source().path, offset_, error.message));
  }
  HF_CHECK(state().end == 0);
  Stop(LogVerdict::Kind::kDamage, std::move(error).message);
  verdict_.offset = offset_;
  verdict_.bytes = state().size - offset_;
  return {};
}

// ---- the bytes of a file

void LogReader::EndSource() {
  HF_CHECK(file_ != nullptr && state().end <= state().size);
  file_.reset();
  carried_.clear();
  ++source_;
}

// Brings the bytes from offset_ on into the batch: at least wanted_ of them, or all there are.
Status LogReader::Fill(LogBatch& batch) {
  HF_CHECK(batch.bytes().empty() && offset_ <= state().size);
  const uint64_t left = state().size - offset_;
  const uint64_t bytes =
      std::min<uint64_t>(left, std::max<uint64_t>(wanted_, options_.piece_bytes));
  HF_CHECK(carried_.size() <= bytes);
  batch.source = source_;
  batch.Reserve(bytes);
  std::ranges::copy(carried_, batch.Room().begin());
  batch.Added(carried_.size());
  const std::span<char> room = batch.Room().first(bytes - carried_.size());
  const size_t count = HF_TRY(file_->ReadAt(offset_ + carried_.size(), room));
  if (count < room.size()) {
    return MakeError(ErrorCode::kIoError,
                     fmt::format("{} became shorter while it was read", source().path));
  }
  batch.Added(count);
  bytes_read_ += count;
  carried_.clear();
  return {};
}

Status LogReader::ParseBuffer(LogBatch& batch) {
  const std::string_view bytes = batch.bytes();
  const uint64_t start = offset_;
  wanted_ = 0;
  while (!stopped_) {
    HF_CHECK(offset_ == state().end && offset_ - start <= bytes.size());
    const std::string_view text = bytes.substr(offset_ - start);
    const uint64_t left = state().size - offset_;
    if (left == 0) {
      if (source().base && state().framed && !state().base_ended) {
        HF_TRY(FrameFails("the base file has no end line"));
        break;
      }
      EndSource();
      break;
    }
    if (text.size() < std::min<uint64_t>(left, kMaxAnnotationBytes)) {
      wanted_ = kMaxAnnotationBytes;
      carried_ = text;
      break;
    }
    const Step step = HF_TRY(ParseItem(text, batch));
    if (step == Step::kStopped) break;
    if (step == Step::kMoreBytes) {
      carried_ = bytes.substr(offset_ - start);
      HF_CHECK(wanted_ > carried_.size() && wanted_ <= state().size - offset_);
      break;
    }
    HF_CHECK(offset_ <= state().size);
  }
  return {};
}

// ---- what stands at offset_

Result<LogReader::Step> LogReader::ParseItem(std::string_view text, LogBatch& batch) {
  if (text[0] == '\0' && HF_TRY(OnlyZerosFrom(offset_))) {
    if (source().base && state().framed && !state().base_ended) {
      return FrameFails("the base file has no end line");
    }
    EndSource();  // zeros filled ahead: a clean end
    return Step::kStopped;
  }
  if (state().base_ended) return FrameFails("something follows the end of the base file");
  if (text.starts_with(kAnnotationPrefix)) return ParseFrame(text, batch);
  // Redis appends to listed files only.
  if (!source().listed) return FrameFails("no frame begins here");
  // Among frames a remark would hide a damaged frame header; Redis itself only writes #TS:.
  if (text[0] == '#' && (!state().framed || text.starts_with(kTimestamp))) {
    return ParseLine(text, batch);
  }
  if (text[0] == '*') return ParsePlain(text, batch);
  return state().framed && !after_plain_ ? FrameFails("no frame begins here")
                                         : PlainFails(offset_, false, "no command begins here");
}

Result<LogReader::Step> LogReader::ParseFrame(std::string_view text, LogBatch& batch) {
  if (!state().framed) {
    // The header line was synced before the file was listed; without it no frame can be verified.
    Stop(LogVerdict::Kind::kDamage, "a frame in a file whose header line is not there");
    return Step::kStopped;
  }
  const auto parsed = ParseFrameHeader(text, state().id);
  if (!parsed) return FrameFails(parsed.error().message);
  const FrameHeader& header = parsed->header;
  const auto total = CheckedAdd<uint64_t>(parsed->line_bytes, header.bytes);
  if (!total || *total > state().size - offset_) {
    return FrameFails(fmt::format("frame {} goes beyond the end of the file", header.number));
  }
  // A base is written after its cut: its times say nothing about what it holds. A closing frame
  // holds nothing.
  const bool timed = !source().base && header.bytes > 0;
  if (options_.until_ms && timed && header.unix_ms > *options_.until_ms) {
    Stop(LogVerdict::Kind::kReachedTime, fmt::format("frame {} is later", header.number));
    return Step::kStopped;
  }
  if (header.bytes == 0 && source().base) return TakeBaseEnd(header, parsed->line_bytes);
  if (text.size() < *total) {
    wanted_ = *total;
    return Step::kMoreBytes;
  }
  const std::string_view payload = text.substr(parsed->line_bytes, header.bytes);
  if (Crc32c(0, payload) != header.crc) {
    return FrameFails(fmt::format("the checksum of frame {} does not match", header.number));
  }
  if (header.number != expected_) {
    const auto twin = FindWrittenAgain(header);
    if (!twin) return NumberOutOfPlace(header);
    TakeRepeated(header, *twin);
    after_plain_ = false;
    offset_ += *total;
    state().end = offset_;
    return Step::kNext;
  }
  if (!repeated_.empty()) return NumberOutOfPlace(header);  // some were left out
  offset_ += parsed->line_bytes;
  return TakeFrame(header, payload, batch);
}

// Its checksum matched: what does not parse now was written so.
Result<LogReader::Step> LogReader::TakeFrame(const FrameHeader& header, std::string_view payload,
                                             LogBatch& batch) {
  HF_CHECK(header.number == expected_ && payload.size() == header.bytes);
  const uint64_t line_start = state().end;
  HF_CHECK(line_start < offset_);
  batch.frames.push_back({header.number, header.term, header.unix_ms, line_start});
  const size_t groups = batch.groups.size();
  const size_t commands = batch.commands.size();
  uint32_t database = 0;
  const GroupScan scan = ScanGroups(payload, offset_, database, batch);
  if (scan.stop != GroupScan::Stop::kEnd || database != 0) {
    batch.groups.resize(groups);
    batch.commands.resize(commands);
    Stop(LogVerdict::Kind::kDamage,
         fmt::format("frame {} {}", header.number,
                     scan.stop == GroupScan::Stop::kBad     ? "holds no commands: " + scan.reason
                     : scan.stop == GroupScan::Stop::kOther ? "holds what is no command"
                     : scan.stop == GroupScan::Stop::kEnd   ? "does not end in database 0"
                                                            : "does not end behind a whole group"));
    return Step::kStopped;
  }
  if (!source().base) Remember(header);
  expected_ = header.number + 1;
  if (!source().base) next_frame_ = expected_;
  term_ = header.term;
  plain_database_ = 0;
  after_plain_ = false;
  file_has_new_frames_ = true;
  offset_ += payload.size();
  state().end = offset_;
  state().closed = header.bytes == 0;
  state().frames += 1;
  state().groups += batch.groups.size() - groups;
  state().commands += batch.commands.size() - commands;
  return Step::kNext;
}

Result<LogReader::Step> LogReader::TakeBaseEnd(const FrameHeader& header, size_t line_bytes) {
  if (header.crc != 0) return FrameFails("the end line of a base file with a checksum");
  HF_CHECK(source().base && !state().base_ended && header.bytes == 0);
  next_frame_ = header.number + 1;
  term_ = header.term;
  state().base_ended = true;
  offset_ += line_bytes;
  state().end = offset_;
  return Step::kNext;
}

// A power cut leaves holes, never other numbers; only a file that was not yet part of the log may
// begin behind what is left of the one before.
Result<LogReader::Step> LogReader::NumberOutOfPlace(const FrameHeader& header) {
  const std::string reason =
      fmt::format("frame {} stands where frame {} should be", header.number, expected_);
  const bool starts_unlisted = !source().listed && !file_has_new_frames_;
  if (starts_unlisted && (header.number > expected_ || RedisWentOnBefore())) {
    return FrameFails(reason);
  }
  Stop(LogVerdict::Kind::kDamage, reason);
  return Step::kStopped;
}

// Redis wrote to the file before this one, so it did not know this one: what is repeated here
// cannot take the place of what stands there.
bool LogReader::RedisWentOnBefore() const {
  return source_ > 0 && states_[source_ - 1].plain_commands;
}

// The frame of the file before that this one repeats, byte for byte.
std::optional<LogReader::Unsynced> LogReader::FindWrittenAgain(const FrameHeader& header) const {
  if (file_has_new_frames_ || unsynced_.empty() || header.number < unsynced_.front().number ||
      header.number > unsynced_.back().number) {
    return std::nullopt;
  }
  const Unsynced& twin = unsynced_[header.number - unsynced_.front().number];
  HF_CHECK(twin.number == header.number);
  const bool same = twin.bytes == header.bytes && twin.crc == header.crc;
  if (!same || twin.source + 1 != source_ || RedisWentOnBefore()) return std::nullopt;
  if (!repeated_.empty() && header.number != repeated_.back().number + 1) return std::nullopt;
  return twin;
}

void LogReader::TakeRepeated(const FrameHeader& header, const Unsynced& twin) {
  if (repeated_.empty()) first_repeated_ = twin;
  repeated_.push_back({header.number, source_, state().end, header.bytes, header.crc});
  HF_CHECK(header.number < expected_);
  if (header.number + 1 < expected_) return;
  if (!written_again_) written_again_ = first_repeated_;
  for (const Unsynced& frame : repeated_) {
    unsynced_[frame.number - unsynced_.front().number] = frame;
  }
  repeated_.clear();
}

void LogReader::Remember(const FrameHeader& header) {
  while (!unsynced_.empty() &&
         (unsynced_.front().number <= header.synced || unsynced_.size() >= kMaxUnsyncedFrames)) {
    unsynced_.pop_front();
  }
  const Unsynced frame{header.number, source_, state().end, header.bytes, header.crc};
  HF_CHECK(unsynced_.empty() || unsynced_.back().number + 1 == header.number);
  unsynced_.push_back(frame);
}

// ---- outside frames

// Redis's "#TS:<unix seconds>", or a remark of someone else's.
Result<LogReader::Step> LogReader::ParseLine(std::string_view text, LogBatch& batch) {
  const uint64_t left = state().size - offset_;
  const size_t end = text.substr(0, kMaxLineBytes).find('\n');
  if (end == std::string_view::npos) {
    if (text.size() < std::min<uint64_t>(left, kMaxLineBytes)) {
      wanted_ = std::min<uint64_t>(left, kMaxLineBytes);
      return Step::kMoreBytes;
    }
    const bool cut = left < kMaxLineBytes;
    return PlainFails(offset_, cut, "a line that begins with '#' has no end");
  }
  std::string_view line = text.substr(0, end);
  if (line.ends_with('\r')) line.remove_suffix(1);
  if (line.starts_with(kTimestamp)) {
    const auto seconds = ParseInteger(line.substr(kTimestamp.size()));
    const auto ms = seconds ? CheckedMul<int64_t>(*seconds, 1000) : std::nullopt;
    if (!ms || *ms < 0) return PlainFails(offset_, false, "a #TS: line without a time");
    if (options_.until_ms && *ms > *options_.until_ms) {
      Stop(LogVerdict::Kind::kReachedTime, fmt::format("#TS:{} is later", *seconds));
      return Step::kStopped;
    }
    plain_ms_ = *ms;
    if (!batch.frames.empty() && batch.frames.back().number == 0) {
      batch.frames.push_back({0, 0, plain_ms_, offset_});
    }
  }
  offset_ += end + 1;
  state().end = offset_;
  return Step::kNext;
}

Result<LogReader::Step> LogReader::ParsePlain(std::string_view text, LogBatch& batch) {
  if (batch.frames.empty() || batch.frames.back().number != 0) {
    batch.frames.push_back({0, 0, plain_ms_, offset_});
  }
  const size_t groups = batch.groups.size();
  const size_t commands = batch.commands.size();
  const GroupScan scan = ScanGroups(text, offset_, plain_database_, batch);
  state().groups += batch.groups.size() - groups;
  state().commands += batch.commands.size() - commands;
  state().plain_commands = true;
  after_plain_ = true;
  const uint64_t start = offset_;
  offset_ += scan.size;
  state().end = offset_;
  switch (scan.stop) {
    case GroupScan::Stop::kEnd:
    case GroupScan::Stop::kOther:
      return Step::kNext;
    case GroupScan::Stop::kBad:
      return PlainFails(start + scan.stop_at, false, scan.reason);
    case GroupScan::Stop::kCut:
      break;
  }
  const uint64_t left = state().size - offset_;
  const uint64_t have = text.size() - scan.size;
  const auto needed = CheckedAdd<uint64_t>(have, scan.missing);
  if (!needed || *needed > left) {
    return PlainFails(start + scan.stop_at, true, "the file ends inside a command or transaction");
  }
  // Twice as much each time, so that a long group is not scanned over and over.
  wanted_ = std::min(left, std::max(*needed, 2 * have));
  return Step::kMoreBytes;
}

}  // namespace holdfast::aof
