// The rows of cold keys as the queue of writes and the read pool use them: snapshot::LiveTier, or
// what a test puts in its place to see what a slow or broken disk does.
//
// Any thread; Land by one at a time. Calls may take seconds. Errors as of LiveTier.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "engine/keyspace/cold_store.h"
#include "holdfast/result.h"
#include "snapshot/live_tier.h"

namespace holdfast {

inline keyspace::ColdFacts FactsOf(const snapshot::ColdHeader& header) {
  return {.type = header.type,
          .raw_string = header.raw_string,
          .integer = header.integer,
          .rank = header.rank,
          .expiry_ms = header.expiry_ms,
          .size = header.size};
}

inline snapshot::ColdHeader HeaderOf(const keyspace::ColdFacts& facts) {
  return {.type = facts.type,
          .raw_string = facts.raw_string,
          .integer = facts.integer,
          .rank = facts.rank,
          .expiry_ms = facts.expiry_ms,
          .size = facts.size};
}

inline snapshot::ColdKey RowKeyOf(const keyspace::ColdAddress& key) {
  return {key.space, key.order, key.name};
}

class ColdRows {
 public:
  virtual ~ColdRows() = default;
  virtual Status Land(std::span<const snapshot::ColdWrite> writes) = 0;
  virtual bool Congested() const = 0;
  virtual Status DropSpace(snapshot::SpaceId space) = 0;
  virtual Result<std::vector<std::optional<snapshot::ColdValue>>> Read(
      std::span<const snapshot::ColdKey> keys, snapshot::ReadDepth depth) = 0;
  virtual Result<std::optional<snapshot::ColdValue>> ReadLong(
      const snapshot::ColdKey& key, const snapshot::ColdHeader& header) = 0;
  virtual Result<BlockRef> ReadValue(const snapshot::ColdHeader& header) = 0;
};

class LiveTierRows final : public ColdRows {
 public:
  explicit LiveTierRows(snapshot::LiveTier& tier) : tier_(tier) {}

  Status Land(std::span<const snapshot::ColdWrite> writes) override { return tier_.Land(writes); }
  bool Congested() const override { return tier_.Congested(); }
  Status DropSpace(snapshot::SpaceId space) override { return tier_.DropSpace(space); }
  Result<std::vector<std::optional<snapshot::ColdValue>>> Read(
      std::span<const snapshot::ColdKey> keys, snapshot::ReadDepth depth) override {
    return tier_.Read(keys, depth);
  }
  Result<std::optional<snapshot::ColdValue>> ReadLong(const snapshot::ColdKey& key,
                                                      const snapshot::ColdHeader& header) override {
    return tier_.ReadLong(key, header);
  }
  Result<BlockRef> ReadValue(const snapshot::ColdHeader& header) override {
    return tier_.ReadValue(header);
  }

 private:
  snapshot::LiveTier& tier_;
};

}  // namespace holdfast
