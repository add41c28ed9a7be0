#include "engine/cold_dropper.h"

#include <algorithm>

#include "engine/cold_tier.h"
#include "engine/commands/clients.h"
#include "engine/keyspace/locked_shards.h"
#include "engine/store.h"
#include "holdfast/check.h"

namespace holdfast {
namespace {

constexpr size_t kRowsPerSample = 64;
// So many samples in a row of which nothing could be deleted: what there is is in memory.
constexpr int kFruitless = 64;

}  // namespace

ColdDropper::ColdDropper(Store& store)
    : store_(store), random_(store.random().NextRandom()), executor_(store) {
  HF_CHECK(store.cold_tier() != nullptr);
}

// From every database that has cold keys, as many as from the others.
Status ColdDropper::Sample(std::vector<Candidate>& candidates) {
  keyspace::Keyspace& keyspace = store_.keyspace();
  candidates.clear();
  const memtable::KeyOrder from = random_.Below(memtable::kOrderEnd);
  for (int database = 0; database < keyspace.databases(); ++database) {
    keyspace::LockedShards none(keyspace);
    if (keyspace.SizeOf(none, database).cold == 0) continue;
    const keyspace::SpaceId space = keyspace.SpaceNow(database);
    size_t taken = 0;
    const auto take = [&](const keyspace::ColdAddress& key, const keyspace::ColdFacts& facts) {
      ++taken;
      candidates.push_back(
          {key.space, std::string(key.name), facts.rank, key.name.size() + facts.size});
    };
    HF_TRY(store_.cold_tier()->List(space, from, memtable::kOrderEnd, kRowsPerSample, take));
    if (taken < kRowsPerSample)
      HF_TRY(store_.cold_tier()->List(space, 0, from, kRowsPerSample - taken, take));
  }
  return {};
}

Result<ColdDrops> ColdDropper::Drop(uint64_t bytes, const std::function<bool()>& stop) {
  ColdDrops dropped;
  std::vector<Candidate> candidates;
  int fruitless = 0;
  while (dropped.bytes < bytes && fruitless < kFruitless && !stop()) {
    HF_TRY_STATUS(Sample(candidates));
    if (candidates.empty()) break;
    std::ranges::stable_sort(candidates, {}, &Candidate::rank);
    candidates.resize((candidates.size() + 1) / 2);
    executor_.BeginTurn();
    ++fruitless;
    for (const Candidate& candidate : candidates) {
      if (dropped.bytes >= bytes || !executor_.MayDrop()) break;
      if (!executor_.DropCold(candidate.space, candidate.name)) continue;
      ++dropped.keys;
      dropped.bytes += candidate.bytes;
      fruitless = 0;
    }
    const bool held = !executor_.MayDrop();
    executor_.EndTurn();
    if (held) break;
  }
  return dropped;
}

}  // namespace holdfast
