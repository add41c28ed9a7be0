#include "tests/unit/engine/fake_cold_store.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "memtable/value_reference.h"

namespace holdfast::keyspace {
namespace {

BlockRef CopyToBlock(std::string_view bytes) {
  BlockRef block = BlockRef::Adopt(CountedBlock::Create(bytes.size()));
  std::memcpy(block->data(), bytes.data(), bytes.size());
  block->size = bytes.size();
  return block;
}

}  // namespace

bool FakeColdStore::HasRoom(const ColdItem& item) const {
  EXPECT_TRUE(keyspace_->shards()[item.shard].lock.Held());
  if (!has_room) ++const_cast<FakeColdStore*>(this)->refused;
  return has_room;
}

void FakeColdStore::Queue(ColdItem item) {
  EXPECT_TRUE(has_room);
  EXPECT_TRUE(keyspace_->shards()[item.shard].lock.Held());
  EXPECT_TRUE(item.ticket == 0 ? !item.write || takes_images : item.write);
  const std::lock_guard lock(mutex_);
  Row row{.facts = item.facts};
  if (item.by_reference) {
    row.value_id = memtable::ReferenceIn(*item.block.get()).value_id;
    EXPECT_TRUE(values_.contains(row.value_id)) << "of " << item.key.name;
    row.bytes = values_[row.value_id];
  } else {
    row.bytes = item.block ? item.block->view() : item.bytes;
    if (row.bytes.size() > memtable::kInlineValueLimit) row.value_id = ++last_value_id_;
  }
  EXPECT_TRUE(item.erase || item.facts.size == row.bytes.size());
  if (item.probe) {  // nothing of the key may be on its way, or the answer would be another
    EXPECT_EQ(LastQueued(item.shard, KeyOf(item.key)), nullptr);
  }
  queues_[item.shard].push_back({.key = KeyOf(item.key),
                                 .shard = item.shard,
                                 .ticket = item.ticket,
                                 .erase = item.erase,
                                 .evict = item.evict,
                                 .leaving_bytes = item.leaving_bytes,
                                 .cut = item.cut,
                                 .probe = item.probe,
                                 .write = item.write,
                                 .row = std::move(row),
                                 .reference = item.by_reference ? item.block : BlockRef()});
}

bool FakeColdStore::Land(size_t shard) {
  std::unique_lock lock(mutex_);
  std::deque<Write>& queue = queues_[shard];
  if (queue.empty()) return false;
  const Write write = std::move(queue.front());
  queue.pop_front();
  const auto& [space, order, name] = write.key;
  if (write.probe) {
    ++probes_;
    const auto row = rows_.find(write.key);
    const bool existed = row != rows_.end();
    const bool expires = existed && row->second.facts.expiry_ms != memtable::kNoExpiry;
    lock.unlock();
    const ColdProbed probed{write.shard, space, write.cut, existed, expires};
    keyspace_->Probed({&probed, 1});
    lock.lock();
  }
  if (!write.write) return true;
  if (write.erase) {
    rows_.erase(write.key);
  } else {
    rows_[write.key] = write.row;
    if (write.reference) {
      EXPECT_TRUE(values_.contains(write.row.value_id)) << "of " << name;
    } else if (write.row.value_id != 0) {
      values_[write.row.value_id] = write.row.bytes;
    }
    if (write.row.facts.expiry_ms != memtable::kNoExpiry)
      hints_.emplace(write.row.facts.expiry_ms, write.key);
  }
  lock.unlock();
  const ColdLanded landed{.shard = write.shard,
                          .key = {space, order, name},
                          .ticket = write.ticket,
                          .evict = write.evict,
                          .leaving_bytes = write.leaving_bytes};
  keyspace_->Landed({&landed, 1});
  return true;
}

void FakeColdStore::LandAll() {
  for (const Shard& shard : keyspace_->shards()) {
    while (Land(shard.index)) {
    }
  }
}

Status FakeColdStore::WaitUntilLanded() {
  if (landing_fails) return std::unexpected(Error{ErrorCode::kIoError, "the disk is on fire"});
  LandAll();
  return {};
}

void FakeColdStore::StartReads(std::vector<std::shared_ptr<Load>> loads) {
  const std::lock_guard lock(mutex_);
  for (const std::shared_ptr<Load>& load : loads) {
    CheckRead(load);
    EXPECT_EQ(std::ranges::find(reads_, load), reads_.end()) << load->name;
    reads_.push_back(load);
  }
}

void FakeColdStore::ReadInPlace(std::span<const std::shared_ptr<Load>> loads) {
  for (const std::shared_ptr<Load>& load : loads) {
    {
      const std::lock_guard lock(mutex_);
      CheckRead(load);
    }
    Report(load, reads_in_place_fail);
  }
}

void FakeColdStore::CheckRead(const std::shared_ptr<Load>& load) {
  EXPECT_TRUE(load->overtaken || load->reference ||
              LastQueued(load->shard, KeyOf(load->address())) == nullptr)
      << load->name;
  ++reads_started_;
}

bool FakeColdStore::Finish(size_t index, bool fails) {
  std::unique_lock lock(mutex_);
  if (reads_.empty()) return false;
  const auto at = reads_.begin() + static_cast<std::ptrdiff_t>(index % reads_.size());
  const std::shared_ptr<Load> load = *at;
  reads_.erase(at);
  lock.unlock();
  Report(load, fails);
  return true;
}

void FakeColdStore::SeeNow() {
  const std::lock_guard lock(mutex_);
  for (const std::shared_ptr<Load>& load : reads_) {
    if (load->reference) continue;
    const Row* row = Find(load->address());
    seen_.emplace(load.get(), row != nullptr ? std::optional(*row) : std::nullopt);
  }
}

void FakeColdStore::FinishAll() {
  while (Finish(0)) {
  }
}

void FakeColdStore::Report(const std::shared_ptr<Load>& load, bool fails) {
  if (fails) {
    return keyspace_->Loaded(
        load, std::unexpected(Error{ErrorCode::kIoError, "the disk is on fire"}), rule);
  }
  if (load->reference) {
    ++values_read_;
    return keyspace_->Loaded(load, ColdValue{.block = CopyToBlock(ValueOf(*load->reference.get()))},
                             rule);
  }
  std::optional<Row> row = Copy(load->address());
  {
    const std::lock_guard lock(mutex_);
    if (auto seen = seen_.extract(load.get())) row = std::move(seen.mapped());
  }
  if (!row) return keyspace_->Loaded(load, std::nullopt, rule);
  keyspace_->Loaded(load, ValueOf(*row, load->need), rule);
}

// Refers to the row.
ColdValue FakeColdStore::ValueOf(const Row& row, Need need) {
  ColdValue value{.facts = row.facts};
  if (need < Need::kRow) return value;
  if (row.value_id != 0 && need == Need::kRow) {
    const uint64_t size = row.bytes.size();
    value.reference =
        references_.To({.size = size, .value_id = row.value_id, .payload_bytes = size});
  } else if (row.bytes.size() > memtable::kInlineValueLimit) {
    ++values_read_;
    value.block = CopyToBlock(row.bytes);
  } else {
    value.bytes = row.bytes;
  }
  return value;
}

std::string FakeColdStore::ValueOf(const CountedBlock& reference) const {
  const std::lock_guard lock(mutex_);
  const auto found = values_.find(memtable::ReferenceIn(reference).value_id);
  EXPECT_NE(found, values_.end()) << "a value was freed that memory names";
  return found != values_.end() ? found->second : "";
}

Result<BlockRef> FakeColdStore::ReadReferenced(const CountedBlock& reference) {
  if (list_fails) return std::unexpected(Error{ErrorCode::kIoError, "the disk is on fire"});
  return CopyToBlock(ValueOf(reference));
}

size_t FakeColdStore::Sweep() {
  const std::lock_guard lock(mutex_);
  std::erase_if(values_, [this](const auto& value) {
    const bool named = std::ranges::any_of(
        rows_, [&](const auto& row) { return row.second.value_id == value.first; });
    return !references_.Held(value.first) && !named;
  });
  return values_.size();
}

Result<memtable::KeyOrder> FakeColdStore::List(SpaceId space, memtable::KeyOrder from,
                                               memtable::KeyOrder end, size_t enough,
                                               const TakeName& take) {
  ++lists;
  if (on_list) on_list();
  const std::lock_guard lock(mutex_);
  if (list_fails) return std::unexpected(Error{ErrorCode::kIoError, "the disk is on fire"});
  size_t taken = 0;
  memtable::KeyOrder last = 0;
  for (auto at = rows_.lower_bound({space, from, ""}); at != rows_.end(); ++at) {
    const auto& [row_space, order, name] = at->first;
    if (row_space != space || order >= end) break;
    if (taken >= enough && order != last) return order;
    take({row_space, order, name}, at->second.facts);
    last = order;
    ++taken;
  }
  return end;
}

Status FakeColdStore::ReadEach(std::span<const ColdAddress> keys, const TakeValue& take) {
  if (list_fails) return std::unexpected(Error{ErrorCode::kIoError, "the disk is on fire"});
  for (const ColdAddress& key : keys) {
    const std::optional<Row> row = Copy(key);
    if (!row) continue;
    const bool lengthy = row->bytes.size() > memtable::kInlineValueLimit;
    take(key, {.facts = row->facts,
               .bytes = lengthy ? std::string_view() : std::string_view(row->bytes),
               .block = lengthy ? CopyToBlock(row->bytes) : BlockRef()});
  }
  return {};
}

Result<std::vector<ColdHint>> FakeColdStore::DueHints(UnixMs now_ms, size_t at_most) {
  if (hints_fail) return std::unexpected(Error{ErrorCode::kIoError, "the disk is on fire"});
  const std::lock_guard lock(mutex_);
  std::vector<ColdHint> due;
  for (const auto& [expiry_ms, key] : hints_) {
    if (expiry_ms > now_ms || due.size() == at_most) break;
    const auto& [space, order, name] = key;
    due.push_back({expiry_ms, space, order, name});
  }
  return due;
}

Status FakeColdStore::ForgetHints(std::span<const ColdHint> hints) {
  const std::lock_guard lock(mutex_);
  for (const ColdHint& hint : hints)
    hints_.erase({hint.expiry_ms, RowKey{hint.space, hint.order, hint.name}});
  return {};
}

void FakeColdStore::DropForgottenSpaces() {
  std::erase_if(rows_,
                [&](const auto& row) { return forgotten_.contains(std::get<0>(row.first)); });
}

std::optional<FakeColdStore::Row> FakeColdStore::Copy(const ColdAddress& key) const {
  const std::lock_guard lock(mutex_);
  const Row* row = Find(key);
  return row != nullptr ? std::optional<Row>(*row) : std::nullopt;
}

size_t FakeColdStore::queued() const {
  size_t sum = 0;
  for (const auto& [shard, queue] : queues_) sum += queue.size();
  return sum;
}

uint64_t FakeColdStore::leaving() const {
  uint64_t sum = 0;
  for (const auto& [shard, queue] : queues_) {
    for (const Write& write : queue) sum += write.leaving_bytes;
  }
  return sum;
}

const FakeColdStore::Row* FakeColdStore::Find(const ColdAddress& key) const {
  const auto found = rows_.find(KeyOf(key));
  return found != rows_.end() ? &found->second : nullptr;
}

const FakeColdStore::Write* FakeColdStore::LastQueued(size_t shard, const RowKey& key) {
  const std::deque<Write>& queue = queues_[shard];
  const auto found =
      std::find_if(queue.rbegin(), queue.rend(), [&](const Write& w) { return w.key == key; });
  return found != queue.rend() ? &*found : nullptr;
}

}  // namespace holdfast::keyspace
