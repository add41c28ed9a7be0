// Redis's serial form of lengths and strings, as it stands in DUMP payloads and RDB files. Lengths:
// 6, 14, 32 or 64 bits, big-endian after the first byte. Strings: a length and the bytes, or one of
// the special forms: an integer of 8, 16 or 32 bits, or LZF-compressed bytes.
//
// Plain values; any thread. A reader trusts no length: what does not fit the input is kCorruption,
// and nothing is allocated that the input's own size does not justify. A payload is a view; a file
// comes piece by piece, from an RdbSource.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "holdfast/result.h"

namespace holdfast::memtable {

// Stored on disk: never renumber. The first byte of a value. Encodings of later Redis versions
// stand here under Redis's names, so that a refusal can name them.
enum class RdbType : uint8_t {
  kString = 0,
  kList = 1,
  kSet = 2,
  kSortedSet = 3,
  kHash = 4,
  kSortedSet2 = 5,
  kModulePreGa = 6,
  kModule2 = 7,
  kHashZipmap = 9,
  kListZiplist = 10,
  kSetIntset = 11,
  kSortedSetZiplist = 12,
  kHashZiplist = 13,
  kListQuicklist = 14,
  kStreamListpacks = 15,
  kHashListpack = 16,
  kSortedSetListpack = 17,
  kListQuicklist2 = 18,
  kStreamListpacks2 = 19,
  kSetListpack = 20,
  kStreamListpacks3 = 21,
  kHashFieldTtlsPreGa = 22,
  kHashListpackFieldTtlsPreGa = 23,
  kHashFieldTtls = 24,
  kHashListpackFieldTtls = 25,
};

// "hash (listpack)"; empty for a byte that is no type.
std::string_view RdbTypeName(uint8_t type);

class RdbEncoder {
 public:
  explicit RdbEncoder(std::string& out) : out_(out) {}
  void PutByte(uint8_t byte) { out_.push_back(static_cast<char>(byte)); }
  void PutLength(uint64_t length);
  // In the shortest form, as Redis picks it; compressed (if `compress`) when that saves something.
  void PutString(std::string_view bytes, bool compress);

 private:
  bool PutInteger(std::string_view bytes);
  bool PutCompressed(std::string_view bytes);

  std::string& out_;
};

// Where a decoder gets more bytes from. `rest`, what it has not used of the bytes that it was given
// last, is taken back; it lies at their end.
class RdbSource {
 public:
  virtual ~RdbSource() = default;
  // Bytes that begin with those of `rest`, at least `wanted` of them; valid until the next call.
  virtual Result<std::string_view> More(std::string_view rest, uint64_t wanted) = 0;
  // The same for a long string, which goes to where it stays: `out` gets the next `size` bytes,
  // what follows them is given back.
  virtual Result<std::string_view> Fill(std::string_view rest, uint64_t size, std::string& out) = 0;
};

class RdbDecoder {
 public:
  explicit RdbDecoder(std::string_view in) : in_(in) {}
  explicit RdbDecoder(RdbSource& source) : source_(&source) {}
  size_t left() const { return in_.size(); }
  std::string_view rest() const { return in_; }  // what is at hand
  Result<uint8_t> GetByte();
  Result<uint64_t> GetLength();  // a special string form is an error
  Result<uint64_t> GetLittleEndian(size_t bytes);
  Result<std::string> GetString();
  Status GetString(std::string& out);  // replaces what `out` holds

 private:
  struct LengthOrForm {
    bool special = false;
    uint64_t value = 0;  // a length, or the number of a special form
  };
  // Longer strings are not brought to where the others lie first.
  static constexpr uint64_t kLongString = uint64_t{64} << 10;

  Result<LengthOrForm> GetLengthOrForm();
  Result<uint64_t> GetBytesBigEndian(size_t count);
  Result<std::string_view> Take(uint64_t size);
  Status GetRaw(uint64_t length, std::string& out);
  Status GetInteger(size_t bytes, std::string& out);
  Status GetCompressed(std::string& out);

  std::string_view in_;
  RdbSource* source_ = nullptr;  // null: there is nothing but in_
};

}  // namespace holdfast::memtable
