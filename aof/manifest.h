// The manifest: which files make up the log, in Redis 7's syntax, so that redis-server reads it as
// it is. What Redis has no place for stands in lines that begin with '#', which it skips:
//
//   #HF:v=1,key=00112233445566778899aabbccddeeff
//   #HF:id=0123456789abcdef
//   file appendonly.aof.1.base.aof seq 1 type b
//   #HF:id=89abcdef01234567
//   file appendonly.aof.1.incr.aof seq 1 type i
//   #HF:end,h=1a2b3c4d
//
// Once there was a snapshot, checkpoints stand in the place of the base, in lines at which
// redis-server stops: it cannot load them, and must not serve what came after them alone.
//
//   #HF:id=0123456789abcdef
//   file appendonly.aof.1.checkpoint seq 1 type c log 2
//
// docs/formats.md, "Manifest", has every byte. Values and plain functions: any thread. Errors name
// the file and the line: kNotFound, kCorruption (garbled or half-written), kUnsupported (a newer
// version), kIoError.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "holdfast/file_system.h"
#include "holdfast/result.h"

namespace holdfast::aof {

inline constexpr uint32_t kManifestVersion = 1;  // stored on disk: never renumber

// Stored on disk: never renumber.
enum class LogFileType : char {
  kBase = 'b',         // the data set as of a cut
  kHistory = 'h',      // superseded, may be removed
  kIncremental = 'i',  // what came after
  kCheckpoint = 'c',   // a directory: the data set as of a cut; redis-server stops at it
};

struct LogFileEntry {
  std::string name;  // without a directory
  int64_t sequence = 0;
  LogFileType type = LogFileType::kIncremental;
  std::optional<uint64_t> id;  // of its header line; none: written by Redis
  bool operator==(const LogFileEntry&) const = default;
};

// A snapshot that is kept (snapshot/checkpoint.h).
struct CheckpointEntry {
  std::string name;  // of its directory, beside the manifest
  int64_t sequence = 0;
  uint64_t id = 0;  // as its metadata says
  // Number of the first incremental file after its cut; none: no log was kept then.
  std::optional<int64_t> log_sequence = std::nullopt;
  bool operator==(const CheckpointEntry&) const = default;
};

// Random, made once per data set: seeds the order of keys.
using HashKey = std::array<uint8_t, 16>;

struct Manifest {
  std::optional<HashKey> hash_key;   // none: written by Redis
  std::optional<LogFileEntry> base;  // none beside checkpoints
  // Oldest first; the newest is the data set, with the log since its cut. The others are kept for a
  // restore.
  std::vector<CheckpointEntry> checkpoints;
  std::vector<LogFileEntry> history;
  std::vector<LogFileEntry> incremental;  // ascending sequence
  bool operator==(const Manifest&) const = default;

  // Where in `incremental` the log since the cut of a checkpoint begins; its size: nowhere. Not
  // further than that of a newer checkpoint.
  size_t FirstLogOf(const CheckpointEntry& checkpoint) const;
};

// `path` is only for messages.
Result<Manifest> ParseManifest(std::string_view text, const std::string& path);
// kInvalidArgument if a name is too long for a line of Redis's manifest. Annotations, ids among
// them, are written if there is a hash key; without one no entry may have an id.
Result<std::string> FormatManifest(const Manifest& manifest);

Result<Manifest> ReadManifest(FileSystem& fs, const std::string& path);
// Atomic: a temporary file beside it, synced, renamed, directory synced. After an error in the last
// two steps either the old or the new one may be found: repeat it before anything is removed.
Status WriteManifest(FileSystem& fs, const std::string& path, const Manifest& manifest);

// Redis's names, from appendfilename ("appendonly.aof").
std::string BaseFileName(std::string_view append_filename, int64_t sequence);
std::string IncrementalFileName(std::string_view append_filename, int64_t sequence);
std::string ManifestFileName(std::string_view append_filename);
// The metadata file in the directory of a checkpoint.
inline constexpr std::string_view kCheckpointFile = "HOLDFAST";  // stored on disk: never change
// "<append_filename>.7.checkpoint": the name of the log in it keeps two logs in one directory
// apart.
std::string CheckpointName(std::string_view append_filename, int64_t sequence);

std::string JoinPath(std::string_view directory, std::string_view name);
// "" becomes ".".
std::string DirectoryOf(std::string_view path);

}  // namespace holdfast::aof
