// The cut walk against a model: whatever happens beside it, the images are the keyspace as of the
// cut, one per key.
#include "engine/keyspace/cut_walk.h"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <utility>

#include "engine/keyspace/key_access.h"
#include "engine/keyspace/locked_shards.h"
#include "holdfast/random.h"

namespace holdfast::keyspace {
namespace {

constexpr int kDatabases = 3;

struct Value {
  std::string bytes;
  UnixMs expiry_ms = memtable::kNoExpiry;
  bool operator==(const Value&) const = default;
};
using Model = std::map<std::pair<int, std::string>, Value>;

class Images final : public CutSink {
 public:
  void Image(const CutImage& image) override {
    const int database = image.database_at_cut;
    const memtable::Entry& entry = image.entry;
    memtable::Entry::Scratch scratch;
    const bool expires = entry.Has(memtable::kHasExpiry);
    const bool fresh = seen_
                           .emplace(std::pair(database, std::string(entry.key())),
                                    Value{std::string(entry.StringBytes(scratch)),
                                          expires ? entry.expiry_ms() : memtable::kNoExpiry})
                           .second;
    EXPECT_TRUE(fresh) << "two images of " << entry.key() << " in database " << database;
  }
  const Model& seen() const { return seen_; }

 private:
  Model seen_;
};

// A keyspace and what it should hold, changed together.
class CutWalkTest : public testing::TestWithParam<uint64_t> {
 protected:
  CutWalkTest()
      : random_(GetParam()),
        keyspace_({.seed = {1, GetParam()}, .databases = kDatabases, .shards = 4}) {}

  std::string Name() { return fmt::format("k{}", random_.Below(300)); }
  int Database() { return static_cast<int>(random_.Below(kDatabases)); }

  void Set(int database, const std::string& name, const Value& value) {
    Change(database, name, [&](KeyAccess& access, const KeyHandle& key, memtable::Entry* entry) {
      access.SetString(key, entry, {.bytes = value.bytes, .expiry_ms = value.expiry_ms});
    });
    model_[{database, name}] = value;
  }

  void Erase(int database, const std::string& name) {
    Change(database, name, [](KeyAccess& access, const KeyHandle& key, memtable::Entry* entry) {
      if (entry != nullptr) access.Erase(key, entry);
    });
    model_.erase({database, name});
  }

  void Append(int database, const std::string& name) {
    const auto at = model_.find({database, name});
    if (at == model_.end()) return;
    Change(database, name, [&](KeyAccess& access, const KeyHandle& key, memtable::Entry* entry) {
      const size_t length = entry->StringLength();
      access.ResizeString(key, entry, length + 1).bytes[length] = '!';
    });
    at->second.bytes += '!';
  }

  void Expire(int database, const std::string& name) {
    const auto at = model_.find({database, name});
    if (at == model_.end()) return;
    const UnixMs when = 1000 + static_cast<UnixMs>(random_.Below(1000));
    Change(database, name, [&](KeyAccess& access, const KeyHandle& key, memtable::Entry* entry) {
      access.SetExpiry(key, entry, when);
    });
    at->second.expiry_ms = when;
  }

  // COPY: a value that two entries may share.
  void Copy(const std::string& from, const std::string& to) {
    const auto at = model_.find({0, from});
    if (at == model_.end() || from == to) return;
    const KeyHandle keys[] = {keyspace_.Handle(0, from), keyspace_.Handle(0, to)};
    LockedShards locks(keyspace_);
    locks.LockKeys(keys);
    KeyAccess access(keyspace_, {.now_ms = 1});
    memtable::Entry* existing = access.ForWrite(keys[1]);
    access.CopyValue(keys[1], existing, *access.Peek(keys[0]), at->second.expiry_ms);
    model_[{0, to}] = at->second;
  }

  void Swap(int first, int second) {
    LockedShards gate(keyspace_);
    gate.LockGate();
    keyspace_.Swap(gate, first, second);
    Model swapped;
    for (const auto& [key, value] : model_) {
      const int database = key.first == first ? second : key.first == second ? first : key.first;
      swapped[{database, key.second}] = value;
    }
    model_ = std::move(swapped);
  }

  void Flush(int database) {
    LockedShards gate(keyspace_);
    gate.LockGate();
    keyspace_.Flush(gate, database, random_.Below(2) == 0);
    std::erase_if(model_, [&](const auto& item) { return item.first.first == database; });
  }

  void RandomChange() {
    const std::string name = Name();
    const int database = Database();
    switch (random_.Below(8)) {
      case 0:
      case 1:
      case 2:
        return Set(database, name, {std::string(random_.Below(90), 'v'), memtable::kNoExpiry});
      case 3:
        return Erase(database, name);
      case 4:
        return Append(database, name);
      case 5:
        return Expire(database, name);
      case 6:
        return Copy(name, Name());
      default:
        if (random_.Below(10) == 0) Swap(Database(), Database());
    }
  }

  void Begin(CutWalk& walk) {
    LockedShards gate(keyspace_);
    gate.LockGate();
    walk.Begin(gate);
  }

  SeededRandom random_;
  Keyspace keyspace_;
  Model model_;

 private:
  template <typename Apply>
  void Change(int database, const std::string& name, const Apply& apply) {
    const KeyHandle key = keyspace_.Handle(database, name);
    LockedShards locks(keyspace_);
    locks.LockOne(*key.shard);
    KeyAccess access(keyspace_, {.now_ms = 1});
    apply(access, key, access.ForWrite(key));
  }
};

TEST_P(CutWalkTest, ImagesAreTheKeyspaceAtTheCut) {
  for (int i = 0; i < 600; ++i) RandomChange();
  for (int round = 0; round < 12; ++round) {
    Images images;
    CutWalk walk(keyspace_, images);
    Begin(walk);
    const Model at_cut = model_;
    // Some rounds give up half way: what they leave must not spoil the next.
    const uint64_t give_up_after = round % 3 == 2 ? random_.Below(12) : UINT64_MAX;
    uint64_t steps = 0;
    bool more = true;
    while (more && steps++ < give_up_after) {
      for (uint64_t changes = random_.Below(40); changes > 0; --changes) RandomChange();
      more = walk.Step();
    }
    for (int i = 0; i < 50; ++i) RandomChange();  // after the end: nothing more is handed over
    if (more) continue;
    EXPECT_FALSE(walk.aborted());
    EXPECT_EQ(images.seen(), at_cut) << "round " << round;
  }
}

TEST_P(CutWalkTest, AFlushAbortsItAndTheNextWalkIsWhole) {
  for (int i = 0; i < 600; ++i) RandomChange();
  for (int round = 0; round < 6; ++round) {
    {
      Images images;
      CutWalk walk(keyspace_, images);
      Begin(walk);
      for (uint64_t steps = random_.Below(8); steps > 0; --steps) {
        ASSERT_TRUE(walk.Step());
        for (int i = 0; i < 10; ++i) RandomChange();
      }
      Flush(Database());
      EXPECT_TRUE(walk.aborted());
      const size_t images_before = images.seen().size();
      for (int i = 0; i < 100; ++i) RandomChange();
      EXPECT_FALSE(walk.Step());
      EXPECT_EQ(images.seen().size(), images_before);
    }
    Images images;
    CutWalk walk(keyspace_, images);
    Begin(walk);
    const Model at_cut = model_;
    do {
      for (int i = 0; i < 10; ++i) RandomChange();
    } while (walk.Step());
    EXPECT_EQ(images.seen(), at_cut);
  }
}

TEST_P(CutWalkTest, AnEmptyKeyspaceGivesNothing) {
  Images images;
  CutWalk walk(keyspace_, images);
  Begin(walk);
  Set(0, "born after the cut", {"x", memtable::kNoExpiry});
  while (walk.Step()) Append(0, "born after the cut");
  EXPECT_TRUE(images.seen().empty());
}

INSTANTIATE_TEST_SUITE_P(Seeds, CutWalkTest, testing::Range<uint64_t>(1, 13));

}  // namespace
}  // namespace holdfast::keyspace
