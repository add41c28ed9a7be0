// What a shard knows of keys that lie in the tier: how many there are, which of them are on their
// way into memory, and which writes are on their way out. Only shards of a store with a tier have
// one. Owned by its Shard, guarded by its lock.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "engine/keyspace/cold_store.h"
#include "engine/keyspace/load.h"
#include "memtable/key.h"

namespace holdfast::keyspace {

// What the tier has, of one database's part of a shard.
struct ColdCount {
  // Keys that are not in memory, not even as a tombstone; too many by those that were written
  // without a look at the tier and turn out to be in it (kUnknown).
  uint64_t keys = 0;
  uint64_t expiring = 0;  // of these, with a TTL
  uint64_t unknown = 0;   // entries in memory, or writes on their way, of which that is not known
  // Entries in memory that the tier has as they are.
  uint64_t clean = 0;
  uint64_t clean_bytes = 0;
  uint64_t references = 0;  // entries in memory of form kReference
};

class ShardResidency {
 public:
  explicit ShardResidency(int databases) : cold_(static_cast<size_t>(databases)) {}

  ColdCount& cold(int database) { return cold_[static_cast<size_t>(database)]; }
  const ColdCount& cold(int database) const { return cold_[static_cast<size_t>(database)]; }
  void Swap(int first, int second) { std::swap(cold(first), cold(second)); }

  // Null: nobody reads the key, or holds what was read.
  std::shared_ptr<Load> Find(SpaceId space, const memtable::KeyRef& ref) const;
  // There is none.
  std::shared_ptr<Load> Make(SpaceId space, uint16_t shard, const memtable::KeyRef& ref, Need need);
  // Forgets a load that nobody holds and nobody reads.
  void DropIfIdle(const Load& load);
  bool Pinned(SpaceId space, const memtable::KeyRef& ref) const {
    return Find(space, ref) != nullptr;
  }
  size_t loads() const { return loads_.size(); }

  // So many writes at most are queued for a shard, as a ticket has 16 bits and none may be in use
  // twice.
  static constexpr uint32_t kMaxQueued = 60'000;
  uint32_t queued() const { return queued_; }
  uint16_t Queued();  // one more: its ticket
  void Landed();

  // ---- a snapshot's counts, which are taken at its cut
  // From here on: what was written blindly before and turns out to have been in the tier was
  // counted twice in them.
  void BeginCut();
  uint8_t cut() const { return cut_; }
  struct CutCorrection {
    SpaceId space = 0;
    uint64_t keys = 0;
    uint64_t expiring = 0;
  };
  void CorrectCut(SpaceId space, bool expires);
  const std::vector<CutCorrection>& cut_corrections() const { return cut_corrections_; }

  // While a watch is open, the orders of all keys that leave memory are remembered: what was read
  // of the tier since it was opened is still true of every other key that is not in memory. One at
  // a time. (Of keys that share an order, one that left speaks for all.)
  void OpenWatch();
  void CloseWatch();
  bool LeftSinceWatch(memtable::KeyOrder order) const;
  void NoteLeft(memtable::KeyOrder order) {
    if (watch_) [[unlikely]]
      watch_->insert(order);
  }

  // Tombstones whose delete found no room in the queue.
  struct BuriedKey {
    SpaceId space;
    std::string name;
  };
  std::vector<BuriedKey>& buried() { return buried_; }

 private:
  struct Name {
    SpaceId space;
    uint64_t hash;
    std::string_view name;  // the Load's
    friend bool operator==(const Name&, const Name&) = default;
  };
  struct HashOfName {
    size_t operator()(const Name& name) const { return name.hash ^ name.space; }
  };

  // A type of its own keeps the set's code apart from that of RocksDB's sets of numbers, which
  // would bind to ours: thread sanitizer then sees half of what RocksDB does and reports races.
  struct HashOfOrder {
    size_t operator()(memtable::KeyOrder order) const noexcept { return order; }
  };

  std::vector<ColdCount> cold_;
  std::unordered_map<Name, std::shared_ptr<Load>, HashOfName> loads_;
  std::vector<BuriedKey> buried_;
  std::vector<CutCorrection> cut_corrections_;
  std::optional<std::unordered_set<memtable::KeyOrder, HashOfOrder>> watch_;
  uint32_t queued_ = 0;
  uint16_t last_ticket_ = 0;
  uint8_t cut_ = 0;  // counts them
};

}  // namespace holdfast::keyspace
