// How a test goes on with a log that a writer of log_fixture.h left on a disk.
#pragma once

#include <string>
#include <vector>

#include "aof/log_recovery.h"
#include "tests/unit/aof/log_fixture.h"

namespace holdfast::aof {

// The listed files, then those that follow by name.
inline std::vector<LogSource> SourcesOn(FileSystem& disk) {
  std::vector<LogSource> sources;
  const TestCatalog catalog(disk);
  for (size_t n = 1;; ++n) {
    const std::string path = std::string(kLogDirectory) + "/" + TestCatalog::Name(n);
    const bool listed = n <= catalog.Count();
    if (!listed && !disk.Exists(path).value_or(false)) break;
    sources.push_back({path, false, listed, std::nullopt});
  }
  return sources;
}

}  // namespace holdfast::aof
