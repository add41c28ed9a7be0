#include "engine/cold_batch.h"

#include <algorithm>
#include <cstring>
#include <new>

#include "holdfast/check.h"

namespace holdfast {
namespace {

// What a batch holds that has one item; small, as each shard's queue may have one.
constexpr size_t kPieceBytes = size_t{8} << 10;

constexpr size_t RecordBytes(size_t name_bytes, size_t value_bytes) {
  constexpr size_t kAlign = alignof(ColdBatch::Record);
  const size_t bytes = sizeof(ColdBatch::Record) + name_bytes + value_bytes;
  return (bytes + kAlign - 1) / kAlign * kAlign;
}

}  // namespace

size_t ColdBatch::Record::size() const { return RecordBytes(name_bytes, value_bytes); }

size_t ColdBatch::MostBytes(const keyspace::ColdItem& item) {
  return std::max(kPieceBytes,
                  sizeof(Piece) + RecordBytes(item.key.name.size(), item.bytes.size()));
}

// A piece of their own for long names, or for the next few dozen items.
char* ColdBatch::Room(size_t bytes) {
  static_assert(sizeof(Piece) % alignof(Record) == 0);
  if (last_ == nullptr || last_->room - last_->used < bytes) {
    const size_t wanted = std::max(kPieceBytes, sizeof(Piece) + bytes);
    auto* piece =
        new (Allocate(wanted)) Piece{.next = nullptr, .room = wanted - sizeof(Piece), .used = 0};
    allocated_bytes_ += UsableSize(piece, wanted);
    (last_ == nullptr ? first_ : last_->next) = piece;
    last_ = piece;
  }
  HF_CHECK(last_->used + bytes <= last_->room && last_->used % alignof(Record) == 0);
  char* room = last_->data() + last_->used;
  last_->used += bytes;
  return room;
}

void ColdBatch::Append(keyspace::ColdItem item) {
  HF_CHECK(!item.block || item.bytes.empty());
  HF_CHECK(item.write || (item.probe && item.ticket == 0 && item.leaving_bytes == 0));
  HF_CHECK(!item.erase || (!item.block && item.bytes.empty()));
  HF_CHECK(!item.by_reference || item.block);
  const std::string_view name = item.key.name;
  char* room = Room(RecordBytes(name.size(), item.bytes.size()));
  if (item.block) block_bytes_ += item.block->AllocatedBytes();
  const auto* record = new (room) Record{.order = item.key.order,
                                         .name_bytes = name.size(),
                                         .value_bytes = item.bytes.size(),
                                         .facts = item.facts,
                                         .block = std::move(item.block),
                                         .space = item.key.space,
                                         .leaving_bytes = item.leaving_bytes,
                                         .shard = item.shard,
                                         .ticket = item.ticket,
                                         .cut = item.cut,
                                         .probe = item.probe,
                                         .write = item.write,
                                         .erase = item.erase,
                                         .evict = item.evict,
                                         .by_reference = item.by_reference};
  name.copy(room + sizeof(Record), name.size());
  item.bytes.copy(room + sizeof(Record) + name.size(), item.bytes.size());
  HF_CHECK(record->name().size() == name.size());
  ++items_;
}

void ColdBatch::Clear() {
  for (Piece* piece = std::exchange(first_, nullptr); piece != nullptr;) {
    for (size_t at = 0; at < piece->used;) {
      auto* record = reinterpret_cast<Record*>(piece->data() + at);
      at += record->size();
      record->~Record();
    }
    Piece* next = piece->next;
    Free(piece, piece->room + sizeof(Piece));
    piece = next;
  }
  last_ = nullptr;
  items_ = 0;
  allocated_bytes_ = 0;
  block_bytes_ = 0;
}

}  // namespace holdfast
