// Cold writes in the order in which they were queued, with copies of their keys and values, in
// pieces of memory that never move: appending copies one item and nothing else, however many there
// are. Belongs to one thread at a time. Cannot fail.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

#include "engine/keyspace/cold_store.h"
#include "holdfast/memory.h"

namespace holdfast {

class ColdBatch {
 public:
  // An item, its key and its short value, one behind the other.
  struct Record {
    memtable::KeyOrder order;
    size_t name_bytes;
    size_t value_bytes;
    keyspace::ColdFacts facts;
    BlockRef block;
    keyspace::SpaceId space;
    uint32_t leaving_bytes;
    uint16_t shard;
    uint16_t ticket;
    uint8_t cut;
    bool probe;
    bool write;
    bool erase;
    bool evict;
    bool by_reference;

    const char* bytes() const { return reinterpret_cast<const char*>(this + 1); }
    std::string_view name() const { return {bytes(), name_bytes}; }
    // Empty if the tier has it.
    std::string_view value() const {
      if (by_reference) return {};
      return block ? block.get()->view() : std::string_view(bytes() + name_bytes, value_bytes);
    }
    keyspace::ColdAddress address() const { return {space, order, name()}; }
    size_t size() const;  // of this, to the next
  };

  ColdBatch() = default;
  ~ColdBatch() { Clear(); }
  ColdBatch(ColdBatch&& other) noexcept { Swap(other); }
  ColdBatch& operator=(ColdBatch&& other) noexcept {
    ColdBatch(std::move(other)).Swap(*this);
    return *this;
  }

  // What Append may take from the allocator for an item, at most.
  static size_t MostBytes(const keyspace::ColdItem& item);
  void Append(keyspace::ColdItem item);
  void Clear();

  size_t items() const { return items_; }
  size_t allocated_bytes() const { return allocated_bytes_; }  // as the allocator counts them
  // Of long values that are shared with whoever else holds them.
  uint64_t block_bytes() const { return block_bytes_; }

  template <typename Take>
  void ForEach(const Take& take) const {
    for (const Piece* piece = first_; piece != nullptr; piece = piece->next) {
      for (size_t at = 0; at < piece->used;) {
        const Record& record = *reinterpret_cast<const Record*>(piece->data() + at);
        take(record);
        at += record.size();
      }
    }
  }

 private:
  struct Piece {
    Piece* next;
    size_t room;
    size_t used;
    char* data() { return reinterpret_cast<char*>(this + 1); }
    const char* data() const { return reinterpret_cast<const char*>(this + 1); }
  };
  void Swap(ColdBatch& other) noexcept {
    std::swap(first_, other.first_);
    std::swap(last_, other.last_);
    std::swap(items_, other.items_);
    std::swap(allocated_bytes_, other.allocated_bytes_);
    std::swap(block_bytes_, other.block_bytes_);
  }
  char* Room(size_t bytes);

  Piece* first_ = nullptr;
  Piece* last_ = nullptr;
  size_t items_ = 0;
  size_t allocated_bytes_ = 0;
  uint64_t block_bytes_ = 0;
};

}  // namespace holdfast
