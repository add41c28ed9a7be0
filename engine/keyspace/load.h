// Cold keys on their way into memory (R10). A Load is the placeholder of one key in its shard: all
// who need the key share it, and while somebody holds it (a pin) what it brought stays: an entry is
// not evicted, the knowledge that the key is absent, or its header, is not forgotten.
//
// A LoadSet is what one caller needs for a command, or for a few commands to come: it counts what
// is still being read and tells the caller when nothing is. The caller then tries its command
// again.
//
// A Load is guarded by its shard's lock, except for what says otherwise. A LoadSet belongs to one
// thread; other threads only count it down.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "engine/keyspace/cold_store.h"
#include "engine/keyspace/keyspace.h"
#include "engine/keyspace/residency.h"
#include "holdfast/result.h"

namespace holdfast::keyspace {

class LoadSet;

struct Load {
  // Set once: any thread may read them.
  SpaceId space = 0;
  uint16_t shard = 0;
  memtable::KeyRef ref;  // `name` of it is this Load's
  std::string name;

  // What the read is to bring; set before it starts, not changed until it ends.
  Need need = Need::kValue;
  // If set: the key is in memory, and what is to be read is the value that this names. No row is
  // looked at, so no write of the key can be in the way.
  BlockRef reference;

  enum class State : uint8_t {
    kReading,
    kAbsent,     // the tier has no such key
    kHeader,     // `header` says what there is; the value was not fetched
    kInstalled,  // in memory since; wherever it went then, the tier need not be asked
    kFailed,     // `error` says why
  };
  State state = State::kReading;
  bool overtaken = false;  // written meanwhile, by somebody who did not wait for it
  struct FreeEntry {
    void operator()(memtable::Entry* entry) const;
  };
  std::unique_ptr<memtable::Entry, FreeEntry> header;
  Error error;
  uint32_t pins = 0;
  std::vector<std::shared_ptr<LoadSet>> waiting;
  // Whose to start its read is, or was, and where it stands in the list of those.
  const LoadSet* reader = nullptr;
  size_t reader_index = 0;

  ColdAddress address() const { return {space, ref.order(), name}; }
  void Settle(State now) {
    header.reset();
    state = now;
  }
};

class LoadListener {
 public:
  virtual ~LoadListener() = default;
  // Nothing of the set is being read any more. Any thread, under the set's mutex.
  virtual void OnLoaded() = 0;
};

class LoadSet : public std::enable_shared_from_this<LoadSet> {
 public:
  explicit LoadSet(LoadListener* listener) : listener_(listener) {}

  // What a key is for a command that needs so much of it. Its shard's lock is held. A load of the
  // key is pinned in any case.
  enum class Presence {
    kThere,   // in memory, or known to be nowhere: the command may look at it
    kCold,    // it has to be read: that is now part of this set
    kFailed,  // it was read in vain: `error` of the set says why
  };
  static bool MayBeCold(const Shard& shard) { return shard.cold_keys != 0; }
  Presence Want(Keyspace& keyspace, const KeyHandle& key, Need need);

  // No lock held. Starts what has to be read. Once: then the set wants nothing more.
  void Start(Keyspace& keyspace);
  // The same, and waits until all is there, reading on this thread what nobody else reads.
  void ReadInPlace(Keyspace& keyspace);
  bool started() const { return started_; }
  bool Ready() const { return outstanding_.load(std::memory_order_acquire) == 0; }
  // Lets go of everything. The listener is not told any more.
  void Release(Keyspace& keyspace);

  bool empty() const { return pinned_.empty(); }
  const Error& error() const { return error_; }

 private:
  friend class Keyspace;
  void CountDown();
  void Pin(std::shared_ptr<Load> load);
  void Read(const std::shared_ptr<Load>& load, CountedBlock* reference);
  bool IsToRead(const Load& load) const;

  std::vector<std::shared_ptr<Load>> pinned_;
  std::vector<std::shared_ptr<Load>> to_read_;
  Error error_;
  bool started_ = false;
  std::atomic<int32_t> outstanding_{1};  // one for the caller, until Start
  std::mutex mutex_;                     // guards listener_, and who waits
  std::condition_variable ready_;
  LoadListener* listener_;
};

}  // namespace holdfast::keyspace
