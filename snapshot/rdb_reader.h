// Reads an RDB file (dump.rdb, a base of a log) of Redis's, versions 1 to 12, or of Valkey's,
// version 80, key by key:
//
//   auto reader = HF_TRY(RdbReader::Open(*file, size));
//   RdbEntry entry;
//   while (HF_TRY(reader->Next(entry))) Take(entry);
//
// One pass, in bounded memory. The checksum comes at the end: what was taken is good only when Next
// has given false.
//
// Owned by whoever loads or checks, one thread. Errors name no file; offset() says where:
//   kCorruption   cut short or damaged
//   kUnsupported  a newer version, or what this store cannot hold yet, by name: values of other
//                 types than strings, function libraries, data of modules
//   kIoError
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "holdfast/clock.h"
#include "holdfast/file_system.h"
#include "memtable/entry.h"
#include "memtable/rdb_encoding.h"
#include "snapshot/rdb_file_source.h"

namespace holdfast::snapshot {

inline constexpr int kRdbVersionMax = 12;  // Redis 7.4 and 8.0
// Valkey 9; before that it wrote Redis's versions. Those between are neither's.
inline constexpr int kValkeyRdbVersion = 80;

struct RdbEntry {
  uint32_t database = 0;
  std::string key;
  std::string value;
  UnixMs expiry_ms = memtable::kNoExpiry;
};

class RdbReader {
 public:
  static constexpr uint64_t kPieceBytes = uint64_t{1} << 20;
  // Reads the first bytes. `file`, of `size` bytes, outlives the reader. It is read in pieces;
  // their size makes no difference to what is found.
  static Result<std::unique_ptr<RdbReader>> Open(File& file, uint64_t size,
                                                 uint64_t piece_bytes = kPieceBytes);
  RdbReader(const RdbReader&) = delete;
  RdbReader& operator=(const RdbReader&) = delete;

  // Replaces `entry` by the next key. False: the end, with a checksum that is right or was not
  // written. After an error, or the end, not called again.
  Result<bool> Next(RdbEntry& entry);

  // Of the key (or other item) given or refused last; after the end, of what follows the RDB data.
  uint64_t offset() const { return offset_; }
  int version() const { return version_; }
  bool of_valkey() const { return of_valkey_; }
  // After the end: false if it was written without one (rdbchecksum no, versions 1 to 4).
  bool has_checksum() const { return has_checksum_; }
  UnixMs written_ms() const { return written_ms_; }  // 0: the file does not say
  bool log_base() const { return log_base_; }  // says that it is the base of an append-only file

 private:
  RdbReader(File& file, uint64_t size, uint64_t piece_bytes)
      : source_(file, size, piece_bytes), in_(source_) {}

  Status ReadHeader();
  Status CheckVersion() const;
  Result<bool> ReadItem(uint8_t opcode, RdbEntry& entry);
  Status ReadKey(uint8_t type, RdbEntry& entry);
  Status ReadDatabase();
  Status ReadAux();
  Status ReadEnd();
  Status RefuseFunctions();
  Status RefuseModule();
  std::string_view TypeName(uint8_t type) const;
  uint64_t position() const { return source_.OffsetOf(in_.rest()); }

  RdbFileSource source_;
  memtable::RdbDecoder in_;
  uint64_t offset_ = 0;
  int version_ = 0;
  bool of_valkey_ = false;
  bool has_checksum_ = false;
  UnixMs written_ms_ = 0;
  bool log_base_ = false;
  // Of the key that follows.
  UnixMs expiry_ms_ = memtable::kNoExpiry;
  uint32_t database_ = 0;
  bool ended_ = false;
};

}  // namespace holdfast::snapshot
