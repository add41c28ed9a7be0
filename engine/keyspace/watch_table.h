// WATCH: which clients want to know that a key changed. One table per shard, under its lock. Keys
// are marked by each logged change, an eviction's among them, and by FLUSH and SWAPDB; spilling and
// loading never mark.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace holdfast::keyspace {

// Owned by a session; lives at least as long as its watches are registered.
struct WatchMark {
  std::atomic<bool> changed{false};
};

class WatchTable {
 public:
  bool Empty() const { return watched_.empty(); }
  // Registering the same mark twice for a key has no effect. `present`: the key is there; it is as
  // long as the mark is not set.
  void Add(int database, std::string_view key, WatchMark* mark, bool present);
  void Remove(int database, std::string_view key, WatchMark* mark);
  // Another mark takes the place of one: changes mark that one from now on.
  void Replace(int database, std::string_view key, const WatchMark* mark, WatchMark* by);
  void Changed(int database, std::string_view key);
  // FLUSHDB, SWAPDB: the watchers of those keys of the database are marked for which `existed(key,
  // present)` is true.
  template <typename Existed>
  void ChangedDatabase(int database, const Existed& existed) {
    for (auto& [name, watchers] : watched_) {
      if (name.database != database) continue;
      for (const Watcher& watcher : watchers) {
        if (existed(std::string_view(name.key), watcher.present))
          watcher.mark->changed.store(true, std::memory_order_relaxed);
      }
    }
  }
  // Calls `visit(key)` for each watched key of the database.
  template <typename Visit>
  void ForEachKey(int database, const Visit& visit) const {
    for (const auto& [name, watchers] : watched_) {
      if (name.database == database) visit(std::string_view(name.key));
    }
  }

 private:
  struct Name {
    int database;
    std::string key;
    bool operator==(const Name&) const = default;
  };
  struct NameHash {
    size_t operator()(const Name& name) const {
      return std::hash<std::string>()(name.key) ^ static_cast<size_t>(name.database);
    }
  };
  struct Watcher {
    WatchMark* mark;
    bool present;
  };
  std::unordered_map<Name, std::vector<Watcher>, NameHash> watched_;
};

}  // namespace holdfast::keyspace
