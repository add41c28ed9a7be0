// What recovery does to the files of a log after it was read, before new writes are accepted: cut
// the torn end, make sure that what was read is on the disk, remove what lies behind the cut. And
// where a log is found.
//
// Used by one thread while it holds the lock of the data directory. Idempotent: after a crash in
// the middle, reading and cutting again comes to the same end. An Error means that it must be done
// again before anything is written.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "aof/log_files.h"
#include "aof/log_reader.h"
#include "aof/manifest.h"
#include "holdfast/file_system.h"

namespace holdfast::aof {

struct LogLocation {
  std::string directory;  // of the log files
  std::string manifest_path;
  bool has_manifest = false;
  Manifest manifest;
  // What `sources` go on from; none: from nothing. Its directory lies in `directory`; its metadata
  // has the number of the frame before them (LogReadOptions::first_frame).
  std::optional<CheckpointEntry> checkpoint;
  // In the order of reading: base, incremental files, then files that follow them by name but were
  // not listed yet when the process ended. Empty: a new log.
  std::vector<LogSource> sources;
};

// Finds the log of a data directory: <data>/<append_dirname>/<append_filename>.manifest, or else
// the single file of Redis before 7, <data>/<append_filename>. Errors: what ReadManifest gives, and
// kCorruption if there are log files but no manifest.
Result<LogLocation> LocateLog(FileSystem& fs, const std::string& data_directory,
                              const std::string& append_dirname,
                              const std::string& append_filename);

// The sources of a manifest in `directory`: since its newest checkpoint, or since the one of its
// checkpoints that is given. Files that follow by name are looked for with `append_filename` unless
// it is empty.
Result<std::vector<LogSource>> SourcesOf(FileSystem& fs, const Manifest& manifest,
                                         const std::string& directory,
                                         const std::string& append_filename,
                                         const CheckpointEntry* since = nullptr);

// Where a writer goes on.
struct LogEnd {
  // The newest file, if a writer may go on in it: ours, without commands outside frames. It is cut
  // to `size` and synced.
  std::optional<size_t> source;
  uint64_t file_id = 0;
  uint64_t size = 0;
  bool closed = false;  // it ends with a closing frame
  uint64_t next_frame = 1;
  uint64_t term = 0;
  uint64_t log_bytes = 0;               // of all files
  std::vector<size_t> to_list;          // unlisted sources that are part of the log now
  std::vector<std::string> side_files;  // where what was cut away is kept
};

// `reader` came to its end with kSound or kTorn. Saves what is cut away, if it is not zeros, in
// <file>.torn-<offset>-<crc32c>, cuts, writes frames that nobody says were synced once more (after
// a failed sync Linux keeps such pages readable but never writes them), syncs, removes later files.
Result<LogEnd> CutTornEnd(FileSystem& fs, const LogReader& reader);

// The same for the writer. `sources` are the ones that were read.
LogStart StartAt(const LogEnd& end, const std::vector<LogSource>& sources);

// For a person who decided so: the same at any verdict, damage and listed files included, with side
// files <file>.cut-<offset>-<crc32c>. The manifest, if there is one, is written before files go.
// Checkpoints newer than the location's go with what they held.
// kInvalidArgument, with nothing done, if no file would be left or CheckCuttable says so.
Result<LogEnd> CutBack(FileSystem& fs, const LogReader& reader, const LogLocation& location);

// kInvalidArgument if the damage lies in a preamble.
Status CheckCuttable(const LogReader& reader);

// Copies [from, to) of a file into <path>.<kind>-<from>-<crc32c>, without zeros at its end,
// durably. The path of the copy; empty if there were only zeros.
Result<std::string> SaveSideFile(FileSystem& fs, const std::string& path, std::string_view kind,
                                 uint64_t from, uint64_t to);

// Removes what writers that crashed left under names that begin with temp-<append_filename>.
Status RemoveTemporaryFiles(FileSystem& fs, const std::string& directory,
                            const std::string& append_filename);

// Removes a checkpoint with all that is in it; fine if there is none. No manifest names it any
// more.
Status RemoveCheckpointDirectory(FileSystem& fs, const std::string& path);

// The highest number in the name of an incremental file, listed or not; 0: there is none.
Result<int64_t> NewestSequence(FileSystem& fs, const std::string& directory,
                               const std::string& append_filename);

// Puts out of the way what a writer left that crashed between the manifest switch of a rewrite and
// its end, or before it: files with names of ours that `manifest`, which is durable, does not list.
// Bases, checkpoints and incremental files before the first listed one are superseded and removed;
// what cannot be removed now stays until next time. Later ones belong to a log that was being
// turned on: they get the ending .unlisted, so that no later file of that name is taken for them,
// and are returned.
Result<std::vector<std::string>> RemoveSupersededFiles(FileSystem& fs, const std::string& directory,
                                                       const std::string& append_filename,
                                                       const Manifest& manifest);

}  // namespace holdfast::aof
