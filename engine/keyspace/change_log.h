// Where effects go: what a command did, as commands that give the same result whenever they are
// replayed. The engine implements it over the log; a store without a log, and replay, have none.
#pragma once

#include <span>
#include <string_view>

namespace holdfast::keyspace {

// Used by one thread during one execution, under the locks of all keys that the records name.
class ChangeLog {
 public:
  virtual ~ChangeLog() = default;
  // Part of the execution's group.
  virtual void Record(int database, std::span<const std::string_view> command) = 0;
  // A group of its own that comes before the execution's group: an expired key's DEL.
  virtual void RecordBefore(int database, std::span<const std::string_view> command) = 0;
};

}  // namespace holdfast::keyspace
