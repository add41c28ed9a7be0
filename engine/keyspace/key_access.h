// Reads and changes of keys on behalf of one execution, under the locks it holds: the one place
// where expiry, hit counts, watchers, the cut's old images and the change count are kept.
//
// Readers treat an expired key as absent, change and log nothing, and leave a hint to the expire
// cycle. A writer that meets one deletes it first, with a DEL in its own group, then acts on an
// absent key. While the log is replayed nothing expires: a key lives until its logged DEL.
//
// A key that is neither in memory nor known to be nowhere must have been asked for beforehand
// (LoadSet): its value is then in memory, or its header stands in for it, an entry of form
// kElsewhere, which has type, TTL and size, and can be replaced or erased like any other. A long
// value may be in memory as a reference (form kReference): that is enough to give the key another
// expiry, copy or rename it; who needs the bytes asks for them beforehand as well. Only who
// overwrites a key whatever it was need not ask: the new entry is marked kUnknown, and the queue of
// cold writes finds out what it replaced.
//
// Lives on the stack of one execution. Entry pointers are valid until the next change through the
// same object.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/keyspace/change_log.h"
#include "engine/keyspace/keyspace.h"
#include "eviction/access_rule.h"
#include "holdfast/random.h"
#include "memtable/entry.h"

namespace holdfast::keyspace {

struct AccessOptions {
  UnixMs now_ms = 0;
  ChangeLog* log = nullptr;  // null: nothing is recorded
  bool replaying = false;    // nothing expires
  bool touch = true;         // accesses renew the eviction state (CLIENT NO-TOUCH turns it off)
  // How they do; null: by the clock. The randomness is for nothing else, so that what a command
  // draws for its own picks is the same under every policy.
  const eviction::AccessRule* rule = nullptr;
  SeededRandom* random = nullptr;
};

class KeyAccess {
 public:
  KeyAccess(Keyspace& keyspace, const AccessOptions& options)
      : keyspace_(keyspace),
        options_(options),
        rule_(options.rule != nullptr
                  ? *options.rule
                  : eviction::AccessRule::At(options.now_ms, eviction::StateUse::kClock, {})) {}

  // Null if absent or expired. Counts a hit or a miss.
  memtable::Entry* Read(const KeyHandle& key);
  // The same without renewing the eviction state (TYPE, TTL, OBJECT, EXISTS).
  memtable::Entry* Look(const KeyHandle& key);
  // Neither counts nor renews (MEMORY USAGE, DEBUG).
  memtable::Entry* Peek(const KeyHandle& key);
  // True if the key is there but its time has come: nobody deleted it yet.
  bool Expired(const KeyHandle& key);
  // For a change: an expired entry is deleted first. No hit counted.
  memtable::Entry* ForWrite(const KeyHandle& key);
  // For a change that does not care what was there (SET): of a key that nobody asked for, null may
  // also mean that nobody knows.
  memtable::Entry* ForOverwrite(const KeyHandle& key);
  // For a change that answers the old value (GETSET, GETDEL): counts too.
  memtable::Entry* ReadForWrite(const KeyHandle& key);

  // `existing` is what ForWrite returned; the returned entry replaces it.
  memtable::Entry* SetString(const KeyHandle& key, memtable::Entry* existing,
                             const memtable::StringSpec& spec);
  memtable::Entry* SetInteger(const KeyHandle& key, memtable::Entry* existing, int64_t value,
                              UnixMs expiry_ms);
  memtable::Entry* SetBlock(const KeyHandle& key, memtable::Entry* existing, BlockRef block,
                            UnixMs expiry_ms, bool raw);
  memtable::Table::Writable ResizeString(const KeyHandle& key, memtable::Entry* existing,
                                         size_t length);
  memtable::Entry* SetExpiry(const KeyHandle& key, memtable::Entry* existing, UnixMs expiry_ms);
  memtable::Entry* CopyValue(const KeyHandle& key, memtable::Entry* existing,
                             const memtable::Entry& from, UnixMs expiry_ms);
  void Erase(const KeyHandle& key, memtable::Entry* existing);
  // Deletes an expired key and records its DEL alone; counts it. (The expire cycle's step too.)
  void EraseExpired(const KeyHandle& key, memtable::Entry* existing);
  // Deletes a key for its memory, records its DEL alone and counts it; watchers are told, as its
  // value is gone.
  void EraseEvicted(const KeyHandle& key, memtable::Entry* existing);
  // The key is to leave memory: what eviction remembers of it.
  void NoteEvicted(const KeyHandle& key);

  // ---- what the eviction state says, if it is kept in that form
  std::optional<int64_t> IdleSeconds(const memtable::Entry& entry) const;
  std::optional<int64_t> Frequency(const memtable::Entry& entry) const;
  // An access (TOUCH: also for clients with CLIENT NO-TOUCH).
  void Touch(memtable::Entry& entry) {
    rule_.Touch(entry, options_.random != nullptr ? *options_.random : random_);
  }
  // RESTORE: as if it had last been accessed so long ago, so often. Nothing, if the state is kept
  // in another form.
  void SetIdleSeconds(memtable::Entry& entry, int64_t seconds) const;
  void SetFrequency(memtable::Entry& entry, uint8_t frequency) const;
  // RENAME, MOVE: the value moved to another key.
  void MoveState(uint32_t state, memtable::Entry& to) const;

  // Changes of keys so far; a command that made none is not logged.
  uint64_t changes() const { return changes_; }
  UnixMs now_ms() const { return options_.now_ms; }
  bool replaying() const { return options_.replaying; }
  ChangeLog* log() const { return options_.log; }
  Keyspace& keyspace() { return keyspace_; }

 private:
  // What a change starts from.
  struct Place {
    memtable::Table& table;
    memtable::Entry* entry = nullptr;  // to be changed; null: to be made
    bool created = false;              // as far as anybody can see, there was no such key in memory
    bool cold = false;                 // there is, or may be, a cold copy
    bool unknown = false;              // the latter
  };
  memtable::Entry* Find(const KeyHandle& key);
  memtable::Entry* FindKnown(const KeyHandle& key);
  memtable::Entry* HeaderOf(const KeyHandle& key);
  bool Unknown(const KeyHandle& key) const;
  void Overtake(const KeyHandle& key);
  bool Erased(const KeyHandle& key) const;
  memtable::Entry* UnlessExpired(const KeyHandle& key, memtable::Entry* entry);
  memtable::Entry* FindLive(const KeyHandle& key);
  Place Prepare(const KeyHandle& key, memtable::Entry* existing);
  memtable::Entry* Changed(const KeyHandle& key, memtable::Entry* entry, const Place& place);
  static memtable::Entry* Counted(const KeyHandle& key, memtable::Entry* entry);
  void Remove(const KeyHandle& key, memtable::Entry* existing);
  void CountChange(const KeyHandle& key);
  static memtable::Entry* Count(const KeyHandle& key, memtable::Entry* found) {
    ShardCounters& counters = key.shard->counters;
    ++(found != nullptr ? counters.hits : counters.misses);
    return found;
  }

  Keyspace& keyspace_;
  AccessOptions options_;
  eviction::AccessRule rule_;
  SeededRandom random_{0};
  uint64_t changes_ = 0;
  // Keys that this execution erased without a trace from shards that have cold keys: they were in
  // memory, so nobody asked for them, and they are known to be nowhere now (DEL k k).
  struct ErasedKey {
    SpaceId space;
    std::string name;
  };
  std::vector<ErasedKey> erased_;
};

}  // namespace holdfast::keyspace
