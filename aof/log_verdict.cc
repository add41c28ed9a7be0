// The rule of the torn end: what a place of the log that fails is.
//
// After a power cut pages may have reached the disk in any order, so a bad or zero frame may be
// followed by good ones. It is damage only if the bytes are known to have been on the disk: a later
// frame says that this one was synced, or a newer file is listed (files become durable in order).
#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "aof/log_reader.h"
#include "aof/request_parser.h"
#include "holdfast/check.h"

namespace holdfast::aof {
namespace {

constexpr size_t kPieceBytes = size_t{1} << 20;
// How far, behind a cut command of Redis's, others are looked for.
constexpr size_t kLookBytes = size_t{4} << 20;
constexpr std::string_view kFrameStart = "#HF:i=";

}  // namespace

std::string LogVerdict::Text() const {
  if (kind == Kind::kSound) return "sound";
  const char* what = kind == Kind::kTorn     ? "torn end of"
                     : kind == Kind::kDamage ? "damage in"
                                             : "end of the wanted time in";
  return fmt::format("{} {} at offset {}: {}", what, file, offset, reason);
}

void LogReader::Stop(LogVerdict::Kind kind, std::string reason) {
  HF_CHECK(!stopped_ && kind != LogVerdict::Kind::kSound);
  HF_CHECK(state().end <= state().size);
  stopped_ = true;
  verdict_ = {
      kind, source_, source().path, state().end, state().size - state().end, std::move(reason)};
}

bool LogReader::HasListedSuccessor() const {
  return source_ + 1 < sources_.size() && sources_[source_ + 1].listed;
}

Result<LogReader::Step> LogReader::FrameFails(std::string reason) {
  auto kind = LogVerdict::Kind::kTorn;
  if (source().base) {
    kind = LogVerdict::Kind::kDamage;  // listed only when it was complete
  } else if (HasListedSuccessor()) {
    kind = LogVerdict::Kind::kDamage;
    reason += "; the file was complete when the next one was begun";
  } else if (const std::string proof = HF_TRY(FindProofOfSync(expected_)); !proof.empty()) {
    kind = LogVerdict::Kind::kDamage;
    reason += proof;
  }
  Stop(kind, std::move(reason));
  return Step::kStopped;
}

// Redis's own log has no checksums and no proof of what was synced: at its end a group may be cut
// anywhere. Not at its end, or followed by more commands, it is damage.
Result<LogReader::Step> LogReader::PlainFails(uint64_t bad_at, bool cut, std::string reason) {
  const bool zeros = !cut && HF_TRY(CutBeforeZeros(bad_at));
  auto kind = LogVerdict::Kind::kDamage;
  if (HasListedSuccessor()) {
    reason += "; the file was complete when the next one was begun";
  } else if (cut && HF_TRY(CommandsFollow(bad_at))) {
    reason +=
        fmt::format("; whole commands follow the one at offset {}: a damaged length?", bad_at);
  } else if (cut || zeros) {
    kind = LogVerdict::Kind::kTorn;
  } else {
    reason += fmt::format(" (offset {})", bad_at);
  }
  Stop(kind, std::move(reason));
  return Step::kStopped;
}

Result<bool> LogReader::OnlyZerosFrom(uint64_t offset) {
  HF_CHECK(file_ != nullptr);
  std::string piece(std::min<uint64_t>(kPieceBytes, state().size - offset), '\0');
  while (offset < state().size) {
    const size_t count = HF_TRY(file_->ReadAt(offset, piece));
    if (count == 0) break;
    const std::string_view bytes = std::string_view(piece).substr(0, count);
    if (bytes.find_first_not_of('\0') != std::string_view::npos) return false;
    offset += count;
  }
  return true;
}

// "; frame .. says that it was synced" if a later valid header of this or a later file does.
Result<std::string> LogReader::FindProofOfSync(uint64_t frame) {
  for (size_t i = source_; i < sources_.size(); ++i) {
    std::unique_ptr<File> opened;
    File* file = file_.get();
    uint64_t from = offset_;
    uint64_t id = state().id;
    if (i != source_) {
      opened = HF_TRY(file_system_.Open(sources_[i].path, {}));
      file = opened.get();
      std::array<char, kMaxAnnotationBytes> head;
      const size_t count = HF_TRY(file->ReadAt(0, head));
      const auto parsed = ParseFileHeader({head.data(), count});
      if (!parsed) continue;  // nothing in it can be trusted to say anything
      from = parsed->line_bytes;
      id = parsed->header.file_id;
    } else if (!state().framed) {
      continue;
    }
    if (const auto at = HF_TRY(FindCoveringHeader(*file, from, id, frame))) {
      return fmt::format("; frame {} was synced, says the header at offset {} of {}", frame, *at,
                         sources_[i].path);
    }
  }
  return std::string();
}

Result<std::optional<uint64_t>> LogReader::FindCoveringHeader(File& file, uint64_t from,
                                                              uint64_t id, uint64_t frame) {
  const uint64_t size = HF_TRY(file.Size());
  const uint64_t wanted = kPieceBytes + kMaxAnnotationBytes;
  std::string piece(std::min(wanted, size - std::min(size, from)), '\0');
  while (true) {
    const size_t count = HF_TRY(file.ReadAt(from, piece));
    const std::string_view bytes = std::string_view(piece).substr(0, count);
    for (size_t at = bytes.find(kFrameStart); at != std::string_view::npos;
         at = bytes.find(kFrameStart, at + 1)) {
      const auto parsed = ParseFrameHeader(bytes.substr(at), id);
      if (parsed && parsed->header.synced >= frame) return from + at;
    }
    if (count < wanted) return std::nullopt;
    from += kPieceBytes;  // headers across the end of the piece are seen by the next one
  }
}

// Whether, behind the start of a command that seems cut, whole commands follow up to the end of the
// file: then its length is wrong rather than its end missing.
Result<bool> LogReader::CommandsFollow(uint64_t from) {
  HF_CHECK(file_ != nullptr && from <= state().size);
  std::string bytes(std::min<uint64_t>(kLookBytes, state().size - from), '\0');
  bytes.resize(HF_TRY(file_->ReadAt(from, bytes)));
  const RequestLimits limits{.max_bulk_bytes = uint64_t{1} << 62, .strict = true};
  std::vector<std::string_view> args;
  const std::string_view text = bytes;
  for (size_t at = text.find("\r\n*"); at != std::string_view::npos;
       at = text.find("\r\n*", at + 1)) {
    args.clear();
    const size_t first = AppendWholeRequest(text.substr(at + 2), limits, args);
    if (first == 0) continue;
    const std::string_view behind = text.substr(at + 2 + first);
    // One command that ends where the file does, or two in a row.
    if (behind.empty() && from + bytes.size() == state().size) return true;
    args.clear();
    if (AppendWholeRequest(behind, limits, args) > 0) return true;
  }
  return false;
}

// Whether the file ends in zeros that begin inside the command at `from`, or right there: its size
// reached the disk, its last bytes did not.
Result<bool> LogReader::CutBeforeZeros(uint64_t from) {
  HF_CHECK(file_ != nullptr && from <= state().size);
  std::string bytes(std::min<uint64_t>(kLookBytes, state().size - from), '\0');
  bytes.resize(HF_TRY(file_->ReadAt(from, bytes)));
  const size_t last = bytes.find_last_not_of('\0');
  if (last == std::string::npos) return OnlyZerosFrom(from);
  if (last + 1 == bytes.size() || !HF_TRY(OnlyZerosFrom(from + last + 1))) return false;
  RequestParser parser({.max_bulk_bytes = uint64_t{1} << 62, .strict = true});
  Request request;
  return parser.Parse(std::string_view(bytes).substr(0, last + 1), request) ==
         RequestParser::Outcome::kIncomplete;
}

}  // namespace holdfast::aof
