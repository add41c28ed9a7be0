#include "engine/config/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <thread>

namespace holdfast::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

std::string SetText(Config& config, std::vector<Setting> settings, SetContext context = {}) {
  const Status status = config.Set(settings, context);
  return status ? "OK" : status.error().message;
}

std::string Get(const Config& config, std::string_view name) {
  const std::string_view patterns[] = {name};
  const auto found = config.Get(patterns);
  return found.size() == 1 ? found[0].second : "(" + std::to_string(found.size()) + " found)";
}

std::string Failed(std::string_view name, std::string_view why) {
  return "ERR CONFIG SET failed (possibly related to argument '" + std::string(name) + "') - " +
         std::string(why);
}

TEST(ConfigTable, NamesAreUniqueAndDefaultsValid) {
  std::set<std::string_view> names;
  for (const ConfigRow& row : kRows) {
    EXPECT_TRUE(names.insert(row.name).second) << row.name;
    EXPECT_TRUE(row.alias.empty() || names.insert(row.alias).second) << row.alias;
    EXPECT_FALSE(row.doc.empty()) << row.name;
    if (!HoldsText(row.kind)) {
      EXPECT_GE(row.default_scalar, row.min) << row.name;
      EXPECT_LE(row.default_scalar, row.max) << row.name;
    }
    // What GET shows of the default is accepted by SET and changes nothing.
    const Value value = DefaultValue(row);
    const std::string text = ValueText(row, value);
    const auto words =
        TakesManyArguments(row.kind) ? ListWords(text) : std::vector<std::string>{text};
    if (row.rule == ConfigRule::kReplicaOf) continue;  // "" is shown, "no one" is said
    const auto again = ParseValue(row, words, value);
    ASSERT_TRUE(again.has_value()) << row.name << ": " << again.error();
    EXPECT_EQ(*again, value) << row.name;
  }
  EXPECT_GT(names.size(), 200u);
}

TEST(ConfigTable, EachEnumerationShowsEachName) {
  for (const ConfigRow& row : kRows) {
    for (const EnumName& name : row.names) {
      const std::vector<std::string> words{std::string(name.name)};
      const auto value = ParseValue(row, words, DefaultValue(row));
      ASSERT_TRUE(value.has_value()) << row.name;
      EXPECT_EQ(value->scalar, name.value);
      if (name.name == "relative") continue;  // shown as "yes"
      EXPECT_EQ(ValueText(row, *value), name.name) << row.name;
    }
  }
}

TEST(Config, HoldfastsOwnDefaults) {
  const Config config;
  EXPECT_TRUE(config.Bool("appendonly"));
  EXPECT_EQ(config.Enum<AppendFsync>("appendfsync"), AppendFsync::kEverysec);
  EXPECT_EQ(config.Integer("io-threads"), 0);
  EXPECT_EQ(config.Enum<EvictionAction>("eviction-action"), EvictionAction::kSpill);
  EXPECT_EQ(config.Enum<MaxmemoryPolicy>("maxmemory-policy"), MaxmemoryPolicy::kAllkeysS3Fifo);
  EXPECT_THAT(config.Words("bind"), ElementsAre("127.0.0.1", "-::1"));
  EXPECT_TRUE(config.InertSettings().empty());
}

TEST(Config, ADefaultOfTheStoreGivesWayToWhatIsSet) {
  Config config;
  EXPECT_FALSE(config.IsSet("eviction-action"));
  config.SetDefault("eviction-action", static_cast<int64_t>(EvictionAction::kDrop));
  EXPECT_EQ(Get(config, "eviction-action"), "drop");
  const std::string spill[] = {"spill"};
  ASSERT_TRUE(config.SetAtStart("eviction-action", spill));
  EXPECT_TRUE(config.IsSet("eviction-action"));
  config.SetDefault("eviction-action", static_cast<int64_t>(EvictionAction::kDrop));
  EXPECT_EQ(Get(config, "eviction-action"), "spill");
}

TEST(Config, GetTakesPatternsAndAliases) {
  const Config config;
  const std::string_view patterns[] = {"TimeOut", "timeou*", "slave-prio*", "time*t", "nosuch"};
  EXPECT_THAT(config.Get(patterns),
              ElementsAre(Pair("TimeOut", "0"), Pair("slave-priority", "100")));
  EXPECT_EQ(Get(config, "REPLICA-ANNOUNCED"), "yes");
  EXPECT_EQ(Get(config, "watchdog-period"), "0");
  EXPECT_EQ(Get(config, "watchdog-p*"), "(0 found)");
}

TEST(Config, Numbers) {
  Config config;
  EXPECT_EQ(SetText(config, {{"timeout", "30"}}), "OK");
  EXPECT_EQ(config.Integer("timeout"), 30);
  for (const char* bad : {"", "x", "1kb", "007", "+5", " 5", "1e3"}) {
    EXPECT_EQ(SetText(config, {{"timeout", bad}}),
              Failed("timeout", "argument couldn't be parsed into an integer"));
  }
  EXPECT_EQ(SetText(config, {{"timeout", "-5"}}),
            Failed("timeout", "argument must be between 0 and 2147483647 inclusive"));
  EXPECT_EQ(SetText(config, {{"TIMEOUT", "x"}}),
            Failed("timeout", "argument couldn't be parsed into an integer"));
  EXPECT_EQ(SetText(config, {{"slave-priority", "-1"}}),
            Failed("slave-priority", "argument must be between 0 and 2147483647 inclusive"));
  EXPECT_EQ(SetText(config, {{"slave-priority", "7"}}), "OK");
  EXPECT_EQ(Get(config, "replica-priority"), "7");
  EXPECT_EQ(SetText(config, {{"hz", "0"}}), "OK");
  EXPECT_EQ(Get(config, "hz"), "1");
  EXPECT_EQ(SetText(config, {{"hz", "1000"}}), "OK");
  EXPECT_EQ(Get(config, "hz"), "500");
  EXPECT_EQ(config.Integer("timeout"), 30);
}

TEST(Config, Memory) {
  Config config;
  const std::pair<const char*, const char*> good[] = {
      {"1", "1"},         {"1k", "1000"},
      {"1KB", "1024"},    {"5b", "5"},
      {"2mb", "2097152"}, {"1g", "1000000000"},
      {"007", "7"},       {"", "0"},
      {"kb", "0"},        {"9223372036854775807", "9223372036854775807"}};
  for (const auto& [text, shown] : good) {
    EXPECT_EQ(SetText(config, {{"maxmemory", text}}), "OK") << text;
    EXPECT_EQ(Get(config, "maxmemory"), shown);
  }
  for (const char* bad : {"1 kb", "+5", "-5", "1.5gb", "0x10", " 5", "1tb"}) {
    EXPECT_EQ(SetText(config, {{"maxmemory", bad}}),
              Failed("maxmemory", "argument must be a memory value"));
  }
  // Never wraps round to something small.
  for (const char* huge : {"18446744073709551616", "9223372036854775808", "99999999999gb"}) {
    EXPECT_EQ(SetText(config, {{"repl-backlog-size", huge}}),
              Failed("repl-backlog-size",
                     "argument must be between 1 and 9223372036854775807 inclusive"));
  }
  EXPECT_EQ(SetText(config, {{"repl-backlog-size", "1"}}), "OK");
  EXPECT_EQ(Get(config, "repl-backlog-size"), "16384");
  EXPECT_EQ(SetText(config, {{"maxmemory", "40%"}}), "OK");  // of the machine
  EXPECT_EQ(Get(config, "maxmemory"), "40%");
  EXPECT_EQ(config.Integer("maxmemory"), -40);
  EXPECT_EQ(SetText(config, {{"maxmemory", "101%"}}),
            Failed("maxmemory", "percentage argument must be less or equal to 100"));
  EXPECT_EQ(SetText(config, {{"maxmemory-clients", "5%"}}), "OK");
  EXPECT_EQ(Get(config, "maxmemory-clients"), "5%");
  EXPECT_EQ(config.Integer("maxmemory-clients"), -5);
  EXPECT_EQ(SetText(config, {{"maxmemory-clients", "101%"}}),
            Failed("maxmemory-clients", "percentage argument must be less or equal to 100"));
  EXPECT_EQ(SetText(config, {{"maxmemory-clients", "-1%"}}),
            Failed("maxmemory-clients", "argument must be a memory or percent value"));
}

TEST(Config, Enumerations) {
  Config config;
  EXPECT_EQ(SetText(config, {{"appendfsync", "ALWAYS"}}), "OK");
  EXPECT_EQ(config.Enum<AppendFsync>("appendfsync"), AppendFsync::kAlways);
  EXPECT_EQ(
      SetText(config, {{"appendfsync", "sometimes"}}),
      Failed("appendfsync", "argument(s) must be one of the following: everysec, always, no"));
  EXPECT_EQ(SetText(config, {{"appendonly", "true"}}),
            Failed("appendonly", "argument must be 'yes' or 'no'"));
  EXPECT_EQ(SetText(config, {{"shutdown-on-sigterm", "nosave now"}}), "OK");
  EXPECT_EQ(Get(config, "shutdown-on-sigterm"), "nosave now");
  EXPECT_EQ(config.Integer("shutdown-on-sigterm"), kShutdownNoSave | kShutdownNow);
  EXPECT_EQ(SetText(config, {{"shutdown-on-sigterm", "save nosave"}}),
            Failed("shutdown-on-sigterm",
                   "shutdown options SAVE and NOSAVE can't be used simultaneously"));
  EXPECT_EQ(SetText(config, {{"notify-keyspace-events", "KEAmn"}}), "OK");
  EXPECT_EQ(Get(config, "notify-keyspace-events"), "AKEm");
  EXPECT_EQ(SetText(config, {{"notify-keyspace-events", "Kxe"}}), "OK");
  EXPECT_EQ(Get(config, "notify-keyspace-events"), "xeK");
  EXPECT_THAT(SetText(config, {{"notify-keyspace-events", "q"}}),
              HasSubstr("Invalid event class character. Use 'Ag$lshzxeKEtmdn'."));
}

TEST(Config, Save) {
  Config config;
  EXPECT_EQ(Get(config, "save"), "3600 1 300 100 60 10000");
  EXPECT_EQ(SetText(config, {{"save", "100 1 200 2"}}), "OK");
  ASSERT_EQ(config.SavePoints().size(), 2u);
  EXPECT_EQ(config.SavePoints()[1].seconds, 200);
  EXPECT_EQ(config.SavePoints()[1].changes, 2);
  for (const char* bad : {"100", "100 -1", "0 1", "a b", "  300   1  ", "\"10\" '20'", "\"\"",
                          "99999999999999999999 1", "1 9999999999"}) {
    EXPECT_EQ(SetText(config, {{"save", bad}}), Failed("save", "Invalid save parameters")) << bad;
  }
  EXPECT_EQ(Get(config, "save"), "100 1 200 2");
  EXPECT_EQ(SetText(config, {{"save", ""}}), "OK");
  EXPECT_EQ(Get(config, "save"), "");
  EXPECT_TRUE(config.SavePoints().empty());
}

TEST(Config, OutputBufferLimits) {
  Config config;
  EXPECT_EQ(SetText(config, {{"client-output-buffer-limit", "normal 1mb 2mb 10 REPLICA 5 6 7"}}),
            "OK");
  EXPECT_EQ(Get(config, "client-output-buffer-limit"),
            "normal 1048576 2097152 10 slave 5 6 7 pubsub 33554432 8388608 60");
  const auto limit = config.OutputLimit(ClientClass::kNormal);
  EXPECT_EQ(limit.hard_bytes, 1048576u);
  EXPECT_EQ(limit.soft_bytes, 2097152u);
  EXPECT_EQ(limit.soft_seconds, 10);
  EXPECT_EQ(config.OutputLimit(ClientClass::kPubsub).soft_seconds, 60);
  const std::pair<const char*, const char*> bad[] = {
      {"normal 1 1", "Wrong number of arguments in buffer limit configuration."},
      {"master 0 0 0", "Invalid client class specified in buffer limit configuration."},
      {"normal -1 0 0",
       "Error in hard, soft or soft_seconds setting in buffer limit configuration."},
      {"normal 1 1 -1",
       "Error in hard, soft or soft_seconds setting in buffer limit configuration."}};
  for (const auto& [text, why] : bad) {
    EXPECT_EQ(SetText(config, {{"client-output-buffer-limit", text}}),
              Failed("client-output-buffer-limit", why));
  }
  EXPECT_EQ(config.OutputLimit(ClientClass::kReplica).soft_seconds, 7);
}

TEST(Config, OtherLists) {
  Config config;
  EXPECT_EQ(SetText(config, {{"oom-score-adj-values", "-800 -200 0"}}), "OK");
  EXPECT_EQ(SetText(config, {{"oom-score-adj-values", "1"}}),
            Failed("oom-score-adj-values", "wrong number of arguments"));
  EXPECT_THAT(SetText(config, {{"oom-score-adj-values", "-3000 0 0"}}),
              HasSubstr("elements must be between -2000 and 2000."));
  EXPECT_EQ(SetText(config, {{"latency-tracking-info-percentiles", "50.123456789 100 0"}}), "OK");
  EXPECT_EQ(Get(config, "latency-tracking-info-percentiles"), "50.123457 100 0");
  for (const char* bad : {"101", "-1", "nan", "abc", "inf"}) {
    EXPECT_NE(SetText(config, {{"latency-tracking-info-percentiles", bad}}), "OK") << bad;
  }
  EXPECT_EQ(SetText(config, {{"latency-tracking-info-percentiles", ""}}), "OK");
  EXPECT_EQ(Get(config, "latency-tracking-info-percentiles"), "");
  std::string many = "127.0.0.1";
  for (int i = 0; i < 16; ++i) many += " 127.0.0.1";
  EXPECT_EQ(SetText(config, {{"bind", many}}),
            Failed("bind", "Too many bind addresses specified."));
  for (const char* bad : {"{bad}", "{", ""}) {
    EXPECT_EQ(
        SetText(config, {{"proc-title-template", bad}}),
        Failed("proc-title-template", "template format is invalid or contains unknown variables"));
  }
  EXPECT_EQ(SetText(config, {{"proc-title-template", "{{x {title} {config-file}}"}}), "OK");
  EXPECT_EQ(SetText(config, {{"cluster-announce-hostname", "a_b"}}),
            Failed("cluster-announce-hostname",
                   "Hostnames may only contain alphanumeric characters, hyphens or dots"));
}

TEST(Config, WhatMayNotBeSet) {
  Config config;
  EXPECT_EQ(SetText(config, {{"databases", "2"}}),
            Failed("databases", "can't set immutable config"));
  EXPECT_EQ(SetText(config, {{"dir", "/x"}}), Failed("dir", "can't set protected config"));
  EXPECT_EQ(SetText(config, {{"nosuch", "1"}}),
            "ERR Unknown option or number of arguments for CONFIG SET - 'nosuch'");
  EXPECT_EQ(SetText(config, {{"timeout", "x"}, {"nosuch", "1"}, {"databases", "1"}}),
            "ERR Unknown option or number of arguments for CONFIG SET - 'nosuch'");
  EXPECT_EQ(SetText(config, {{"databases", "1"}, {"nosuch", "1"}}),
            Failed("databases", "can't set immutable config"));
  EXPECT_EQ(SetText(config, {{"timeout", "1"}, {"TIMEOUT", "2"}}),
            Failed("TIMEOUT", "duplicate parameter"));
  EXPECT_THAT(SetText(config, {{"appendonly", "no"}}, {.loading = true}),
              testing::StartsWith("LOADING "));
  const std::vector<std::string> local{"local"};
  ASSERT_TRUE(config.SetAtStart("enable-protected-configs", local));
  EXPECT_EQ(SetText(config, {{"dbfilename", "x.rdb"}}, {.local_client = false}),
            Failed("dbfilename", "can't set protected config"));
  EXPECT_EQ(SetText(config, {{"dbfilename", "x.rdb"}}), "OK");
  EXPECT_EQ(SetText(config, {{"dbfilename", "a/b"}}),
            Failed("dbfilename", "dbfilename can't be a path, just a filename"));
  EXPECT_TRUE(Config::IsSensitive("RequirePass"));
  EXPECT_FALSE(Config::IsSensitive("port"));
  EXPECT_FALSE(Config::IsSensitive("nosuch"));
}

TEST(Config, SetIsAllOrNothing) {
  Config config;
  EXPECT_NE(SetText(config, {{"timeout", "5"}, {"save", "1 1"}, {"maxclients", "x"}}), "OK");
  EXPECT_EQ(Get(config, "timeout"), "0");
  EXPECT_EQ(Get(config, "save"), "3600 1 300 100 60 10000");
  // A parameter under both its names: the first value comes back.
  EXPECT_NE(SetText(config, {{"slave-priority", "1"}, {"replica-priority", "2"}, {"port", "x"}}),
            "OK");
  EXPECT_EQ(Get(config, "slave-priority"), "100");
}

TEST(Config, ListenersRunOncePerSetAndMayRefuse) {
  Config config;
  std::vector<std::string> calls;
  auto first = config.OnChange({"port", "bind"}, [&](const Config& now) -> Status {
    calls.push_back("listen " + std::to_string(now.Integer("port")) + " " + now.Text("bind"));
    return {};
  });
  auto second = config.OnChange({"maxclients"}, [&](const Config& now) -> Status {
    calls.push_back("clients " + std::to_string(now.Integer("maxclients")));
    if (now.Integer("maxclients") <= 100) return {};
    return MakeError(ErrorCode::kInvalidArgument, "too many");
  });
  EXPECT_EQ(SetText(config, {{"port", "1"}, {"bind", "a"}, {"timeout", "0"}}), "OK");
  EXPECT_THAT(calls, ElementsAre("listen 1 a"));
  calls.clear();
  EXPECT_EQ(SetText(config, {{"port", "1"}}), "OK");  // nothing changed
  EXPECT_TRUE(calls.empty());
  EXPECT_EQ(SetText(config, {{"maxclients", "100"}}), "OK");
  calls.clear();
  EXPECT_EQ(SetText(config, {{"timeout", "9"}, {"maxclients", "500"}, {"port", "2"}}),
            Failed("maxclients", "too many"));
  EXPECT_THAT(calls, ElementsAre("listen 2 a", "clients 500", "listen 1 a", "clients 100"));
  EXPECT_EQ(Get(config, "timeout"), "0");
  EXPECT_EQ(Get(config, "port"), "1");
  calls.clear();
  first = Subscription();
  EXPECT_EQ(SetText(config, {{"port", "3"}}), "OK");
  EXPECT_TRUE(calls.empty());
}

TEST(Config, InertSettingsAreNamedWithoutSecrets) {
  Config config;
  EXPECT_EQ(SetText(config, {{"masterauth", "secret"}, {"tls-port", "7"}, {"timeout", "3"}}), "OK");
  EXPECT_THAT(config.InertSettings(), ElementsAre("masterauth (redacted)", "tls-port 7"));
}

TEST(Config, ReadersBesideWriters) {
  Config config;
  std::jthread writer([&] {
    for (int i = 0; i < 300; ++i) {
      const std::string port = std::to_string(1000 + i);
      SetText(config, {{"port", port}, {"requirepass", port}, {"save", port + " 1"}});
    }
  });
  int64_t last = 0;
  while (last < 1299) {
    const int64_t port = config.Integer("port");
    EXPECT_TRUE(port >= last || last == 0 || port == 6379);
    if (port != 6379) last = port;
    EXPECT_FALSE(config.SavePoints().empty());
    config.Text("requirepass");
    config.OutputLimit(ClientClass::kNormal);
  }
}

}  // namespace
}  // namespace holdfast::config
