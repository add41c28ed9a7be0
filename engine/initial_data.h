// Where the first data of a store comes from: a dump.rdb or a log of Redis's (or ours), named by
// the parameter `import` or lying in the data directory as `dbfilename`. Plain function; one
// thread.
//
// The data is read once, by a store with a tier in bounded memory; then a base or checkpoint of our
// own is written and listed before anybody is served. Until that one rename the data directory
// holds no data set, so a crash at any moment before it means that the next start begins again.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "aof/log_reader.h"
#include "engine/config/config.h"
#include "holdfast/file_system.h"

namespace holdfast {

struct InitialData {
  std::string path;  // as a person knows it
  std::vector<aof::LogSource> sources;
};

// None: nothing is there, or nothing but the log (`has_log`) of the directory itself. Errors, in
// words for an operator: kInvalidArgument if `import` is set although there is a data set, or names
// two of them, kCorruption if the file is no RDB file, kNotFound, kIoError.
Result<std::optional<InitialData>> FindInitialData(FileSystem& files, const config::Config& config,
                                                   bool has_log);

}  // namespace holdfast
