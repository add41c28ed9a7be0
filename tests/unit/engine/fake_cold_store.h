// A tier in memory that does nothing by itself: what was queued lands, and what was asked for is
// read, when a test says so. A value that memory holds in a block is long here. It checks what the
// keyspace promises its tier (R6: no read of a key that has a write on its way). Any thread may
// call it as a tier, and land and finish; what looks inside is for when nothing is under way.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "engine/keyspace/cold_store.h"
#include "engine/keyspace/keyspace.h"
#include "engine/keyspace/load.h"
#include "engine/value_references.h"
#include "eviction/access_rule.h"

namespace holdfast::keyspace {

class FakeColdStore final : public ColdStore {
 public:
  struct Row {
    ColdFacts facts = {};
    std::string bytes = {};
    uint64_t value_id = 0;  // of a long value
  };
  using RowKey = std::tuple<SpaceId, memtable::KeyOrder, std::string>;
  struct Write {
    RowKey key;
    uint16_t shard;
    uint16_t ticket;
    bool erase;
    bool evict;
    uint32_t leaving_bytes;
    uint8_t cut;
    bool probe;
    bool write;
    Row row;
    BlockRef reference;  // the row names a value that is there
  };

  // The keyspace that it reports to; once.
  void Attach(Keyspace& keyspace) {
    keyspace_ = &keyspace;
    keyspace.AttachColdStore(*this);
  }

  // ---- what a test does with it
  // The oldest write queued for the shard lands. False: there is none.
  bool Land(size_t shard);
  void LandAll();
  // One of the reads under way ends: with an error if `fails`. False: there are none.
  bool Finish(size_t index, bool fails = false);
  // The reads under way have seen what there is now; they end later.
  void SeeNow();
  size_t probes() const { return probes_; }
  void FinishAll();
  void DropForgottenSpaces();
  // Long values that nobody names any more are freed; how many are left.
  size_t Sweep();
  // What an entry of form kReference has.
  std::string ValueOf(const CountedBlock& reference) const;

  const std::map<RowKey, Row>& rows() const { return rows_; }
  // For keys that are cold from the beginning.
  std::map<RowKey, Row>& mutable_rows() { return rows_; }
  const std::deque<Write>& queued(size_t shard) { return queues_[shard]; }
  size_t queued() const;
  size_t hints() const { return hints_.size(); }
  uint64_t leaving() const;
  const Row* Find(const ColdAddress& key) const;
  const Write* LastQueued(size_t shard, const RowKey& key);
  size_t reading() const {
    const std::lock_guard lock(mutex_);
    return reads_.size();
  }
  size_t reads_started() const { return reads_started_; }
  size_t values_read() const { return values_read_; }  // long ones

  bool has_room = true;
  bool takes_images = false;   // of entries that change: nothing of them will be clean
  bool landing_fails = false;  // for who waits for it
  bool list_fails = false;
  bool hints_fail = false;
  bool reads_in_place_fail = false;
  size_t refused = 0;
  size_t hurried = 0;
  std::atomic<size_t> lists{0};
  std::function<void()> on_list;  // before the tier is looked at
  eviction::AccessRule rule = eviction::AccessRule::At(1000, eviction::StateUse::kClock, {});

  // ---- ColdStore
  bool HasRoom(const ColdItem& item) const override;
  void Queue(ColdItem item) override;
  void Hurry() override { ++hurried; }
  Status WaitUntilLanded() override;
  void StartReads(std::vector<std::shared_ptr<Load>> loads) override;
  void ReadInPlace(std::span<const std::shared_ptr<Load>> loads) override;
  Result<memtable::KeyOrder> List(SpaceId space, memtable::KeyOrder from, memtable::KeyOrder end,
                                  size_t enough, const TakeName& take) override;
  Status ReadEach(std::span<const ColdAddress> keys, const TakeValue& take) override;
  Result<BlockRef> ReadReferenced(const CountedBlock& reference) override;
  Result<std::vector<ColdHint>> DueHints(UnixMs now_ms, size_t at_most) override;
  Status ForgetHints(std::span<const ColdHint> hints) override;
  void ForgetSpace(SpaceId space) override { forgotten_.insert(space); }

 private:
  static RowKey KeyOf(const ColdAddress& key) {
    return {key.space, key.order, std::string(key.name)};
  }
  void Report(const std::shared_ptr<Load>& load, bool fails);
  ColdValue ValueOf(const Row& row, Need need);
  void CheckRead(const std::shared_ptr<Load>& load);
  std::optional<Row> Copy(const ColdAddress& key) const;

  Keyspace* keyspace_ = nullptr;
  mutable std::mutex mutex_;  // guards the rest; never held while the keyspace is called
  std::map<RowKey, Row> rows_;
  std::map<uint64_t, std::string> values_;  // long ones, by their numbers
  uint64_t last_value_id_ = 0;
  ValueReferences references_;
  std::set<std::pair<UnixMs, RowKey>> hints_;
  std::map<size_t, std::deque<Write>> queues_;
  std::vector<std::shared_ptr<Load>> reads_;
  std::map<const Load*, std::optional<Row>> seen_;
  std::set<SpaceId> forgotten_;
  std::atomic<size_t> reads_started_{0};
  std::atomic<size_t> probes_{0};
  std::atomic<size_t> values_read_{0};
};

}  // namespace holdfast::keyspace
