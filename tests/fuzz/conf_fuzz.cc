// A conf file of any bytes: it loads or is refused with a line that says where. What loaded is
// rewritten, and the rewritten file loads to the same values and is rewritten to itself. The bytes
// also stand for a command line, one argument a line.
// Files under test: engine/config/conf_file.cc engine/config/conf_line.cc
// engine/config/conf_rewrite.cc
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/config/conf_file.h"
#include "engine/config/conf_rewrite.h"
#include "holdfast/check.h"
#include "tests/sim/simulated_file_system.h"

namespace {

using namespace holdfast;
using namespace holdfast::config;

bool Load(Config& config, std::string_view text) {
  sim::SimulatedFileSystem disk;
  disk.SetContents("/etc/one.conf", "timeout 1\n");
  disk.SetContents("/etc/loop.conf", "include /etc/*.conf\n");
  const auto loaded = LoadText(config, disk, text, "fuzz.conf");
  if (loaded) return true;
  HF_CHECK(!loaded.error().reason.empty());
  HF_CHECK(loaded.error().Line().find(':') != std::string::npos);
  HF_CHECK(loaded.error().Block("Holdfast").find(">>>") != std::string::npos);
  return false;
}

void CheckRewrite(std::string_view text) {
  Config config;
  if (!Load(config, text)) return;
  sim::SimulatedFileSystem disk;
  disk.SetContents("/etc/fuzz.conf", text);
  config.SetConfPath("/etc/fuzz.conf");
  HF_CHECK(RewriteConfFile(config, disk));
  const std::string rewritten = disk.Contents("/etc/fuzz.conf").value();
  Config again;
  HF_CHECK(Load(again, rewritten));
  for (size_t i = 0; i < kRowCount; ++i) HF_CHECK(again.ValueAt(i) == config.ValueAt(i));
  HF_CHECK(RewriteText(again, rewritten) == rewritten);
}

void CheckCommandLine(std::string_view text) {
  std::vector<std::string_view> arguments;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    arguments.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  const CommandLine line = ParseCommandLine(arguments);
  sim::SimulatedFileSystem disk;
  Config config;
  const auto loaded = LoadConfiguration(config, disk, line, text);
  HF_CHECK(loaded || !loaded.error().Line().empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  CheckRewrite(text);
  CheckCommandLine(text);
  return 0;
}
