// The values that parameters take: the names of the enumerated ones, and the forms that parameters
// with an inner structure are handed out in. Plain data; what each parameter means is in
// config_rows.h.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace holdfast::config {

struct EnumName {
  std::string_view name;
  int64_t value;
};

enum class AppendFsync : int64_t { kNo, kAlways, kEverysec };
inline constexpr EnumName kAppendFsyncNames[] = {
    {"everysec", static_cast<int64_t>(AppendFsync::kEverysec)},
    {"always", static_cast<int64_t>(AppendFsync::kAlways)},
    {"no", static_cast<int64_t>(AppendFsync::kNo)},
};

enum class LogLevel : int64_t { kDebug, kVerbose, kNotice, kWarning };
inline constexpr EnumName kLogLevelNames[] = {
    {"debug", static_cast<int64_t>(LogLevel::kDebug)},
    {"verbose", static_cast<int64_t>(LogLevel::kVerbose)},
    {"notice", static_cast<int64_t>(LogLevel::kNotice)},
    {"warning", static_cast<int64_t>(LogLevel::kWarning)},
};

enum class MaxmemoryPolicy : int64_t {
  kVolatileLru,
  kVolatileLfu,
  kVolatileRandom,
  kVolatileTtl,
  kAllkeysLru,
  kAllkeysLfu,
  kAllkeysRandom,
  kNoEviction,
  kAllkeysS3Fifo,
};
inline constexpr EnumName kMaxmemoryPolicyNames[] = {
    {"volatile-lru", static_cast<int64_t>(MaxmemoryPolicy::kVolatileLru)},
    {"volatile-lfu", static_cast<int64_t>(MaxmemoryPolicy::kVolatileLfu)},
    {"volatile-random", static_cast<int64_t>(MaxmemoryPolicy::kVolatileRandom)},
    {"volatile-ttl", static_cast<int64_t>(MaxmemoryPolicy::kVolatileTtl)},
    {"allkeys-lru", static_cast<int64_t>(MaxmemoryPolicy::kAllkeysLru)},
    {"allkeys-lfu", static_cast<int64_t>(MaxmemoryPolicy::kAllkeysLfu)},
    {"allkeys-random", static_cast<int64_t>(MaxmemoryPolicy::kAllkeysRandom)},
    {"allkeys-s3fifo", static_cast<int64_t>(MaxmemoryPolicy::kAllkeysS3Fifo)},
    {"noeviction", static_cast<int64_t>(MaxmemoryPolicy::kNoEviction)},
};

enum class EvictionAction : int64_t { kDrop, kSpill };
inline constexpr EnumName kEvictionActionNames[] = {
    {"drop", static_cast<int64_t>(EvictionAction::kDrop)},
    {"spill", static_cast<int64_t>(EvictionAction::kSpill)},
};

// Of a store that is told nothing else: where nothing is lost by it, eviction is what maxmemory
// means; where keys would be deleted, Redis's default.
constexpr MaxmemoryPolicy DefaultPolicy(EvictionAction action) {
  return action == EvictionAction::kSpill ? MaxmemoryPolicy::kAllkeysS3Fifo
                                          : MaxmemoryPolicy::kNoEviction;
}

enum class MaxDiskPolicy : int64_t { kRefuse, kDropColdest };
inline constexpr EnumName kMaxDiskPolicyNames[] = {
    {"refuse", static_cast<int64_t>(MaxDiskPolicy::kRefuse)},
    {"drop-coldest", static_cast<int64_t>(MaxDiskPolicy::kDropColdest)},
};

// enable-debug-command and its like: who may use what is guarded.
enum class Permission : int64_t { kNo, kYes, kLocal };
inline constexpr EnumName kPermissionNames[] = {
    {"no", static_cast<int64_t>(Permission::kNo)},
    {"yes", static_cast<int64_t>(Permission::kYes)},
    {"local", static_cast<int64_t>(Permission::kLocal)},
};

// shutdown-on-sigterm, shutdown-on-sigint: flags that are or-ed.
inline constexpr int64_t kShutdownSave = 1;
inline constexpr int64_t kShutdownNoSave = 2;
inline constexpr int64_t kShutdownNow = 4;
inline constexpr int64_t kShutdownForce = 8;
inline constexpr EnumName kShutdownNames[] = {
    {"default", 0},        {"save", kShutdownSave},   {"nosave", kShutdownNoSave},
    {"now", kShutdownNow}, {"force", kShutdownForce},
};

enum class Supervised : int64_t { kNo, kAuto, kSystemd, kUpstart };
inline constexpr EnumName kSupervisedNames[] = {
    {"upstart", static_cast<int64_t>(Supervised::kUpstart)},
    {"systemd", static_cast<int64_t>(Supervised::kSystemd)},
    {"auto", static_cast<int64_t>(Supervised::kAuto)},
    {"no", static_cast<int64_t>(Supervised::kNo)},
};

// The facility codes of RFC 5424.
inline constexpr EnumName kSyslogFacilityNames[] = {
    {"user", 1},    {"local0", 16}, {"local1", 17}, {"local2", 18}, {"local3", 19},
    {"local4", 20}, {"local5", 21}, {"local6", 22}, {"local7", 23},
};
inline constexpr EnumName kOomScoreAdjNames[] = {
    {"no", 0}, {"yes", 1}, {"relative", 1}, {"absolute", 2}};
inline constexpr EnumName kAclPubsubNames[] = {{"allchannels", 1}, {"resetchannels", 0}};
inline constexpr EnumName kEndpointNames[] = {{"ip", 0}, {"hostname", 1}, {"unknown-endpoint", 2}};
inline constexpr EnumName kPropagationErrorNames[] = {
    {"ignore", 0}, {"panic", 1}, {"panic-on-replicas", 2}};
inline constexpr EnumName kDisklessLoadNames[] = {
    {"disabled", 0}, {"on-empty-db", 1}, {"swapdb", 2}};
inline constexpr EnumName kSanitizeNames[] = {{"no", 0}, {"yes", 1}, {"clients", 2}};
inline constexpr EnumName kTlsAuthClientsNames[] = {{"no", 0}, {"yes", 1}, {"optional", 2}};

// One rule of `save`: a snapshot after `seconds` if at least `changes` keys changed.
struct SavePoint {
  int64_t seconds;
  int64_t changes;
};

enum class ClientClass : uint8_t { kNormal, kReplica, kPubsub };
inline constexpr size_t kClientClasses = 3;

struct OutputBufferLimit {
  uint64_t hard_bytes;  // 0: no limit
  uint64_t soft_bytes;  // 0: no limit
  int64_t soft_seconds;
};

// notify-keyspace-events, one bit a letter.
inline constexpr int64_t kNotifyKeyspace = 1 << 0;  // K
inline constexpr int64_t kNotifyKeyevent = 1 << 1;  // E
inline constexpr int64_t kNotifyGeneric = 1 << 2;   // g
inline constexpr int64_t kNotifyString = 1 << 3;    // $
inline constexpr int64_t kNotifyList = 1 << 4;      // l
inline constexpr int64_t kNotifySet = 1 << 5;       // s
inline constexpr int64_t kNotifyHash = 1 << 6;      // h
inline constexpr int64_t kNotifyZset = 1 << 7;      // z
inline constexpr int64_t kNotifyExpired = 1 << 8;   // x
inline constexpr int64_t kNotifyEvicted = 1 << 9;   // e
inline constexpr int64_t kNotifyStream = 1 << 10;   // t
inline constexpr int64_t kNotifyKeyMiss = 1 << 11;  // m, not in A
inline constexpr int64_t kNotifyModule = 1 << 13;   // d
inline constexpr int64_t kNotifyNew = 1 << 14;      // n, not in A
inline constexpr int64_t kNotifyAll = kNotifyGeneric | kNotifyString | kNotifyList | kNotifySet |
                                      kNotifyHash | kNotifyZset | kNotifyExpired | kNotifyEvicted |
                                      kNotifyStream | kNotifyModule;

}  // namespace holdfast::config
