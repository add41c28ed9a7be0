// The pool that reads cold keys (DESIGN section 4): I/O threads hand it loads and go on; its
// threads read what waits together, and each load is reported when its bytes are there. Long values
// are read by a thread of their own, one after the other, so that they hold up nobody else and
// there is memory for one of them only.
//
// A read that fails is reported with its error, and only to those who wait for that key. What
// waits is bounded by those who ask: a connection looks a bounded number of commands ahead, and
// waits then.
//
// Any thread, under no shard's lock; Start and Stop: the owner.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <thread>
#include <vector>

#include "engine/cold_rows.h"
#include "engine/keyspace/cold_store.h"
#include "engine/value_references.h"
#include "holdfast/result.h"

namespace holdfast {

// Counts of times by size, to a quarter of each power of two. Any thread.
class LatencyBuckets {
 public:
  void Add(std::chrono::nanoseconds time);
  // So many percent of the times were at most so long; 0: there were none.
  uint64_t PercentileUs(double percent) const;

 private:
  static constexpr size_t kBuckets = 128;
  static size_t BucketOf(uint64_t us);
  static uint64_t LongestUs(size_t bucket);
  std::array<std::atomic<uint64_t>, kBuckets> counts_{};
};

struct ColdReadsParts {
  ColdRows* rows = nullptr;
  // What a load brought, and the bytes are the callee's only during the call. Without locks.
  std::function<void(const std::shared_ptr<keyspace::Load>&,
                     Result<std::optional<keyspace::ColdValue>>)>
      loaded;
  ValueReferences* references = nullptr;  // to long values that are not to be read
  size_t threads = 4;
};

struct ColdReadsFigures {
  uint64_t reads = 0;    // of keys
  uint64_t batches = 0;  // of these reads
  uint64_t absent = 0;   // keys that were not there
  uint64_t bytes = 0;    // of values
  uint64_t long_values = 0;
  uint64_t errors = 0;
  uint64_t waiting = 0;
  uint64_t p50_us = 0;  // from the request to the report
  uint64_t p99_us = 0;
};

// As memory holds it: what lies in a block there is made one. `bytes` must outlive it, if that is
// not so.
keyspace::ColdValue ValueOf(const keyspace::ColdFacts& facts, std::string_view bytes,
                            BlockRef block);

class ColdReads {
 public:
  explicit ColdReads(ColdReadsParts parts);
  ~ColdReads() { Stop(); }
  ColdReads(const ColdReads&) = delete;
  ColdReads& operator=(const ColdReads&) = delete;

  void Start();
  // What waits is reported as kUnavailable, as is what comes later.
  void Stop();

  void StartReads(std::vector<std::shared_ptr<keyspace::Load>> loads);
  // On this thread: all are reported when it returns.
  void ReadInPlace(std::span<const std::shared_ptr<keyspace::Load>> loads);
  ColdReadsFigures Figures() const;
  uint64_t Waiting() const;
  uint64_t KeysRead() const { return reads_.load(std::memory_order_relaxed); }

 private:
  using Clock = std::chrono::steady_clock;
  struct Request {
    std::shared_ptr<keyspace::Load> load;
    Clock::time_point asked;
  };
  struct LongRequest {
    Request request;
    snapshot::ColdHeader header;
  };

  void ReadLoop();
  void LongLoop();
  std::vector<LongRequest> ReadBatch(std::span<const Request> batch);
  std::optional<LongRequest> ReadRow(const Request& request,
                                     Result<std::optional<snapshot::ColdValue>> row);
  void ReadLong(const LongRequest& request);
  void Report(const Request& request, Result<std::optional<keyspace::ColdValue>> found);
  void Refuse(const Request& request);

  ColdReadsParts parts_;
  LatencyBuckets latencies_;
  std::atomic<uint64_t> reads_{0};
  std::atomic<uint64_t> batches_{0};
  std::atomic<uint64_t> absent_{0};
  std::atomic<uint64_t> bytes_{0};
  std::atomic<uint64_t> long_values_{0};
  std::atomic<uint64_t> errors_{0};

  mutable std::mutex mutex_;  // guards what follows
  std::condition_variable wake_;
  std::condition_variable wake_long_;
  bool stop_ = false;
  std::deque<Request> waiting_;
  std::deque<LongRequest> waiting_long_;
  std::vector<std::thread> threads_;
};

}  // namespace holdfast
