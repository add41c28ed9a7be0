// Names of one database in the one order, over memory and tier: for SCAN, KEYS, RANDOMKEY and
// DEBUG DIGEST. Memory comes first: what lies there of a stretch of the order is taken under the
// shard's lock, tombstones included; then, with the lock let go, the tier is asked for the same
// stretch, and what memory has, or has buried, masks it. So a key that is there all the while is
// found once: what memory loses meanwhile it lost to the tier, and what it gains stays in the tier.
//
// A stretch of a shard without cold keys is one Table::Scan under its lock, as in a store without a
// tier.
//
// Lives on the stack of one execution. Inside EXEC the gate is held all the while, so the tier is
// then asked under it: what the transaction wrote before must be seen, and is not known before it
// ran. That is the one place where the tier is called under a lock (ColdStore::List, ReadEach).
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/keyspace/cold_store.h"
#include "engine/keyspace/keyspace.h"
#include "engine/keyspace/locked_shards.h"
#include "holdfast/result.h"
#include "memtable/entry.h"
#include "memtable/key.h"

namespace holdfast::keyspace {

// Two neighbouring positions of the order share a cursor, which has one bit less, so that clients
// which keep numbers as doubles hold it exactly. Walks rest between cursors only.
constexpr uint64_t CursorOf(memtable::KeyOrder order) { return order >> 1; }
constexpr memtable::KeyOrder PositionOf(uint64_t cursor) { return cursor << 1; }

// What memory has of a stretch of the order.
class MemoryStretch {
 public:
  // Calls `visit(entry)` for keys from `from` on (between two cursors), about so many, none behind
  // the end of the first one's shard. Under the shard's lock.
  template <typename Visit>
  void Take(Keyspace& keyspace, LockedShards& locks, int database, memtable::KeyOrder from,
            size_t entries, const Visit& visit) {
    const memtable::KeyOrder shard_end = Begin(keyspace, from);
    locks.With(keyspace.ShardAt(from), [&](Shard& shard) {
      const memtable::Table* table = LookAt(keyspace, shard, database);
      if (table == nullptr) return;
      const memtable::Entry* newest = nullptr;
      const memtable::Entry* last = nullptr;
      const auto take = [&](const memtable::Entry& entry) {
        newest = &entry;
        if (cold_) [[unlikely]]
          Remember(entry);
        if (entry.Has(memtable::kTombstone)) return;
        last = &entry;
        visit(entry);
      };
      end_ = table->Scan(from, entries, take);
      took_end_ = HasMoreOfCursor(newest);
      if (took_end_) table->Scan(end_, 1, take);
      if (last != nullptr) last_ = last->order();
    });
    Finish(from, shard_end);
  }

  // Of the stretch, between two cursors.
  memtable::KeyOrder end() const { return end_; }
  // The position of the key visited last; there was one.
  memtable::KeyOrder last() const { return last_; }
  // There may be more in the tier; known before the first key is visited.
  bool cold() const { return cold_; }
  SpaceId space() const { return space_; }
  // If cold: memory has the key, or knows that it is gone.
  bool Masks(const ColdAddress& key) const;

 private:
  memtable::KeyOrder Begin(Keyspace& keyspace, memtable::KeyOrder from);
  const memtable::Table* LookAt(Keyspace& keyspace, const Shard& shard, int database);
  void Remember(const memtable::Entry& entry);
  bool HasMoreOfCursor(const memtable::Entry* newest) const;
  void Finish(memtable::KeyOrder from, memtable::KeyOrder shard_end);

  memtable::KeyOrder end_ = 0;
  memtable::KeyOrder last_ = 0;
  bool took_end_ = false;
  bool cold_ = false;
  SpaceId space_ = 0;
  struct Place {
    memtable::KeyOrder order;
    std::string name;
  };
  std::vector<Place> places_;  // if cold, in order: tombstones too
};

struct NamesWalkOptions {
  int database = 0;
  UnixMs now_ms = 0;
  bool shows_expired = false;  // in replay nothing expires
  bool may_ask_tier = true;    // this thread can wait for it
};

class NamesWalk {
 public:
  // `from` lies between two cursors.
  NamesWalk(Keyspace& keyspace, LockedShards& locks, const NamesWalkOptions& options,
            memtable::KeyOrder from);

  bool AtEnd() const { return next_ >= memtable::kOrderEnd; }
  memtable::KeyOrder next() const { return next_; }

  enum class Outcome : uint8_t {
    kDone,
    kNeedsTier,  // but may not ask it: nothing was shown
    kFailed,     // nothing of this step was shown
  };
  // Calls `visit(name, type)` for what is alive of the next `keys` keys, to the end of the last
  // one's cursor; of fewer where a shard or a stretch ends. Where the keys lie has no influence on
  // which they are, as long as the caller asks on for those that are missing. Names are valid
  // during the call.
  template <typename Visit>
  Outcome Step(size_t keys, const Visit& visit) {
    MemoryStretch stretch;
    std::vector<Found> found;
    size_t passed = 0;
    stretch.Take(keyspace_, locks_, options_.database, next_, keys,
                 [&](const memtable::Entry& entry) {
                   if (stretch.cold()) [[unlikely]]
                     return Keep(entry, found);
                   ++passed;
                   if (Shown(entry.expiry_ms())) visit(entry.key(), entry.type());
                 });
    if (stretch.cold()) [[unlikely]]
      return StepOverBoth(stretch, keys, found, visit);
    passed_ += passed;
    next_ = stretch.end();
    if (passed >= keys) RestAfter(stretch.last());
    return Outcome::kDone;
  }
  // Keys passed so far, expired ones included.
  uint64_t passed() const { return passed_; }
  const Error& error() const { return error_; }

 private:
  struct Found {
    memtable::KeyOrder order;
    std::string name;
    memtable::ValueType type;
    UnixMs expiry_ms;
  };
  bool Shown(UnixMs expiry_ms) const {
    return options_.shows_expired || expiry_ms == memtable::kNoExpiry ||
           expiry_ms > options_.now_ms;
  }
  void RestAfter(memtable::KeyOrder last) { next_ = PositionOf(CursorOf(last) + 1); }
  using ShowName = std::function<void(std::string_view name, memtable::ValueType type)>;
  static void Keep(const memtable::Entry& entry, std::vector<Found>& found);
  Outcome StepOverBoth(const MemoryStretch& stretch, size_t keys, std::vector<Found>& found,
                       const ShowName& show);
  Result<memtable::KeyOrder> AddCold(const MemoryStretch& stretch, size_t keys,
                                     std::vector<Found>& found);
  void ShowMerged(std::vector<Found>& found, memtable::KeyOrder end, size_t keys,
                  const ShowName& show);

  Keyspace& keyspace_;
  LockedShards& locks_;
  const NamesWalkOptions options_;
  memtable::KeyOrder next_;
  uint64_t passed_ = 0;
  Error error_;
};

}  // namespace holdfast::keyspace
