// CONFIG, FLUSH, DBSIZE, INFO, MEMORY, SLOWLOG, LATENCY, DEBUG, TIME, SHUTDOWN.
#include "engine/store.h"
#include "tests/unit/commands/command_fixture.h"

namespace holdfast::commands {
namespace {

class ServerTest : public CommandTest {
 protected:
  ServerTest() : CommandTest({{"enable-debug-command", "yes"}, {"databases", "4"}}) {}
  // The value of a field of INFO.
  std::string Info(const std::string& field) {
    const std::string text = Run("INFO everything");
    const size_t at = text.find("\n" + field + ":");
    if (at == std::string::npos) return "no such field";
    const size_t begin = at + field.size() + 2;
    return text.substr(begin, text.find('\r', begin) - begin);
  }
};

TEST_F(ServerTest, ConfigSetIsAllOrNothing) {
  Expect({{"CONFIG GET maxmemory", "{\"maxmemory\": \"0\"}"},
          {"CONFIG SET maxmemory 1gb timeout x",
           "ERR CONFIG SET failed (possibly related to argument 'timeout') - argument couldn't be "
           "parsed into an integer"},
          {"CONFIG GET maxmemory", "{\"maxmemory\": \"0\"}"},
          {"CONFIG SET maxmemory 1gb timeout 5", "OK"},
          {"CONFIG GET maxmemory timeout", "{\"maxmemory\": \"1073741824\", \"timeout\": \"5\"}"},
          {"CONFIG SET maxmemory 1 timeout", "ERR syntax error"},
          {"CONFIG SET maxmemory", "ERR wrong number of arguments for 'config|set' command"},
          {"CONFIG REWRITE", "ERR The server is running without a config file"},
          {"CONFIG NOSUCH", "ERR unknown subcommand 'NOSUCH'. Try CONFIG HELP."}});
}

TEST_F(ServerTest, FlushAndSize) {
  Expect({{"MSET a 1 b 2 c 3", "OK"},
          {"SELECT 1", "OK"},
          {"SET d 4", "OK"},
          {"DBSIZE", "1"},
          {"FLUSHDB SYNC", "OK"},
          {"DBSIZE", "0"},
          {"SELECT 0", "OK"},
          {"DBSIZE", "3"},
          {"FLUSHDB x", "ERR syntax error"},
          {"FLUSHALL ASYNC", "OK"},
          {"DBSIZE", "0"},
          {"FLUSHALL", "OK"}});
}

TEST_F(ServerTest, FlushIsLoggedOnlyIfItRemovedSomething) {
  EXPECT_TRUE(Effects("FLUSHALL").empty());
  Run("SET a 1");
  EXPECT_THAT(Effects("FLUSHALL"), testing::ElementsAre("FLUSHALL"));
  Run("SET a 1");
  EXPECT_THAT(Effects("FLUSHDB ASYNC"), testing::ElementsAre("FLUSHDB ASYNC"));
}

TEST_F(ServerTest, InfoCounts) {
  Run("SET a 1");
  Run("SET b 1 EX 100");
  Run("GET a");
  Run("GET none");
  Run("GET");
  EXPECT_EQ(Info("keyspace_hits"), "1");
  EXPECT_EQ(Info("keyspace_misses"), "1");
  EXPECT_EQ(Info("db0"), "keys=2,expires=1,avg_ttl=100000");
  EXPECT_EQ(Info("errorstat_ERR"), "count=1");
  EXPECT_EQ(Info("role"), "master");
  EXPECT_EQ(Info("run_id").size(), 40u);
  EXPECT_TRUE(Info("cmdstat_get").starts_with("calls=2,usec="));
  EXPECT_TRUE(Info("cmdstat_get").ends_with("rejected_calls=1,failed_calls=0"));
  EXPECT_GT(std::stoull(Info("used_memory")), 0u);
  EXPECT_GE(std::stoull(Info("used_memory_peak")), std::stoull(Info("used_memory")));
  Run("CONFIG RESETSTAT");
  EXPECT_EQ(Info("keyspace_hits"), "0");
  EXPECT_EQ(Info("cmdstat_get"), "no such field");
  EXPECT_EQ(Info("errorstat_ERR"), "no such field");
  EXPECT_EQ(Info("db0"), "keys=2,expires=1,avg_ttl=100000");
}

TEST_F(ServerTest, AverageTtl) {
  for (int i = 0; i < 100; ++i) Run("SET k" + std::to_string(i) + " v EX 100");
  for (int i = 0; i < 100; ++i) Run("SET l" + std::to_string(i) + " v EX 300");
  Run("SET stays v");
  EXPECT_EQ(Info("db0"), "keys=201,expires=200,avg_ttl=200000");
  AdvanceMs(1000);
  EXPECT_EQ(Info("db0"), "keys=201,expires=200,avg_ttl=199000");
  Run("FLUSHALL");
  Run("SET far v PXAT 9223372036854775807");
  EXPECT_EQ(Info("db0"), "keys=1,expires=1,avg_ttl=4398046511104") << "bounded, or sums overflow";
  Run("PERSIST far");
  EXPECT_EQ(Info("db0"), "keys=1,expires=0,avg_ttl=0");
}

TEST_F(ServerTest, InfoSections) {
  const auto headings = [&](const std::string& line) {
    std::string found;
    const std::string text = Run(line);
    for (size_t at = text.find("# "); at != std::string::npos; at = text.find("# ", at + 1))
      found += text.substr(at + 2, text.find('\r', at) - at - 2) + " ";
    return found;
  };
  EXPECT_EQ(headings("INFO nosuch"), "");
  EXPECT_EQ(headings("INFO KEYSPACE server"), "Server Keyspace ");
  EXPECT_EQ(
      headings("INFO"),
      "Server Clients Memory Persistence Tiering Stats Replication CPU Modules Errorstats Cluster "
      "Keyspace ");
  EXPECT_EQ(headings("INFO default commandstats"),
            "Server Clients Memory Persistence Tiering Stats Replication CPU Modules Commandstats "
            "Errorstats Cluster Keyspace ");
}

TEST_F(ServerTest, MemoryUsage) {
  Run("SET small 1");
  Run("SET big " + std::string(5000, 'x'));
  EXPECT_GT(std::stoll(Run("MEMORY USAGE big")), 5000);
  EXPECT_LT(std::stoll(Run("MEMORY USAGE small SAMPLES 0")), 100);
  Expect({{"MEMORY USAGE none", "nil"},
          {"MEMORY USAGE small SAMPLES -1", "ERR syntax error"},
          {"MEMORY USAGE small SAMPLES x", "ERR value is not an integer or out of range"},
          {"MEMORY USAGE small FOO", "ERR syntax error"},
          {"MEMORY PURGE", "OK"}});
  EXPECT_NE(Run("MEMORY STATS").find("\"keys.count\": 2,"), std::string::npos);
}

TEST_F(ServerTest, SlowlogKeepsTheNewestShortened) {
  Run("CONFIG SET slowlog-log-slower-than 0 slowlog-max-len 2");
  Run("SLOWLOG RESET");
  Run("SET a " + std::string(130, 'v'));
  std::string many = "DEL";
  for (int i = 0; i < 40; ++i) many += " k";
  Run(many);
  Run("CONFIG SET slowlog-log-slower-than -1 requirepass ''");
  EXPECT_EQ(Run("SLOWLOG LEN"), "2");
  const std::string entries = Run("SLOWLOG GET -1");
  EXPECT_NE(entries.find("\"... (10 more arguments)\"], \"\", \"\"]"), std::string::npos);
  EXPECT_NE(entries.find("vvv... (2 more bytes)\"], \"\", \"\"]"), std::string::npos);
  EXPECT_LT(entries.find("more arguments"), entries.find("more bytes")) << "newest first";
  Expect({{"SLOWLOG GET 0", "[]"},
          {"SLOWLOG GET -2", "ERR count should be greater than or equal to -1"},
          {"SLOWLOG GET x", "ERR count should be greater than or equal to -1"},
          {"SLOWLOG RESET", "OK"},
          {"SLOWLOG LEN", "0"}});
}

TEST_F(ServerTest, Latency) {
  Statistics& statistics = store().statistics();
  statistics.LatencyAdd("fork", kTestNowMs, 20);
  statistics.LatencyAdd("fork", kTestNowMs + 100, 15);
  statistics.LatencyAdd("fork", kTestNowMs + 1000, 7);
  statistics.LatencyAdd("command", kTestNowMs, 3);
  Expect({{"LATENCY LATEST", "[[\"fork\", 1700000001, 7, 20], [\"command\", 1700000000, 3, 3]]"},
          {"LATENCY HISTORY fork", "[[1700000000, 20], [1700000001, 7]]"},
          {"LATENCY HISTORY none", "[]"},
          {"LATENCY GRAPH none", "ERR No samples available for event 'none'"},
          {"LATENCY RESET none fork", "1"},
          {"LATENCY RESET", "1"},
          {"LATENCY LATEST", "[]"}});
}

TEST_F(ServerTest, LatencyHistogram) {
  Run("CONFIG RESETSTAT");
  Run("SET a 1");
  Run("GET a");
  const std::string reply = Run("LATENCY HISTOGRAM get set nosuch config");
  EXPECT_TRUE(reply.starts_with("{\"get\": {\"calls\": 1, \"histogram_usec\": {")) << reply;
  EXPECT_NE(reply.find("\"set\": {\"calls\": 1,"), std::string::npos);
  EXPECT_NE(reply.find("\"config|resetstat\": {\"calls\": 1,"), std::string::npos);
}

// The digests that redis-server 7.0.15 gives for the same data.
TEST_F(ServerTest, DigestsEqualRedis) {
  Expect({{"DEBUG DIGEST", "0000000000000000000000000000000000000000"},
          {"SET a b", "OK"},
          {"DEBUG DIGEST", "479783d7290f02957dfbe3408a858ba13eea1709"},
          {"DEBUG DIGEST-VALUE a none",
           "[b78559cd22bce6e6df712eb99ce7f3b08e8f8f1f, 0000000000000000000000000000000000000000]"},
          {"SET k v EX 100", "OK"},
          {"DEBUG DIGEST-VALUE k", "[311b17018163335616e089f6b951c82c477335ac]"},
          {"SELECT 3", "OK"},
          {"SET 5 77", "OK"},
          {"DEBUG DIGEST", "e1b57018f0bef0314383497a64fe1727a3437e1e"}});
}

TEST_F(ServerTest, Debug) {
  Expect({{"DEBUG NOSUCH",
           "ERR unknown subcommand or wrong number of arguments for 'NOSUCH'. Try DEBUG HELP."},
          {"DEBUG SLEEP",
           "ERR unknown subcommand or wrong number of arguments for 'SLEEP'. Try DEBUG HELP."},
          {"DEBUG SLEEP 0", "OK"},
          {"DEBUG OBJECT none", "ERR no such key"},
          {"DEBUG SET-ACTIVE-EXPIRE 0", "OK"},
          {"DEBUG RELOAD FOO",
           "ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options."}});
  EXPECT_FALSE(store().services().active_expire->load());
  Run("SET a 12345");
  EXPECT_NE(Run("DEBUG OBJECT a").find(" encoding:int serializedlength:3 "), std::string::npos);
  Run("SET a abcdefghijklmnopqrstuvwxyz0123");
  EXPECT_NE(Run("DEBUG OBJECT a").find(" encoding:embstr serializedlength:31 "), std::string::npos);
}

TEST_F(ServerTest, TimeAndLastSave) {
  Expect({{"TIME", "[\"1700000000\", \"0\"]"}});
  AdvanceMs(1234);
  Expect({{"TIME", "[\"1700000001\", \"234000\"]"}});
}

TEST_F(ServerTest, ShutdownOptions) {
  Expect({{"SHUTDOWN x", "ERR syntax error"},
          {"SHUTDOWN SAVE NOSAVE", "ERR syntax error"},
          {"SHUTDOWN ABORT NOW", "ERR syntax error"},
          {"SHUTDOWN ABORT", "ERR No shutdown in progress."}});
}

class NoDebugTest : public CommandTest {};

TEST_F(NoDebugTest, DebugIsOffByDefault) {
  EXPECT_TRUE(Run("DEBUG SLEEP 0").starts_with("ERR DEBUG command not allowed. If the"));
}

}  // namespace
}  // namespace holdfast::commands
