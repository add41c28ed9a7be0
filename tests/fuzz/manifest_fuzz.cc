// Fuzzes the manifest: any text is read or refused with one line; what was read is written and read
// again the same. Input that begins with '!' gets a right end line, so that the fuzzer gets behind
// the checksum.
// Files under test: aof/manifest.cc
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "aof/crc32c.h"
#include "aof/manifest.h"
#include "holdfast/check.h"
#include "tests/sim/simulated_file_system.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace holdfast;  // NOLINT(google-build-using-namespace)
  std::string text(reinterpret_cast<const char*>(data), size);
  if (text.starts_with('!')) {
    text.erase(0, 1);
    constexpr char kDigits[] = "0123456789abcdef";
    const uint32_t crc = aof::Crc32c(0, text);
    text += "#HF:end,h=";
    for (int shift = 28; shift >= 0; shift -= 4) text += kDigits[crc >> shift & 15];
    text += '\n';
  }
  const auto manifest = aof::ParseManifest(text, "m");
  if (!manifest) {
    HF_CHECK(manifest.error().message.find('\n') == std::string::npos);
    return 0;
  }
  const auto written = aof::FormatManifest(*manifest);
  if (!written) {
    HF_CHECK(written.error().code == ErrorCode::kInvalidArgument);
    return 0;
  }
  if (written->empty()) return 0;  // only remarks: nothing to write
  HF_CHECK(aof::ParseManifest(*written, "m") == *manifest);
  sim::SimulatedFileSystem disk;
  disk.SetContents("d/m", text);
  HF_CHECK(aof::ReadManifest(disk, "d/m") == *manifest);
  HF_CHECK(aof::WriteManifest(disk, "d/m", *manifest).has_value());
  HF_CHECK(disk.Contents("d/m") == *written);
  return 0;
}
