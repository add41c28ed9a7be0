// Fuzzes the log reader and what recovery does to files. The input is a recipe for log files: runs
// of raw bytes, zeros, frames with right checksums around any payload, several files. Whatever
// comes of it: reading in pieces of any size gives the same, cutting leaves a sound log with the
// same groups, and nothing crashes. Files under test: aof/log_reader.cc aof/log_verdict.cc
// aof/group_parser.cc aof/frame.cc
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "aof/crc32c.h"
#include "aof/frame.h"
#include "aof/log_reader.h"
#include "aof/log_recovery.h"
#include "holdfast/check.h"
#include "tests/sim/simulated_file_system.h"

namespace {

using namespace holdfast;       // NOLINT(google-build-using-namespace)
using namespace holdfast::aof;  // NOLINT(google-build-using-namespace)
using Kind = LogVerdict::Kind;

class Recipe {
 public:
  Recipe(const uint8_t* data, size_t size)
      : rest_(reinterpret_cast<const char*>(data), size),
        text_(FormatFileHeader({kFirstId}).view()) {}

  // Puts the files on the disk; their sources.
  std::vector<LogSource> Make(sim::SimulatedFileSystem& disk) {
    if (Byte() % 4 == 0) text_.clear();
    if (Byte() % 4 == 0) source_.base = true;
    while (!rest_.empty() && sources_.size() < 6) Step(disk);
    Finish(disk);
    return sources_;
  }

 private:
  static constexpr uint64_t kFirstId = 1000;

  uint8_t Byte() {
    if (rest_.empty()) return 0;
    const auto byte = static_cast<uint8_t>(rest_[0]);
    rest_.remove_prefix(1);
    return byte;
  }
  std::string_view Bytes(size_t count) {
    const std::string_view bytes = rest_.substr(0, count);
    rest_.remove_prefix(bytes.size());
    return bytes;
  }
  uint64_t Id() const { return kFirstId + sources_.size(); }

  void Frame(std::string_view payload) {
    const FrameHeader header{.number = number_,
                             .term = 0,
                             .unix_ms = 1000 + static_cast<UnixMs>(number_),
                             .synced = std::min(synced_, number_),
                             .bytes = payload.size(),
                             .crc = Crc32c(0, payload)};
    text_ += FormatFrameHeader(header, Id()).view();
    text_ += payload;
    ++number_;
  }

  void Step(sim::SimulatedFileSystem& disk) {
    switch (Byte() % 10) {
      case 0:
        text_ += Bytes(Byte());
        break;
      case 1:
        text_.append(Byte() * 4U, '\0');
        break;
      case 2:
        number_ = Byte();
        break;
      case 3:
        synced_ = Byte();
        break;
      case 4:
        if (!text_.empty()) text_[(Byte() * 256U + Byte()) % text_.size()] ^= 1;
        break;
      case 5:
        text_.resize(text_.size() - std::min<size_t>(text_.size(), Byte()));
        break;
      case 6:
        Frame("");
        break;
      case 7: {
        const uint8_t how = Byte();
        Finish(disk);
        source_ = {};
        source_.listed = (sources_.empty() || sources_.back().listed) && how % 2 == 0;
        text_ = how % 8 < 6 ? std::string(FormatFileHeader({Id()}).view()) : "";
        if (how % 16 == 2) source_.id = Id();
        break;
      }
      default:
        Frame(Bytes(Byte()));
    }
  }

  void Finish(sim::SimulatedFileSystem& disk) {
    source_.path = "/f" + std::to_string(sources_.size());
    disk.SetContents(source_.path, text_);
    sources_.push_back(source_);
  }

  std::string_view rest_;
  std::string text_;
  LogSource source_;
  std::vector<LogSource> sources_;
  uint64_t number_ = 1;
  uint64_t synced_ = 0;
};

struct Contents {
  std::vector<std::string> commands;
  std::string verdict;
  Kind kind = Kind::kSound;
  bool operator==(const Contents&) const = default;
};

Contents ReadAll(LogReader& reader) {
  Contents contents;
  LogBatch batch;
  while (true) {
    const auto more = reader.Next(batch);
    if (!more) {
      HF_CHECK(more.error().code == ErrorCode::kUnsupported);
      contents.verdict = more.error().message;
      contents.kind = Kind::kDamage;
      return contents;
    }
    if (!*more) break;
    HF_CHECK(!batch.groups.empty());
    for (const LogGroup& group : batch.groups) {
      HF_CHECK(group.command_count > 0 && group.frame < batch.frames.size());
      contents.commands.push_back("group");
      for (const LogCommand& command : batch.Commands(group)) {
        std::string text = std::to_string(command.database);
        for (const std::string_view arg : batch.Args(command)) (text += ' ') += arg;
        contents.commands.push_back(std::move(text));
      }
    }
  }
  contents.kind = reader.verdict().kind;
  contents.verdict = reader.verdict().Text();
  return contents;
}

void CheckCut(sim::SimulatedFileSystem& disk, const LogReader& reader, const Contents& contents) {
  const bool torn_or_sound = contents.kind == Kind::kSound || contents.kind == Kind::kTorn;
  const auto end = torn_or_sound ? CutTornEnd(disk, reader) : CutBack(disk, reader, {});
  if (!end) {
    HF_CHECK(!torn_or_sound && end.error().code == ErrorCode::kInvalidArgument);
    return;
  }
  std::vector<LogSource> left;
  for (LogSource source : reader.sources()) {
    if (!disk.Contents(source.path)) continue;  // removed
    if (disk.Contents(source.path)->empty()) source.id.reset();
    left.push_back(std::move(source));
  }
  LogReader again(disk, left);
  const Contents after = ReadAll(again);
  HF_CHECK(after.kind == Kind::kSound);
  HF_CHECK(after.commands == contents.commands);
  uint64_t bytes = 0;
  for (const LogSourceState& state : again.states()) {
    HF_CHECK(state.end == state.size);
    bytes += state.size;
  }
  HF_CHECK(bytes == end->log_bytes);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  sim::SimulatedFileSystem disk;
  const std::vector<LogSource> sources = Recipe(data, size).Make(disk);
  LogReader whole(disk, sources);
  const Contents contents = ReadAll(whole);
  LogReader pieces(disk, sources, {.piece_bytes = kMaxAnnotationBytes});
  HF_CHECK(ReadAll(pieces) == contents);
  LogReader timed(disk, sources, {.until_ms = 1003});
  HF_CHECK(ReadAll(timed).commands.size() <= contents.commands.size());
  if (!whole.states().empty() && contents.verdict.find("does not read") == std::string::npos &&
      contents.verdict.find("this program reads") == std::string::npos) {
    CheckCut(disk, whole, contents);
  }
  return 0;
}
