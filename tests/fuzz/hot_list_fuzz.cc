// Fuzzes hot lists: any bytes are read or refused with one line; what was read keeps its rules and
// is written again as the same keys. Input that begins with '!' gets its checksums from here, so
// that the fuzzer gets behind them.
// Files under test: snapshot/hot_list.cc
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "aof/crc32c.h"
#include "holdfast/check.h"
#include "snapshot/byte_coding.h"
#include "snapshot/hot_list.h"
#include "tests/sim/simulated_file_system.h"

namespace {

using namespace holdfast;            // NOLINT(google-build-using-namespace)
using namespace holdfast::snapshot;  // NOLINT(google-build-using-namespace)

// `bare` is a list without its checksums.
std::string WithChecksums(std::string_view bare) {
  constexpr size_t kHead = 20;
  constexpr size_t kRunHead = 13;
  constexpr size_t kEnd = 9;
  std::string out;
  uint32_t crc = 0;
  for (size_t size = kHead; !bare.empty();) {
    size = std::min(size, bare.size());
    crc = aof::Crc32c(crc, bare.substr(0, size));
    out += bare.substr(0, size);
    AppendFixed(out, crc, sizeof(crc));
    bare.remove_prefix(size);
    size = kEnd;
    if (bare.size() < kRunHead || bare[0] == '\xff') continue;
    uint64_t length = 0;
    HF_CHECK(ByteParser(bare.substr(9)).Fixed(length, 4));
    size = kRunHead + length;
  }
  return out;
}

using Keys = std::map<std::pair<SpaceId, memtable::KeyOrder>, uint8_t>;

Keys ReadAll(HotListReader& reader) {
  Keys all;
  for (const HotRun& run : reader.runs()) {
    std::vector<HotKey> keys;
    HF_CHECK(reader.Read(run, keys).has_value() && keys.size() == run.keys);
    memtable::KeyOrder last = 0;
    for (const HotKey& key : keys) {
      HF_CHECK(key.order < memtable::kOrderEnd && (key.order > last || &key == keys.data()));
      HF_CHECK(HotClassOf(key.rank) == run.hot_class);
      uint8_t& rank = all[{run.space, key.order}];
      rank = std::max(rank, key.rank);
      last = key.order;
    }
  }
  return all;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string bytes(reinterpret_cast<const char*>(data), size);
  if (bytes.starts_with('!')) bytes = WithChecksums(std::string_view(bytes).substr(1));
  sim::SimulatedFileSystem disk;
  disk.SetContents("d/HOTLIST", bytes);
  auto reader = HotListReader::Open(disk, "d/HOTLIST");
  if (!reader) {
    HF_CHECK(reader.error().message.find('\n') == std::string::npos);
    HF_CHECK(!CopyHotList(disk, "d/HOTLIST", "d/copy").has_value());
    return 0;
  }
  const Keys all = ReadAll(**reader);
  HF_CHECK((*reader)->keys() >= all.size());
  auto writer = HotListWriter::Create(disk, "d/again", (*reader)->made_ms());
  HF_CHECK(writer.has_value());
  std::map<SpaceId, std::vector<HotKey>> by_space;
  for (const auto& [key, rank] : all) by_space[key.first].push_back({key.second, rank});
  for (auto& [space, keys] : by_space) HF_CHECK((*writer)->Add(space, keys).has_value());
  HF_CHECK((*writer)->Finish().has_value() && (*writer)->keys() == all.size());
  auto again = HotListReader::Open(disk, "d/again");
  HF_CHECK(again.has_value() && (*again)->keys() == all.size());
  HF_CHECK(ReadAll(**again) == all);
  return 0;
}
