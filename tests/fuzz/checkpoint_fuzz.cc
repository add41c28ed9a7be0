// Fuzzes the metadata of a checkpoint: any bytes are read or refused with one line; what was read
// keeps its rules and is written again the same. Input that begins with '!' gets a right checksum,
// so that the fuzzer gets behind it.
// Files under test: snapshot/checkpoint_format.cc snapshot/checkpoint.cc
#include <cstddef>
#include <cstdint>
#include <string>

#include "aof/crc32c.h"
#include "aof/log_recovery.h"
#include "holdfast/check.h"
#include "snapshot/byte_coding.h"
#include "snapshot/checkpoint.h"
#include "tests/sim/simulated_file_system.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace holdfast;            // NOLINT(google-build-using-namespace)
  using namespace holdfast::snapshot;  // NOLINT(google-build-using-namespace)
  std::string bytes(reinterpret_cast<const char*>(data), size);
  if (bytes.starts_with('!')) {
    bytes.erase(0, 1);
    AppendFixed(bytes, aof::Crc32c(0, bytes), sizeof(uint32_t));
  }
  sim::SimulatedFileSystem disk;
  disk.SetContents("d/c/HOLDFAST", bytes);
  disk.SetContents("d/c/CURRENT", "content");
  const auto metadata = ParseCheckpoint(bytes, "d/c");
  const auto from_disk = ReadCheckpoint(disk, "d/c");
  if (!metadata) {
    HF_CHECK(metadata.error().message.find('\n') == std::string::npos);
    HF_CHECK(!from_disk && from_disk.error().message == metadata.error().message);
    return 0;
  }
  HF_CHECK(FormatCheckpoint(*metadata) == bytes);
  HF_CHECK(metadata->cut_frame + 1 != 0 && metadata->cut_ms >= 0);
  for (const CheckpointDatabase& database : metadata->databases)
    HF_CHECK(database.shards.size() == metadata->shards && database.space < metadata->next_space);
  for (const CheckpointFileEntry& file : metadata->files)
    HF_CHECK(file.name.find('/') == std::string::npos);
  aof::LogLocation location;
  location.directory = "d";
  location.has_manifest = true;
  location.manifest.hash_key = aof::HashKey{};
  location.checkpoint = aof::CheckpointEntry{.name = "c", .sequence = 1, .id = metadata->id};
  const auto point = FindRecoveryPoint(disk, location);
  HF_CHECK(!point || (*point)->first_frame == metadata->cut_frame + 1);
  // Whatever list it has, only one that names what is there is taken.
  if (from_disk) HF_CHECK(*from_disk == *metadata);
  HF_CHECK(SealCheckpoint(disk, "d/c", *metadata).has_value());
  const auto sealed = ReadCheckpoint(disk, "d/c");
  HF_CHECK(sealed && sealed->files.size() == 1 && sealed->databases == metadata->databases);
  return 0;
}
