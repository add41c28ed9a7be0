// The two annotation lines of a log file. Stored on disk: never change what is written here, add a
// format version instead. docs/formats.md, "Frame", has every byte.
//
//   file header   #HF:v=1,id=<16 hex>,h=<8 hex>\r\n                                once, at offset
//   0 frame header  #HF:i=..,t=..,ts=..,s=..,n=..,crc=<8 hex>,h=<8 hex>\r\n          before n bytes
//
// Redis skips lines that begin with '#'. Parsing is strict: exactly what the formatter writes is
// accepted, so a line that differs in one bit is rejected. Plain functions, any thread.
#pragma once

#include <cstddef>
#include <cstdint>

#include "holdfast/bytes.h"
#include "holdfast/clock.h"
#include "holdfast/result.h"

namespace holdfast::aof {

inline constexpr uint32_t kLogFormatVersion = 1;  // stored on disk: never renumber
inline constexpr ByteView kAnnotationPrefix = "#HF:";
// Longer than any line either formatter writes (Redis allows 1,024).
inline constexpr size_t kMaxAnnotationBytes = 192;

inline constexpr size_t kFileHeaderBytes = 40;

struct FileHeader {
  uint64_t file_id = 0;  // random; seeds the checksums of the frame headers of this file
};

struct FrameHeader {
  uint64_t number = 0;  // 1, 2, 3, ... over all files of a data set
  uint64_t term = 0;    // 0 unless written by a raft node
  UnixMs unix_ms = 0;   // when it was written; not negative
  uint64_t synced = 0;  // the newest frame known to be synced when this one was written
  uint64_t bytes = 0;   // payload bytes after the line; 0: a closing frame, or a base file's end
  uint32_t crc = 0;     // Crc32c(0, payload)
  bool operator==(const FrameHeader&) const = default;
};

// A line on the stack.
struct AnnotationLine {
  char text[kMaxAnnotationBytes];
  size_t size = 0;
  ByteView view() const { return {text, size}; }
};

AnnotationLine FormatFileHeader(const FileHeader& header);
AnnotationLine FormatFrameHeader(const FrameHeader& header, uint64_t file_id);

template <typename Header>
struct Parsed {
  Header header;
  size_t line_bytes;  // with CR LF
};

// `text` begins at the line and may go on after it (kMaxAnnotationBytes of it are enough).
// kCorruption for anything that the formatter would not have written; kUnsupported for a
// file header that names another version.
Result<Parsed<FileHeader>> ParseFileHeader(ByteView text);
Result<Parsed<FrameHeader>> ParseFrameHeader(ByteView text, uint64_t file_id);

}  // namespace holdfast::aof
