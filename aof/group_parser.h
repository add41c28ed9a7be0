// Finds the groups in a run of RESP commands. Plain function without state; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "aof/log_batch.h"

namespace holdfast::aof {

struct GroupScan {
  enum class Stop {
    kEnd,    // every byte belonged to a whole group
    kOther,  // stopped, outside a transaction, before what does not begin like a command
    kCut,    // the bytes end inside a group
    kBad,    // what stands there is no command, or one out of place
  };
  Stop stop = Stop::kEnd;
  size_t size = 0;       // bytes of whole groups (and of SELECTs before, between and after them)
  size_t stop_at = 0;    // kCut: start of the command that is cut; kBad: of the bad one
  uint64_t missing = 0;  // kCut: at least so many bytes more
  std::string reason;    // kBad
};

// Appends the groups at the front of `text` to `batch`, as of batch.frames.back(). `offset` is
// where `text` begins in its file; `database` the selected one, brought up to date.
GroupScan ScanGroups(std::string_view text, uint64_t offset, uint32_t& database, LogBatch& batch);

}  // namespace holdfast::aof
