// Picks a shard and database at random, each by its share of the keys, so that every key is as
// likely to be looked at. The shares are those of a while ago: they are taken anew after some
// picks, or when asked to. One thread.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/keyspace/keyspace.h"
#include "holdfast/random.h"

namespace holdfast::keyspace {

class ShardPicker {
 public:
  explicit ShardPicker(Keyspace& keyspace) : keyspace_(keyspace) {}

  struct Place {
    Shard* shard = nullptr;  // null: there are no keys
    int database = 0;
  };
  // Locks each shard in turn if the shares are to be taken anew. Keys with a TTL alone count if
  // `expiring_only`.
  Place Pick(bool expiring_only, SeededRandom& random);
  // The next pick goes by the keys there are then.
  void Forget() { left_ = 0; }

 private:
  static constexpr int kPicks = 2048;
  struct Share {
    uint64_t end;  // of its keys among all, counted through
    Place place;
  };
  void TakeShares(bool expiring_only);

  Keyspace& keyspace_;
  std::vector<Share> shares_;
  bool expiring_only_ = false;
  int left_ = 0;
};

}  // namespace holdfast::keyspace
