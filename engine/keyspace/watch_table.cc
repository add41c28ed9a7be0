#include "engine/keyspace/watch_table.h"

#include <algorithm>

namespace holdfast::keyspace {

void WatchTable::Add(int database, std::string_view key, WatchMark* mark) {
  std::vector<WatchMark*>& marks = watched_[Name{database, std::string(key)}];
  if (std::find(marks.begin(), marks.end(), mark) == marks.end()) marks.push_back(mark);
}

void WatchTable::Remove(int database, std::string_view key, WatchMark* mark) {
  const auto found = watched_.find(Name{database, std::string(key)});
  if (found == watched_.end()) return;
  std::erase(found->second, mark);
  if (found->second.empty()) watched_.erase(found);
}

void WatchTable::Changed(int database, std::string_view key) {
  const auto found = watched_.find(Name{database, std::string(key)});
  if (found == watched_.end()) return;
  for (WatchMark* mark : found->second) mark->changed.store(true, std::memory_order_relaxed);
}

}  // namespace holdfast::keyspace
