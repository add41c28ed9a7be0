// RDB files: as they come, and with a right checksum put on, so that what stands behind the check
// is reached; through the reader, and as the beginning of a log through recovery's reader and
// aof-check. What is read says where it ends, what is refused says where and why, and no batch
// outgrows its bounds. Files under test: snapshot/rdb_reader.cc snapshot/rdb_file_source.cc
// snapshot/rdb_preamble.cc
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "aof/checker.h"
#include "aof/log_reader.h"
#include "aof/preamble.h"
#include "holdfast/check.h"
#include "memtable/payload.h"
#include "memtable/rdb_encoding.h"
#include "snapshot/rdb_preamble.h"
#include "snapshot/rdb_reader.h"
#include "tests/sim/simulated_file_system.h"

namespace {

using namespace holdfast;            // NOLINT(google-build-using-namespace)
using namespace holdfast::snapshot;  // NOLINT(google-build-using-namespace)

class Console final : public aof::CheckConsole {
 public:
  void Print(std::string_view line) override { Check(line); }
  void PrintError(std::string_view line) override { Check(line); }
  void Progress(uint64_t done_bytes, uint64_t all_bytes) override {
    HF_CHECK(done_bytes <= all_bytes);
  }
  bool Confirm(const std::string&) override { return true; }

 private:
  // Nothing from a file reaches a terminal as it is.
  static void Check(std::string_view text) {
    for (const char c : text) HF_CHECK((c >= ' ' && c <= '~') || c == '\n');
  }
};

// Number of keys, if it can be read to its end.
Result<uint64_t> ReadAlone(FileSystem& disk, uint64_t piece_bytes) {
  const auto file = HF_TRY(disk.Open("/f", {}));
  const uint64_t size = HF_TRY(file->Size());
  const auto reader = HF_TRY(RdbReader::Open(*file, size, piece_bytes));
  RdbEntry entry;
  uint64_t keys = 0;
  uint64_t offset = 0;
  while (true) {
    const auto more = reader->Next(entry);
    HF_CHECK(reader->offset() >= offset && reader->offset() <= size);
    offset = reader->offset();
    if (!more) {
      HF_CHECK(!more.error().message.empty() && more.error().code != ErrorCode::kIoError);
      return std::unexpected(more.error());
    }
    if (!*more) return keys;
    ++keys;
  }
}

void Check(std::string_view text) {
  sim::SimulatedFileSystem disk;
  disk.SetContents("/f", text);
  const auto keys = ReadAlone(disk, RdbReader::kPieceBytes);
  const auto in_pieces = ReadAlone(disk, 1 + text.size() % 100);
  HF_CHECK(keys.has_value() == in_pieces.has_value());
  HF_CHECK(keys ? *keys == *in_pieces : keys.error().message == in_pieces.error().message);
  RdbCounts counts;
  aof::LogReader reader(disk, {{"/f", true, true, std::nullopt}},
                        {.piece_bytes = 256, .open_preamble = RdbPreambles({.counts = &counts})});
  aof::LogBatch batch;
  auto more = reader.Next(batch);
  for (; more && *more; more = reader.Next(batch)) {
    HF_CHECK(batch.groups.size() <= (1 << 14) && batch.held_bytes() < (1 << 23));
  }
  if (keys) HF_CHECK(counts.loaded == *keys && reader.states()[0].end > 0);
  if (!keys && aof::BeginsPreamble(text))
    HF_CHECK(!more || reader.verdict().kind == aof::LogVerdict::Kind::kDamage);
  Console console;
  const std::string_view export_it[] = {"--export", "/out", "/f"};
  const std::string_view fix_it[] = {"--fix", "--yes", "--json", "/f"};
  const int exported = aof::RunAofCheck(disk, export_it, console, RdbPreambles());
  HF_CHECK(disk.Contents("/out").has_value() == (exported == aof::kCheckSound) ||
           exported == aof::kCheckDamaged);
  const int fixed = aof::RunAofCheck(disk, fix_it, console, RdbPreambles());
  if (fixed == aof::kCheckSound) {
    const std::string_view again[] = {"/f"};
    HF_CHECK(aof::RunAofCheck(disk, again, console, RdbPreambles()) == aof::kCheckSound);
  }
}

// As part of a string that is longer than a piece, and behind it.
void CheckAroundLongString(std::string_view input) {
  constexpr size_t kLong = 70'000;
  std::string text = "REDIS0010";
  memtable::RdbEncoder encoder(text);
  encoder.PutByte(static_cast<uint8_t>(memtable::RdbType::kString));
  encoder.PutString("key", false);
  encoder.PutLength(kLong + input.size());
  text.append(kLong, 'x');
  text += input;
  text += input;
  sim::SimulatedFileSystem disk;
  disk.SetContents("/f", text);
  const auto whole = ReadAlone(disk, RdbReader::kPieceBytes);
  const auto in_pieces = ReadAlone(disk, 1000);
  HF_CHECK(whole.has_value() == in_pieces.has_value());
  HF_CHECK(whole ? *whole == *in_pieces : whole.error().message == in_pieces.error().message);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  Check(input);
  CheckAroundLongString(input);
  std::string ended = "REDIS0012";
  ended += input.substr(0, size - size / 8);
  ended += '\xff';
  const uint64_t crc = memtable::Crc64(0, ended);
  for (int i = 0; i < 8; ++i) ended.push_back(static_cast<char>(crc >> (8 * i)));
  Check(ended);
  // The rest of the input goes on behind it, as commands may.
  ended += input.substr(size - size / 8);
  Check(ended);
  return 0;
}
