// SCAN, KEYS and RANDOMKEY: what a walk promises while keys come, go and expire.
#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "engine/store.h"
#include "tests/unit/commands/command_fixture.h"

namespace holdfast::commands {
namespace {

class ScanTest : public CommandTest {
 protected:
  struct Page {
    uint64_t cursor;
    std::vector<std::string> names;
  };

  Page Scan(uint64_t cursor, std::string_view options = "") {
    const std::string line = std::string("SCAN ") + std::to_string(cursor) + " ";
    const auto session = NewSession();
    const std::vector<std::string> words = Words(line + std::string(options));
    const std::vector<std::string_view> args(words.begin(), words.end());
    const Reply reply = session->Execute(std::span<const std::string_view>(args));
    EXPECT_EQ(reply.elements.size(), 2u) << reply.text;
    Page page{std::stoull(reply.elements[0].text), {}};
    for (const Reply& name : reply.elements[1].elements) page.names.push_back(name.text);
    return page;
  }

  // A whole iteration: how often each name was shown.
  std::map<std::string, int> ScanAll(std::string_view options = "") {
    std::map<std::string, int> shown;
    uint64_t cursor = 0;
    do {
      const Page page = Scan(cursor, options);
      for (const std::string& name : page.names) ++shown[name];
      cursor = page.cursor;
    } while (cursor != 0);
    return shown;
  }

  void Fill(int count) {
    for (int i = 0; i < count; ++i) Run("SET key:" + std::to_string(i) + " v");
  }
};

TEST_F(ScanTest, ShowsEachKeyOnce) {
  Fill(2000);
  for (const std::string_view count : {"COUNT 1", "COUNT 7", "", "COUNT 1000", "COUNT 100000"}) {
    const auto shown = ScanAll(count);
    EXPECT_EQ(shown.size(), 2000u) << count;
    for (const auto& [name, times] : shown) EXPECT_EQ(times, 1) << name;
  }
}

TEST_F(ScanTest, CountBoundsAPage) {
  Fill(2000);
  const Page page = Scan(0, "COUNT 50");
  EXPECT_GE(page.names.size(), 50u);
  EXPECT_LE(page.names.size(), 51u);
}

TEST_F(ScanTest, CursorsFitADouble) {
  Fill(500);
  uint64_t cursor = 0;
  uint64_t before = 0;
  do {
    const Page page = Scan(cursor, "COUNT 3");
    EXPECT_LT(page.cursor, uint64_t{1} << 53);
    EXPECT_TRUE(page.cursor == 0 || page.cursor > before);
    before = cursor = page.cursor;
  } while (cursor != 0);
}

// Names of one slot whose positions differ in the lowest bit alone, or not at all: they share a
// cursor. Found among three million (a few are expected; the seed is fixed).
struct Twins {
  std::string first;
  std::string second;
  bool same_position;
};

std::vector<Twins> FindTwins(const memtable::HashSeed& seed) {
  constexpr uint32_t kNames = 3'000'000;
  const auto name = [](uint64_t i) { return "{tag}" + std::to_string(i); };
  std::vector<std::pair<uint64_t, uint32_t>> positions;
  for (uint32_t i = 0; i < kNames; ++i) {
    positions.emplace_back(memtable::KeyedHash(seed, name(i)) >> (64 - memtable::kStoredHashBits),
                           i);
  }
  std::sort(positions.begin(), positions.end());
  std::vector<Twins> twins;
  for (size_t i = 1; i < positions.size(); ++i) {
    const auto& [before, first] = positions[i - 1];
    const auto& [after, second] = positions[i];
    if (before >> 1 == after >> 1) twins.push_back({name(first), name(second), before == after});
  }
  return twins;
}

TEST_F(ScanTest, KeysOfOneCursorStayTogether) {
  const std::vector<Twins> twins = FindTwins(store().keyspace().seed());
  ASSERT_TRUE(std::any_of(twins.begin(), twins.end(), [](auto& t) { return t.same_position; }));
  ASSERT_TRUE(std::any_of(twins.begin(), twins.end(), [](auto& t) { return !t.same_position; }));
  Fill(200);
  for (const Twins& pair : twins) {
    Run("SET " + pair.first + " v");
    Run("SET " + pair.second + " v");
  }
  std::map<std::string, uint64_t> page_of;
  uint64_t cursor = 0;
  uint64_t number = 0;
  do {
    const Page page = Scan(cursor, "COUNT 1");
    for (const std::string& name : page.names) EXPECT_TRUE(page_of.emplace(name, number).second);
    ++number;
    cursor = page.cursor;
  } while (cursor != 0);
  EXPECT_EQ(page_of.size(), 200 + 2 * twins.size());
  for (const Twins& pair : twins) EXPECT_EQ(page_of[pair.first], page_of[pair.second]);
}

TEST_F(ScanTest, SurvivorsAreShownWhileOthersComeAndGo) {
  Fill(500);
  std::set<std::string> shown;
  uint64_t cursor = 0;
  int turn = 0;
  do {
    const Page page = Scan(cursor, "COUNT 5");
    shown.insert(page.names.begin(), page.names.end());
    cursor = page.cursor;
    for (int i = 0; i < 20; ++i) Run("SET new:" + std::to_string(turn * 20 + i) + " v");
    Run("DEL key:" + std::to_string(499 - turn % 200));
    ++turn;
  } while (cursor != 0);
  for (int i = 0; i < 300; ++i) EXPECT_TRUE(shown.contains("key:" + std::to_string(i))) << i;
}

TEST_F(ScanTest, Options) {
  Fill(100);
  EXPECT_EQ(ScanAll("MATCH key:1*").size(), 11u);
  EXPECT_EQ(ScanAll("MATCH key:1* COUNT 3 MATCH key:2*").size(), 11u);
  EXPECT_EQ(ScanAll("TYPE string").size(), 100u);
  EXPECT_EQ(ScanAll("TYPE STRING match key:7").size(), 1u);
  EXPECT_EQ(ScanAll("TYPE list").size(), 0u);
  EXPECT_EQ(ScanAll("TYPE ''").size(), 0u);
}

TEST_F(ScanTest, Errors) {
  Expect({{"SCAN x", "ERR invalid cursor"},
          {"SCAN ' 0'", "ERR invalid cursor"},
          {"SCAN 18446744073709551616", "ERR invalid cursor"},
          {"SCAN 0 COUNT 0", "ERR syntax error"},
          {"SCAN 0 COUNT -1", "ERR syntax error"},
          {"SCAN 0 COUNT x", "ERR value is not an integer or out of range"},
          {"SCAN 0 COUNT", "ERR syntax error"},
          {"SCAN 0 NOSUCH 1", "ERR syntax error"},
          {"SCAN ''", "[\"0\", []]"},
          {"SCAN +0", "[\"0\", []]"},
          {"SCAN -1", "[\"0\", []]"},
          {"SCAN 18446744073709551615", "[\"0\", []]"}});
}

TEST_F(ScanTest, ExpiredKeysAreNeverShown) {
  Fill(10);
  Run("SET gone v PX 1");
  AdvanceMs(1);
  EXPECT_EQ(ScanAll().size(), 10u);
  for (int i = 0; i < 100; ++i) EXPECT_NE(Run("RANDOMKEY"), "\"gone\"");
}

TEST_F(ScanTest, RandomKey) {
  EXPECT_EQ(Run("RANDOMKEY"), "nil");
  Run("SET only v");
  EXPECT_EQ(Run("RANDOMKEY"), "\"only\"");
  Fill(20);
  std::set<std::string> picked;
  for (int i = 0; i < 2000; ++i) picked.insert(Run("RANDOMKEY"));
  EXPECT_GE(picked.size(), 15u);
}

TEST_F(ScanTest, InsideATransaction) {
  Fill(5);
  const auto session = NewSession();
  RunIn(*session, "MULTI");
  RunIn(*session, "SET extra v");
  RunIn(*session, "KEYS extra");
  EXPECT_EQ(RunIn(*session, "EXEC"), "[OK, [\"extra\"]]");
}

}  // namespace
}  // namespace holdfast::commands
