// A few keys that change all the time, in spaces that come and go: every read gives what landed
// last, whatever RocksDB does with its files meanwhile.
#include <fmt/core.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <map>
#include <random>
#include <string>

#include "holdfast/random.h"
#include "snapshot/live_tier.h"

namespace holdfast::snapshot {
namespace {

namespace fs = std::filesystem;

TEST(LiveTierSpaces, ReadsGiveWhatLandedLast) {
  std::string folder = fs::temp_directory_path() / "holdfast-spaces-XXXXXX";
  ASSERT_NE(::mkdtemp(folder.data()), nullptr);
  {
    auto tier = *LiveTier::Open({.directory = folder + "/tier", .checkpoint = {}});
    const char* steps_text = std::getenv("HOLDFAST_SPACES_STEPS");
    const int steps = steps_text != nullptr ? std::atoi(steps_text) : 1500;
    const uint64_t seed = std::random_device{}();
    SCOPED_TRACE(seed);
    SeededRandom random(seed);
    constexpr int kDatabases = 4;
    constexpr int kKeys = 12;
    SpaceId spaces[kDatabases] = {0, 1, 2, 3};
    SpaceId next_space = kDatabases;
    std::map<std::pair<SpaceId, int>, std::string> model;
    std::vector<std::string> names;
    for (int i = 0; i < kKeys; ++i) names.push_back(fmt::format("key{}", i));
    const auto key_of = [&](SpaceId space, int key) {
      return ColdKey{space, memtable::MakeKeyRef({1, 2}, names[key]).order(), names[key]};
    };
    for (int step = 0; step < steps; ++step) {
      if (random.Below(40) == 0) {
        std::vector<SpaceId> dead;
        for (SpaceId& space : spaces) {
          if (random.Below(2) == 0) continue;
          dead.push_back(space);
          space = next_space++;
        }
        for (const SpaceId space : dead) ASSERT_TRUE(tier->DropSpace(space));
      }
      std::vector<ColdWrite> writes;
      std::vector<std::string> values;
      const size_t count = 1 + random.Below(6);
      values.reserve(count);
      for (size_t i = 0; i < count; ++i) {
        const SpaceId space = spaces[random.Below(kDatabases)];
        const int key = static_cast<int>(random.Below(kKeys));
        if (random.Below(4) == 0) {
          writes.push_back({.key = key_of(space, key), .erase = true});
          model.erase({space, key});
          continue;
        }
        values.push_back(fmt::format("{}.{}", step, i));
        writes.push_back({.key = key_of(space, key),
                          .header = {.size = values.back().size()},
                          .payload = values.back()});
        model[{space, key}] = values.back();
      }
      ASSERT_TRUE(tier->Land(writes));
      for (const SpaceId space : spaces) {
        for (int key = 0; key < kKeys; ++key) {
          const ColdKey cold = key_of(space, key);
          const auto read = tier->Read({&cold, 1}, ReadDepth::kValue);
          ASSERT_TRUE(read);
          const auto wanted = model.find({space, key});
          ASSERT_EQ((*read)[0].has_value(), wanted != model.end())
              << "step " << step << " space " << space << " key " << key;
          if (wanted != model.end()) {
            ASSERT_EQ((*read)[0]->payload, wanted->second) << "step " << step;
          }
        }
      }
    }
  }
  fs::remove_all(folder);
}

}  // namespace
}  // namespace holdfast::snapshot
