// Parallel replay: one reader verifies the log and finds each command's keys, workers apply them.
//
// Every worker owns a part of the shards and gets its commands in log order. A command over shards
// of several workers is a rendezvous of just those: all of them stop at it, one runs it. A command
// without keys (FLUSHALL, SWAPDB) is a rendezvous of all. A rendezvous stands in every queue in log
// order, so there is no deadlock. Groups are complete before any of their commands is dealt (the
// reader sees to it), and nobody looks at the keyspace meanwhile, so effects on single keys need no
// more order than that. The resulting state equals serial replay's.
//
// Used once, by the thread that opens the store. An error names file and offset.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "aof/log_reader.h"
#include "holdfast/result.h"

namespace holdfast {

class Store;
struct PreparedCommand;

struct ReplayProgress {
  std::atomic<uint64_t> bytes{0};
  std::atomic<uint64_t> commands{0};
  std::atomic<int64_t> newest_ms{0};   // when the newest frame was written; 0: not known
  std::atomic<bool> cancelled{false};  // set by whoever wants the replay to end
};

struct ReplayOptions {
  size_t workers = 0;  // 0: as many as the machine has cores to spare, at least 1
  ReplayProgress* progress = nullptr;
};

// Reads until the reader ends; its verdict is the caller's to judge. kUnavailable if cancelled.
Status ReplayLog(Store& store, aof::LogReader& reader, const ReplayOptions& options);

// Finds the command's row and, for the common ones, its key. kUnsupported, naming file and offset,
// if it cannot be applied here.
Status ResolveLogged(Store& store, PreparedCommand& command, int database, const std::string& file,
                     uint64_t offset);

// The same on the calling thread alone, which holds the gate (DEBUG LOADAOF).
Status ReplayLogUnderGate(Store& store, aof::LogReader& reader);

}  // namespace holdfast
