// The rules of residency by name (DESIGN section 6: R6, R7, R10), one case each.
#include <fmt/core.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "engine/keyspace/cut_walk.h"
#include "engine/keyspace/eviction_action.h"
#include "engine/keyspace/key_access.h"
#include "engine/keyspace/load.h"
#include "engine/keyspace/locked_shards.h"
#include "engine/keyspace/shard_residency.h"
#include "tests/unit/engine/fake_cold_store.h"

namespace holdfast::keyspace {
namespace {

using memtable::Entry;
using Presence = LoadSet::Presence;

class Told final : public LoadListener {
 public:
  void OnLoaded() override { ++times; }
  int times = 0;
};

// One shard, so that every key has the same queue.
class Residency : public testing::Test {
 protected:
  Residency() : keyspace_({.seed = {1, 2}, .databases = 2, .shards = 1}) {
    tier_.Attach(keyspace_);
  }

  Shard& shard() { return keyspace_.shards()[0]; }
  ShardResidency& residency() { return *shard().residency; }
  KeyHandle Key(std::string_view name, int database = 0) {
    return keyspace_.Handle(database, name);
  }
  KeyAccess Access() { return {keyspace_, {.now_ms = 1000}}; }

  template <typename Apply>
  auto Locked(const Apply& apply) {
    LockedShards locks(keyspace_);
    locks.LockOne(shard());
    return apply();
  }
  Entry* InMemory(std::string_view name, int database = 0) {
    return Locked([&] {
      const memtable::Table* table = shard().table(database);
      return table != nullptr ? table->Find(Key(name).ref) : nullptr;
    });
  }
  // Asks for the key first, as most commands do.
  void Set(std::string_view name, std::string_view bytes, UnixMs expiry_ms = memtable::kNoExpiry) {
    auto set = NewSet();
    Want(*set, name, Need::kExistence);
    set->ReadInPlace(keyspace_);
    Locked([&] {
      KeyAccess access = Access();
      access.SetString(Key(name), access.ForWrite(Key(name)),
                       {.bytes = bytes, .expiry_ms = expiry_ms});
    });
    set->Release(keyspace_);
  }
  // ... but SET, which asks nothing.
  void SetBlindly(std::string_view name, std::string_view bytes) {
    Locked([&] {
      KeyAccess access = Access();
      access.SetString(Key(name), access.ForOverwrite(Key(name)), {.bytes = bytes});
    });
  }
  uint64_t Unknown() { return residency().cold(0).unknown; }
  void Erase(std::string_view name) {
    Locked([&] {
      KeyAccess access = Access();
      access.Erase(Key(name), access.ForWrite(Key(name)));
    });
  }
  bool Evict(std::string_view name) {
    return Locked([&] {
      KeyAccess access = Access();
      return SpillAction().Evict(access, Key(name), shard().table(0)->Find(Key(name).ref));
    });
  }
  void MakeCold(std::string_view name, std::string_view bytes,
                UnixMs expiry_ms = memtable::kNoExpiry) {
    Set(name, bytes, expiry_ms);
    ASSERT_TRUE(Evict(name));
    tier_.LandAll();
    ASSERT_EQ(InMemory(name), nullptr);
  }
  Presence Want(LoadSet& set, std::string_view name, Need need = Need::kValue) {
    return Locked([&] { return set.Want(keyspace_, Key(name), need); });
  }
  std::string Get(std::string_view name) {
    return Locked([&] {
      KeyAccess access = Access();
      const Entry* entry = access.Read(Key(name));
      Entry::Scratch scratch;
      return entry == nullptr ? "(nil)" : std::string(entry->StringBytes(scratch));
    });
  }
  uint64_t Size(int database = 0) {
    LockedShards none(keyspace_);
    return keyspace_.SizeOf(none, database).keys;
  }
  std::shared_ptr<LoadSet> NewSet(LoadListener* listener = nullptr) {
    return std::make_shared<LoadSet>(listener);
  }
  uint64_t Flush(int database = 0) {
    LockedShards gate(keyspace_);
    gate.LockGate();
    return keyspace_.Flush(gate, database, false);
  }
  void Swap() {
    LockedShards gate(keyspace_);
    gate.LockGate();
    keyspace_.Swap(gate, 0, 1);
  }

  Keyspace keyspace_;
  FakeColdStore tier_;
};

TEST_F(Residency, R6AnEntryStaysUntilItsWriteHasLanded) {
  Set("k", "v");
  EXPECT_TRUE(Evict("k"));
  EXPECT_FALSE(Evict("k")) << "one write of it at a time";
  EXPECT_GT(keyspace_.budget().leaving(), 0U);
  EXPECT_EQ(Get("k"), "v");
  ASSERT_NE(InMemory("k"), nullptr);
  EXPECT_TRUE(InMemory("k")->Has(memtable::kDirty));
  tier_.LandAll();
  EXPECT_EQ(InMemory("k"), nullptr);
  EXPECT_EQ(keyspace_.budget().leaving(), 0U);
  EXPECT_EQ(Size(), 1U);
  EXPECT_EQ(shard().cold_keys, 1U);
}

TEST_F(Residency, R6WhatChangedWhileItsWriteWasQueuedStaysDirty) {
  Set("k", "old");
  ASSERT_TRUE(Evict("k"));
  Set("k", "new");
  tier_.LandAll();
  ASSERT_NE(InMemory("k"), nullptr);
  EXPECT_TRUE(InMemory("k")->Has(memtable::kDirty));
  EXPECT_TRUE(InMemory("k")->Has(memtable::kCold));
  EXPECT_EQ(Get("k"), "new");
  ASSERT_TRUE(Evict("k"));
  tier_.LandAll();
  EXPECT_EQ(tier_.rows().begin()->second.bytes, "new");
}

TEST_F(Residency, EveryKindOfChangeVoidsTheTicket) {
  const std::string block(3000, 'b');
  const auto expect_dirty = [&](const char* what) {
    tier_.LandAll();
    ASSERT_NE(InMemory("k"), nullptr) << what;
    EXPECT_TRUE(InMemory("k")->Has(memtable::kDirty)) << what;
  };
  for (const std::string& value : {std::string("short"), std::string("12"), block}) {
    Set("k", value, 5000);
    ASSERT_TRUE(Evict("k"));
    Locked([&] { Access().SetExpiry(Key("k"), shard().table(0)->Find(Key("k").ref), 6000); });
    expect_dirty("SetExpiry in place");
    ASSERT_TRUE(Evict("k"));
    Locked([&] {
      Access().SetExpiry(Key("k"), shard().table(0)->Find(Key("k").ref), memtable::kNoExpiry);
    });
    expect_dirty("SetExpiry to none");
    ASSERT_TRUE(Evict("k"));
    Locked([&] { Access().ResizeString(Key("k"), shard().table(0)->Find(Key("k").ref), 7); });
    expect_dirty("ResizeString");
    ASSERT_TRUE(Evict("k"));
    Locked([&] {
      Access().SetInteger(Key("k"), shard().table(0)->Find(Key("k").ref), 5, memtable::kNoExpiry);
    });
    expect_dirty("SetInteger");
  }
}

TEST_F(Residency, ACleanEntryGoesWithoutAWrite) {
  MakeCold("k", "v");
  auto set = NewSet();
  EXPECT_EQ(Want(*set, "k"), Presence::kCold);
  set->ReadInPlace(keyspace_);
  EXPECT_EQ(Get("k"), "v");
  EXPECT_FALSE(InMemory("k")->Has(memtable::kDirty));
  set->Release(keyspace_);
  ASSERT_TRUE(Evict("k"));
  EXPECT_EQ(InMemory("k"), nullptr);
  EXPECT_EQ(tier_.queued(), 0U);
  EXPECT_EQ(Size(), 1U);
}

TEST_F(Residency, R7ADeletedKeyLeavesATombstoneWhileItsSpillIsInFlight) {
  Set("k", "v");
  ASSERT_TRUE(Evict("k"));
  Erase("k");
  ASSERT_NE(InMemory("k"), nullptr);
  EXPECT_TRUE(InMemory("k")->Has(memtable::kTombstone));
  EXPECT_EQ(Get("k"), "(nil)");
  EXPECT_EQ(Size(), 0U);
  EXPECT_TRUE(tier_.Land(0));
  EXPECT_EQ(tier_.rows().size(), 1U) << "the spill landed";
  EXPECT_NE(InMemory("k"), nullptr) << "and still masks nothing";
  EXPECT_EQ(Get("k"), "(nil)");
  EXPECT_TRUE(tier_.Land(0));
  EXPECT_TRUE(tier_.rows().empty());
  EXPECT_EQ(InMemory("k"), nullptr);
}

TEST_F(Residency, R7ATombstoneThatCameBackToLifeStays) {
  MakeCold("k", "v");
  auto set = NewSet();
  Want(*set, "k", Need::kExistence);
  set->ReadInPlace(keyspace_);
  Erase("k");
  EXPECT_EQ(shard().cold_keys, 0U);
  Set("k", "again");
  tier_.LandAll();  // the delete
  EXPECT_TRUE(tier_.rows().empty());
  EXPECT_EQ(Get("k"), "again");
  Erase("k");  // nobody knows that the tier has nothing: a tombstone again
  EXPECT_TRUE(InMemory("k")->Has(memtable::kTombstone));
  set->Release(keyspace_);
  tier_.LandAll();
  EXPECT_EQ(InMemory("k"), nullptr);
  EXPECT_EQ(Size(), 0U);
}

TEST_F(Residency, ATombstoneThatFoundNoRoomIsWrittenWhenEvicted) {
  Set("k", "v");
  ASSERT_TRUE(Evict("k"));
  tier_.has_room = false;
  Erase("k");
  tier_.LandAll();
  ASSERT_NE(InMemory("k"), nullptr);
  EXPECT_EQ(InMemory("k")->ticket(), 0);
  EXPECT_FALSE(Evict("k"));
  tier_.has_room = true;
  EXPECT_TRUE(Evict("k"));
  tier_.LandAll();
  EXPECT_EQ(InMemory("k"), nullptr);
  EXPECT_TRUE(tier_.rows().empty());
}

TEST_F(Residency, ATombstoneThatFoundNoRoomIsQueuedOnceThereIs) {
  Set("k", "v");
  ASSERT_TRUE(Evict("k"));
  tier_.has_room = false;
  Erase("k");
  tier_.LandAll();
  Locked([&] { keyspace_.QueueBuried(shard()); });
  EXPECT_EQ(residency().buried().size(), 1U) << "still no room";
  tier_.has_room = true;
  Locked([&] { keyspace_.QueueBuried(shard()); });
  EXPECT_TRUE(residency().buried().empty());
  tier_.LandAll();
  EXPECT_EQ(InMemory("k"), nullptr);
  EXPECT_TRUE(tier_.rows().empty());
}

TEST_F(Residency, NothingLeavesWithoutRoom) {
  Set("k", "v");
  tier_.has_room = false;
  EXPECT_FALSE(Evict("k"));
  EXPECT_EQ(InMemory("k")->ticket(), 0);
  EXPECT_FALSE(InMemory("k")->Has(memtable::kCold)) << "it was never written";
  EXPECT_EQ(keyspace_.budget().leaving(), 0U);
  Erase("k");
  EXPECT_EQ(InMemory("k"), nullptr) << "so it leaves no tombstone";
}

TEST_F(Residency, MissesOfOneKeyShareARead) {
  MakeCold("k", "v");
  Told told[3];
  std::vector<std::shared_ptr<LoadSet>> sets;
  for (Told& listener : told) {
    sets.push_back(NewSet(&listener));
    EXPECT_EQ(Want(*sets.back(), "k"), Presence::kCold);
    sets.back()->Start(keyspace_);
  }
  EXPECT_EQ(tier_.reads_started(), 1U);
  EXPECT_EQ(shard().counters.coalesced, 2U);
  for (const Told& listener : told) EXPECT_EQ(listener.times, 0);
  tier_.FinishAll();
  for (const Told& listener : told) EXPECT_EQ(listener.times, 1);
  EXPECT_EQ(Get("k"), "v");
  for (const auto& set : sets) set->Release(keyspace_);
  EXPECT_EQ(residency().loads(), 0U);
}

TEST_F(Residency, OneSetThatWantsAHeaderAndThenTheValueReadsOnce) {
  MakeCold("k", "v");
  auto set = NewSet();
  EXPECT_EQ(Want(*set, "k", Need::kExistence), Presence::kCold);
  EXPECT_EQ(Want(*set, "k", Need::kValue), Presence::kCold);
  set->ReadInPlace(keyspace_);
  EXPECT_EQ(tier_.reads_started(), 1U);
  EXPECT_EQ(Get("k"), "v");
  set->Release(keyspace_);
}

TEST_F(Residency, AHeaderStandsInForItsKeyAndIsReadOnForTheValue) {
  MakeCold("k", "value", 5000);
  auto header = NewSet();
  EXPECT_EQ(Want(*header, "k", Need::kHeader), Presence::kCold);
  header->ReadInPlace(keyspace_);
  auto again = NewSet();
  EXPECT_EQ(Want(*again, "k", Need::kExistence), Presence::kThere);
  again->Release(keyspace_);
  Locked([&] {
    KeyAccess access = Access();
    const Entry* entry = access.Look(Key("k"));
    ASSERT_NE(entry, nullptr);
    EXPECT_EQ(entry->form(), memtable::ValueForm::kElsewhere);
    EXPECT_EQ(entry->StringLength(), 5U);
    EXPECT_EQ(entry->expiry_ms(), 5000);
    EXPECT_EQ(access.IdleSeconds(*entry), 0);
  });
  EXPECT_EQ(shard().cold_keys, 1U);
  auto value = NewSet();
  EXPECT_EQ(Want(*value, "k", Need::kValue), Presence::kCold);
  value->ReadInPlace(keyspace_);
  EXPECT_EQ(Get("k"), "value");
  header->Release(keyspace_);
  value->Release(keyspace_);
}

TEST_F(Residency, WhatIsPinnedIsNotEvicted) {
  MakeCold("k", "v");
  auto set = NewSet();
  Want(*set, "k");
  set->ReadInPlace(keyspace_);
  EXPECT_FALSE(Evict("k"));
  Set("k", "w");
  EXPECT_FALSE(Evict("k"));
  set->Release(keyspace_);
  EXPECT_TRUE(Evict("k"));
}

TEST_F(Residency, APinThatComesWhileTheSpillIsInFlightKeepsTheEntry) {
  MakeCold("k", "v");
  auto set = NewSet();
  Want(*set, "k", Need::kExistence);
  set->ReadInPlace(keyspace_);  // pins the key, whatever becomes of it
  Set("k", "w");
  Locked([&] {
    ASSERT_TRUE(keyspace_.QueueWrite(Key("k"), *shard().table(0)->Find(Key("k").ref), true));
  });
  tier_.LandAll();
  ASSERT_NE(InMemory("k"), nullptr);
  EXPECT_FALSE(InMemory("k")->Has(memtable::kDirty));
  set->Release(keyspace_);
  EXPECT_TRUE(Evict("k"));
}

TEST_F(Residency, KnowledgeOfAbsenceIsPinnedToo) {
  MakeCold("other", "v");
  auto set = NewSet();
  EXPECT_EQ(Want(*set, "none"), Presence::kCold);
  set->ReadInPlace(keyspace_);
  EXPECT_EQ(Get("none"), "(nil)");
  Set("none", "now");
  EXPECT_FALSE(Evict("none"));
  Erase("none");
  EXPECT_EQ(Get("none"), "(nil)");
  set->Release(keyspace_);
}

TEST_F(Residency, R10AReadThatNobodyWaitsForInstallsNothing) {
  MakeCold("k", "v");
  auto set = NewSet();
  Want(*set, "k");
  set->Start(keyspace_);
  set->Release(keyspace_);
  tier_.FinishAll();
  EXPECT_EQ(InMemory("k"), nullptr);
  EXPECT_EQ(residency().loads(), 0U);
  EXPECT_EQ(Size(), 1U);
}

// No key of the shard is cold any more when the name that is being read comes into being: nobody
// waits for the read, and its key has come and gone when the read ends.
TEST_F(Residency, R10ADeleteThatLandsOutdatesTheReadsUnderWay) {
  MakeCold("other", "v");
  auto set = NewSet();
  EXPECT_EQ(Want(*set, "k"), Presence::kCold);
  set->Start(keyspace_);
  auto others = NewSet();
  Want(*others, "other");
  others->Start(keyspace_);
  tier_.Finish(1);
  ASSERT_NE(InMemory("other"), nullptr);
  others->Release(keyspace_);
  Set("k", "outdated");
  Locked(
      [&] { return keyspace_.QueueWrite(Key("k"), *shard().table(0)->Find(Key("k").ref), false); });
  tier_.LandAll();
  tier_.SeeNow();
  Erase("k");
  tier_.LandAll();
  EXPECT_EQ(InMemory("k"), nullptr);
  EXPECT_TRUE(Evict("other"));  // the shard has a cold key again
  tier_.LandAll();
  tier_.FinishAll();
  EXPECT_EQ(InMemory("k"), nullptr);
  EXPECT_EQ(Want(*NewSet(), "k"), Presence::kThere);
  EXPECT_EQ(Get("k"), "(nil)");
  EXPECT_EQ(Size(), 1U);
  set->Release(keyspace_);
}

TEST_F(Residency, R10AFlushOutdatesReadsAndWritesUnderWay) {
  MakeCold("cold", "v");
  Set("leaving", "w");
  ASSERT_TRUE(Evict("leaving"));
  Told told;
  auto set = NewSet(&told);
  Want(*set, "cold");
  set->Start(keyspace_);
  EXPECT_EQ(Flush(), 2U);
  EXPECT_EQ(Size(), 0U);
  tier_.FinishAll();
  tier_.LandAll();
  EXPECT_EQ(told.times, 1);
  EXPECT_EQ(InMemory("cold"), nullptr);
  EXPECT_EQ(Size(), 0U);
  EXPECT_EQ(keyspace_.budget().leaving(), 0U);
  EXPECT_EQ(residency().queued(), 0U);
  EXPECT_EQ(Get("cold"), "(nil)");
  EXPECT_EQ(Get("leaving"), "(nil)");
  set->Release(keyspace_);
  EXPECT_EQ(residency().loads(), 0U);
}

TEST_F(Residency, R10AFlushAndANewKeyOfTheNameWhileTheOldOneIsRead) {
  MakeCold("k", "old");
  auto set = NewSet();
  Want(*set, "k");
  set->Start(keyspace_);
  Flush();
  MakeCold("k", "new");
  tier_.FinishAll();
  EXPECT_EQ(InMemory("k"), nullptr);
  auto again = NewSet();
  EXPECT_EQ(Want(*again, "k"), Presence::kCold);
  again->ReadInPlace(keyspace_);
  EXPECT_EQ(Get("k"), "new");
  set->Release(keyspace_);
  again->Release(keyspace_);
}

TEST_F(Residency, R10ASwapTakesReadsAndWritesAlong) {
  MakeCold("k", "v");
  Set("leaving", "w");
  ASSERT_TRUE(Evict("leaving"));
  auto set = NewSet();
  Want(*set, "k");
  set->Start(keyspace_);
  Swap();
  EXPECT_EQ(Size(0), 0U);
  EXPECT_EQ(Size(1), 2U);
  tier_.FinishAll();
  tier_.LandAll();
  EXPECT_EQ(InMemory("k", 0), nullptr);
  EXPECT_NE(InMemory("k", 1), nullptr);
  EXPECT_EQ(InMemory("leaving", 1), nullptr);
  EXPECT_EQ(residency().cold(1).keys, 1U);
  EXPECT_EQ(residency().cold(0).keys, 0U);
  set->Release(keyspace_);
}

TEST_F(Residency, AFailedReadIsAnErrorForThoseWhoWaitedAndTriedAgainByOthers) {
  MakeCold("k", "v");
  Told told;
  auto set = NewSet(&told);
  Want(*set, "k");
  set->Start(keyspace_);
  tier_.Finish(0, true);
  EXPECT_EQ(told.times, 1);
  auto retry = NewSet();
  EXPECT_EQ(Want(*retry, "k"), Presence::kFailed);
  EXPECT_EQ(retry->error().code, ErrorCode::kIoError);
  EXPECT_EQ(Size(), 1U) << "it is not missing";
  set->Release(keyspace_);
  retry->Release(keyspace_);
  auto later = NewSet();
  EXPECT_EQ(Want(*later, "k"), Presence::kCold);
  later->ReadInPlace(keyspace_);
  EXPECT_EQ(Get("k"), "v");
  later->Release(keyspace_);
}

TEST_F(Residency, AValueOfAnUnknownTypeIsAnError) {
  MakeCold("k", "v");
  tier_.mutable_rows().begin()->second.facts.type = memtable::ValueType::kStream;
  for (const Need need : {Need::kExistence, Need::kValue}) {
    auto set = NewSet();
    EXPECT_EQ(Want(*set, "k", need), Presence::kCold);
    set->ReadInPlace(keyspace_);
    auto retry = NewSet();
    EXPECT_EQ(Want(*retry, "k", need), Presence::kFailed);
    EXPECT_EQ(retry->error().code, ErrorCode::kUnsupported);
    set->Release(keyspace_);
    retry->Release(keyspace_);
  }
}

TEST_F(Residency, AnExpiredColdKeyIsDeletedLikeAnyOther) {
  MakeCold("k", "v", 500);
  auto set = NewSet();
  Want(*set, "k", Need::kHeader);
  set->ReadInPlace(keyspace_);
  EXPECT_EQ(Get("k"), "(nil)");
  EXPECT_EQ(shard().expired_hints.size(), 1U);
  Locked([&] { EXPECT_EQ(Access().ForWrite(Key("k")), nullptr); });
  EXPECT_EQ(shard().counters.expired, 1U);
  EXPECT_EQ(Size(), 0U);
  EXPECT_EQ(residency().cold(0).expiring, 0U);
  set->Release(keyspace_);
  tier_.LandAll();
  EXPECT_TRUE(tier_.rows().empty());
}

TEST_F(Residency, WhatAnExecutionErasesItFindsErased) {
  MakeCold("other", "v");
  Set("k", "never written");
  Set("due", "never written", 500);
  Locked([&] {
    KeyAccess access = Access();
    access.Erase(Key("k"), access.ForWrite(Key("k")));
    EXPECT_EQ(access.ForWrite(Key("k")), nullptr);
    EXPECT_EQ(access.ForWrite(Key("due")), nullptr) << "expired: deleted";
    EXPECT_EQ(access.Read(Key("due")), nullptr);
    access.SetString(Key("k"), nullptr, {.bytes = "again"});
    EXPECT_NE(access.Read(Key("k")), nullptr);
  });
}

TEST_F(Residency, ALookAtAColdKeyThatNobodyAskedForIsABug) {
  MakeCold("k", "v");
  EXPECT_DEATH(Get("k"), "!Unknown");
  EXPECT_DEATH(Get("never there"), "!Unknown");
}

TEST_F(Residency, ABlindWriteIsCountedOnceItsFirstWriteLands) {
  MakeCold("there", "old", 5000);
  MakeCold("other", "v");
  const size_t reads = tier_.reads_started();
  SetBlindly("there", "new");
  SetBlindly("fresh", "new");
  EXPECT_EQ(tier_.reads_started(), reads);
  EXPECT_EQ(Get("there"), "new");
  EXPECT_EQ(Unknown(), 2U);
  EXPECT_EQ(Size(), 4U);
  SetBlindly("there", "newer");
  EXPECT_EQ(Unknown(), 2U);
  ASSERT_TRUE(Evict("there"));
  ASSERT_TRUE(Evict("fresh"));
  EXPECT_EQ(Unknown(), 2U);
  tier_.LandAll();
  EXPECT_EQ(Unknown(), 0U);
  EXPECT_EQ(Size(), 3U);
  EXPECT_EQ(residency().cold(0).expiring, 0U);
  EXPECT_EQ(tier_.probes(), 2U);
}

TEST_F(Residency, ADeleteOfABlindWriteProbesToo) {
  MakeCold("there", "old");
  SetBlindly("there", "new");
  Erase("there");
  tier_.LandAll();
  EXPECT_EQ(Unknown(), 0U);
  EXPECT_EQ(Size(), 0U);
  EXPECT_EQ(shard().cold_keys, 0U);
  EXPECT_TRUE(tier_.rows().empty());
}

TEST_F(Residency, ExactCountsAreAskedFor) {
  MakeCold("there", "old");
  MakeCold("other", "v");
  SetBlindly("there", "new");
  SetBlindly("fresh", "new");
  LockedShards none(keyspace_);
  const auto size = keyspace_.SettleSize(none, 0);
  ASSERT_TRUE(size);
  EXPECT_EQ(size->keys, 3U);
  EXPECT_EQ(size->unknown, 0U);
  const ColdAddress there{keyspace_.space(0), Key("there").ref.order(), "there"};
  EXPECT_EQ(tier_.Find(there)->bytes, "old");  // asked, not written
  // The question is asked once: the write that follows does not repeat it.
  ASSERT_TRUE(Evict("there"));
  tier_.LandAll();
  EXPECT_EQ(tier_.probes(), 2U);
  EXPECT_EQ(Size(), 3U);

  SetBlindly("other", "new");
  tier_.landing_fails = true;
  EXPECT_FALSE(keyspace_.SettleSize(none, 0));
  tier_.landing_fails = false;
  EXPECT_EQ(keyspace_.SettleSize(none, 0)->keys, 3U);
}

TEST_F(Residency, WhoeverWaitsForAnExactCountMakesSetLook) {
  EXPECT_FALSE(keyspace_.MustLook());
  {
    const Keyspace::Looking looking(keyspace_);
    EXPECT_TRUE(keyspace_.MustLook());
  }
  EXPECT_FALSE(keyspace_.MustLook());
}

TEST_F(Residency, R10ABlindWriteOvertakesARead) {
  MakeCold("k", "old");
  auto set = NewSet();
  EXPECT_EQ(Want(*set, "k"), Presence::kCold);
  set->Start(keyspace_);
  SetBlindly("k", "new");
  Erase("k");
  tier_.LandAll();
  EXPECT_EQ(InMemory("k"), nullptr);
  // The row that was read is none any more.
  tier_.mutable_rows()[{keyspace_.space(0), Key("k").ref.order(), "k"}] = {.facts = {.size = 3},
                                                                           .bytes = "old"};
  tier_.FinishAll();
  EXPECT_EQ(InMemory("k"), nullptr);
  EXPECT_EQ(Get("k"), "(nil)");
  set->Release(keyspace_);
}

TEST_F(Residency, AFlushForgetsWhatWasNotKnown) {
  MakeCold("k", "old");
  SetBlindly("k", "new");
  ASSERT_TRUE(Evict("k"));
  Flush();
  EXPECT_EQ(Unknown(), 0U);
  tier_.LandAll();
  EXPECT_EQ(Size(), 0U);
  EXPECT_EQ(Unknown(), 0U);
}

TEST_F(Residency, ACutIsToldWhatWasCountedTwiceInIt) {
  MakeCold("before", "old", 5000);
  MakeCold("after", "old");
  MakeCold("rest", "old");
  SetBlindly("before", "new");
  ASSERT_TRUE(Evict("before"));  // on its way at the cut
  residency().BeginCut();
  SetBlindly("after", "new");
  ASSERT_TRUE(Evict("after"));
  tier_.LandAll();
  EXPECT_EQ(Size(), 3U);
  const auto& corrections = residency().cut_corrections();
  ASSERT_EQ(corrections.size(), 1U);
  EXPECT_EQ(corrections[0].keys, 1U);
  EXPECT_EQ(corrections[0].expiring, 1U);
  residency().BeginCut();
  EXPECT_TRUE(residency().cut_corrections().empty());
}

TEST_F(Residency, ASetThatHasStartedWantsNothingMore) {
  MakeCold("k", "v");
  auto set = NewSet();
  set->Start(keyspace_);
  EXPECT_DEATH(Want(*set, "k"), "started_");
  set->Release(keyspace_);
}

// 16 bits come round: what is queued never shares a ticket, and 0 is none.
TEST_F(Residency, TicketsWrap) {
  constexpr int kWrites = 140'000;
  Set("witness", "w");
  for (int i = 0; i < kWrites; ++i) {
    Set("k", "v");
    Locked([&] {
      Entry* entry = shard().table(0)->Find(Key("k").ref);
      ASSERT_TRUE(keyspace_.QueueWrite(Key("k"), *entry, false));
      ASSERT_NE(entry->ticket(), 0);
    });
    ASSERT_TRUE(tier_.Land(0));
    ASSERT_FALSE(InMemory("k")->Has(memtable::kDirty));
  }
  EXPECT_TRUE(InMemory("witness")->Has(memtable::kDirty));
}

TEST_F(Residency, AsManyWritesAreQueuedAsThereAreTickets) {
  for (uint32_t i = 0; i < ShardResidency::kMaxQueued; ++i) {
    Set("k", "v");
    Locked([&] {
      ASSERT_TRUE(keyspace_.QueueWrite(Key("k"), *shard().table(0)->Find(Key("k").ref), false));
    });
  }
  Set("k", "newest");
  EXPECT_FALSE(Evict("k"));
  ASSERT_TRUE(tier_.Land(0));
  EXPECT_TRUE(Evict("k"));
  while (tier_.queued() > 1) {
    ASSERT_TRUE(tier_.Land(0));
    ASSERT_TRUE(InMemory("k")->Has(memtable::kDirty));
  }
  ASSERT_TRUE(tier_.Land(0));
  EXPECT_EQ(InMemory("k"), nullptr);
  EXPECT_EQ(tier_.rows().begin()->second.bytes, "newest");
}

TEST_F(Residency, DropLeavesATombstoneForWhatTheTierHas) {
  MakeCold("k", "v");
  auto set = NewSet();
  Want(*set, "k");
  set->ReadInPlace(keyspace_);
  set->Release(keyspace_);
  Locked([&] {
    KeyAccess access = Access();
    EXPECT_TRUE(DropAction().Evict(access, Key("k"), shard().table(0)->Find(Key("k").ref)));
  });
  EXPECT_EQ(Size(), 0U);
  EXPECT_EQ(shard().counters.evicted, 1U);
  tier_.LandAll();
  EXPECT_TRUE(tier_.rows().empty());
  EXPECT_EQ(InMemory("k"), nullptr);
}

// ---- warm-up: what was read although nobody asked, of the tier as it was when the watch began

class Warming : public Residency {
 protected:
  void Read(std::string_view name, uint8_t rank = 0) {
    for (const auto& [key, row] : tier_.rows()) {
      if (std::get<2>(key) != name) continue;
      space_ = std::get<0>(key);
      keys_.push_back({.name = std::string(name),
                       .order = std::get<1>(key),
                       .rank = rank,
                       .bytes = row.bytes,
                       .value = {.facts = row.facts, .bytes = {}, .block = {}}});
    }
  }
  size_t Install() {
    for (Keyspace::WarmKey& key : keys_) key.value.bytes = key.bytes;
    const size_t count = keyspace_.InstallWarm(shard(), space_, keys_, rule_, 1000);
    Keyspace::CloseWatch(shard());
    return count;
  }

  SpaceId space_ = 0;
  std::vector<Keyspace::WarmKey> keys_;
  eviction::AccessRule rule_ = eviction::AccessRule::At(1000, eviction::StateUse::kClock, {});
};

TEST_F(Warming, AColdKeyComesBackClean) {
  MakeCold("k", "v");
  MakeCold("brief", "w", 5000);
  MakeCold("still cold", "x");
  Keyspace::OpenWatch(shard());
  Read("k");
  Read("brief");
  EXPECT_EQ(Install(), 2U);
  EXPECT_EQ(Get("k"), "v");
  EXPECT_EQ(InMemory("brief")->expiry_ms(), 5000);
  EXPECT_FALSE(InMemory("k")->Has(memtable::kDirty));
  EXPECT_EQ(shard().cold_keys, 1U);
  EXPECT_EQ(Size(), 3U);
  EXPECT_EQ(shard().counters.loaded, 0U) << "nobody had to wait for it";
  ASSERT_TRUE(Evict("k"));
  EXPECT_EQ(tier_.queued(), 0U);
  Erase("brief");
  tier_.LandAll();
  EXPECT_EQ(tier_.rows().size(), 2U);
}

TEST_F(Warming, TheRankComesBackWithIt) {
  MakeCold("k", "v");
  MakeCold("new", "v");
  Keyspace::OpenWatch(shard());
  rule_.clock = 5000;
  Read("k", eviction::RankOf(rule_, 5000 - 96));
  Read("new", 0);
  EXPECT_EQ(Install(), 2U);
  EXPECT_EQ(InMemory("k")->eviction_state(), 5000U - 96U);
  EXPECT_EQ(InMemory("new")->eviction_state(), 5000U);
  keys_.clear();
  MakeCold("main", "v");
  MakeCold("small", "v");
  rule_.use = eviction::StateUse::kQueueBits;
  Keyspace::OpenWatch(shard());
  Read("main", eviction::RankOf(rule_, eviction::QueueState(true, 77, 2)));
  Read("small", eviction::RankOf(rule_, eviction::QueueState(false, 78, 1)));
  EXPECT_EQ(Install(), 2U);
  EXPECT_TRUE(eviction::InMain(InMemory("main")->eviction_state()));
  EXPECT_EQ(eviction::QueueHits(InMemory("main")->eviction_state()), 2U);
  EXPECT_FALSE(eviction::InMain(InMemory("small")->eviction_state()));
  EXPECT_EQ(eviction::QueueHits(InMemory("small")->eviction_state()), 1U);
}

TEST_F(Warming, WhatIsInMemoryStays) {
  MakeCold("k", "old");
  MakeCold("gone", "old");
  Keyspace::OpenWatch(shard());
  Read("k");
  Read("gone");
  Set("k", "new");
  auto set = NewSet();
  Want(*set, "gone", Need::kExistence);
  set->ReadInPlace(keyspace_);
  Erase("gone");
  set->Release(keyspace_);
  EXPECT_EQ(Install(), 0U);
  EXPECT_EQ(Get("k"), "new");
  EXPECT_EQ(Get("gone"), "(nil)");
  ASSERT_TRUE(Evict("k"));
  tier_.LandAll();
  EXPECT_EQ(Size(), 1U);
}

TEST_F(Warming, WhatLeftMemorySinceIsNotBelieved) {
  MakeCold("changed", "old");
  MakeCold("gone", "old");
  MakeCold("read", "same");
  MakeCold("other", "v");
  Keyspace::OpenWatch(shard());
  for (const char* name : {"changed", "gone", "read", "other"}) Read(name);
  MakeCold("changed", "new");
  auto set = NewSet();
  for (const char* name : {"gone", "read"}) Want(*set, name);
  set->ReadInPlace(keyspace_);
  Erase("gone");
  set->Release(keyspace_);
  ASSERT_TRUE(Evict("read"));
  tier_.LandAll();
  ASSERT_EQ(InMemory("gone"), nullptr);
  EXPECT_EQ(Install(), 1U);
  EXPECT_EQ(InMemory("changed"), nullptr);
  EXPECT_EQ(InMemory("gone"), nullptr);
  EXPECT_EQ(Get("other"), "v");
  EXPECT_EQ(Size(), 3U);
  // What left before the watch was opened does not matter.
  Keyspace::OpenWatch(shard());
  keys_.clear();
  Read("changed");
  EXPECT_EQ(Install(), 1U);
  EXPECT_EQ(Get("changed"), "new");
}

TEST_F(Warming, AFlushOutdatesIt) {
  MakeCold("k", "old");
  Keyspace::OpenWatch(shard());
  Read("k");
  Flush();
  MakeCold("k", "new");
  EXPECT_EQ(Install(), 0U);
  EXPECT_EQ(InMemory("k"), nullptr);
  EXPECT_EQ(Size(), 1U);
}

TEST_F(Warming, ASwapTakesItAlong) {
  MakeCold("k", "v");
  Keyspace::OpenWatch(shard());
  Read("k");
  Swap();
  EXPECT_EQ(Install(), 1U);
  EXPECT_EQ(InMemory("k", 0), nullptr);
  ASSERT_NE(InMemory("k", 1), nullptr);
  EXPECT_EQ(Size(1), 1U);
}

TEST_F(Warming, WhatIsDueOrBeingReadOrInTheWrongPlaceIsLeftOut) {
  MakeCold("due", "v", 1000);
  MakeCold("read", "v");
  MakeCold("elsewhere", "v");
  auto set = NewSet();
  Want(*set, "read");
  set->Start(keyspace_);
  Keyspace::OpenWatch(shard());
  for (const char* name : {"due", "read", "elsewhere"}) Read(name);
  ++keys_.back().order;
  EXPECT_EQ(Install(), 0U);
  tier_.FinishAll();
  EXPECT_EQ(Get("read"), "v");
  set->Release(keyspace_);
  EXPECT_EQ(Size(), 3U);
}

}  // namespace
}  // namespace holdfast::keyspace
