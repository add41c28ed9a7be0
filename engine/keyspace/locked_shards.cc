#include "engine/keyspace/locked_shards.h"

#include "holdfast/check.h"

namespace holdfast::keyspace {

bool LockedShards::TryLockSeveral() {
  std::span<Shard> shards = keyspace_.shards();
  for (size_t i = 0; i < several_.size(); ++i) {
    if (shards[several_[i]].lock.TryLock()) continue;
    while (i > 0) shards[several_[--i]].lock.Unlock();
    return false;
  }
  return true;
}

void LockedShards::LockKeys(std::span<const KeyHandle> keys) {
  HF_DCHECK(HoldsNothing());
  if (keys.empty()) return;
  bool same = true;
  for (const KeyHandle& key : keys) same &= key.shard == keys[0].shard;
  if (same) return LockOne(*keys[0].shard);
  for (const KeyHandle& key : keys) several_.push_back(key.shard->index);
  std::sort(several_.begin(), several_.end());
  several_.erase(std::unique(several_.begin(), several_.end()), several_.end());
  for (int i = 0; i < kTries; ++i) {
    if (TryLockSeveral()) return;
  }
  several_.clear();
  LockGate();
}

void LockedShards::LockGate() {
  HF_CHECK(HoldsNothing());
  for (Shard& shard : keyspace_.shards()) shard.lock.Lock();
  gate_ = true;
}

void LockedShards::Release() {
  if (single_ != nullptr) {
    single_->lock.Unlock();
    single_ = nullptr;
    return;
  }
  ForEachHeld([](Shard& shard) { shard.lock.Unlock(); });
  several_.clear();
  gate_ = false;
}

}  // namespace holdfast::keyspace
