// An RDB file, or the RDB beginning of a log file, as the log reader takes it: SET commands with
// PXAT, one group for each key.
//
// Any thread may copy the opener; what it opens belongs to one log reader.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>

#include "aof/preamble.h"
#include "holdfast/clock.h"

namespace holdfast::snapshot {

struct RdbCounts {
  std::atomic<uint64_t> loaded{0};
  std::atomic<uint64_t> expired{0};  // left out
};

struct RdbReadOptions {
  // Leave keys out whose time to live ended by then, as a Redis master loads a dump.rdb. A file
  // that says that it is the base of a log keeps them: what follows may have given them a longer
  // life.
  std::optional<UnixMs> drop_expired_at_ms = {};
  RdbCounts* counts = nullptr;  // null, or outlives what is opened
};

aof::PreambleOpener RdbPreambles(const RdbReadOptions& options = {});

}  // namespace holdfast::snapshot
