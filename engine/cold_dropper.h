// max-disk-policy drop-coldest: deletes cold keys, like any deletion, with a DEL in the log. The
// coldest are looked for as eviction looks for victims: of a few dozen rows at a random place the
// half goes that was least used when it was written (ColdFacts::rank). Keys in memory stay.
//
// On one thread, under no lock; reads the tier.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "engine/executor.h"
#include "engine/keyspace/cold_store.h"
#include "holdfast/random.h"
#include "holdfast/result.h"

namespace holdfast {

class Store;

struct ColdDrops {
  uint64_t keys = 0;
  uint64_t bytes = 0;  // of names and values
};

class ColdDropper {
 public:
  explicit ColdDropper(Store& store);

  // Until keys and values of so many bytes are gone, `stop` says so, the log takes no more, or
  // hardly any key is cold.
  Result<ColdDrops> Drop(uint64_t bytes, const std::function<bool()>& stop);

 private:
  struct Candidate {
    keyspace::SpaceId space;
    std::string name;
    uint8_t rank;
    uint64_t bytes;
  };
  Status Sample(std::vector<Candidate>& candidates);

  Store& store_;
  SeededRandom random_;
  Executor executor_;
};

}  // namespace holdfast
