// What counts as a hit or a miss (INFO keyspace_hits, keyspace_misses) and what renews the access
// time, as redis-server 7.0 has it.
#include "engine/keyspace/locked_shards.h"
#include "engine/store.h"
#include "tests/unit/commands/command_fixture.h"

namespace holdfast::commands {
namespace {

class HitsTest : public CommandTest {
 protected:
  struct Hits {
    uint64_t hits;
    uint64_t misses;
    bool operator==(const Hits&) const = default;
  };
  Hits Sum() {
    keyspace::LockedShards locks(store().keyspace());
    const keyspace::ShardCounters counters = store().keyspace().Counters(locks);
    return {counters.hits, counters.misses};
  }
  Hits Counted(std::string_view line) {
    const Hits before = Sum();
    Run(line);
    const Hits after = Sum();
    return {after.hits - before.hits, after.misses - before.misses};
  }
};

TEST_F(HitsTest, ReadersCountEachKey) {
  Run("SET k v");
  const std::string_view readers[] = {"GET k",
                                      "STRLEN k",
                                      "GETRANGE k 0 1",
                                      "SUBSTR k 0 1",
                                      "DUMP k",
                                      "TTL k",
                                      "PTTL k",
                                      "TYPE k",
                                      "EXPIRETIME k",
                                      "PEXPIRETIME k",
                                      "EXISTS k",
                                      "TOUCH k",
                                      "GETEX k",
                                      "COPY k c",
                                      "OBJECT ENCODING k",
                                      "OBJECT FREQ k",
                                      "GETSET k v",
                                      "SET k v GET",
                                      "GETEX k PERSIST",
                                      "OBJECT IDLETIME k",
                                      "OBJECT REFCOUNT k"};
  for (const std::string_view line : readers) EXPECT_EQ(Counted(line), (Hits{1, 0})) << line;
  EXPECT_EQ(Counted("LCS k k"), (Hits{2, 0}));
  EXPECT_EQ(Counted("MGET k absent"), (Hits{1, 1}));
  EXPECT_EQ(Counted("GETDEL k"), (Hits{1, 0}));
  EXPECT_EQ(Counted("GETDEL k"), (Hits{0, 1}));
}

TEST_F(HitsTest, WritersDoNotCount) {
  Run("SET k 1");
  const std::string_view writers[] = {"SET k 1",      "SET k 2 NX", "SETNX k 1", "INCR k",
                                      "APPEND k 1",   "EXPIRE k 9", "PERSIST k", "SETRANGE k 0 1",
                                      "RENAME k l",   "DEL absent", "MOVE l 1",  "MSET a 1",
                                      "MSETNX a 1 b", "WATCH a"};
  for (const std::string_view line : writers) EXPECT_EQ(Counted(line), (Hits{0, 0})) << line;
}

TEST_F(HitsTest, NoTouchLeavesAccessTimesToTouch) {
  Run("SET k v");
  Run("CLIENT NO-TOUCH ON");
  AdvanceMs(4000);
  Expect({{"GET k", "\"v\""},
          {"OBJECT IDLETIME k", "4"},
          {"EXISTS k", "1"},
          {"OBJECT IDLETIME k", "4"},
          {"TOUCH k", "1"},
          {"OBJECT IDLETIME k", "0"}});
}

}  // namespace
}  // namespace holdfast::commands
