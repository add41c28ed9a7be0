// The cold tier of a store: the live tier's rows, the queue of writes before it and the pool of
// readers beside it, as the keyspace wants them (engine/keyspace/cold_store.h). Owned by the Store;
// which thread may call what says the interface. Stop before the keyspace goes.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/cold_reads.h"
#include "engine/cold_rows.h"
#include "engine/cold_writes.h"
#include "engine/commands/tier_figures.h"
#include "engine/keyspace/cold_store.h"
#include "holdfast/result.h"
#include "snapshot/live_tier.h"

namespace holdfast {

namespace keyspace {
struct Shard;
}
class Store;

class ColdTier final : public keyspace::ColdStore, public commands::TierFigures {
 public:
  // Opened, not yet at work: keys may be counted in the meantime.
  static Result<std::unique_ptr<ColdTier>> Open(Store& store, snapshot::LiveTierOptions options);
  ~ColdTier() override { Stop(); }
  void Start();
  void SetCompactionRate(int64_t bytes_per_s);  // 0: no limit
  // What has not landed is in memory and in the log; what is asked for later is refused.
  void Stop();

  // ---- ColdStore
  bool HasRoom(const keyspace::ColdItem& item) const override { return writes_->HasRoom(item); }
  void Queue(keyspace::ColdItem item) override { writes_->Queue(std::move(item)); }
  void Hurry() override { writes_->Hurry(); }
  Status WaitUntilLanded() override { return writes_->WaitUntilLanded(); }
  void StartReads(std::vector<std::shared_ptr<keyspace::Load>> loads) override {
    reads_->StartReads(std::move(loads));
  }
  void ReadInPlace(std::span<const std::shared_ptr<keyspace::Load>> loads) override {
    reads_->ReadInPlace(loads);
  }
  Result<memtable::KeyOrder> List(keyspace::SpaceId space, memtable::KeyOrder from,
                                  memtable::KeyOrder end, size_t enough,
                                  const TakeName& take) override;
  Status ReadEach(std::span<const keyspace::ColdAddress> keys, const TakeValue& take) override;
  Result<BlockRef> ReadReferenced(const CountedBlock& reference) override;
  Result<std::vector<keyspace::ColdHint>> DueHints(UnixMs now_ms, size_t at_most) override;
  Status ForgetHints(std::span<const keyspace::ColdHint> hints) override;
  void ForgetSpace(keyspace::SpaceId space) override { writes_->ForgetSpace(space); }

  // ---- warm-up; no lock held
  // Shows the keys of a space that stand at `orders` (ascending), in order, until `take` says no:
  // see LiveTier::ReadOrders. Values longer than `longest` are left out. The bytes of short ones
  // are gone when `take` returns.
  using TakeOrdered =
      std::function<bool(const keyspace::ColdAddress& key, keyspace::ColdValue value)>;
  Status ReadOrders(keyspace::SpaceId space, std::span<const memtable::KeyOrder> orders,
                    memtable::KeyOrder near, uint64_t longest, const TakeOrdered& take);
  // Housekeep has told the budget what the tier holds: before, memory looks emptier than it is.
  bool MemoryIsCounted() const { return counted_.load(std::memory_order_acquire); }
  // Of others than these: loads that wait, and keys that were read so far.
  uint64_t ReadsWaiting() const { return reads_->Waiting(); }
  uint64_t KeysRead() const { return reads_->KeysRead(); }

  // ---- snapshots; no lock held
  // See ColdWrites.
  bool Congested() const { return writes_->Congested(); }
  void KeepSpaces() { writes_->KeepSpaces(); }
  void LetSpacesGo() { writes_->LetSpacesGo(); }
  Status LinkCheckpoint(const std::string& path);

  // The first damage that a read of the tier met, once one has: no checkpoint is made of it, as the
  // one before and the log may still have what it lost.
  std::optional<std::string> Damage() const;
  // The same for a sync of its tables that failed: nobody knows what of them is on the disk.
  void Distrust(const Error& error);

  // Rows of spaces that no database has any more: a crash may have come before they were removed.
  Status ForgetDeadSpaces();
  // What was deleted gives its room on the disk back, as far as no checkpoint holds it. May take as
  // long as to write all there is, or until Stop or CancelReclaiming.
  Status ReclaimSpace();
  void CancelReclaiming() { tier_->Cancel(); }
  // Moves every key out of memory, having checked what the tier has (spill_all.cc).
  Status SpillAll();
  // By a background thread, about once a second: what the tier holds in memory is counted in the
  // budget, and some long values that nobody names any more are freed.
  void Housekeep();

  // What of the budget is its.
  uint64_t MemoryBytes() const;

  void Add(commands::TierFields& fields) const override;
  // The last try to write to it failed; the next comes by itself.
  bool Failing() const { return writes_->Failing(); }

 private:
  ColdTier(Store& store, std::unique_ptr<snapshot::LiveTier> tier);
  uint64_t WorkingBytes() const;
  Result<uint64_t> Sweep(uint64_t from, size_t at_most);
  Status CheckClean(keyspace::Shard& shard, int database);
  Status CheckCounts();
  bool CountsWrong(keyspace::Shard& shard, int database, std::span<const std::string> rows);
  void Loaded(const std::shared_ptr<keyspace::Load>& load,
              Result<std::optional<keyspace::ColdValue>> found);

  Store& store_;
  mutable std::mutex damage_mutex_;
  std::optional<std::string> damage_;  // under damage_mutex_
  std::unique_ptr<snapshot::LiveTier> tier_;
  LiveTierRows rows_;
  ValueReferences references_;
  std::unique_ptr<ColdWrites> writes_;
  std::unique_ptr<ColdReads> reads_;
  std::atomic<int64_t> counted_bytes_{0};  // changed by Housekeep alone
  std::atomic<bool> counted_{false};
  uint64_t next_value_id_ = 0;  // Housekeep's
};

}  // namespace holdfast
