// What stands in the place of a log's base once there was a snapshot: a checkpoint. What is in one
// only snapshot/ knows; aof-check reads it through this.
//
// Owned by whoever reads; one thread. Errors: kCorruption, kUnsupported with file and reason;
// kIoError. Nothing in the checkpoint's directory is changed.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "aof/manifest.h"
#include "holdfast/clock.h"
#include "holdfast/file_system.h"
#include "holdfast/result.h"

namespace holdfast::aof {

// One key. The views hold until Piece or Row is called again.
struct CheckpointRow {
  uint32_t database = 0;
  std::string_view key;
  std::string_view type;  // as TYPE names it
  std::optional<UnixMs> expiry_ms;
  uint64_t size = 0;           // of a string its length, of a collection the number of its elements
  uint64_t payload_bytes = 0;  // of the value as it is stored
};

// Takes rows, and their values in pieces of at most 64 KiB: bounded memory, however long they are.
// An error ends the reading, which returns it.
class CheckpointVisitor {
 public:
  virtual ~CheckpointVisitor() = default;
  virtual Status Row(const CheckpointRow& row) = 0;
  virtual Status Piece(std::string_view piece) = 0;
};

class CheckpointSource {
 public:
  virtual ~CheckpointSource() = default;
  virtual uint64_t id() const = 0;
  virtual const HashKey& hash_key() const = 0;
  virtual uint64_t cut_frame() const = 0;
  virtual UnixMs cut_ms() const = 0;
  virtual uint64_t keys() const = 0;
  // What belongs to it besides the data set, for a start to be fast: how many keys its hot list
  // has (null: there is none), or what is wrong with that, which takes nothing from the data set.
  virtual Result<std::optional<uint64_t>> HotKeys() const { return std::nullopt; }

  // An error ends the reading, which returns it.
  using Progress = std::function<Status(uint64_t done_bytes, uint64_t all_bytes)>;
  // Verifies every byte: the checksum of every block, the order of the keys, rows, values, counts.
  // The rows go to `visitor`, database by database, in key order.
  virtual Status Read(CheckpointVisitor& visitor, const Progress& progress) = 0;
};

// Opens the checkpoint in a directory: verifies its metadata and its list of files.
using CheckpointOpener = std::function<Result<std::unique_ptr<CheckpointSource>>(
    FileSystem& files, const std::string& path)>;

}  // namespace holdfast::aof
