// One row for every parameter of the configuration: Redis 7.0's, those 7.2 added, and Holdfast's.
// Everything that CONFIG GET, SET, REWRITE, the conf file and docs say comes from here.
//
// A row with kInert is accepted, stored and returned, but nothing reads it yet: start-up names such
// rows when they are set to something else than their default. Drop the flag with the change that
// gives the row its effect.
#pragma once

#include <climits>
#include <cstdint>
#include <span>
#include <string_view>

#include "engine/config/config_values.h"

namespace holdfast::config {

enum class ConfigKind : uint8_t {
  kBool,  // yes, no
  kInteger,
  kOctal,            // a file mode
  kMemory,           // bytes, with units k, kb, m, mb, g, gb
  kMemoryOrPercent,  // a percentage p is held as -p
  kEnum,
  kEnumSet,      // several names, or-ed
  kNotifyFlags,  // letters, or-ed
  kText,
  kTextList,  // words separated by spaces, each checked by the row's rule
};

constexpr bool HoldsText(ConfigKind kind) {
  return kind == ConfigKind::kText || kind == ConfigKind::kTextList;
}
// Whether a conf line may carry more or fewer than one value.
constexpr bool TakesManyArguments(ConfigKind kind) {
  return kind == ConfigKind::kTextList || kind == ConfigKind::kEnumSet;
}

// What a value must satisfy beyond its kind.
enum class ConfigRule : uint8_t {
  kNone,
  kSave,
  kOutputBufferLimits,
  kOomScoreValues,
  kPercentiles,
  kBind,
  kReplicaOf,
  kFileName,        // no slash, may be empty
  kFileNameNeeded,  // no slash, not empty
  kTitleTemplate,
  kShutdownFlags,
  kHostname,
  kClampHz,
  kClampBacklog,
  kOfMachine,     // a percentage is of the machine's memory
  kNotSupported,  // must stay empty: access rules that would not be applied
};

inline constexpr uint16_t kImmutable = 1 << 0;   // not by CONFIG SET
inline constexpr uint16_t kProtected = 1 << 1;   // only if enable-protected-configs allows it
inline constexpr uint16_t kSensitive = 1 << 2;   // never in SLOWLOG, MONITOR or the log
inline constexpr uint16_t kHidden = 1 << 3;      // CONFIG GET only by its exact name
inline constexpr uint16_t kInert = 1 << 4;       // see above
inline constexpr uint16_t kNotLoading = 1 << 5;  // not by CONFIG SET while the log is replayed

struct ConfigRow {
  std::string_view name;
  std::string_view alias;  // empty: none
  ConfigKind kind;
  ConfigRule rule;
  uint16_t flags;
  int64_t min;
  int64_t max;
  int64_t default_scalar;
  std::string_view default_text;
  std::span<const EnumName> names;
  std::string_view doc;
};

consteval ConfigRow Bool(std::string_view name, std::string_view alias, bool value, uint16_t flags,
                         std::string_view doc) {
  return {name, alias, ConfigKind::kBool, ConfigRule::kNone, flags, 0, 1, value ? 1 : 0, "",
          {},   doc};
}
consteval ConfigRow Int(std::string_view name, std::string_view alias, int64_t min, int64_t max,
                        int64_t value, uint16_t flags, std::string_view doc,
                        ConfigRule rule = ConfigRule::kNone) {
  return {name, alias, ConfigKind::kInteger, rule, flags, min, max, value, "", {}, doc};
}
consteval ConfigRow Memory(std::string_view name, std::string_view alias, int64_t min,
                           int64_t value, uint16_t flags, std::string_view doc,
                           ConfigRule rule = ConfigRule::kNone) {
  return {name, alias, ConfigKind::kMemory, rule, flags, min, LLONG_MAX, value, "", {}, doc};
}
consteval ConfigRow Enum(std::string_view name, std::string_view alias,
                         std::span<const EnumName> names, int64_t value, uint16_t flags,
                         std::string_view doc) {
  return {
      name,  alias, ConfigKind::kEnum, ConfigRule::kNone, flags, LLONG_MIN, LLONG_MAX, value, "",
      names, doc};
}
consteval ConfigRow Text(std::string_view name, std::string_view alias, std::string_view value,
                         uint16_t flags, std::string_view doc,
                         ConfigRule rule = ConfigRule::kNone) {
  return {name, alias, ConfigKind::kText, rule, flags, 0, 0, 0, value, {}, doc};
}
consteval ConfigRow List(std::string_view name, std::string_view alias, std::string_view value,
                         uint16_t flags, ConfigRule rule, std::string_view doc) {
  return {name, alias, ConfigKind::kTextList, rule, flags, 0, 0, 0, value, {}, doc};
}
consteval ConfigRow Scalar(std::string_view name, ConfigKind kind, ConfigRule rule, int64_t min,
                           int64_t max, int64_t value, std::span<const EnumName> names,
                           uint16_t flags, std::string_view doc) {
  return {name, "", kind, rule, flags, min, max, value, "", names, doc};
}
template <typename E>
consteval int64_t V(E value) {
  return static_cast<int64_t>(value);
}

inline constexpr ConfigRow kRows[] = {
    // Network
    List("bind", "", "127.0.0.1 -::1", 0, ConfigRule::kBind,
         "addresses to listen on; a leading - means: if there is such an address"),
    Int("port", "", 0, 65535, 6379, 0, "TCP port; 0: none"),
    Int("tcp-backlog", "", 0, INT_MAX, 511, kImmutable, "backlog of listening sockets"),
    Text("unixsocket", "", "", kImmutable, "path of a unix socket to listen on as well"),
    Scalar("unixsocketperm", ConfigKind::kOctal, ConfigRule::kNone, 0, 0777, 0, {}, kImmutable,
           "file mode of the unix socket; 0: as the umask has it"),
    Int("timeout", "", 0, INT_MAX, 0, 0,
        "seconds after which an idle client is disconnected; 0: never"),
    Int("tcp-keepalive", "", 0, INT_MAX, 300, 0, "seconds between TCP keepalive probes; 0: none"),
    Bool("protected-mode", "", true, 0,
         "refuse remote clients while there is no password and no bind address"),
    Int("maxclients", "", 1, UINT_MAX, 10000, 0, "most clients at one time"),
    Int("io-threads", "", 0, 128, 0, kImmutable, "threads that serve connections; 0: one per core"),
    Bool("io-threads-do-reads", "", false, kImmutable | kInert,
         "Redis 6 and 7: threads read too; here they always do"),
    List("client-output-buffer-limit", "",
         "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60", 0,
         ConfigRule::kOutputBufferLimits,
         "per client class: hard bytes, soft bytes, seconds over the soft limit"),
    Memory("client-query-buffer-limit", "", 1024 * 1024, 1024 * 1024 * 1024, 0,
           "most bytes of unfinished requests of one client"),
    Memory("proto-max-bulk-len", "", 1024 * 1024, 512ll * 1024 * 1024, 0,
           "largest string that a request may carry"),
    Scalar("maxmemory-clients", ConfigKind::kMemoryOrPercent, ConfigRule::kNone, -100, LLONG_MAX, 0,
           {}, kInert, "most bytes of all client buffers; a percentage is of maxmemory"),
    Int("socket-mark-id", "", 0, UINT_MAX, 0, kImmutable | kInert, "SO_MARK of listening sockets"),
    Text("bind-source-addr", "", "", kInert, "source address of outgoing connections"),
    // Process
    Bool("daemonize", "", false, kImmutable, "go into the background at start"),
    Enum("supervised", "", kSupervisedNames, V(Supervised::kNo), kImmutable | kInert,
         "how to tell the service manager that the server is ready"),
    Text("pidfile", "", "", kImmutable, "file that holds the process id while the server runs"),
    Enum("loglevel", "", kLogLevelNames, V(LogLevel::kNotice), 0, "least level that is logged"),
    Text("logfile", "", "", kImmutable, "log file; empty: standard output"),
    Bool("syslog-enabled", "", false, kImmutable | kInert, "log to syslog"),
    Text("syslog-ident", "", "holdfast", kImmutable | kInert, "name in syslog"),
    Enum("syslog-facility", "", kSyslogFacilityNames, 16, kImmutable | kInert,
         "facility in syslog"),
    Int("databases", "", 1, INT_MAX, 16, kImmutable, "number of logical databases"),
    Bool("always-show-logo", "", false, kImmutable | kInert, "Redis: show its logo at start"),
    Bool("set-proc-title", "", true, kImmutable | kInert, "change the name shown by ps"),
    Text("proc-title-template", "", "{title} {listen-addr} {server-mode}", kInert,
         "the name shown by ps", ConfigRule::kTitleTemplate),
    Scalar("shutdown-on-sigterm", ConfigKind::kEnumSet, ConfigRule::kShutdownFlags, 0, 15, 0,
           kShutdownNames, kInert, "what SIGTERM does: save, nosave, now, force"),
    Scalar("shutdown-on-sigint", ConfigKind::kEnumSet, ConfigRule::kShutdownFlags, 0, 15, 0,
           kShutdownNames, kInert, "what SIGINT does: save, nosave, now, force"),
    Int("shutdown-timeout", "", 0, INT_MAX, 10, kInert,
        "seconds that a shutdown waits for replicas"),
    Bool("crash-log-enabled", "", true, kInert, "log a report on a crash"),
    Bool("crash-memcheck-enabled", "", true, kInert, "check memory on a crash"),
    Bool("use-exit-on-panic", "", false, kHidden | kInert,
         "exit instead of abort on a failed check"),
    Int("watchdog-period", "", 0, INT_MAX, 0, kHidden | kInert,
        "milliseconds after which a slow turn is logged; 0: off"),
    Bool("disable-thp", "", true, kImmutable | kInert,
         "switch transparent huge pages off for this process"),
    Enum("oom-score-adj", "", kOomScoreAdjNames, 0, kInert,
         "whether to change the score of the kernel OOM killer"),
    List("oom-score-adj-values", "", "0 200 800", kInert, ConfigRule::kOomScoreValues,
         "scores of master, replica, background child"),
    Text("server_cpulist", "", "", kImmutable | kInert, "CPUs of the server threads"),
    Text("bio_cpulist", "", "", kImmutable | kInert, "CPUs of background threads"),
    Text("aof_rewrite_cpulist", "", "", kImmutable | kInert, "CPUs of a log rewrite"),
    Text("bgsave_cpulist", "", "", kImmutable | kInert, "CPUs of a snapshot"),
    Bool("jemalloc-bg-thread", "", true, kInert, "let jemalloc purge in a thread"),
    Text("ignore-warnings", "", "", kInert, "start-up warnings that are not to be logged"),
    Text("locale-collate", "", "", kInert, "locale of Lua string comparison"),
    // Security
    Text("requirepass", "", "", kSensitive, "password of the default user"),
    Text("aclfile", "", "", kImmutable | kInert, "file of users", ConfigRule::kNotSupported),
    Enum("acl-pubsub-default", "", kAclPubsubNames, 0, kInert, "channels that a new user may use"),
    Int("acllog-max-len", "", 0, LLONG_MAX, 128, kInert, "entries of ACL LOG"),
    Enum("enable-protected-configs", "", kPermissionNames, V(Permission::kNo), kImmutable,
         "allow CONFIG SET of protected parameters"),
    Enum("enable-debug-command", "", kPermissionNames, V(Permission::kNo), kImmutable,
         "allow DEBUG"),
    Enum("enable-module-command", "", kPermissionNames, V(Permission::kNo), kImmutable | kInert,
         "allow MODULE"),
    Enum("sanitize-dump-payload", "", kSanitizeNames, 0, kInert,
         "Redis: check RESTORE payloads deeply; here they always are"),
    // Data directory and log
    Text("dir", "", ".", kImmutable | kProtected | kNotLoading, "data directory"),
    Bool("appendonly", "", true, kNotLoading, "log every change"),
    Text("appendfilename", "", "appendonly.aof", kImmutable, "first part of the names of log files",
         ConfigRule::kFileNameNeeded),
    Text("appenddirname", "", "appendonlydir", kImmutable, "folder of the log, in dir",
         ConfigRule::kFileNameNeeded),
    Enum("appendfsync", "", kAppendFsyncNames, V(AppendFsync::kEverysec), 0,
         "when the log is synced: always, everysec, no"),
    Bool("no-appendfsync-on-rewrite", "", false, kInert, "do not sync while a rewrite runs"),
    Int("auto-aof-rewrite-percentage", "", 0, INT_MAX, 100, 0,
        "growth of the log that starts a rewrite; 0: never"),
    Memory("auto-aof-rewrite-min-size", "", 0, 64ll * 1024 * 1024, 0,
           "least size of the log for an automatic rewrite"),
    Bool("aof-load-truncated", "", true, 0,
         "cut a torn end of the log at start instead of refusing it"),
    Bool("aof-use-rdb-preamble", "", true, kInert,
         "Redis: base files in RDB form; here they are RESP"),
    Bool("aof-timestamp-enabled", "", false, kInert,
         "Redis: time annotations in the log; here every frame has its time"),
    Bool("aof-rewrite-incremental-fsync", "", true, kInert, "sync a rewrite piece by piece"),
    Bool("aof-disable-auto-gc", "", false, kInert, "keep log files that are no longer needed"),
    Memory("aof-ring-size", "", 0, 0, kImmutable,
           "bytes of log records held in memory; 0: the smaller of 64mb and maxmemory / 16"),
    // Snapshots
    List("save", "", "3600 1 300 100 60 10000", 0, ConfigRule::kSave,
         "snapshot after this many seconds and changes"),
    Text("dbfilename", "", "dump.rdb", kProtected, "RDB file in dir, read if there is no log",
         ConfigRule::kFileName),
    Text("import", "", "", kImmutable,
         "dump.rdb, log or directory of Redis's to begin with; dir holds no data set yet"),
    Bool("rdbcompression", "", true, 0, "compress values in DUMP"),
    Bool("rdbchecksum", "", true, kImmutable | kInert, "checksum in RDB files"),
    Bool("rdb-save-incremental-fsync", "", true, kInert, "sync an RDB file piece by piece"),
    Bool("rdb-del-sync-files", "", false, kInert, "remove RDB files of replication"),
    Int("rdb-key-save-delay", "", INT_MIN, INT_MAX, 0, kHidden | kInert,
        "Redis tests: microseconds of delay per saved key"),
    Int("key-load-delay", "", INT_MIN, INT_MAX, 0, kHidden | kInert,
        "Redis tests: microseconds of delay per loaded key"),
    Bool("stop-writes-on-bgsave-error", "", true, 0,
         "refuse writes after a failed snapshot, if there are rules for snapshots"),
    Int("snapshot-keep", "", 1, 10000, 1, 0, "checkpoints that are kept for restore"),
    // Memory and the cold tier
    Scalar("maxmemory", ConfigKind::kMemoryOrPercent, ConfigRule::kOfMachine, -100, LLONG_MAX, 0,
           {}, 0, "memory budget; a percentage is of the machine's memory; 0: none"),
    Enum("maxmemory-policy", "", kMaxmemoryPolicyNames, V(MaxmemoryPolicy::kAllkeysS3Fifo), 0,
         "which keys leave memory first; where eviction drops keys the default is noeviction"),
    Int("maxmemory-samples", "", 1, INT_MAX, 5, 0,
        "keys looked at to choose a victim (at most 64); allkeys-s3fifo has its own number"),
    Int("maxmemory-eviction-tenacity", "", 0, 100, 10, 0,
        "how long eviction may hold up a command: 50 us times it up to 10, 100: as long as it "
        "takes"),
    Enum("eviction-action", "", kEvictionActionNames, V(EvictionAction::kSpill), 0,
         "what eviction does with a key: spill moves it to the cold tier in dir, drop deletes it; "
         "a store that is to spill starts with it, one without a data directory drops"),
    Memory(
        "max-disk", "", 0, 0, 0,
        "bytes that log, snapshots and cold tier may take on disk; above it writes that add data "
        "are refused; 0: no limit"),
    Enum("max-disk-policy", "", kMaxDiskPolicyNames, V(MaxDiskPolicy::kRefuse), 0,
         "over max-disk: refuse writes, or drop the coldest keys"),
    Memory("compaction-rate-limit", "", 0, 100'000'000, 0,
           "bytes a second that compactions of the cold tier may write; 0: no limit"),
    Bool("warmup", "", true, 0, "after a start, bring back in the background what was hot before"),
    Int("cold-read-threads", "", 0, 256, 0, kImmutable,
        "threads that read the cold tier; 0: chosen at start"),
    Int("lfu-log-factor", "", 0, INT_MAX, 10, 0, "how slowly the LFU counter grows"),
    Int("lfu-decay-time", "", 0, INT_MAX, 1, 0,
        "minutes after which the LFU counter loses one; 0: never"),
    Bool("lazyfree-lazy-eviction", "", false, kInert, "free evicted values in the background"),
    Bool("lazyfree-lazy-expire", "", false, kInert, "free expired values in the background"),
    Bool("lazyfree-lazy-server-del", "", false, kInert,
         "free overwritten values in the background"),
    Bool("lazyfree-lazy-user-del", "", false, kInert, "DEL works as UNLINK"),
    Bool("lazyfree-lazy-user-flush", "", false, 0,
         "FLUSHALL and FLUSHDB without an option are ASYNC"),
    Bool("activerehashing", "", true, kInert, "Redis: move its hash table in idle time"),
    Bool("activedefrag", "", false, kInert, "defragment memory"),
    Memory("active-defrag-ignore-bytes", "", 1, 100ll << 20, kInert,
           "least waste for defragmentation"),
    Int("active-defrag-threshold-lower", "", 0, 1000, 10, kInert,
        "percent of waste that starts it"),
    Int("active-defrag-threshold-upper", "", 0, 1000, 100, kInert,
        "percent of waste for full effort"),
    Int("active-defrag-cycle-min", "", 1, 99, 1, kInert, "least effort, percent of CPU"),
    Int("active-defrag-cycle-max", "", 1, 99, 25, kInert, "most effort, percent of CPU"),
    Int("active-defrag-max-scan-fields", "", 1, LLONG_MAX, 1000, kInert,
        "fields scanned in one step"),
    // Work in the background
    Int("hz", "", 0, INT_MAX, 10, 0, "turns of background work a second", ConfigRule::kClampHz),
    Bool("dynamic-hz", "", true, kInert, "more turns with more clients"),
    Int("active-expire-effort", "", 1, 10, 1, kInert, "effort of the expire cycle"),
    // Encodings
    Int("hash-max-listpack-entries", "hash-max-ziplist-entries", 0, LLONG_MAX, 512, kInert,
        "most fields of a compact hash"),
    Memory("hash-max-listpack-value", "hash-max-ziplist-value", 0, 64, kInert,
           "longest value of a compact hash"),
    Int("list-max-listpack-size", "list-max-ziplist-size", INT_MIN, INT_MAX, -2, kInert,
        "entries or size class of one list node"),
    Int("list-compress-depth", "", 0, INT_MAX, 0, kInert,
        "nodes at both ends of a list that are not compressed"),
    Int("set-max-intset-entries", "", 0, LLONG_MAX, 512, kInert,
        "most members of a set of integers"),
    Int("set-max-listpack-entries", "", 0, LLONG_MAX, 128, kInert, "most members of a compact set"),
    Memory("set-max-listpack-value", "", 0, 64, kInert, "longest member of a compact set"),
    Int("zset-max-listpack-entries", "zset-max-ziplist-entries", 0, LLONG_MAX, 128, kInert,
        "most members of a compact sorted set"),
    Memory("zset-max-listpack-value", "zset-max-ziplist-value", 0, 64, kInert,
           "longest member of a compact sorted set"),
    Memory("hll-sparse-max-bytes", "", 0, 3000, kInert, "largest sparse HyperLogLog"),
    Memory("stream-node-max-bytes", "", 0, 4096, kInert, "bytes of one stream node"),
    Int("stream-node-max-entries", "", 0, LLONG_MAX, 100, kInert, "entries of one stream node"),
    // Observation
    Int("slowlog-log-slower-than", "", -1, LLONG_MAX, 10000, 0,
        "microseconds from which a command is slow; -1: none is"),
    Int("slowlog-max-len", "", 0, LLONG_MAX, 128, 0, "entries of SLOWLOG"),
    Int("latency-monitor-threshold", "", 0, LLONG_MAX, 0, 0,
        "milliseconds from which an event is recorded; 0: none"),
    Bool("latency-tracking", "", true, 0, "keep a latency histogram of each command"),
    List("latency-tracking-info-percentiles", "", "50 99 99.9", 0, ConfigRule::kPercentiles,
         "percentiles in INFO latencystats"),
    Scalar("notify-keyspace-events", ConfigKind::kNotifyFlags, ConfigRule::kNone, 0, LLONG_MAX, 0,
           {}, kInert, "classes of keyspace events that are published"),
    Int("tracking-table-max-keys", "", 0, LLONG_MAX, 1000000, kInert,
        "most keys tracked for client-side caching"),
    // Scripts and modules
    Int("busy-reply-threshold", "lua-time-limit", 0, LLONG_MAX, 5000, kInert,
        "milliseconds after which a script makes other clients get BUSY"),
    Bool("lua-enable-deprecated-api", "", false, kHidden | kInert | kImmutable,
         "deprecated functions in scripts"),
    Enum("propagation-error-behavior", "", kPropagationErrorNames, 0, kInert,
         "what an error in a replicated command does"),
    // Replication
    List("replicaof", "slaveof", "", kImmutable | kInert, ConfigRule::kReplicaOf,
         "host and port of the primary"),
    Text("masteruser", "", "", kInert, "user to log in as at the primary"),
    Text("masterauth", "", "", kSensitive | kInert, "password at the primary"),
    Bool("replica-serve-stale-data", "slave-serve-stale-data", true, kInert,
         "answer while the link to the primary is down"),
    Bool("replica-read-only", "slave-read-only", true, kInert, "refuse writes on a replica"),
    Bool("replica-ignore-maxmemory", "slave-ignore-maxmemory", true, kInert,
         "do not evict on a replica"),
    Bool("replica-lazy-flush", "slave-lazy-flush", false, kInert,
         "flush in the background before a full sync"),
    Bool("replica-announced", "", true, kInert, "show this replica to Sentinel"),
    Bool("replica-ignore-disk-write-errors", "", false, kInert,
         "go on when the log of a replica cannot be written"),
    Int("replica-priority", "slave-priority", 0, INT_MAX, 100, kInert, "rank for promotion"),
    Text("replica-announce-ip", "slave-announce-ip", "", kInert,
         "address that this replica reports"),
    Int("replica-announce-port", "slave-announce-port", 0, 65535, 0, kInert,
        "port that this replica reports"),
    Bool("repl-diskless-sync", "", true, kInert, "full sync without a file"),
    Int("repl-diskless-sync-delay", "", 0, INT_MAX, 5, kInert, "seconds to wait for more replicas"),
    Int("repl-diskless-sync-max-replicas", "", 0, INT_MAX, 0, kInert, "replicas that end the wait"),
    Enum("repl-diskless-load", "", kDisklessLoadNames, 0, kInert | kNotLoading,
         "load a full sync without a file"),
    Bool("repl-disable-tcp-nodelay", "", false, kInert, "fewer, larger packets"),
    Memory("repl-backlog-size", "", 1, 1024 * 1024, kInert,
           "bytes kept for replicas that come back", ConfigRule::kClampBacklog),
    Int("repl-backlog-ttl", "", 0, LLONG_MAX, 3600, kInert,
        "seconds the backlog is kept without replicas"),
    Int("repl-ping-replica-period", "repl-ping-slave-period", 1, INT_MAX, 10, kInert,
        "seconds between pings"),
    Int("repl-timeout", "", 1, INT_MAX, 60, kInert, "seconds until a silent link is down"),
    Int("min-replicas-to-write", "min-slaves-to-write", 0, INT_MAX, 0, kInert,
        "replicas without which writes are refused"),
    Int("min-replicas-max-lag", "min-slaves-max-lag", 0, INT_MAX, 10, kInert,
        "seconds of lag at which a replica no longer counts"),
    // Cluster
    Bool("cluster-enabled", "", false, kImmutable | kInert, "cluster mode"),
    Text("cluster-config-file", "", "nodes.conf", kImmutable | kInert, "file of the cluster state"),
    Int("cluster-port", "", 0, 65535, 0, kImmutable | kInert,
        "port between nodes; 0: port + 10000"),
    Int("cluster-node-timeout", "", 0, LLONG_MAX, 15000, kInert,
        "milliseconds until a silent node fails"),
    Int("cluster-migration-barrier", "", 0, INT_MAX, 1, kInert,
        "replicas that stay with a primary"),
    Bool("cluster-allow-replica-migration", "", true, kInert,
         "let replicas move to primaries without one"),
    Int("cluster-replica-validity-factor", "cluster-slave-validity-factor", 0, INT_MAX, 10, kInert,
        "how stale a replica may be to take over"),
    Bool("cluster-replica-no-failover", "cluster-slave-no-failover", false, kInert,
         "replicas do not take over"),
    Bool("cluster-require-full-coverage", "", true, kInert, "stop when a slot has no node"),
    Bool("cluster-allow-reads-when-down", "", false, kInert,
         "answer reads when the cluster is down"),
    Bool("cluster-allow-pubsubshard-when-down", "", true, kInert,
         "shard channels when the cluster is down"),
    Memory("cluster-link-sendbuf-limit", "", 0, 0, kInert, "bytes queued to one node; 0: no limit"),
    Text("cluster-announce-ip", "", "", kInert, "address that this node reports"),
    Text("cluster-announce-hostname", "", "", kInert, "host name that this node reports",
         ConfigRule::kHostname),
    Text("cluster-announce-human-nodename", "", "", kInert, "name of this node in logs"),
    Int("cluster-announce-port", "", 0, 65535, 0, kInert, "port that this node reports"),
    Int("cluster-announce-bus-port", "", 0, 65535, 0, kInert,
        "port between nodes that this node reports"),
    Int("cluster-announce-tls-port", "", 0, 65535, 0, kInert, "TLS port that this node reports"),
    Enum("cluster-preferred-endpoint-type", "", kEndpointNames, 0, kInert,
         "what a redirection names"),
    // TLS
    Int("tls-port", "", 0, 65535, 0, kInert, "TCP port for TLS; 0: none"),
    Text("tls-cert-file", "", "", kInert, "certificate"),
    Text("tls-key-file", "", "", kInert, "private key"),
    Text("tls-client-cert-file", "", "", kInert, "certificate of outgoing connections"),
    Text("tls-client-key-file", "", "", kInert, "private key of outgoing connections"),
    Text("tls-dh-params-file", "", "", kInert, "Diffie-Hellman parameters"),
    Text("tls-ca-cert-file", "", "", kInert, "certificates of authorities"),
    Text("tls-ca-cert-dir", "", "", kInert, "folder of certificates of authorities"),
    Text("tls-protocols", "", "", kInert, "protocol versions"),
    Text("tls-ciphers", "", "", kInert, "ciphers of TLS 1.2"),
    Text("tls-ciphersuites", "", "", kInert, "cipher suites of TLS 1.3"),
    Text("tls-key-file-pass", "", "", kSensitive | kInert, "password of the private key"),
    Text("tls-client-key-file-pass", "", "", kSensitive | kInert,
         "password of the private key of outgoing connections"),
    Enum("tls-auth-clients", "", kTlsAuthClientsNames, 1, kInert,
         "whether clients must show a certificate"),
    Bool("tls-replication", "", false, kInert, "TLS to the primary"),
    Bool("tls-cluster", "", false, kInert, "TLS between nodes"),
    Bool("tls-prefer-server-ciphers", "", false, kInert, "the order of ciphers is the server's"),
    Bool("tls-session-caching", "", true, kInert, "cache TLS sessions"),
    Int("tls-session-cache-size", "", 0, INT_MAX, 20480, kInert, "sessions cached"),
    Int("tls-session-cache-timeout", "", 0, INT_MAX, 300, kInert, "seconds a session is cached"),
};

}  // namespace holdfast::config
