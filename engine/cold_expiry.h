// Active expiry of keys that are not in memory: the tier says which may be due, memory and then the
// key's row say whether it is, and it is deleted like any other, with a DEL in the log, without its
// value ever being read. Part of the expire cycle, on its thread, under no lock.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/keyspace/cold_store.h"
#include "engine/keyspace/load.h"

namespace holdfast {

class Executor;
class Store;

class ColdExpiry {
 public:
  explicit ColdExpiry(Store& store) : store_(store) {}

  // Goes on until nothing is due, for about `budget_ns`; returns how many keys were deleted. What
  // cannot be read, or deleted for now, is found again by the next call.
  size_t Round(Executor& executor, int64_t budget_ns);

 private:
  void WantHeaders(std::span<const keyspace::ColdHint> hints, keyspace::LoadSet& headers);
  // False: the log takes no more for now.
  bool Delete(Executor& executor, std::span<const keyspace::ColdHint> hints);

  Store& store_;
  std::vector<keyspace::ColdHint> dealt_with_;
  size_t deleted_ = 0;
};

}  // namespace holdfast
