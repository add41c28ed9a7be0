#include "aof/log_target.h"

#include <fmt/core.h>

#include <algorithm>
#include <string_view>
#include <vector>

namespace holdfast::aof {
namespace {

constexpr std::string_view kManifestEnd = ".manifest";

std::string FileNameOf(const std::string& path) { return path.substr(path.rfind('/') + 1); }

Result<std::string> Head(FileSystem& fs, const std::string& path) {
  const auto file = HF_TRY(fs.Open(path, {}));
  std::string head(2 * kMaxAnnotationBytes, '\0');
  head.resize(HF_TRY(file->ReadAt(0, head)));
  return head;
}

Result<LogTarget> OfManifest(FileSystem& fs, const std::string& path) {
  LogTarget target;
  const std::string name = FileNameOf(path);
  std::string append_filename;
  if (name.ends_with(kManifestEnd)) {
    append_filename = name.substr(0, name.size() - kManifestEnd.size());
  }
  target.location.directory = DirectoryOf(path);
  target.location.manifest_path = path;
  target.location.has_manifest = true;
  target.location.manifest = HF_TRY(ReadManifest(fs, path));
  if (!target.location.manifest.checkpoints.empty())
    target.location.checkpoint = target.location.manifest.checkpoints.back();
  target.location.sources =
      HF_TRY(SourcesOf(fs, target.location.manifest, target.location.directory, append_filename));
  return target;
}

// One file by itself: what came before it is not known, so its own first number is taken.
Result<LogTarget> OfFile(FileSystem& fs, const std::string& path) {
  LogTarget target;
  target.location.directory = DirectoryOf(path);
  const bool base = FileNameOf(path).find(".base.") != std::string::npos;
  target.location.sources.push_back({path, base, true, std::nullopt});
  if (base) return target;
  const std::string head = HF_TRY(Head(fs, path));
  const auto file = ParseFileHeader(head);
  if (!file) return target;
  const auto frame =
      ParseFrameHeader(std::string_view(head).substr(file->line_bytes), file->header.file_id);
  if (frame && frame->header.number > 0) target.first_frame = frame->header.number;
  return target;
}

bool LooksLikeManifest(const std::string& path, std::string_view head) {
  return path.ends_with(kManifestEnd) || head.starts_with("file ") ||
         head.starts_with("#HF:v=1,key=");
}

Result<std::vector<std::string>> ManifestsIn(FileSystem& fs, const std::string& directory) {
  std::vector<std::string> found;
  for (const std::string& name : HF_TRY(fs.List(directory))) {
    if (name.ends_with(kManifestEnd) && !name.starts_with("temp-")) {
      found.push_back(JoinPath(directory, name));
    }
  }
  return found;
}

// A data directory holds the manifest one level down, in appenddirname; before Redis 7, or with
// appendonly just turned off, a single file.
Result<LogTarget> OfDirectory(FileSystem& fs, const std::string& directory) {
  if (HF_TRY(fs.Exists(JoinPath(directory, kCheckpointFile)))) {
    LogTarget target;
    target.checkpoint = directory;
    return target;
  }
  std::vector<std::string> found = HF_TRY(ManifestsIn(fs, directory));
  if (found.empty()) {
    for (const std::string& name : HF_TRY(fs.List(directory))) {
      const std::string path = JoinPath(directory, name);
      if (!HF_TRY(fs.IsDirectory(path))) continue;
      for (std::string& manifest : HF_TRY(ManifestsIn(fs, path))) {
        found.push_back(std::move(manifest));
      }
    }
  }
  std::ranges::sort(found);
  if (found.size() > 1) {
    return MakeError(ErrorCode::kInvalidArgument,
                     fmt::format("{} holds more than one manifest: give one of {} and {}",
                                 directory, found[0], found[1]));
  }
  if (found.size() == 1) return OfManifest(fs, found.front());
  for (const char* name : {"appendonly.aof", "dump.rdb"}) {
    const std::string single = JoinPath(directory, name);
    if (HF_TRY(fs.Exists(single)) && !HF_TRY(fs.IsDirectory(single))) return OfFile(fs, single);
  }
  return MakeError(
      ErrorCode::kNotFound,
      fmt::format("{} holds no manifest, no appendonly.aof and no dump.rdb", directory));
}

}  // namespace

Result<LogTarget> FindLog(FileSystem& fs, const std::string& path) {
  if (HF_TRY(fs.IsDirectory(path))) return OfDirectory(fs, path);
  return LooksLikeManifest(path, HF_TRY(Head(fs, path))) ? OfManifest(fs, path) : OfFile(fs, path);
}

}  // namespace holdfast::aof
