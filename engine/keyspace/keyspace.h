// The keyspace: all shards, the mapping of keys to them, and whole-keyspace operations. It knows no
// command and no file. Owned by the Db; any thread may call it; what needs locks says so.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/keyspace/cold_store.h"
#include "engine/keyspace/shard.h"
#include "eviction/access_rank.h"
#include "eviction/access_rule.h"
#include "eviction/memory_budget.h"
#include "memtable/reclaimer.h"
#include "memtable/table.h"

namespace holdfast::keyspace {

struct ColdCount;
class LockedShards;

struct KeyspaceOptions {
  memtable::HashSeed seed;
  int databases = 16;
  uint32_t shards = 256;  // a power of two, at most kSlotCount
};

// A key of a command, with all that was computed once: hash, slot, shard.
struct KeyHandle {
  memtable::KeyRef ref;
  Shard* shard = nullptr;
  int database = 0;

  std::string_view name() const { return ref.name; }
};

class Keyspace {
 public:
  explicit Keyspace(const KeyspaceOptions& options);
  ~Keyspace();
  Keyspace(const Keyspace&) = delete;
  Keyspace& operator=(const Keyspace&) = delete;

  int databases() const { return options_.databases; }
  const memtable::HashSeed& seed() const { return options_.seed; }
  std::span<Shard> shards() { return {shards_.get(), options_.shards}; }
  memtable::Reclaimer& reclaimer() { return reclaimer_; }
  eviction::MemoryBudget& budget() { return budget_; }

  Shard& ShardOf(uint16_t slot) { return shards_[slot >> slot_shift_]; }
  Shard& ShardAt(memtable::KeyOrder order) {
    return ShardOf(static_cast<uint16_t>(order >> memtable::kStoredHashBits));
  }
  KeyHandle Handle(int database, std::string_view name) {
    const memtable::KeyRef ref = memtable::MakeKeyRef(options_.seed, name);
    return {ref, &ShardOf(ref.slot), database};
  }

  // ---- keys that are not in memory (residency.cc). Once, before there are any keys; `store`
  // outlives the keyspace's use.
  void AttachColdStore(ColdStore& store);
  ColdStore* cold_store() { return cold_store_; }  // null: none
  // What a checkpoint holds of a database, all of it cold: one count for each shard. Before
  // anything runs, after AttachColdStore.
  void RestoreCold(int database, SpaceId space, std::span<const ColdCount> counts);
  void set_next_space(SpaceId space) { next_space_ = space; }
  // The lock of any shard is held, or the gate to change them.
  SpaceId space(int database) const { return spaces_[static_cast<size_t>(database)]; }
  SpaceId SpaceNow(int database);       // no lock is held: it may be another one at once
  int DatabaseOf(SpaceId space) const;  // -1: of none any more
  SpaceId next_space() const { return next_space_; }
  // Queues the write of a dirty entry, or of a tombstone, that has no other on its way. It leaves
  // memory when that has landed if `evict`. False: there is no room now. Lock held.
  bool QueueWrite(const KeyHandle& key, memtable::Entry& entry, bool evict);
  // Queues the deletes of tombstones for which there was no room. Lock held.
  void QueueBuried(Shard& shard);
  // An entry became clean, or is about to be so no more. Lock held.
  static void CountClean(const KeyHandle& key, const memtable::Entry& entry, bool clean);
  // An entry has a reference for its value from now on, or is about to have it no more. Lock held.
  static void CountReference(Shard& shard, int database, bool has);
  // The same for an entry as of a snapshot's cut, which goes even if there is no room: the caller
  // sees to that. If it `changes` now, nothing of it will be clean. Lock held.
  void QueueImage(const KeyHandle& key, memtable::Entry& entry, bool changes);
  // From a snapshot's cut to its checkpoint the tier gets what was there at the cut, nothing newer
  // (R8). Held under the gate; let go by anybody.
  void HoldNewWrites() { holds_new_writes_.store(true, std::memory_order_relaxed); }
  void ReleaseNewWrites() { holds_new_writes_.store(false, std::memory_order_relaxed); }
  // Takes a clean entry out of memory. Lock held.
  void DropClean(const KeyHandle& key, memtable::Entry* entry);
  // One of the shard's keys is in memory from now on, be it as a tombstone. Lock held.
  static void NoLongerCold(Shard& shard, int database, bool expires);
  // What the cold store reports of one shard, up to kMostReported at once. No lock held.
  void Probed(std::span<const ColdProbed> items);
  void Landed(std::span<const ColdLanded> items);
  void Loaded(const std::shared_ptr<Load>& load, Result<std::optional<ColdValue>> found,
              const eviction::AccessRule& rule);
  // After a change of a table, its shard's lock held: the budget hears of it.
  void CountBytes(Shard& shard, int database);
  // What ranks are made by (eviction/access_rank.h): from time to time, any thread.
  void SetRankRule(const eviction::AccessRule& rule) { rank_rule_.Set(rule); }
  uint8_t RankOf(const memtable::Entry& entry) const {
    return rank_rule_.RankOf(entry.eviction_state());
  }

  // ---- warm-up (warm_install.cc): keys that come back although nobody asked for them
  struct WarmKey {
    std::string name;
    memtable::KeyOrder order = 0;  // as the tier had it
    uint8_t rank = 0;              // that it had in memory
    std::string bytes;             // of a short value, which `value` refers to
    ColdValue value;
  };
  // What is read of the tier between Open and Close may be installed in between: by R10, unless the
  // key was in memory meanwhile, or its space is gone. Keys of one shard and space. Returns how
  // many came.
  static void OpenWatch(Shard& shard);
  static void CloseWatch(Shard& shard);
  size_t InstallWarm(Shard& shard, SpaceId space, std::span<WarmKey> keys,
                     const eviction::AccessRule& rule, UnixMs now_ms);

  // Without locks, for a batch of keys before they are executed; inside a Reclaimer::Guard.
  const memtable::Bucket* PrefetchBucket(const KeyHandle& key) const;
  static void PrefetchEntry(const memtable::Bucket* bucket, const KeyHandle& key) {
    memtable::Table::PrefetchEntry(bucket, key.ref);
  }

  // The shard's lock is held. Creates the table on first use.
  memtable::Table& TableFor(Shard& shard, int database);

  // Sums over all shards, each locked in turn (unless `locks` holds it already). Expired keys that
  // no one deleted yet are counted, as in Redis.
  struct DatabaseSize {
    uint64_t keys = 0;
    uint64_t expiring = 0;
    uint64_t cold = 0;   // of the keys, not in memory
    uint64_t clean = 0;  // of the others, in the tier as they are
    uint64_t clean_bytes = 0;
    uint64_t references = 0;  // of these others, without their long values
    uint64_t tombstones = 0;  // no keys: deletes that the tier has yet to see
    uint64_t unknown = 0;     // up to so many keys too many: see SettleSize
  };
  DatabaseSize SizeOf(LockedShards& locks, int database);
  // How long keys with a TTL have to live, from a sample of at most 32 entries of each shard; 0 if
  // it has none.
  int64_t AverageTtlMs(LockedShards& locks, int database, UnixMs now_ms);
  ShardCounters Counters(LockedShards& locks);
  void ResetCounters(LockedShards& locks);
  uint64_t AllocatedBytes(LockedShards& locks);  // of keys and tables
  uint64_t PolicyBytes(LockedShards& locks);     // of what eviction remembers

  // ---- exact counts of keys that were written without a look at the tier (settle.cc)
  // While one of these lives nobody writes blindly; what began before may still.
  class Looking {
   public:
    explicit Looking(Keyspace& keyspace) : keyspace_(keyspace) { ++keyspace_.looking_; }
    ~Looking() { --keyspace_.looking_; }
    Looking(const Looking&) = delete;
    Looking& operator=(const Looking&) = delete;

   private:
    Keyspace& keyspace_;
  };
  bool MustLook() const { return looking_.load(std::memory_order_relaxed) != 0; }
  // Asks the tier for all keys of the database of which nobody knows, and waits for the answers.
  // No lock held; may take a second. An error if the tier cannot be written now.
  Status AskForUnknown(int database);
  // The same until none is left, and SizeOf, which is exact then.
  Result<DatabaseSize> SettleSize(LockedShards& locks, int database);

  // The gate is held. Marks watchers. The old tables are freed later if `lazily`, else at once.
  // Returns the number of keys removed, as SizeOf counts them.
  uint64_t Flush(LockedShards& gate, int database, bool lazily);
  void Swap(LockedShards& gate, int first, int second);
  // Adds the keys that are watched in one of the two and may be cold in the other: Swap has to know
  // whether they are there, or takes it that they are. True: it does, of each, as somebody holds
  // what was read. The gate is held; the names are good as long as it is.
  bool CollectColdForWatchers(LockedShards& gate, int first, int second,
                              std::vector<KeyHandle>& keys);

 private:
  enum class Existence : uint8_t { kAbsent, kPresent, kUnknown };
  bool InMemory(const Shard& shard, int database, std::string_view key) const;
  Existence ExistenceOf(const Shard& shard, int database, std::string_view key) const;
  uint64_t ForgetCold(Shard& shard, int database);
  ColdItem ItemOf(const KeyHandle& key, const memtable::Entry& entry,
                  memtable::Entry::Scratch& scratch) const;
  void MarkProbe(Shard& shard, memtable::Entry& entry, ColdItem& item);
  bool QueueProbes(Shard& shard, int database, memtable::KeyOrder& next);
  void ProbedLocked(Shard& shard, const ColdProbed& probed);
  void LandedLocked(Shard& shard, const ColdLanded& item, const KeyHandle& key);
  void Install(Shard& shard, Load& load, ColdValue& value, const eviction::AccessRule& rule);
  void InstallReferenced(Shard& shard, Load& load, BlockRef value);
  bool InstallOneWarm(Shard& shard, int database, WarmKey& warm, const eviction::AccessRule& rule,
                      UnixMs now_ms);
  memtable::Entry* PutClean(const KeyHandle& key, ColdValue& value);
  static uint32_t StateOfLoaded(Shard& shard, const memtable::KeyRef& key, uint8_t rank,
                                const eviction::AccessRule& rule);
  static uint32_t StateByRank(uint8_t rank, const eviction::AccessRule& rule);

  KeyspaceOptions options_;
  uint32_t slot_shift_;
  eviction::MemoryBudget budget_;
  eviction::SharedRule rank_rule_;
  memtable::Reclaimer reclaimer_;
  std::unique_ptr<Shard[]> shards_;
  ColdStore* cold_store_ = nullptr;
  std::atomic<bool> holds_new_writes_{false};
  std::atomic<int> looking_{0};
  std::vector<SpaceId> spaces_;  // by database
  SpaceId next_space_ = 0;
};

}  // namespace holdfast::keyspace
