#include "engine/keyspace/load.h"

#include <algorithm>
#include <utility>

#include "engine/keyspace/shard_residency.h"
#include "holdfast/check.h"
#include "memtable/entry_builder.h"

namespace holdfast::keyspace {

void Load::FreeEntry::operator()(memtable::Entry* entry) const {
  memtable::EntryBuilder::Destroy(entry);
}

namespace {

bool Satisfies(const Load& load, Need need) {
  switch (load.state) {
    case Load::State::kReading:
    case Load::State::kFailed:
      return false;
    case Load::State::kHeader:
      return need < Need::kRow;
    case Load::State::kAbsent:
    case Load::State::kInstalled:
      return true;
  }
  return false;
}

}  // namespace

LoadSet::Presence LoadSet::Want(Keyspace& keyspace, const KeyHandle& key, Need need) {
  Shard& shard = *key.shard;
  HF_DCHECK(shard.lock.Held());
  HF_CHECK(!started_);
  if (shard.residency == nullptr || need == Need::kNothing) return Presence::kThere;
  ShardResidency& residency = *shard.residency;
  const SpaceId space = keyspace.space(key.database);
  std::shared_ptr<Load> load = residency.Find(space, key.ref);
  const memtable::Table* table = shard.table(key.database);
  const memtable::Entry* entry = table != nullptr ? table->Find(key.ref) : nullptr;
  // Of a long value memory may have nothing but what names it.
  CountedBlock* reference = entry != nullptr && need == Need::kValue ? entry->reference() : nullptr;
  const bool known =
      reference == nullptr && (entry != nullptr || residency.cold(key.database).keys == 0);
  if (load == nullptr) {
    if (known) return Presence::kThere;
    load = residency.Make(space, shard.index, key.ref, need);
    Read(load, reference);
  }
  Pin(load);
  if (known || (reference == nullptr && Satisfies(*load, need))) return Presence::kThere;
  if (load->state == Load::State::kFailed && load->reference.get() == reference) {
    error_ = load->error;
    return Presence::kFailed;
  }
  if (load->state != Load::State::kReading) {  // more is wanted than was fetched
    load->Settle(Load::State::kReading);
    load->overtaken = false;
    load->need = need;
    Read(load, reference);
  }
  if (!IsToRead(*load)) {
    ++shard.counters.coalesced;
  } else {
    load->need = std::max(load->need, need);
  }
  load->waiting.push_back(shared_from_this());
  outstanding_.fetch_add(1, std::memory_order_relaxed);
  return Presence::kCold;
}

void LoadSet::Read(const std::shared_ptr<Load>& load, CountedBlock* reference) {
  load->reference = reference != nullptr ? BlockRef::Share(reference) : BlockRef();
  load->reader = this;
  load->reader_index = to_read_.size();
  to_read_.push_back(load);
}

// A set that was here before may have had this one's address.
bool LoadSet::IsToRead(const Load& load) const {
  return load.reader == this && load.reader_index < to_read_.size() &&
         to_read_[load.reader_index].get() == &load;
}

void LoadSet::Pin(std::shared_ptr<Load> load) {
  ++load->pins;
  pinned_.push_back(std::move(load));
}

void LoadSet::Start(Keyspace& keyspace) {
  HF_CHECK(!std::exchange(started_, true));
  if (!to_read_.empty()) keyspace.cold_store()->StartReads(std::exchange(to_read_, {}));
  CountDown();
}

void LoadSet::ReadInPlace(Keyspace& keyspace) {
  HF_CHECK(!std::exchange(started_, true));
  if (!to_read_.empty()) {
    const std::vector<std::shared_ptr<Load>> loads = std::exchange(to_read_, {});
    keyspace.cold_store()->ReadInPlace(loads);
  }
  CountDown();
  std::unique_lock lock(mutex_);
  ready_.wait(lock, [this] { return Ready(); });
}

void LoadSet::CountDown() {
  const std::lock_guard lock(mutex_);
  const int32_t before = outstanding_.fetch_sub(1, std::memory_order_acq_rel);
  HF_CHECK(before > 0);
  if (before > 1) return;
  ready_.notify_all();
  if (listener_ != nullptr) listener_->OnLoaded();
}

void LoadSet::Release(Keyspace& keyspace) {
  HF_CHECK(to_read_.empty());
  {
    const std::lock_guard lock(mutex_);
    listener_ = nullptr;
  }
  for (const std::shared_ptr<Load>& load : std::exchange(pinned_, {})) {
    Shard& shard = keyspace.shards()[load->shard];
    shard.lock.Lock();
    HF_CHECK(load->pins > 0);
    --load->pins;
    shard.residency->DropIfIdle(*load);
    shard.lock.Unlock();
  }
}

}  // namespace holdfast::keyspace
