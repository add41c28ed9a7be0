// How an embedded store is opened.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace holdfast {

class Clock;
class FileSystem;
class RandomSource;

struct Options {
  // Where everything lies; created if missing. Empty: nothing is kept ("appendonly no"), and what
  // does not fit in maxmemory is refused or dropped. Without a data set in it, a dump.rdb there, or
  // what the setting "import" names, is the first data.
  std::string directory = {};
  // redis.conf parameters by name: {{"appendfsync", "always"}, {"databases", "4"}}. They come
  // before a default and after nothing; an unknown name or bad value fails Open.
  std::vector<std::pair<std::string, std::string>> settings = {};
  // Null: the machine's own. Otherwise owned by the caller, must outlive the Db.
  Clock* clock = nullptr;
  // RocksDB does not go through a file system of the caller's: with one, eviction drops unless the
  // settings say `eviction-action spill`, and then the tier lies on the machine's own.
  FileSystem* file_system = nullptr;
  RandomSource* random = nullptr;
};

}  // namespace holdfast
