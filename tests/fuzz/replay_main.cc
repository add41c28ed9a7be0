// Runs a fuzz target over its seeds: the files of each folder given. It is how tools/test replays
// every seed, and every input that a fuzzer once failed on, without a fuzzer.
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

int main(int argc, char** argv) {
  size_t count = 0;
  for (int i = 1; i < argc; ++i) {
    for (const auto& entry : std::filesystem::directory_iterator(argv[i])) {
      std::ifstream file(entry.path(), std::ios::binary);
      const std::string seed((std::istreambuf_iterator<char>(file)),
                             std::istreambuf_iterator<char>());
      // Named first, so that a crash says which seed it was.
      std::fprintf(stderr, "seed %s\n", entry.path().c_str());
      LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(seed.data()), seed.size());
      ++count;
    }
  }
  std::fprintf(stderr, "%zu seeds\n", count);
  return count > 0 ? 0 : 1;
}
