// What the first file of a log may hold, or begin with, that is not RESP: Redis's RDB form. The log
// reader asks for it through this interface, which whoever composes reader and form hands in
// (snapshot/rdb_preamble.h), so that nothing here knows the form.
//
// A Preamble belongs to one LogReader and is used by its thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "aof/log_batch.h"
#include "holdfast/file_system.h"

namespace holdfast::aof {

// What an RDB file begins with, Redis's or Valkey's.
inline bool BeginsPreamble(std::string_view head) {
  return head.starts_with("REDIS") || head.starts_with("VALKEY");
}
// So many bytes are enough to say.
inline constexpr size_t kPreambleStartBytes = 6;

class Preamble {
 public:
  virtual ~Preamble() = default;
  // `batch` is empty: fills it with one group or more. False: it ended, and what can be verified of
  // it was. Errors: kCorruption (the bytes at offset() are no such thing), kUnsupported (something
  // there that cannot be kept), kIoError. Messages name no file.
  virtual Result<bool> Next(LogBatch& batch) = 0;
  // Of the item under way, or of what follows the end.
  virtual uint64_t offset() const = 0;
  // One line: form, version, checksum or none. Complete at the end.
  virtual std::string Describe() const = 0;
};

// `file`, of `size` bytes, outlives the preamble. Errors: as Next.
using PreambleOpener = std::function<Result<std::unique_ptr<Preamble>>(File& file, uint64_t size)>;

}  // namespace holdfast::aof
