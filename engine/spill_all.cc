// Every key leaves memory: for tests, by DEBUG SPILL and RELOAD. Two rounds: what is dirty is
// queued and lands, then what is clean is dropped. Keys that are changed or pinned meanwhile stay.
#include <algorithm>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "engine/cold_tier.h"
#include "engine/keyspace/keyspace.h"
#include "engine/keyspace/locked_shards.h"
#include "engine/keyspace/shard_residency.h"
#include "engine/store.h"

namespace holdfast {

using keyspace::KeyHandle;
using keyspace::Keyspace;
using keyspace::Shard;
using memtable::Entry;

namespace {

constexpr size_t kEntriesPerLock = 64;
constexpr int kCountTries = 10;

// Calls `visit(key, entry)` for every entry of the shard, tombstones included, which may remove it.
template <typename Visit>
void ForEachEntry(Keyspace& keyspace, Shard& shard, int database, const Visit& visit) {
  memtable::KeyOrder next = 0;
  std::vector<std::string> names;
  while (next < memtable::kOrderEnd) {
    shard.lock.LockInTurn();
    const memtable::Table* table = shard.table(database);
    names.clear();
    next = table == nullptr ? memtable::kOrderEnd
                            : table->Scan(next, kEntriesPerLock, [&](const Entry& entry) {
                                names.emplace_back(entry.key());
                              });
    for (const std::string& name : names) {
      const KeyHandle key = keyspace.Handle(database, name);
      visit(key, shard.table(database)->Find(key.ref));
    }
    shard.lock.Unlock();
  }
}

// A clean entry, as it was under the lock.
struct CleanCopy {
  memtable::KeyOrder order = 0;
  std::string value;
  UnixMs expiry_ms = 0;
  BlockRef reference = {};  // for the value: memory does not have it
  bool found = false;       // in the tier, the same
  bool SameAs(const CleanCopy& other) const {
    return order == other.order && value == other.value && expiry_ms == other.expiry_ms &&
           reference.get() == other.reference.get();
  }
};

CleanCopy CopyOf(const KeyHandle& key, const Entry& entry) {
  if (CountedBlock* reference = entry.reference()) {
    return {.order = key.ref.order(),
            .value = {},
            .expiry_ms = entry.expiry_ms(),
            .reference = BlockRef::Share(reference)};
  }
  Entry::Scratch scratch;
  return {.order = key.ref.order(),
          .value = std::string(entry.StringBytes(scratch)),
          .expiry_ms = entry.expiry_ms()};
}

}  // namespace

// R17: what the tier has of a clean entry is the same. What is changed meanwhile does not count.
Status ColdTier::CheckClean(Shard& shard, int database) {
  Keyspace& keyspace = store_.keyspace();
  std::map<std::string, CleanCopy, std::less<>> copies;  // by name
  keyspace::SpaceId space = 0;
  ForEachEntry(keyspace, shard, database, [&](const KeyHandle& key, Entry* entry) {
    if (copies.empty()) space = keyspace.space(database);
    if (!entry->Has(memtable::kDirty)) copies[std::string(key.name())] = CopyOf(key, *entry);
  });
  std::vector<keyspace::ColdAddress> addresses;
  for (auto& [name, copy] : copies) {
    addresses.push_back({space, copy.order, name});
    if (!copy.reference) continue;
    const BlockRef value = HF_TRY(ReadReferenced(*copy.reference.get()));
    copy.value = value->view();
  }
  HF_TRY_STATUS(
      ReadEach(addresses, [&](const keyspace::ColdAddress& key, const keyspace::ColdValue& value) {
        CleanCopy& copy = copies.find(key.name)->second;
        const std::string_view bytes = value.block ? value.block->view() : value.bytes;
        copy.found = bytes == copy.value && value.facts.expiry_ms == copy.expiry_ms;
      }));
  std::erase_if(copies, [](const auto& named) { return named.second.found; });
  bool unchanged = false;
  ForEachEntry(keyspace, shard, database, [&](const KeyHandle& key, Entry* entry) {
    const auto copy = copies.find(key.name());
    if (copy == copies.end() || entry->Has(memtable::kDirty)) return;
    CleanCopy& before = copy->second;
    if (before.reference) before.value.clear();
    unchanged |= keyspace.space(database) == space && CopyOf(key, *entry).SameAs(before);
  });
  if (!unchanged) return {};
  return MakeError(ErrorCode::kCorruption, "ERR the tier has something else than memory");
}

// Every row of the tier whose key is not in memory is a cold key, and there are no others. What
// expires meanwhile changes that: looked at again, it is as it should be.
Status ColdTier::CheckCounts() {
  Keyspace& keyspace = store_.keyspace();
  size_t wrong = 0;
  for (int tries = 0; tries < kCountTries; ++tries) {
    wrong = 0;
    for (int database = 0; database < keyspace.databases(); ++database) {
      std::vector<std::vector<std::string>> rows(keyspace.shards().size());
      const keyspace::SpaceId space = keyspace.SpaceNow(database);
      const auto take = [&](const keyspace::ColdAddress& key, const keyspace::ColdFacts&) {
        rows[keyspace.Handle(database, key.name).shard->index].emplace_back(key.name);
      };
      HF_TRY(List(space, 0, memtable::kOrderEnd, SIZE_MAX, take));
      for (Shard& shard : keyspace.shards())
        wrong += CountsWrong(shard, database, rows[shard.index]);
    }
    if (wrong == 0) return {};
  }
  return MakeError(ErrorCode::kCorruption, "ERR the tier has other keys than were counted");
}

// The same for entries that have a reference for their value.
bool ColdTier::CountsWrong(Shard& shard, int database, std::span<const std::string> rows) {
  keyspace::LockedShards locked(store_.keyspace());
  locked.LockOne(shard);
  const memtable::Table* table = shard.table(database);
  const auto cold = std::ranges::count_if(rows, [&](const std::string& name) {
    return table == nullptr || table->Find(store_.keyspace().Handle(database, name).ref) == nullptr;
  });
  uint64_t references = 0;
  if (table != nullptr) {
    table->Scan(0, table->size() + 1,
                [&](const Entry& entry) { references += entry.reference() != nullptr ? 1 : 0; });
  }
  const keyspace::ColdCount& count = shard.residency->cold(database);
  return references != count.references ||
         (count.unknown == 0 && static_cast<uint64_t>(cold) != count.keys);
}

Status ColdTier::SpillAll() {
  Keyspace& keyspace = store_.keyspace();
  const auto queue = [&](const KeyHandle& key, Entry* entry) {
    if (entry->Has(memtable::kDirty) && entry->ticket() == 0)
      keyspace.QueueWrite(key, *entry, false);
  };
  const auto drop = [&](const KeyHandle& key, Entry* entry) {
    const bool pinned = key.shard->residency->Pinned(keyspace.space(key.database), key.ref);
    if (!entry->Has(memtable::kDirty) && !pinned) keyspace.DropClean(key, entry);
  };
  for (Shard& shard : keyspace.shards()) {
    for (int database = 0; database < keyspace.databases(); ++database)
      ForEachEntry(keyspace, shard, database, queue);
    if (Congested()) HF_TRY_STATUS(WaitUntilLanded());
  }
  HF_TRY_STATUS(WaitUntilLanded());
  for (Shard& shard : keyspace.shards()) {
    for (int database = 0; database < keyspace.databases(); ++database) {
      HF_TRY_STATUS(CheckClean(shard, database));
      ForEachEntry(keyspace, shard, database, drop);
    }
  }
  return CheckCounts();
}

}  // namespace holdfast
