// The residency layer against a model: whatever is evicted, landed, read, flushed or swapped in
// between, memory over tier is what a plain map says, and every counter is exact.
#include <fmt/core.h>
#include <gtest/gtest.h>

#include <array>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "engine/keyspace/eviction_action.h"
#include "engine/keyspace/key_access.h"
#include "engine/keyspace/load.h"
#include "engine/keyspace/locked_shards.h"
#include "engine/keyspace/shard_residency.h"
#include "holdfast/random.h"
#include "memtable/value_reference.h"
#include "tests/unit/engine/fake_cold_store.h"

namespace holdfast::keyspace {
namespace {

using memtable::Entry;

constexpr int kDatabases = 2;
constexpr uint32_t kShards = 4;
constexpr size_t kNames = 14;
constexpr size_t kClients = 5;

struct Value {
  std::string bytes;
  UnixMs expiry_ms = memtable::kNoExpiry;
  bool ExpiredAt(UnixMs now) const { return expiry_ms != memtable::kNoExpiry && expiry_ms <= now; }
  bool operator==(const Value&) const = default;
};
using Contents = std::map<std::string, Value>;

enum class Kind : uint8_t {
  kSet,
  kGet,
  kLook,
  kAppend,
  kExpire,
  kErase,
  kEraseTwice,
  kMove,
  kCopy
};

struct Operation {
  Kind kind;
  std::string name;
  std::string other;  // kMove, kCopy
  int database = 0;
  int other_database = 0;
  Value value;
};

// Runs one operation at a time, as a connection does: asks for its keys, waits until they are
// there.
struct Client final : LoadListener {
  void OnLoaded() override { told = true; }

  std::optional<Operation> under_way;
  std::vector<std::shared_ptr<LoadSet>> sets;
  bool told = true;
};

class ResidencyModel : public testing::TestWithParam<uint64_t> {
 protected:
  ResidencyModel()
      : random_(GetParam()),
        keyspace_({.seed = {7, GetParam()}, .databases = kDatabases, .shards = kShards}) {
    const auto use =
        GetParam() % 2 == 0 ? eviction::StateUse::kClock : eviction::StateUse::kQueueBits;
    tier_.rule = eviction::AccessRule::At(now_ms_, use, {});
    tier_.Attach(keyspace_);
    for (size_t i = 0; i < kNames; ++i) names_.push_back(fmt::format("k{}", i));
  }

  size_t Below(size_t bound) { return random_.Below(bound); }
  int Database() { return static_cast<int>(Below(kDatabases)); }
  KeyAccess Access() {
    return {keyspace_, {.now_ms = now_ms_, .rule = &tier_.rule, .random = &random_}};
  }

  Operation Random() {
    Operation op{.kind = static_cast<Kind>(Below(9)),
                 .name = names_[Below(kNames)],
                 .other = names_[Below(kNames)],
                 .database = Database(),
                 .other_database = Database(),
                 .value = {}};
    // Integers, short strings and blocks.
    const size_t shape = Below(10);
    op.value.bytes = shape < 4 ? fmt::format("{}", Below(1000))
                               : std::string(shape > 5 ? 1500 + Below(9) : Below(60),
                                             static_cast<char>('a' + shape));
    if (Below(3) == 0) op.value.expiry_ms = now_ms_ + static_cast<UnixMs>(Below(300));
    if (op.kind == Kind::kMove && op.name == op.other && op.database == op.other_database)
      op.kind = Kind::kGet;
    if (op.kind == Kind::kCopy && op.name == op.other && op.database == op.other_database)
      op.kind = Kind::kLook;
    return op;
  }

  static Need NeedOf(Kind kind) {
    switch (kind) {
      case Kind::kSet:
        return Need::kNothing;
      case Kind::kErase:
      case Kind::kEraseTwice:
        return Need::kExistence;
      case Kind::kLook:
        return Need::kHeader;
      case Kind::kExpire:
      case Kind::kMove:
      case Kind::kCopy:
        return Need::kRow;
      default:
        return Need::kValue;
    }
  }

  // One more try of what the client is at.
  void Try(Client& client) {
    const Operation op = *client.under_way;
    const bool two = op.kind == Kind::kMove || op.kind == Kind::kCopy;
    std::vector<KeyHandle> keys{keyspace_.Handle(op.database, op.name)};
    if (two) keys.push_back(keyspace_.Handle(op.other_database, op.other));
    auto set = std::make_shared<LoadSet>(&client);
    bool cold = false;
    bool failed = false;
    {
      LockedShards locks(keyspace_);
      locks.LockKeys(keys);
      for (const KeyHandle& key : keys) {
        const Need need = &key == &keys[0] ? NeedOf(op.kind) : Need::kExistence;
        const auto presence = set->Want(keyspace_, key, need);
        cold |= presence == LoadSet::Presence::kCold;
        failed |= presence == LoadSet::Presence::kFailed;
      }
      if (!cold && !failed) Run(op, keys);
    }
    client.told = false;
    client.sets.push_back(set);
    set->Start(keyspace_);
    if (cold && !failed) return;
    if (failed) {
      EXPECT_EQ(set->error().message, "the disk is on fire");
      ++failed_;
    }
    Leave(client);
  }

  void Leave(Client& client) {
    for (const auto& set : client.sets) set->Release(keyspace_);
    client.sets.clear();
    client.under_way.reset();
    client.told = true;
  }

  // What a writer sees: an expired key is gone, and the model knows it then.
  Value* ModelForWrite(int database, const std::string& name) {
    Contents& contents = model_[static_cast<size_t>(database)];
    const auto found = contents.find(name);
    if (found == contents.end()) return nullptr;
    if (!found->second.ExpiredAt(now_ms_)) return &found->second;
    contents.erase(found);
    return nullptr;
  }
  const Value* ModelForRead(int database, const std::string& name) {
    const Contents& contents = model_[static_cast<size_t>(database)];
    const auto found = contents.find(name);
    return found == contents.end() || found->second.ExpiredAt(now_ms_) ? nullptr : &found->second;
  }

  std::string BytesOf(const Entry& entry) const {
    if (const CountedBlock* reference = entry.reference()) return tier_.ValueOf(*reference);
    Entry::Scratch scratch;
    return std::string(entry.StringBytes(scratch));
  }

  void ExpectSame(const Entry* entry, const Value* value, bool with_bytes) {
    ASSERT_EQ(entry != nullptr, value != nullptr);
    if (entry == nullptr) return;
    EXPECT_EQ(entry->expiry_ms(), value->expiry_ms);
    EXPECT_EQ(entry->StringLength(), value->bytes.size());
    if (with_bytes) {
      EXPECT_EQ(BytesOf(*entry), value->bytes);
    }
  }

  void Run(const Operation& op, const std::vector<KeyHandle>& keys) {
    ++ran_;
    KeyAccess access = Access();
    const KeyHandle& key = keys[0];
    Contents& contents = model_[static_cast<size_t>(op.database)];
    switch (op.kind) {
      case Kind::kSet: {
        Entry* entry = access.ForOverwrite(key);
        const Value* value = ModelForWrite(op.database, op.name);
        if (entry != nullptr) ExpectSame(entry, value, false);
        access.SetString(key, entry, {.bytes = op.value.bytes, .expiry_ms = op.value.expiry_ms});
        contents[op.name] = op.value;
        return;
      }
      case Kind::kGet: {
        const Entry* entry = access.Read(key);
        EXPECT_TRUE(entry == nullptr || entry->reference() == nullptr);
        return ExpectSame(entry, ModelForRead(op.database, op.name), true);
      }
      case Kind::kLook:
        return ExpectSame(access.Look(key), ModelForRead(op.database, op.name), false);
      case Kind::kAppend: {
        Entry* entry = access.ForWrite(key);
        Value* value = ModelForWrite(op.database, op.name);
        ExpectSame(entry, value, true);
        if (entry == nullptr) return;
        const size_t length = entry->StringLength();
        access.ResizeString(key, entry, length + 1).bytes[length] = '!';
        value->bytes += '!';
        return;
      }
      case Kind::kExpire: {
        Entry* entry = access.ForWrite(key);
        Value* value = ModelForWrite(op.database, op.name);
        ExpectSame(entry, value, true);
        if (entry == nullptr) return;
        if (entry->reference() != nullptr) ++changed_by_reference_;
        access.SetExpiry(key, entry, op.value.expiry_ms);
        value->expiry_ms = op.value.expiry_ms;
        return;
      }
      case Kind::kErase:
      case Kind::kEraseTwice: {
        Entry* entry = access.ForWrite(key);
        ExpectSame(entry, ModelForWrite(op.database, op.name), false);
        if (entry != nullptr) access.Erase(key, entry);
        contents.erase(op.name);
        // DEL k k: the second finds nothing, whatever was asked for.
        if (op.kind == Kind::kEraseTwice) {
          EXPECT_EQ(access.ForWrite(key), nullptr);
        }
        return;
      }
      case Kind::kMove:
      case Kind::kCopy:
        return RunTransfer(op, access, key, keys[1]);
    }
  }

  void RunTransfer(const Operation& op, KeyAccess& access, const KeyHandle& from,
                   const KeyHandle& to) {
    ExpectSame(access.ForWrite(from), ModelForWrite(op.database, op.name), true);
    const Value* value = ModelForRead(op.database, op.name);
    if (value == nullptr) return;
    Entry* target = access.ForWrite(to);
    ExpectSame(target, ModelForWrite(op.other_database, op.other), false);
    Entry* source = access.ForWrite(from);
    if (source->reference() != nullptr) ++changed_by_reference_;
    access.CopyValue(to, target, *source, source->expiry_ms());
    model_[static_cast<size_t>(op.other_database)][op.other] = *value;
    if (op.kind == Kind::kCopy) return;
    access.Erase(from, access.ForWrite(from));
    model_[static_cast<size_t>(op.database)].erase(op.name);
  }

  // Some entry, or tombstone, is to leave memory.
  void Evict() {
    const int database = Database();
    Shard& shard = keyspace_.shards()[Below(kShards)];
    LockedShards locks(keyspace_);
    locks.LockOne(shard);
    const memtable::Table* table = shard.table(database);
    if (table == nullptr || table->size() == 0) return;
    std::vector<Entry*> entries;
    table->Scan(0, table->size(), [&](Entry& entry) { entries.push_back(&entry); });
    Entry* victim = entries[Below(entries.size())];
    const std::string name(victim->key());
    KeyAccess access = Access();
    SpillAction().Evict(access, keyspace_.Handle(database, name), victim);
  }

  // Written and kept, as a background writer would.
  void WriteOne() {
    const KeyHandle key = keyspace_.Handle(Database(), names_[Below(kNames)]);
    LockedShards locks(keyspace_);
    locks.LockOne(*key.shard);
    const memtable::Table* table = key.shard->table(key.database);
    Entry* entry = table != nullptr ? table->Find(key.ref) : nullptr;
    if (entry == nullptr || !entry->Has(memtable::kDirty) || entry->ticket() != 0) return;
    keyspace_.QueueWrite(key, *entry, false);
  }

  void QueueBuried() {
    for (Shard& shard : keyspace_.shards()) {
      LockedShards locks(keyspace_);
      locks.LockOne(shard);
      keyspace_.QueueBuried(shard);
    }
  }

  void Flush() {
    const auto database = static_cast<size_t>(Database());
    LockedShards gate(keyspace_);
    gate.LockGate();
    EXPECT_GE(keyspace_.Flush(gate, static_cast<int>(database), Below(2) == 0),
              model_[database].size());
    model_[database].clear();
  }

  void Swap() {
    LockedShards gate(keyspace_);
    gate.LockGate();
    keyspace_.Swap(gate, 0, 1);
    std::swap(model_[0], model_[1]);
  }

  void Step() {
    Client& client = clients_[Below(kClients)];
    switch (Below(16)) {
      case 0:
      case 1:
        for (size_t i = Below(4); i > 0; --i) tier_.Land(Below(kShards));
        return;
      case 2:
      case 3:
        tier_.Finish(Below(64), Below(20) == 0);
        return;
      case 4:
      case 5:
      case 6:
        for (size_t i = Below(5); i > 0; --i) Evict();
        return;
      case 7:
        return Below(30) == 0 ? AskSize() : WriteOne();
      case 8:
        if (Below(12) == 0) Flush();
        if (Below(6) == 0) Swap();
        if (Below(8) == 0) tier_.DropForgottenSpaces();
        if (Below(2) == 0) tier_.Sweep();
        return;
      case 9:
        if (Below(4) == 0) now_ms_ += static_cast<UnixMs>(Below(100));
        if (Below(10) == 0) tier_.has_room = !tier_.has_room;
        if (Below(4) == 0) QueueBuried();
        if (Below(10) == 0) Leave(client);  // its connection closed
        return;
      default:
        if (!client.under_way) client.under_way = Random();
        if (client.told) Try(client);
    }
  }

  void CheckEntry(Shard& shard, const KeyHandle& key, const Entry& entry) {
    const SpaceId space = keyspace_.space(key.database);
    const FakeColdStore::Row* row = tier_.Find({space, key.ref.order(), key.name()});
    const FakeColdStore::Write* write =
        tier_.LastQueued(shard.index, {space, key.ref.order(), std::string(key.name())});
    if (row != nullptr || write != nullptr) {
      EXPECT_TRUE(entry.Has(memtable::kCold)) << key.name();
    }
    if (entry.ticket() != 0) {
      // Its own write is on its way, and is the last of the key.
      ASSERT_NE(write, nullptr) << key.name();
      EXPECT_EQ(write->ticket, entry.ticket());
      EXPECT_EQ(write->erase, entry.Has(memtable::kTombstone));
      EXPECT_TRUE(entry.Has(memtable::kDirty));
      if (!write->erase) {
        EXPECT_EQ(write->row.bytes, BytesOf(entry));
        EXPECT_EQ(write->row.facts.expiry_ms, entry.expiry_ms());
      }
    }
    if (entry.Has(memtable::kTombstone)) {
      EXPECT_TRUE(entry.ticket() != 0 || tier_.refused > 0) << "a tombstone without a reason";
    } else if (!entry.Has(memtable::kDirty)) {
      ASSERT_NE(row, nullptr) << key.name();
      EXPECT_EQ(row->bytes, BytesOf(entry));
      EXPECT_EQ(row->facts.expiry_ms, entry.expiry_ms());
      EXPECT_EQ(row->facts.raw_string, entry.Has(memtable::kRawString));
      EXPECT_EQ(write, nullptr) << "clean, and a write is queued";
    }
  }

  // What the tier would answer now is counted twice until it has.
  static void Doubt(const FakeColdStore::Row* row, ColdCount& count) {
    ++count.unknown;
    if (row == nullptr) return;
    ++count.keys;
    if (row->facts.expiry_ms != memtable::kNoExpiry) ++count.expiring;
  }
  void DoubtQueued(std::array<std::array<ColdCount, kDatabases>, kShards>& cold) {
    for (const Shard& shard : keyspace_.shards()) {
      for (const FakeColdStore::Write& write : tier_.queued(shard.index)) {
        const auto& [space, order, name] = write.key;
        const int database = keyspace_.DatabaseOf(space);
        if (!write.probe || database < 0) continue;
        Doubt(tier_.Find({space, order, name}), cold[shard.index][static_cast<size_t>(database)]);
      }
    }
  }

  // Memory over tier, key by key.
  void Check() {
    std::array<std::array<ColdCount, kDatabases>, kShards> cold{};
    DoubtQueued(cold);
    for (int database = 0; database < kDatabases; ++database) {
      Contents seen;
      for (const std::string& name : names_) {
        const KeyHandle key = keyspace_.Handle(database, name);
        Shard& shard = *key.shard;
        const memtable::Table* table = shard.table(database);
        const Entry* entry = table != nullptr ? table->Find(key.ref) : nullptr;
        if (entry != nullptr) {
          CheckEntry(shard, key, *entry);
          ColdCount& count = cold[shard.index][static_cast<size_t>(database)];
          if (entry->Has(memtable::kUnknown))
            Doubt(tier_.Find({keyspace_.space(database), key.ref.order(), name}), count);
          if (!entry->Has(memtable::kDirty)) {
            ++count.clean;
            count.clean_bytes += entry->AllocatedBytes();
          }
          if (entry->reference() != nullptr) ++count.references;
          if (!entry->Has(memtable::kTombstone)) seen[name] = {BytesOf(*entry), entry->expiry_ms()};
          continue;
        }
        const auto* row = tier_.Find({keyspace_.space(database), key.ref.order(), name});
        if (row == nullptr) continue;
        seen[name] = {row->bytes, row->facts.expiry_ms};
        ColdCount& count = cold[shard.index][static_cast<size_t>(database)];
        ++count.keys;
        if (row->facts.expiry_ms != memtable::kNoExpiry) ++count.expiring;
      }
      EXPECT_EQ(seen, model_[static_cast<size_t>(database)]) << "database " << database;
      CheckSize(database);
    }
    for (Shard& shard : keyspace_.shards()) {
      uint64_t sum = 0;
      for (int database = 0; database < kDatabases; ++database) {
        const ColdCount& expected = cold[shard.index][static_cast<size_t>(database)];
        EXPECT_EQ(shard.residency->cold(database).keys, expected.keys);
        EXPECT_EQ(shard.residency->cold(database).expiring, expected.expiring);
        EXPECT_EQ(shard.residency->cold(database).unknown, expected.unknown);
        EXPECT_EQ(shard.residency->cold(database).clean, expected.clean);
        EXPECT_EQ(shard.residency->cold(database).clean_bytes, expected.clean_bytes);
        EXPECT_EQ(shard.residency->cold(database).references, expected.references);
        sum += expected.keys + expected.references;
      }
      EXPECT_EQ(shard.cold_keys, sum);
      EXPECT_EQ(shard.residency->queued(),
                static_cast<size_t>(std::ranges::count_if(
                    tier_.queued(shard.index), [](const auto& write) { return write.write; })));
    }
    EXPECT_EQ(keyspace_.budget().leaving(), tier_.leaving());
  }

  void CheckSize(int database) {
    LockedShards none(keyspace_);
    const auto size = keyspace_.SizeOf(none, database);
    const Contents& contents = model_[static_cast<size_t>(database)];
    EXPECT_LE(contents.size(), size.keys);
    EXPECT_LE(size.keys, contents.size() + size.unknown);
    EXPECT_LE(size.clean + size.cold, size.keys);
    if (size.unknown == 0) ExpectExact(size, contents);
  }
  static void ExpectExact(const Keyspace::DatabaseSize& size, const Contents& contents) {
    EXPECT_EQ(size.unknown, 0U);
    EXPECT_EQ(size.keys, contents.size());
    EXPECT_EQ(size.expiring,
              static_cast<uint64_t>(std::ranges::count_if(contents, [](const auto& item) {
                return item.second.expiry_ms != memtable::kNoExpiry;
              })));
  }
  // As DBSIZE does.
  void AskSize() {
    if (!tier_.has_room) return;
    const int database = Database();
    LockedShards none(keyspace_);
    const auto size = keyspace_.SettleSize(none, database);
    ASSERT_TRUE(size);
    ExpectExact(*size, model_[static_cast<size_t>(database)]);
  }

  // Everything that is on its way arrives: nobody waits for ever, and nothing is left behind.
  void Settle() {
    tier_.has_room = true;
    for (int round = 0; round < 20; ++round) {
      tier_.FinishAll();
      tier_.LandAll();
      for (Client& client : clients_) {
        if (client.under_way && client.told) Try(client);
      }
    }
    for (Client& client : clients_) {
      EXPECT_FALSE(client.under_way) << "waits for ever";
    }
    QueueBuried();
    tier_.LandAll();
    for (int database = 0; database < kDatabases; ++database) {
      LockedShards none(keyspace_);
      EXPECT_EQ(keyspace_.SizeOf(none, database).tombstones, 0U);
    }
    for (Shard& shard : keyspace_.shards()) {
      EXPECT_EQ(shard.residency->loads(), 0U);
      EXPECT_EQ(shard.residency->queued(), 0U);
    }
    CheckSweep();
  }

  // What is left of long values is what somebody names.
  void CheckSweep() {
    tier_.DropForgottenSpaces();
    keyspace_.reclaimer().Collect();
    std::set<uint64_t> named;
    for (const auto& [key, row] : tier_.rows()) {
      if (row.value_id != 0) named.insert(row.value_id);
    }
    for (Shard& shard : keyspace_.shards()) {
      for (int database = 0; database < kDatabases; ++database) {
        const memtable::Table* table = shard.table(database);
        if (table == nullptr) continue;
        table->Scan(0, table->size() + 1, [&](const Entry& entry) {
          if (const CountedBlock* reference = entry.reference())
            named.insert(memtable::ReferenceIn(*reference).value_id);
        });
      }
    }
    EXPECT_EQ(tier_.Sweep(), named.size());
  }

  SeededRandom random_;
  UnixMs now_ms_ = 1000;
  Keyspace keyspace_;
  FakeColdStore tier_;
  std::vector<std::string> names_;
  std::array<Contents, kDatabases> model_;
  std::array<Client, kClients> clients_;
  size_t ran_ = 0;
  size_t failed_ = 0;
  size_t changed_by_reference_ = 0;
};

TEST_P(ResidencyModel, MemoryOverTierIsWhatAMapSays) {
  SCOPED_TRACE(fmt::format("seed {}", GetParam()));
  constexpr int kSteps = 12'000;
  for (int step = 0; step < kSteps && !HasFailure(); ++step) {
    Step();
    Check();
    if (HasFailure()) fmt::print("seed {} step {}\n", GetParam(), step);
    if (step % 3000 == 2999) {
      Settle();
      Check();
    }
  }
  LockedShards none(keyspace_);
  const ShardCounters counters = keyspace_.Counters(none);
  EXPECT_GT(ran_, 1000U);
  EXPECT_GT(failed_, 2U);
  EXPECT_GT(changed_by_reference_, 5U);
  EXPECT_GT(tier_.refused, 10U);
  EXPECT_GT(counters.spilled, 100U);
  EXPECT_GT(counters.loaded, 50U);
}

INSTANTIATE_TEST_SUITE_P(Seeds, ResidencyModel, testing::Range<uint64_t>(1, 17));

}  // namespace
}  // namespace holdfast::keyspace
