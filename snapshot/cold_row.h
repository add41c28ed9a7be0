// A row of the live tier: what is to be known of a key without its value (the header), and the
// value (docs/formats.md, "Cold row"). A value over kInlineBytes does not stand in the row: the row
// names a value id, whose bytes lie in immutable chunks, so that MOVE, COPY, RENAME and EXPIRE of a
// huge value write a row of some bytes.
//
// Plain values and functions; any thread. Decoding trusts no byte: kCorruption, or kUnsupported for
// a row of a newer version, with a reason that lacks key and file (the caller knows them).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "holdfast/clock.h"
#include "holdfast/result.h"
#include "memtable/entry.h"

namespace holdfast::snapshot {

inline constexpr uint8_t kColdRowVersion = 1;  // stored on disk: never renumber
inline constexpr size_t kInlineBytes = size_t{64} << 10;
inline constexpr size_t kChunkBytes = size_t{64} << 10;
// Of a row, what is not payload: four bytes, two numbers of 8, two of up to 10.
inline constexpr size_t kMostRowHeaderBytes = 4 + 2 * 8 + 2 * 10;

struct ColdHeader {
  memtable::ValueType type = memtable::ValueType::kString;
  bool raw_string = false;  // memtable::kRawString
  bool integer = false;     // a string that is held as an integer: other such texts are not
  uint8_t rank = 0;         // how hot it was when it was written: 0 cold, 255 hot
  UnixMs expiry_ms = memtable::kNoExpiry;
  uint64_t size = 0;           // of a string its length, of a collection the number of its elements
  uint64_t value_id = 0;       // 0: the value stands in the row
  uint64_t payload_bytes = 0;  // wherever it stands

  friend bool operator==(const ColdHeader&, const ColdHeader&) = default;
};

struct ColdRow {
  ColdHeader header;
  std::string_view payload;  // refers to the row; empty with a value id
};

// `payload` is empty if the header has a value id; otherwise payload_bytes is its size.
void AppendColdRow(std::string& out, const ColdHeader& header, std::string_view payload);
Result<ColdRow> DecodeColdRow(std::string_view bytes);

}  // namespace holdfast::snapshot
