// Warm-up: after a start every key of the checkpoint is cold; a thread brings back those of its hot
// list (snapshot/hot_list.h), hottest first, while the store serves.
//
// It stops where eviction would begin, so that it drives nothing out. It reads the tier in the
// order of its keys, a few hundred at a time, gives way to reads that clients wait for, and
// overtakes nobody: a key that was written, deleted, flushed or read meanwhile stays as it is
// (keyspace/warm_install.cc). A list that is damaged, or wrong, costs speed and nothing else.
//
// Owned by the Store. Start and Stop by one thread, the rest by any. What goes wrong is reported.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "engine/commands/tier_figures.h"
#include "engine/keyspace/keyspace.h"
#include "holdfast/result.h"
#include "snapshot/hot_list.h"

namespace holdfast {

class Store;

class WarmUp final : public commands::TierFigures {
 public:
  explicit WarmUp(Store& store) : store_(store) {}
  ~WarmUp() override { Stop(); }

  // Once, when the store serves; it has a tier. `path`: of the list.
  void Start(const std::string& path);
  // Returns within milliseconds. Before the tier stops.
  void Stop();
  // The list still says more of what is hot than memory does.
  bool Unfinished() const {
    const State state = state_.load(std::memory_order_acquire);
    return state == State::kRunning || state == State::kStopped;
  }

  void Add(commands::TierFields& fields) const override;

 private:
  enum class State {
    kIdle,     // there is no list, or it is not wanted
    kRunning,  //
    kDone,     // all that there was room for came back
    kStopped,  // the store closes
    kFailed,   // the list, or the tier, could not be read
  };
  // Why a part of the work ended.
  enum class End { kAll, kFull, kUnwanted, kStopped };
  using Clock = std::chrono::steady_clock;

  void Run(const std::string& path);
  bool Fits(uint64_t keys) const;
  Result<End> WarmAll(snapshot::HotListReader& list);
  Result<End> WarmPass(snapshot::HotListReader& list, const std::vector<snapshot::HotRun>& pass);
  Result<End> WarmRuns(snapshot::HotListReader& list, std::span<const snapshot::HotRun> runs);
  Result<End> WarmKeys(keyspace::SpaceId space, std::span<const snapshot::HotKey> keys);
  Result<End> WarmPiece(keyspace::Shard& shard, keyspace::SpaceId space,
                        std::span<const snapshot::HotKey> keys);
  bool Install(keyspace::Shard& shard, keyspace::SpaceId space,
               std::vector<keyspace::Keyspace::WarmKey>& batch);
  memtable::KeyOrder CloseTogether(keyspace::Shard& shard, keyspace::SpaceId space);
  uint64_t KeysOfTier();
  End GiveWay();
  bool Pause(Clock::duration time);
  void Report(const Result<End>& end, Clock::duration time);

  Store& store_;
  std::atomic<State> state_{State::kIdle};
  std::atomic<uint64_t> listed_{0};
  std::atomic<uint64_t> tried_{0};
  std::atomic<uint64_t> loaded_{0};
  std::atomic<uint64_t> bytes_{0};
  std::atomic<int64_t> took_ms_{0};
  // The thread's own:
  uint64_t memory_bytes_ = 0;  // of what was loaded, about
  uint64_t reads_seen_ = 0;
  Clock::duration last_piece_{0};
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace holdfast
