// A tier whose disk does what a test says: it fails, it waits, it says that it cannot keep up.
#pragma once

#include <condition_variable>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "engine/cold_rows.h"

namespace holdfast {

class FakeColdRows final : public ColdRows {
 public:
  using Key = std::tuple<snapshot::SpaceId, memtable::KeyOrder, std::string>;
  struct Write {
    Key key;
    bool erase;
    std::string value;
  };

  // ---- what a test does with it; any thread
  void Fail(bool fails) {
    const std::lock_guard lock(mutex_);
    fails_ = fails;
  }
  void Congest(bool congested) {
    const std::lock_guard lock(mutex_);
    congested_ = congested;
  }
  // Landings, reads and reads of long values that begin wait while theirs is shut.
  enum Door { kLandDoor, kReadDoor, kLongDoor, kDoors };
  void Shut(Door door) {
    const std::lock_guard lock(mutex_);
    shut_[door] = true;
  }
  void Open(Door door) {
    {
      const std::lock_guard lock(mutex_);
      shut_[door] = false;
    }
    changed_.notify_all();
  }
  void AwaitSomebodyAt(Door door) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return at_[door] > 0; });
  }
  void Break(std::string name) {
    const std::lock_guard lock(mutex_);
    broken_.insert(std::move(name));
  }
  void PutRow(const Key& key, std::string value) {
    const std::lock_guard lock(mutex_);
    rows_[key] = std::move(value);
    ids_.try_emplace(key, ids_.size() + 1);
  }
  std::map<Key, std::string> rows() const {
    const std::lock_guard lock(mutex_);
    return rows_;
  }
  std::vector<Write> landed() const {
    const std::lock_guard lock(mutex_);
    return landed_;
  }
  uint64_t NamedBy(const Key& key) const {
    const std::lock_guard lock(mutex_);
    const auto found = named_.find(key);
    return found != named_.end() ? found->second : 0;
  }
  std::vector<size_t> landings() const {
    const std::lock_guard lock(mutex_);
    return landings_;
  }
  std::vector<snapshot::SpaceId> dropped() const {
    const std::lock_guard lock(mutex_);
    return dropped_;
  }
  size_t failures() const {
    const std::lock_guard lock(mutex_);
    return failures_;
  }

  // ---- ColdRows
  Status Land(std::span<const snapshot::ColdWrite> writes) override {
    std::unique_lock lock(mutex_);
    Pass(kLandDoor, lock);
    HF_TRY_STATUS(Disk());
    for (const snapshot::ColdWrite& write : writes) {
      const Key key = KeyOf(write.key);
      landed_.push_back({key, write.erase, std::string(write.payload)});
      if (write.erase) {
        rows_.erase(key);
      } else {
        rows_[key] = write.payload;
        ids_.try_emplace(key, ids_.size() + 1);
        named_[key] = write.header.value_id;
      }
    }
    landings_.push_back(writes.size());
    return {};
  }
  bool Congested() const override {
    const std::lock_guard lock(mutex_);
    return congested_;
  }
  Status DropSpace(snapshot::SpaceId space) override {
    const std::lock_guard lock(mutex_);
    HF_TRY_STATUS(Disk());
    dropped_.push_back(space);
    std::erase_if(rows_, [&](const auto& row) { return std::get<0>(row.first) == space; });
    return {};
  }
  Result<std::vector<std::optional<snapshot::ColdValue>>> Read(
      std::span<const snapshot::ColdKey> keys, snapshot::ReadDepth depth) override {
    std::unique_lock lock(mutex_);
    Pass(kReadDoor, lock);
    std::vector<std::optional<snapshot::ColdValue>> values(keys.size());
    for (size_t i = 0; i < keys.size(); ++i) {
      if (broken_.contains(std::string(keys[i].name)))
        return MakeError(ErrorCode::kCorruption, "broken: " + std::string(keys[i].name));
      const auto row = rows_.find(KeyOf(keys[i]));
      if (row == rows_.end()) continue;
      const bool is_long = row->second.size() > snapshot::kInlineBytes;
      values[i].emplace().header = {.size = row->second.size(),
                                    .value_id = is_long ? ids_.at(row->first) : 0,
                                    .payload_bytes = row->second.size()};
      if (depth != snapshot::ReadDepth::kHeader && !is_long) values[i]->payload = row->second;
    }
    return values;
  }
  Result<std::optional<snapshot::ColdValue>> ReadLong(const snapshot::ColdKey& key,
                                                      const snapshot::ColdHeader& header) override {
    std::unique_lock lock(mutex_);
    Pass(kLongDoor, lock);
    const auto row = rows_.find(KeyOf(key));
    if (row == rows_.end()) return std::nullopt;
    snapshot::ColdValue value{.header = header, .payload = {}, .block = {}};
    value.block = BlockRef::Adopt(CountedBlock::Create(row->second.size()));
    row->second.copy(value.block->data(), row->second.size());
    value.block->size = row->second.size();
    return value;
  }

  Result<BlockRef> ReadValue(const snapshot::ColdHeader& header) override {
    std::unique_lock lock(mutex_);
    Pass(kLongDoor, lock);
    for (const auto& [key, id] : ids_) {
      if (id != header.value_id) continue;
      const std::string& value = rows_.at(key);
      BlockRef block = BlockRef::Adopt(CountedBlock::Create(value.size()));
      value.copy(block->data(), value.size());
      block->size = value.size();
      return block;
    }
    return MakeError(ErrorCode::kCorruption, "no such value");
  }

 private:
  static Key KeyOf(const snapshot::ColdKey& key) {
    return {key.space, key.order, std::string(key.name)};
  }
  void Pass(Door door, std::unique_lock<std::mutex>& lock) {
    ++at_[door];
    changed_.notify_all();
    changed_.wait(lock, [&] { return !shut_[door]; });
    --at_[door];
  }
  Status Disk() {
    if (!fails_) return {};
    ++failures_;
    return MakeError(ErrorCode::kNoSpace, "the disk is full");
  }

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool fails_ = false;
  bool congested_ = false;
  bool shut_[kDoors] = {};
  int at_[kDoors] = {};
  std::set<std::string> broken_;
  std::map<Key, std::string> rows_;
  std::map<Key, uint64_t> ids_;    // of long values
  std::map<Key, uint64_t> named_;  // by rows that landed without a value
  std::vector<Write> landed_;
  std::vector<size_t> landings_;
  std::vector<snapshot::SpaceId> dropped_;
  size_t failures_ = 0;
};

}  // namespace holdfast
