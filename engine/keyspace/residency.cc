// What became of queued writes and reads: how entries turn clean, leave memory and come back.
#include <algorithm>
#include <array>

#include "engine/keyspace/cut_walk.h"
#include "engine/keyspace/keyspace.h"
#include "engine/keyspace/load.h"
#include "engine/keyspace/shard_residency.h"
#include "eviction/access_rank.h"
#include "holdfast/check.h"
#include "memtable/entry_builder.h"
#include "memtable/value_reference.h"

namespace holdfast::keyspace {

using memtable::Entry;
using memtable::Table;

void Keyspace::AttachColdStore(ColdStore& store) {
  HF_CHECK(cold_store_ == nullptr);
  cold_store_ = &store;
  for (Shard& shard : shards()) {
    HF_CHECK(shard.keys() == 0);
    shard.residency = std::make_unique<ShardResidency>(options_.databases);
  }
}

void Keyspace::RestoreCold(int database, SpaceId space, std::span<const ColdCount> counts) {
  HF_CHECK(counts.size() == shards().size());
  spaces_[static_cast<size_t>(database)] = space;
  for (Shard& shard : shards()) {
    HF_CHECK(shard.keys() == 0);
    shard.residency->cold(database) = counts[shard.index];
    shard.cold_keys += counts[shard.index].keys;
  }
}

SpaceId Keyspace::SpaceNow(int database) {
  Shard& any = shards()[0];
  any.lock.Lock();
  const SpaceId now = space(database);
  any.lock.Unlock();
  return now;
}

int Keyspace::DatabaseOf(SpaceId space) const {
  for (int database = 0; database < options_.databases; ++database) {
    if (this->space(database) == space) return database;
  }
  return -1;
}

ColdItem Keyspace::ItemOf(const KeyHandle& key, const Entry& entry, Entry::Scratch& scratch) const {
  ColdItem item{.shard = key.shard->index,
                .key = {space(key.database), key.ref.order(), key.name()},
                .erase = entry.Has(memtable::kTombstone)};
  if (item.erase) return item;
  item.facts = {.type = entry.type(),
                .raw_string = entry.Has(memtable::kRawString),
                .integer = entry.form() == memtable::ValueForm::kInteger,
                .rank = RankOf(entry),
                .expiry_ms = entry.expiry_ms(),
                .size = entry.StringLength()};
  if (CountedBlock* reference = entry.reference(); reference != nullptr) {
    item.block = BlockRef::Share(reference);
    item.by_reference = true;
  } else if (CountedBlock* block = entry.block(); block != nullptr) {
    item.block = BlockRef::Share(block);
  } else {
    item.bytes = entry.StringBytes(scratch);
  }
  return item;
}

// Nobody looked whether the tier has the key: that is asked before its first write lands. The flag
// stands for "nothing of the key is on its way", the item carries on from there.
void Keyspace::MarkProbe(Shard& shard, Entry& entry, ColdItem& item) {
  if (!entry.Has(memtable::kUnknown)) [[likely]]
    return;
  HF_CHECK(entry.Has(memtable::kDirty) && entry.Has(memtable::kCold) && entry.ticket() == 0);
  item.probe = true;
  const bool before_cut = CutWalk::Unsaved(shard, entry);
  item.cut = static_cast<uint8_t>(shard.residency->cut() - (before_cut ? 1 : 0));
  entry.Mark(memtable::kUnknown, false);
}

void Keyspace::CountReference(Shard& shard, int database, bool has) {
  HF_DCHECK(shard.lock.Held());
  ColdCount& count = shard.residency->cold(database);
  if (has) {
    ++count.references;
    ++shard.cold_keys;
    return;
  }
  HF_CHECK(count.references > 0 && shard.cold_keys >= count.references);
  --count.references;
  --shard.cold_keys;
}

bool Keyspace::QueueWrite(const KeyHandle& key, Entry& entry, bool evict) {
  Shard& shard = *key.shard;
  HF_DCHECK(shard.lock.Held() && cold_store_ != nullptr);
  HF_CHECK(entry.Has(memtable::kDirty) && entry.ticket() == 0);
  const bool of_current_epoch = entry.Has(memtable::kEpoch) == shard.epoch;
  if (holds_new_writes_.load(std::memory_order_relaxed) && of_current_epoch) return false;
  if (shard.residency->queued() == ShardResidency::kMaxQueued) return false;
  Entry::Scratch scratch;
  ColdItem item = ItemOf(key, entry, scratch);
  if (!cold_store_->HasRoom(item)) return false;
  item.evict = evict;
  if (evict || item.erase) item.leaving_bytes = static_cast<uint32_t>(entry.AllocatedBytes());
  budget_.AddLeaving(item.leaving_bytes);
  MarkProbe(shard, entry, item);
  item.ticket = shard.residency->Queued();
  entry.set_ticket(item.ticket);
  entry.Mark(memtable::kCold, true);
  entry.Mark(memtable::kEpoch, shard.epoch);  // a snapshot need not visit it any more
  cold_store_->Queue(std::move(item));
  return true;
}

void Keyspace::QueueBuried(Shard& shard) {
  HF_DCHECK(shard.lock.Held());
  if (shard.residency == nullptr) return;
  std::vector<ShardResidency::BuriedKey>& buried = shard.residency->buried();
  while (!buried.empty()) {
    const int database = DatabaseOf(buried.back().space);
    if (database >= 0) {
      const KeyHandle key = Handle(database, buried.back().name);
      const Table* table = shard.table(database);
      Entry* entry = table != nullptr ? table->Find(key.ref) : nullptr;
      const bool waits =
          entry != nullptr && entry->Has(memtable::kTombstone) && entry->ticket() == 0;
      if (waits && !QueueWrite(key, *entry, false)) return;
    }
    buried.pop_back();
  }
}

void Keyspace::CountClean(const KeyHandle& key, const Entry& entry, bool clean) {
  HF_DCHECK(entry.Has(memtable::kCold) && !entry.Has(memtable::kDirty) &&
            !entry.Has(memtable::kTombstone));
  ColdCount& count = key.shard->residency->cold(key.database);
  const uint64_t bytes = entry.AllocatedBytes();
  if (clean) {
    ++count.clean;
    count.clean_bytes += bytes;
    return;
  }
  HF_CHECK(count.clean > 0 && count.clean_bytes >= bytes);
  --count.clean;
  count.clean_bytes -= bytes;
}

void Keyspace::QueueImage(const KeyHandle& key, Entry& entry, bool changes) {
  Shard& shard = *key.shard;
  HF_DCHECK(shard.lock.Held() && cold_store_ != nullptr);
  HF_CHECK(entry.Has(memtable::kDirty));
  if (entry.ticket() != 0) return;  // what is on its way is this very image
  Entry::Scratch scratch;
  ColdItem item = ItemOf(key, entry, scratch);
  MarkProbe(shard, entry, item);
  entry.Mark(memtable::kCold, true);
  if (!changes && shard.residency->queued() < ShardResidency::kMaxQueued) {
    item.ticket = shard.residency->Queued();
    entry.set_ticket(item.ticket);
  }
  cold_store_->Queue(std::move(item));
}

void Keyspace::DropClean(const KeyHandle& key, Entry* entry) {
  Shard& shard = *key.shard;
  HF_CHECK(shard.lock.Held() && shard.residency != nullptr);
  HF_CHECK(entry->Has(memtable::kCold) && !entry->Has(memtable::kDirty) &&
           !entry->Has(memtable::kTombstone));
  CountClean(key, *entry, false);
  if (entry->reference() != nullptr) CountReference(shard, key.database, false);
  ColdCount& cold = shard.residency->cold(key.database);
  ++cold.keys;
  ++shard.cold_keys;
  if (entry->Has(memtable::kHasExpiry)) ++cold.expiring;
  ++shard.counters.spilled;
  shard.residency->NoteLeft(key.ref.order());
  shard.table(key.database)->Erase(key.ref, entry);
  CountBytes(shard, key.database);
}

void Keyspace::NoLongerCold(Shard& shard, int database, bool expires) {
  ColdCount& cold = shard.residency->cold(database);
  HF_CHECK(cold.keys > 0 && shard.cold_keys >= cold.keys);
  --cold.keys;
  --shard.cold_keys;
  if (!expires) return;
  HF_CHECK(cold.expiring > 0);
  --cold.expiring;
}

void Keyspace::Probed(std::span<const ColdProbed> items) {
  HF_CHECK(!items.empty());
  Shard& shard = shards()[items.front().shard];
  shard.lock.LockInTurn();
  for (const ColdProbed& item : items) ProbedLocked(shard, item);
  shard.lock.Unlock();
}

void Keyspace::ProbedLocked(Shard& shard, const ColdProbed& probed) {
  HF_CHECK(probed.shard == shard.index);
  if (probed.existed && probed.cut != shard.residency->cut())
    shard.residency->CorrectCut(probed.space, probed.expires);
  const int database = DatabaseOf(probed.space);
  if (database < 0) return;  // flushed since
  ColdCount& cold = shard.residency->cold(database);
  HF_CHECK(cold.unknown > 0);
  --cold.unknown;
  if (probed.existed) NoLongerCold(shard, database, probed.expires);
}

void Keyspace::Landed(std::span<const ColdLanded> items) {
  HF_CHECK(!items.empty());
  Shard& shard = shards()[items.front().shard];
  std::array<KeyHandle, kMostReported> keys;
  HF_CHECK(items.size() <= keys.size());
  for (size_t i = 0; i < items.size(); ++i) {
    keys[i] = Handle(0, items[i].key.name);
    HF_CHECK(keys[i].shard == &shard && keys[i].ref.order() == items[i].key.order);
  }
  shard.lock.LockInTurn();
  std::array<const memtable::Bucket*, kMostReported> buckets{};
  for (size_t i = 0; i < items.size(); ++i) {
    keys[i].database = DatabaseOf(items[i].key.space);
    if (keys[i].database >= 0) buckets[i] = PrefetchBucket(keys[i]);
  }
  for (size_t i = 0; i < items.size(); ++i) PrefetchEntry(buckets[i], keys[i]);
  for (size_t i = 0; i < items.size(); ++i) LandedLocked(shard, items[i], keys[i]);
  shard.lock.Unlock();
}

// R6, R7: only what is still what was written is clean, or gone.
void Keyspace::LandedLocked(Shard& shard, const ColdLanded& item, const KeyHandle& key) {
  if (item.ticket != 0) shard.residency->Landed();
  budget_.AddLeaving(-static_cast<int64_t>(item.leaving_bytes));
  const int database = key.database;
  if (database < 0) return;  // flushed since
  const Table* table = shard.table(database);
  Entry* entry = table != nullptr ? table->Find(key.ref) : nullptr;
  if (item.ticket == 0 || entry == nullptr || entry->ticket() != item.ticket) return;
  entry->set_ticket(0);
  const std::shared_ptr<Load> load = shard.residency->Find(item.key.space, key.ref);
  if (entry->Has(memtable::kTombstone)) {
    if (load != nullptr && load->state == Load::State::kHeader) load->Settle(Load::State::kAbsent);
    shard.residency->NoteLeft(key.ref.order());
    shard.table(database)->Erase(key.ref, entry);
    CountBytes(shard, database);
    return;
  }
  entry->Mark(memtable::kDirty, false);
  CountClean(key, *entry, true);
  if (item.evict && load == nullptr) DropClean(key, entry);
}

void Keyspace::Loaded(const std::shared_ptr<Load>& load, Result<std::optional<ColdValue>> found,
                      const eviction::AccessRule& rule) {
  Shard& shard = shards()[load->shard];
  std::vector<std::shared_ptr<LoadSet>> waiting;
  shard.lock.Lock();
  HF_CHECK(load->state == Load::State::kReading);
  ++shard.counters.cold_reads;
  if (found && *found && (*found)->facts.type != memtable::ValueType::kString)
    found = MakeError(ErrorCode::kUnsupported, "a value of a type that this version does not know");
  if (DatabaseOf(load->space) < 0) {
    load->Settle(Load::State::kAbsent);  // flushed since, its rows perhaps half gone
  } else if (load->overtaken) {
    load->Settle(Load::State::kInstalled);
  } else if (!found) {
    load->error = found.error();
    load->Settle(Load::State::kFailed);
  } else if (load->reference) {
    HF_CHECK(found->has_value());
    InstallReferenced(shard, *load, std::move((*found)->block));
  } else if (!found->has_value()) {
    load->Settle(Load::State::kAbsent);
  } else if (load->need < Need::kRow) {
    const ColdFacts& facts = (*found)->facts;
    load->header.reset(memtable::EntryBuilder::Create(
        load->ref, memtable::NewValue::Elsewhere(facts.size, facts.raw_string), facts.expiry_ms));
    load->header->set_eviction_state(StateByRank(facts.rank, rule));  // as a loaded value's
    load->state = Load::State::kHeader;
  } else {
    Install(shard, *load, **found, rule);
  }
  waiting.swap(load->waiting);
  shard.residency->DropIfIdle(*load);
  shard.lock.Unlock();
  for (const std::shared_ptr<LoadSet>& set : waiting) set->CountDown();
}

// What a policy sees of a key that comes back because somebody asked for it. The queues take it as
// new unless they remember it: a scan of cold keys must not drive out what is hot.
uint32_t Keyspace::StateOfLoaded(Shard& shard, const memtable::KeyRef& key, uint8_t rank,
                                 const eviction::AccessRule& rule) {
  if (rule.use == eviction::StateUse::kQueueBits) return shard.queues.Enter(key.hash);
  return StateByRank(rank, rule);
}

// A counter that had come down to nothing begins again as a new key's: it was asked for.
uint32_t Keyspace::StateByRank(uint8_t rank, const eviction::AccessRule& rule) {
  const uint32_t fresh = rule.NewState();
  const uint32_t known = eviction::StateOfRank(rule, rank).value_or(fresh);
  return rule.use == eviction::StateUse::kCounter ? std::max(known, fresh) : known;
}

// R10: nobody flushed or wrote the key meanwhile.
void Keyspace::Install(Shard& shard, Load& load, ColdValue& value,
                       const eviction::AccessRule& rule) {
  const int database = DatabaseOf(load.space);
  load.Settle(Load::State::kInstalled);
  const KeyHandle key{load.ref, &shard, database};
  HF_CHECK(TableFor(shard, database).Find(key.ref) == nullptr);
  if (load.pins == 0) return;
  Entry* entry = PutClean(key, value);
  if (entry->reference() != nullptr) ++shard.counters.referenced;
  entry->set_eviction_state(StateOfLoaded(shard, key.ref, value.facts.rank, rule));
  ++shard.counters.loaded;
  CountBytes(shard, database);
}

// The value takes the place of what named it, if it is still that: nothing changes by it, so a
// write of the entry that is on its way stays what the entry is.
void Keyspace::InstallReferenced(Shard& shard, Load& load, BlockRef value) {
  const int database = DatabaseOf(load.space);
  load.Settle(Load::State::kInstalled);
  Table& table = TableFor(shard, database);
  Entry* entry = table.Find(load.ref);
  if (entry == nullptr || entry->reference() != load.reference.get() || load.pins == 0) return;
  HF_CHECK(value && value->size == memtable::ReferenceIn(*load.reference.get()).payload_bytes);
  const KeyHandle key{load.ref, &shard, database};
  const bool clean = !entry->Has(memtable::kDirty);
  if (clean) CountClean(key, *entry, false);
  CountReference(shard, database, false);
  const uint16_t ticket = entry->ticket();
  entry = table.SetBlock(key.ref, entry, std::move(value), entry->expiry_ms(),
                         entry->Has(memtable::kRawString));
  entry->set_ticket(ticket);
  if (clean) CountClean(key, *entry, true);
  ++shard.counters.loaded;
  CountBytes(shard, database);
}

// What the tier has of a cold key is in memory as well from now on.
Entry* Keyspace::PutClean(const KeyHandle& key, ColdValue& value) {
  const ColdFacts& facts = value.facts;
  Table& table = TableFor(*key.shard, key.database);
  NoLongerCold(*key.shard, key.database, facts.expiry_ms != memtable::kNoExpiry);
  Entry* entry = nullptr;
  if (value.reference) {
    entry = table.SetReference(key.ref, nullptr, std::move(value.reference), facts.expiry_ms,
                               facts.raw_string);
    CountReference(*key.shard, key.database, true);
  } else if (value.block) {
    entry =
        table.SetBlock(key.ref, nullptr, std::move(value.block), facts.expiry_ms, facts.raw_string);
  } else {
    entry = table.SetString(key.ref, nullptr,
                            {.bytes = value.bytes,
                             .expiry_ms = facts.expiry_ms,
                             .raw = facts.raw_string,
                             .try_integer = facts.integer});
  }
  entry->Mark(memtable::kCold, true);
  CountClean(key, *entry, true);
  entry->Mark(memtable::kEpoch, key.shard->epoch);
  return entry;
}

void Keyspace::CountBytes(Shard& shard, int database) {
  shard.memory.Add(shard.table(database)->TakeGrowth(), budget_);
}

}  // namespace holdfast::keyspace
