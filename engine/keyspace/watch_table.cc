#include "engine/keyspace/watch_table.h"

#include <algorithm>

namespace holdfast::keyspace {

void WatchTable::Add(int database, std::string_view key, WatchMark* mark, bool present) {
  std::vector<Watcher>& watchers = watched_[Name{database, std::string(key)}];
  const auto same = [mark](const Watcher& watcher) { return watcher.mark == mark; };
  if (std::none_of(watchers.begin(), watchers.end(), same)) watchers.push_back({mark, present});
}

void WatchTable::Remove(int database, std::string_view key, WatchMark* mark) {
  const auto found = watched_.find(Name{database, std::string(key)});
  if (found == watched_.end()) return;
  std::erase_if(found->second, [mark](const Watcher& watcher) { return watcher.mark == mark; });
  if (found->second.empty()) watched_.erase(found);
}

void WatchTable::Replace(int database, std::string_view key, const WatchMark* mark, WatchMark* by) {
  const auto found = watched_.find(Name{database, std::string(key)});
  if (found == watched_.end()) return;
  for (Watcher& watcher : found->second) {
    if (watcher.mark == mark) watcher.mark = by;
  }
}

void WatchTable::Changed(int database, std::string_view key) {
  const auto found = watched_.find(Name{database, std::string(key)});
  if (found == watched_.end()) return;
  for (const Watcher& watcher : found->second)
    watcher.mark->changed.store(true, std::memory_order_relaxed);
}

}  // namespace holdfast::keyspace
