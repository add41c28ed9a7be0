#include "tests/unit/engine/cold_store_fixture.h"

#include <vector>

#include "engine/keyspace/eviction_action.h"
#include "engine/keyspace/key_access.h"
#include "engine/keyspace/locked_shards.h"
#include "engine/reply_sinks.h"
#include "holdfast/check.h"

namespace holdfast::engine_test {

TieredStore::TieredStore(bool with_tier, TestClock& clock, FileSystem* disk) : clock_(clock) {
  const Settings settings{{"enable-debug-command", "yes"},
                          {"databases", "4"},
                          {"dir", "/data"},
                          {"appendonly", disk != nullptr ? "yes" : "no"},
                          {"appendfsync", "no"},
                          {"eviction-action", "drop"}};  // the tier is the test's own
  MustSet(config_, settings);
  auto store = Store::Open({.config = &config_,
                            .clock = &clock,
                            .random = &random_,
                            .file_system = disk != nullptr ? disk : &no_disk_,
                            .in_memory = disk == nullptr});
  HF_CHECK(store.has_value());
  store_ = std::move(*store);
  if (with_tier) tier_.Attach(store_->keyspace());
  executor_ = std::make_unique<Executor>(*store_);
  Run("DEBUG SET-ACTIVE-EXPIRE 0");
}

TieredStore::~TieredStore() {
  executor_->ResetTransaction(session_);
  executor_.reset();
  store_.reset();
}

std::string TieredStore::Run(const Command& words) {
  const std::vector<std::string_view> args(words.begin(), words.end());
  PreparedCommand command{.args = args, .entry = nullptr, .key = {}};
  ValueSink sink(3);
  executor_->BeginTurn();
  executor_->Prepare(session_, command);
  HF_CHECK(executor_->Execute(session_, command, sink) == Outcome::kReplied);
  executor_->EndTurn();
  return Text(sink.Take());
}

void TieredStore::EvictAll(SeededRandom* random) {
  keyspace::Keyspace& keyspace = store_->keyspace();
  for (keyspace::Shard& shard : keyspace.shards()) {
    for (int database = 0; database < keyspace.databases(); ++database) EvictFrom(shard, database);
  }
  for (keyspace::Shard& shard : keyspace.shards()) {
    while (random == nullptr || random->Below(4) != 0) {
      if (!tier_.Land(shard.index)) break;
    }
  }
}

void TieredStore::EvictFrom(keyspace::Shard& shard, int database) {
  const memtable::Table* table = shard.table(database);
  if (table == nullptr) return;
  keyspace::LockedShards locks(store_->keyspace());
  locks.LockOne(shard);
  std::vector<std::string> names;
  table->Scan(0, table->size() + 1,
              [&](memtable::Entry& entry) { names.emplace_back(entry.key()); });
  keyspace::KeyAccess access(store_->keyspace(), {.now_ms = clock_.NowMs()});
  for (const std::string& name : names) {
    const keyspace::KeyHandle key = store_->keyspace().Handle(database, name);
    keyspace::SpillAction().Evict(access, key, table->Find(key.ref));
  }
}

uint64_t TieredStore::loaded() {
  keyspace::LockedShards none(store_->keyspace());
  return store_->keyspace().Counters(none).loaded;
}

}  // namespace holdfast::engine_test
