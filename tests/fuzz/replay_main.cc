// Runs a fuzz target over files instead of under libFuzzer: each seed, each of its prefixes, and
// each with one byte changed (a few hundred inputs a seed). So tools/test guards what fuzzing once
// found.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

constexpr size_t kVariants = 256;

// From a buffer of exactly that size, so that a read past the end is one of the allocation.
void Run(const std::vector<uint8_t>& input) {
  const std::vector<uint8_t> exact(input.begin(), input.end());
  LLVMFuzzerTestOneInput(exact.data(), exact.size());
}

void Replay(const std::vector<uint8_t>& seed) {
  Run(seed);
  const size_t step = std::max<size_t>(1, seed.size() / kVariants);
  for (size_t at = 0; at < seed.size(); at += step) {
    Run({seed.begin(), seed.begin() + static_cast<ptrdiff_t>(at)});
    std::vector<uint8_t> changed = seed;
    changed[at] = static_cast<uint8_t>(changed[at] ^ (1U << (at % 8)));
    Run(changed);
  }
}

std::vector<uint8_t> ReadFile(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

}  // namespace

int main(int count, char** arguments) {
  size_t replayed = 0;
  for (int i = 1; i < count; ++i) {
    std::error_code error;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(arguments[i], error)) {
      if (!entry.is_regular_file()) continue;
      // Named first, so that a crash says which seed it was.
      std::fprintf(stderr, "seed %s\n", entry.path().c_str());
      Replay(ReadFile(entry.path()));
      ++replayed;
    }
    if (error) std::fprintf(stderr, "%s: %s\n", arguments[i], error.message().c_str());
  }
  std::printf("%zu seeds replayed\n", replayed);
  return replayed > 0 ? 0 : 1;
}
