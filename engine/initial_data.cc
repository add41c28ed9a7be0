#include "engine/initial_data.h"

#include <fmt/core.h>

#include <array>

#include "aof/log_target.h"
#include "aof/preamble.h"

namespace holdfast {
namespace {

constexpr char kRedisDump[] = "dump.rdb";

Result<bool> IsFile(FileSystem& files, const std::string& path) {
  return HF_TRY(files.Exists(path)) && !HF_TRY(files.IsDirectory(path));
}

// Which of two data sets is the newer one only a person knows.
Status CheckOneDataSet(FileSystem& files, const aof::LogTarget& found, const std::string& path) {
  if (!HF_TRY(files.IsDirectory(path))) return {};
  const std::string dump = aof::JoinPath(path, kRedisDump);
  const std::string& first = found.location.sources.empty() ? found.location.manifest_path
                                                            : found.location.sources.front().path;
  if (first == dump || !HF_TRY(IsFile(files, dump))) return {};
  const std::string& log = found.location.has_manifest ? found.location.manifest_path : first;
  return MakeError(ErrorCode::kInvalidArgument,
                   fmt::format("import {}: it holds two data sets, {} and {}: name one of them",
                               path, dump, log));
}

Result<InitialData> FindImport(FileSystem& files, const std::string& path) {
  if (!HF_TRY(files.Exists(path)))
    return MakeError(ErrorCode::kNotFound, fmt::format("import {}: there is no such file", path));
  aof::LogTarget found = HF_TRY(aof::FindLog(files, path));
  if (found.location.checkpoint || !found.checkpoint.empty()) {
    return MakeError(ErrorCode::kUnsupported,
                     fmt::format("import {}: it is, or has, a checkpoint: import what aof-check "
                                 "--export makes of it",
                                 path));
  }
  HF_TRY_STATUS(CheckOneDataSet(files, found, path));
  const std::vector<aof::LogSource>& sources = found.location.sources;
  uint64_t bytes = 0;
  for (const aof::LogSource& source : sources) {
    const auto file = HF_TRY(files.Open(source.path, {}));
    bytes += HF_TRY(file->Size());
  }
  if (bytes == 0)
    return MakeError(ErrorCode::kInvalidArgument,
                     fmt::format("import {}: there is nothing in it", path));
  return InitialData{.path = path, .sources = sources};
}

// As a Redis that was pointed at the directory would take it.
Result<std::optional<InitialData>> FindDump(FileSystem& files, const std::string& path) {
  if (!HF_TRY(IsFile(files, path))) return std::nullopt;
  std::array<char, aof::kPreambleStartBytes> head;
  const auto file = HF_TRY(files.Open(path, {}));
  if (!aof::BeginsPreamble({head.data(), HF_TRY(file->ReadAt(0, head))})) {
    return MakeError(
        ErrorCode::kCorruption,
        fmt::format("{} is not an RDB file; to start without its data move it away, or "
                    "set dbfilename to another name",
                    path));
  }
  return InitialData{
      .path = path, .sources = {{.path = path, .base = false, .listed = true, .id = std::nullopt}}};
}

}  // namespace

Result<std::optional<InitialData>> FindInitialData(FileSystem& files, const config::Config& config,
                                                   bool has_log) {
  const std::string directory = config.Text("dir");
  const std::string import = config.Text("import");
  if (!import.empty() && has_log) {
    return MakeError(ErrorCode::kInvalidArgument,
                     fmt::format("import {}: {} holds a data set already; start without import to "
                                 "use it, or give an empty dir",
                                 import, aof::JoinPath(directory, config.Text("appenddirname"))));
  }
  if (!import.empty()) return HF_TRY(FindImport(files, import));
  const std::string dump = config.Text("dbfilename");
  if (has_log || dump.empty()) return std::nullopt;
  return FindDump(files, aof::JoinPath(directory, dump));
}

}  // namespace holdfast
