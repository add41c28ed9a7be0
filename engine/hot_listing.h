// Which keys are hot, for the next start: puts a hot list (snapshot/hot_list.h) into each
// checkpoint that is made. A new one at a clean stop and where the last is over ten minutes old;
// else the one of the checkpoint before, and also while the warm-up has yet to bring back what
// that names.
//
// The list is taken beside traffic, a few entries at a time under their shard's lock, and streamed
// to the file. It is a hint: that it cannot be written is reported, and harms no checkpoint.
//
// Owned by the Store; used by the thread that makes checkpoints. Reads and writes the disk.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "holdfast/result.h"

namespace holdfast {

namespace snapshot {
class HotListWriter;
}
class Store;

class HotListing {
 public:
  explicit HotListing(Store& store) : store_(store) {}

  // `checkpoint` is being made, `previous` (empty: none) is in force. An error leaves something in
  // the checkpoint's directory that is no list and could not be removed.
  Status Put(const std::string& checkpoint, const std::string& previous, bool at_stop);
  // Keys came back from the tier since the last list was made: a new one says more.
  bool Outdated() const;

 private:
  bool IsFresh() const;
  Status Write(const std::string& path);
  Status Walk(snapshot::HotListWriter& list);

  Store& store_;
  std::optional<int64_t> made_ns_;
  uint64_t reads_when_made_ = 0;
};

}  // namespace holdfast
