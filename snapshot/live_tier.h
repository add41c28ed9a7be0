// The live tier: where evicted and snapshotted values lie, in RocksDB. It knows rows of keys
// (space, order, name) and nothing of residency; who may write what, and when, is the engine's
// (DESIGN section 6). What was written is there for every later read, and for the next checkpoint;
// the tier itself is scratch: after a crash it is made again from a checkpoint (R14).
//
//   rows        cold key -> header and value, or value id
//   chunks      (value id, n) -> 64 KiB of an immutable long value
//   expiries    (expiry ms, cold key): which keys may be due; a hint, the row's header decides
//   references  (value id, cold key): who may name a value; a hint as well
//
// Everything is written as sorted files that RocksDB takes in whole: nothing ever lies in its
// memtables, so a checkpoint is hard links, and no write waits for a flush. Nothing of the tier is
// synced, as it is made again after a crash: who makes a checkpoint syncs each file in it.
//
// Any thread may call anything; Land takes the writes of one key from one thread at a time. Calls
// read and write the disk and may take seconds: never under a shard's lock or on an I/O thread.
// Errors: kCorruption (a block's checksum, a row: with the file or the key), kNoSpace, kIoError;
// nothing has changed then.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "holdfast/memory.h"
#include "holdfast/result.h"
#include "snapshot/cold_key.h"
#include "snapshot/cold_row.h"

namespace holdfast::snapshot {

struct LiveTierOptions {
  std::string directory;    // the tier's own: what lies there goes. Its parent exists
  std::string checkpoint;   // to begin with; empty: an empty tier
  int background_jobs = 4;  // three compactions: a long one does not hold up the short ones
};

// One change of a row. Refers to the caller's bytes.
struct ColdWrite {
  ColdKey key;
  bool erase = false;
  // Of a put. With a value id of a value that is there: another row of it. A payload over
  // kInlineBytes without one gets one.
  ColdHeader header = {};
  std::string_view payload = {};
};

struct ColdValue {
  ColdHeader header;
  std::string payload;  // if it stands in the row
  BlockRef block;       // if it was long
};

enum class ReadDepth {
  kHeader,
  kRow,    // the value, unless it is long: then its header names it, see ReadLong
  kValue,  // wherever it lies
};

struct LiveTierFigures {
  uint64_t memory_bytes = 0;  // filters, indexes, memtables
  uint64_t disk_bytes = 0;
  uint64_t newest_files = 0;        // not compacted yet: each may cost a read a look
  uint64_t compacted_bytes = 0;     // written by compactions, all told
  uint64_t filter_passes = 0;       // looks that a filter let through
  uint64_t filter_true_passes = 0;  // of these, found
  uint64_t filter_stops = 0;        // looks that ended at a filter
};

class LiveTier {
 public:
  static Result<std::unique_ptr<LiveTier>> Open(const LiveTierOptions& options);
  ~LiveTier();
  LiveTier(const LiveTier&) = delete;
  LiveTier& operator=(const LiveTier&) = delete;

  // One result per key, in their order: null if there is no row.
  Result<std::vector<std::optional<ColdValue>>> Read(std::span<const ColdKey> keys,
                                                     ReadDepth depth);
  // The value of a row that Read found with kRow to be long. Null: the key has no row any more. May
  // take as long as half a gigabyte takes.
  Result<std::optional<ColdValue>> ReadLong(const ColdKey& key, const ColdHeader& header);
  // The long value that a header names, whatever rows there are. Somebody sees to it that it is not
  // swept. kCorruption if it is not there.
  Result<BlockRef> ReadValue(const ColdHeader& header);
  // In their order: of several writes of a key the last counts. All or nothing.
  Status Land(std::span<const ColdWrite> writes);
  // True: writers should be held back, the files that landed are not compacted fast enough.
  bool Congested() const;

  // Calls `take` for the rows of [from, end) of a space in order, for `enough` or a few more: rows
  // of one order come together. Returns where to go on; `end`: all were seen.
  using TakeRow = std::function<void(const ColdKey& key, const ColdHeader& header)>;
  Result<memtable::KeyOrder> List(SpaceId space, memtable::KeyOrder from, memtable::KeyOrder end,
                                  size_t enough, const TakeRow& take);

  // Calls `take` for the rows of a space that stand at `orders` (ascending), in order, until it
  // says no. What it is shown is gone when it returns; of a long value only the header is shown.
  // Places that are at most `near` apart are taken for close to each other.
  using TakeOrdered = std::function<bool(const ColdKey& key, const ColdRow& row)>;
  Status ReadOrders(SpaceId space, std::span<const memtable::KeyOrder> orders,
                    memtable::KeyOrder near, const TakeOrdered& take);

  // Keys that have a row which was written with an expiry up to `now_ms`, oldest first. The caller
  // looks at the row, and forgets the hint once it has dealt with it.
  struct ExpiryHint {
    UnixMs expiry_ms = 0;
    std::string cold_key;  // see DecodeColdKey
  };
  Result<std::vector<ExpiryHint>> DueHints(UnixMs now_ms, size_t at_most);
  Status ForgetHints(std::span<const ExpiryHint> hints);

  // Removes a space's rows. Nothing writes to it any more.
  Status DropSpace(SpaceId space);
  // Frees long values that no row names, but for those of which `is_held` says that memory, or a
  // write on its way, may name them: asked while nothing lands, and before the rows are. Looks at
  // `at_most` values, from `from` on; returns where to go on, 0: done.
  Result<uint64_t> SweepValues(uint64_t from, size_t at_most,
                               const std::function<bool(uint64_t value_id)>& is_held);

  // Writes all rows again, so that what was erased takes no room any more. Beside everything else;
  // as long as that takes, or until Cancel, which is for good.
  Status Compact();
  void Cancel();
  // What compactions may write; 0: no limit, as at first. Landings do not count.
  void SetCompactionRate(uint64_t bytes_per_s);
  // Hard links to everything there is, in `path`, which must not exist. Not synced.
  Status Checkpoint(const std::string& path);
  // Reads every block of every file.
  Status VerifyChecksums();
  LiveTierFigures Figures() const;

 private:
  friend class CheckpointReader;  // reads a checkpoint's rows where they lie
  struct Database;
  class Landing;
  explicit LiveTier(std::unique_ptr<Database> database);

  Result<bool> Named(uint64_t value_id, std::vector<std::string>& references);
  // `fill` runs on the writing thread.
  Status TakeIn(const std::function<void(Landing&)>& fill);
  void Fill(Landing& landing, std::span<const ColdWrite> writes);
  Status TakeInLocked(Landing& landing);

  std::unique_ptr<Database> database_;
};

}  // namespace holdfast::snapshot
