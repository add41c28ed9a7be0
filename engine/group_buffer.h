// Collects what one execution did and appends it to the log as one group (RESP): a single command,
// or MULTI ... EXEC, wrapped in SELECT n ... SELECT 0 outside database 0, so that every frame of
// the log starts and ends in database 0. Owned by an Executor, reused; one thread.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "aof/log_ring.h"
#include "engine/keyspace/change_log.h"
#include "holdfast/memory.h"

namespace holdfast::aof {
class LogWriter;
}

namespace holdfast {

class GroupBuffer final : public keyspace::ChangeLog {
 public:
  void Record(int database, std::span<const std::string_view> command) override;
  void RecordBefore(int database, std::span<const std::string_view> command) override;

  // The request itself is what is recorded. `args` stay as they are until AppendTo: alone in its
  // group, it is encoded into the log's ring without a stop here.
  void RecordRequest(int database, std::span<const std::string_view> args);

  // Arguments that lie in one of these blocks are logged by reference. Valid until Clear.
  void set_blocks(std::span<const BlockRef> blocks) { blocks_ = blocks; }
  // A transaction is logged as MULTI ... EXEC even if it made one change only.
  void set_transaction(bool transaction) { transaction_ = transaction; }

  bool Empty() const { return count_ == 0 && before_.empty(); }
  // Appends everything to the log, under the locks of all keys concerned; returns the position
  // behind it. Not to be called when Empty.
  aof::LogPosition AppendTo(aof::LogWriter& log, aof::LogSlot& slot);
  void Clear();
  // Between turns: what a long group took is not kept.
  void GiveBackLongBuffers();

 private:
  struct Reference {
    size_t offset;  // in body_
    CountedBlock* block;
  };
  void Encode(std::span<const std::string_view> command);
  void EncodePending();
  CountedBlock* BlockOf(std::string_view argument) const;
  void Select(std::string& out, int database);
  void Wrap();

  std::string before_;  // groups of their own
  std::string body_;
  std::string wrapped_;
  std::span<const std::string_view> request_;  // the only record so far, not encoded yet
  std::vector<Reference> references_;
  std::span<const BlockRef> blocks_;
  uint64_t count_ = 0;
  int first_database_ = 0;
  int database_ = 0;
  bool transaction_ = false;
};

}  // namespace holdfast
