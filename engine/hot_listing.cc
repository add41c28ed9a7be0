#include "engine/hot_listing.h"

#include <fmt/core.h>

#include <vector>

#include "engine/cold_tier.h"
#include "engine/keyspace/breather.h"
#include "engine/keyspace/keyspace.h"
#include "engine/store.h"
#include "engine/warm_up.h"
#include "holdfast/check.h"
#include "snapshot/checkpoint.h"
#include "snapshot/hot_list.h"

namespace holdfast {

using keyspace::Keyspace;
using keyspace::Shard;
using keyspace::SpaceId;
using snapshot::HotKey;

namespace {

constexpr int64_t kFreshNs = int64_t{600} * 1'000'000'000;
constexpr size_t kEntriesPerLock = 64;
constexpr size_t kKeysAtOnce = snapshot::kMostKeysOfHotRun;

}  // namespace

bool HotListing::IsFresh() const {
  return made_ns_ && store_.clock().MonotonicNs() - *made_ns_ < kFreshNs;
}

bool HotListing::Outdated() const {
  return !store_.warm_up().Unfinished() && store_.cold_tier()->KeysRead() != reads_when_made_;
}

Status HotListing::Put(const std::string& checkpoint, const std::string& previous, bool at_stop) {
  FileSystem& files = store_.file_system();
  const std::string path = snapshot::HotListPath(checkpoint);
  const bool carries = store_.warm_up().Unfinished() || (!at_stop && IsFresh());
  if (carries && !previous.empty() &&
      snapshot::CopyHotList(files, snapshot::HotListPath(previous), path))
    return {};
  const uint64_t reads = store_.cold_tier()->KeysRead();
  const Status written = Write(path);
  if (written) {
    made_ns_ = store_.clock().MonotonicNs();
    reads_when_made_ = reads;
    return {};
  }
  store_.Report(LogLevel::kWarning, fmt::format("The list of hot keys could not be written, the "
                                                "next start will be slow to warm up: {}",
                                                written.error().message));
  Status removed = files.Unlink(path);
  if (!removed && removed.error().code == ErrorCode::kNotFound) return {};
  return removed;
}

Status HotListing::Write(const std::string& path) {
  const auto list =
      HF_TRY(snapshot::HotListWriter::Create(store_.file_system(), path, store_.clock().NowMs()));
  HF_TRY_STATUS(Walk(*list));
  return list->Finish();
}

Status HotListing::Walk(snapshot::HotListWriter& list) {
  Keyspace& keyspace = store_.keyspace();
  std::vector<HotKey> keys;
  keyspace::Breather breather;
  SpaceId space = 0;
  for (Shard& shard : keyspace.shards()) {
    for (int database = 0; database < keyspace.databases(); ++database) {
      for (memtable::KeyOrder next = 0; next < memtable::kOrderEnd;) {
        shard.lock.LockInTurn();
        const SpaceId now = keyspace.space(database);
        const memtable::Table* table = shard.table(database);
        // Those of another space, and what would be too much, go first.
        const bool ready = table == nullptr || ((now == space || keys.empty()) &&
                                                keys.size() + kEntriesPerLock <= kKeysAtOnce);
        if (table == nullptr) {
          next = memtable::kOrderEnd;
        } else if (ready) {
          space = now;
          next = table->Scan(next, kEntriesPerLock, [&](const memtable::Entry& entry) {
            if (entry.Has(memtable::kTombstone)) return;
            keys.push_back({entry.order(), keyspace.RankOf(entry)});
          });
        }
        shard.lock.Unlock();
        breather.Breathe();
        if (ready) continue;
        HF_TRY_STATUS(list.Add(space, keys));
        keys.clear();
      }
    }
  }
  return list.Add(space, keys);
}

}  // namespace holdfast
