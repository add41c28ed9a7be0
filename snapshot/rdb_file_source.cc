#include "snapshot/rdb_file_source.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstring>
#include <span>

#include "holdfast/bytes.h"
#include "holdfast/check.h"
#include "memtable/payload.h"

namespace holdfast::snapshot {

uint64_t RdbFileSource::OffsetOf(std::string_view rest) const {
  HF_CHECK(rest.size() <= read_);
  return read_ - rest.size();
}

// What came before `rest` has been used up.
void RdbFileSource::Use(std::string_view rest) {
  const char* used_to = end_ - rest.size();
  HF_CHECK(rest.size() <= static_cast<size_t>(end_ - unused_));
  checksum_ = memtable::Crc64(checksum_, {unused_, static_cast<size_t>(used_to - unused_)});
  unused_ = used_to;
}

uint64_t RdbFileSource::ChecksumBefore(std::string_view rest) {
  Use(rest);
  return checksum_;
}

Status RdbFileSource::CheckLeft(std::string_view rest, uint64_t wanted) const {
  const uint64_t offset = OffsetOf(rest);
  if (wanted <= size_ - offset && wanted <= UINT32_MAX) return {};
  if (wanted <= size_ - offset) {
    return MakeError(
        ErrorCode::kUnsupported,
        fmt::format("a string of {} bytes, longer than 4 GiB, at offset {}", wanted, offset));
  }
  return MakeError(ErrorCode::kCorruption,
                   fmt::format("{} bytes should follow at offset {}, but the file ends at {}",
                               wanted, offset, size_));
}

Status RdbFileSource::Read(char* to, uint64_t bytes) {
  HF_CHECK(bytes <= size_ - read_);
  const size_t count = HF_TRY(file_.ReadAt(read_, std::span(to, bytes)));
  if (count < bytes) return MakeError(ErrorCode::kIoError, "the file became shorter");
  read_ += bytes;
  return {};
}

Result<std::string_view> RdbFileSource::More(std::string_view rest, uint64_t wanted) {
  HF_CHECK(wanted > rest.size());
  HF_TRY_STATUS(CheckLeft(rest, wanted));
  Use(rest);
  // A piece that had to be long does not stay so.
  const uint64_t needed = std::max(wanted, piece_bytes_);
  if (needed > capacity_ || capacity_ > 4 * needed) {
    auto piece = std::make_unique_for_overwrite<char[]>(needed);
    rest.copy(piece.get(), rest.size());
    piece_ = std::move(piece);
    capacity_ = needed;
  } else {
    std::memmove(piece_.get(), rest.data(), rest.size());
  }
  const uint64_t have = rest.size();
  const uint64_t more = std::min(capacity_ - have, size_ - read_);
  unused_ = piece_.get();
  end_ = unused_ + have;
  HF_TRY_STATUS(Read(piece_.get() + have, more));
  end_ += more;
  return std::string_view(unused_, have + more);
}

Result<std::string_view> RdbFileSource::Fill(std::string_view rest, uint64_t size,
                                             std::string& out) {
  HF_CHECK(size > rest.size());
  HF_TRY_STATUS(CheckLeft(rest, size));
  const uint64_t have = rest.size();
  out.clear();
  out.resize_and_overwrite(size, [&](char* bytes, size_t) {
    rest.copy(bytes, have);
    return size;
  });
  Use(rest.substr(have));
  HF_CHECK(unused_ == end_);
  HF_TRY_STATUS(Read(out.data() + have, size - have));
  checksum_ = memtable::Crc64(checksum_, std::string_view(out).substr(have));
  return std::string_view(end_, end_);
}

}  // namespace holdfast::snapshot
