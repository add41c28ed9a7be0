// The bytes of an RDB file on their way to a decoder: read in pieces, checksummed as they are used
// up. Owned by the RdbReader, one thread.
//
// Memory: a piece, or one compressed string if that is longer. No length is believed: a string is
// made room for when the file is known to be long enough. kCorruption if it is not, kIoError.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "holdfast/file_system.h"
#include "memtable/rdb_encoding.h"

namespace holdfast::snapshot {

class RdbFileSource final : public memtable::RdbSource {
 public:
  // `file`, of `size` bytes, outlives it.
  RdbFileSource(File& file, uint64_t size, uint64_t piece_bytes)
      : file_(file), size_(size), piece_bytes_(piece_bytes) {}

  Result<std::string_view> More(std::string_view rest, uint64_t wanted) override;
  Result<std::string_view> Fill(std::string_view rest, uint64_t size, std::string& out) override;

  // Where the first byte of `rest` stands in the file.
  uint64_t OffsetOf(std::string_view rest) const;
  // CRC-64 of everything before `rest`.
  uint64_t ChecksumBefore(std::string_view rest);

 private:
  void Use(std::string_view rest);
  Status CheckLeft(std::string_view rest, uint64_t wanted) const;
  Status Read(char* to, uint64_t bytes);

  File& file_;
  const uint64_t size_;
  const uint64_t piece_bytes_;
  std::unique_ptr<char[]> piece_;
  uint64_t capacity_ = 0;
  const char* unused_ = nullptr;  // of the piece: what is in the checksum lies before it
  const char* end_ = nullptr;     // of the piece
  uint64_t read_ = 0;             // bytes of the file so far
  uint64_t checksum_ = 0;
};

}  // namespace holdfast::snapshot
