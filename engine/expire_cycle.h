// Active expiry: a background thread that deletes what is due, in small slices, like an ordinary
// writer (admission, lock, DEL in the log). Owned by the Store; starts stopped. Bounded work: at
// most a quarter of one core, less when little is due.
#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "engine/cold_expiry.h"
#include "engine/keyspace/keyspace.h"

namespace holdfast {

class Executor;
class Store;

class ExpireCycle {
 public:
  explicit ExpireCycle(Store& store) : store_(store), cold_(store) {}
  ~ExpireCycle() { Stop(); }
  ExpireCycle(const ExpireCycle&) = delete;
  ExpireCycle& operator=(const ExpireCycle&) = delete;

  void Start();
  void Stop();
  // DEBUG SET-ACTIVE-EXPIRE.
  std::atomic<bool>& active() { return active_; }

 private:
  struct Due {
    int database;
    std::string key;
  };
  void Loop();
  void WatchClock();
  // One round over all shards, within a turn; returns how many keys were deleted.
  size_t Round(Executor& executor);
  void CollectDue(keyspace::Shard& shard, UnixMs now_ms);

  Store& store_;
  ColdExpiry cold_;
  std::atomic<bool> active_{true};
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stop_ = false;
  std::thread thread_;
  std::vector<Due> due_;
  UnixMs seen_wall_ms_ = 0;
  int64_t seen_monotonic_ns_ = 0;
};

}  // namespace holdfast
