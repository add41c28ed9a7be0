// Reads a log: a base and incremental files, ours (framed) or Redis's (plain), in order. Every byte
// of a frame is verified before a command of it is handed out; groups come whole.
//
//   LogReader reader(fs, sources);
//   LogBatch batch;
//   while (HF_TRY(reader.Next(batch))) Apply(batch);
//   switch (reader.verdict().kind) { ... }      // then CutTornEnd (aof/log_recovery.h), or refuse
//
// Owned by whoever recovers or checks, used by one thread; batches may be handed to others. Memory:
// a piece of a file (or one frame, or one group of Redis's, if that is more). Next gives an Error
// only for what reading cannot go on with and cutting cannot mend: kIoError, kUnsupported. What is
// wrong with the bytes is the verdict. A preamble (aof/preamble.h) is the exception to "verified
// before": its checksum comes at its end, so what was handed out is good only if the verdict is.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "aof/frame.h"
#include "aof/log_batch.h"
#include "aof/preamble.h"
#include "holdfast/file_system.h"

namespace holdfast::aof {

struct LogSource {
  std::string path;
  bool base = false;           // its frames start at 1 and end with n=0
  bool listed = true;          // in the manifest: it was synced, with its header, before
  std::optional<uint64_t> id;  // what the manifest says
};

struct LogReadOptions {
  uint64_t first_frame = 1;             // the number that the first incremental frame must have
  std::optional<UnixMs> until_ms = {};  // stop before the first frame or #TS: line that is later
  size_t piece_bytes = size_t{1} << 20;
  PreambleOpener open_preamble = {};  // null: a file that BeginsPreamble is kUnsupported
};

// What was found in one file.
struct LogSourceState {
  bool present = false;
  bool framed = false;          // has our header line
  bool plain_commands = false;  // holds commands outside frames
  bool base_ended = false;      // a base whose end line was read
  bool closed = false;          // its last frame is a closing frame, which says all are synced
  uint64_t id = 0;              // if framed
  uint64_t size = 0;            // of the file
  uint64_t end = 0;  // behind its last whole group: what follows is zeros, or torn, or damaged
  uint64_t frames = 0;
  uint64_t groups = 0;
  uint64_t commands = 0;
  std::string preamble;  // what it is; empty: the file has none
};

struct LogVerdict {
  enum class Kind {
    kSound,
    kTorn,         // what a power cut or kill can leave at the end: cut it
    kDamage,       // what only damage can leave: refuse
    kReachedTime,  // options.until_ms: later groups begin here
  };
  Kind kind = Kind::kSound;
  size_t source = 0;
  std::string file;  // path; of this and the next three: not for kSound
  // Where the cut goes: behind the last whole group. Of a preamble nothing can be cut off: where it
  // is damaged.
  uint64_t offset = 0;
  uint64_t bytes = 0;  // from there to the end of the file
  std::string reason;
  // "damage in FILE at offset N: REASON"
  std::string Text() const;
};

class LogReader {
 public:
  // `file_system` must outlive the reader.
  LogReader(FileSystem& file_system, std::vector<LogSource> sources, LogReadOptions options = {});
  ~LogReader();
  LogReader(const LogReader&) = delete;
  LogReader& operator=(const LogReader&) = delete;

  // Clears `batch` and fills it with one group or more, of one file. False: nothing more.
  Result<bool> Next(LogBatch& batch);

  // After Next gave false.
  const LogVerdict& verdict() const { return verdict_; }
  const std::vector<LogSource>& sources() const { return sources_; }
  const std::vector<LogSourceState>& states() const { return states_; }
  // The number that the next frame must have.
  uint64_t next_frame() const { return next_frame_; }
  uint64_t term() const { return term_; }  // of the newest frame
  // Bytes taken in so far, of all files: for progress.
  uint64_t bytes_read() const { return bytes_read_; }

  // The newest frames, as far as no later frame says that they were synced. Oldest first.
  struct Unsynced {
    uint64_t number;
    size_t source;
    uint64_t offset;
    uint64_t bytes;  // payload
    uint32_t crc;
  };
  const std::deque<Unsynced>& unsynced() const { return unsynced_; }
  // Frames that a failed writer wrote again to the next file stand in both: where the first of them
  // stands in the older file.
  const std::optional<Unsynced>& written_again() const { return written_again_; }

 private:
  enum class Step { kNext, kMoreBytes, kStopped };

  Status OpenSource();
  Status OpenFramed(std::string_view head);
  Status OpenUnframed(std::string_view head);
  Status OpenPreamble();
  Result<bool> ReadPreamble(LogBatch& batch);
  Status PreambleFails(Error error);
  Status Fill(LogBatch& batch);
  Status ParseBuffer(LogBatch& batch);
  Result<Step> ParseItem(std::string_view text, LogBatch& batch);
  Result<Step> ParseFrame(std::string_view text, LogBatch& batch);
  Result<Step> TakeFrame(const FrameHeader& header, std::string_view payload, LogBatch& batch);
  Result<Step> TakeBaseEnd(const FrameHeader& header, size_t line_bytes);
  Result<Step> NumberOutOfPlace(const FrameHeader& header);
  bool RedisWentOnBefore() const;
  std::optional<Unsynced> FindWrittenAgain(const FrameHeader& header) const;
  Result<Step> ParseLine(std::string_view text, LogBatch& batch);
  Result<Step> ParsePlain(std::string_view text, LogBatch& batch);
  void Remember(const FrameHeader& header);
  void TakeRepeated(const FrameHeader& header, const Unsynced& twin);
  void EndSource();

  // The rule of the torn end: decides what a place that fails is, and stops.
  Result<Step> FrameFails(std::string reason);
  Result<Step> PlainFails(uint64_t bad_at, bool cut, std::string reason);
  Result<bool> OnlyZerosFrom(uint64_t offset);
  Result<std::string> FindProofOfSync(uint64_t frame);
  Result<std::optional<uint64_t>> FindCoveringHeader(File& file, uint64_t from, uint64_t id,
                                                     uint64_t frame);
  Result<bool> CommandsFollow(uint64_t from);
  Result<bool> CutBeforeZeros(uint64_t from);
  bool HasListedSuccessor() const;
  void Stop(LogVerdict::Kind kind, std::string reason);

  const LogSource& source() const { return sources_[source_]; }
  LogSourceState& state() { return states_[source_]; }

  FileSystem& file_system_;
  const std::vector<LogSource> sources_;
  const LogReadOptions options_;
  std::vector<LogSourceState> states_;
  LogVerdict verdict_;
  bool stopped_ = false;

  // The file being read.
  size_t source_ = 0;
  std::unique_ptr<File> file_;
  std::unique_ptr<Preamble> preamble_;  // while it is read
  uint64_t offset_ = 0;                 // of the first byte not parsed
  std::string carried_;                 // bytes from there on that were read already
  uint64_t wanted_ = 0;                 // so many are needed from there on
  uint32_t plain_database_ = 0;
  UnixMs plain_ms_ = 0;
  bool after_plain_ = false;  // what stands before offset_ was written by Redis

  uint64_t expected_ = 1;    // the number of the next frame in this file
  uint64_t next_frame_ = 1;  // over all incremental files
  uint64_t term_ = 0;
  uint64_t bytes_read_ = 0;
  std::deque<Unsynced> unsynced_;
  std::optional<Unsynced> written_again_;
  bool file_has_new_frames_ = false;
  // Frames of this file that stood in the one before, until all of those have been seen again: only
  // then this file can take their place.
  std::vector<Unsynced> repeated_;
  std::optional<Unsynced> first_repeated_;  // as it stands in the file before
};

}  // namespace holdfast::aof
