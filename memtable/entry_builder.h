// Makes, changes and frees entries: the only code that knows their layout in full. It knows nothing
// of tables; the Table that owns an entry calls it under the shard's lock and keeps the accounts:
// every function says by how much the bytes handed out by the allocator changed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "memtable/entry.h"

namespace holdfast::memtable {

// A string value on its way into an entry.
struct NewValue {
  ValueForm form = ValueForm::kInline;
  bool raw = false;
  std::string_view bytes;         // kInline; must not lie in the entry that it replaces
  int64_t integer = 0;            // kInteger
  CountedBlock* block = nullptr;  // kBlock, kReference; one reference, taken over

  static NewValue Inline(std::string_view bytes, bool raw) {
    return {ValueForm::kInline, raw, bytes, 0, nullptr};
  }
  static NewValue Integer(int64_t value) {
    return {ValueForm::kInteger, false, {}, value, nullptr};
  }
  static NewValue Elsewhere(uint64_t size, bool raw) {
    return {ValueForm::kElsewhere, raw, {}, static_cast<int64_t>(size), nullptr};
  }
  static NewValue Block(BlockRef block, bool raw) {
    return {ValueForm::kBlock, raw, {}, 0, block.Release()};
  }
  static NewValue Reference(BlockRef reference, bool raw) {
    return {ValueForm::kReference, raw, {}, 0, reference.Release()};
  }
  size_t size() const { return form == ValueForm::kInline ? bytes.size() : sizeof(int64_t); }
};

class EntryBuilder {
 public:
  // An entry without flags other than what value and expiry imply, ticket 0.
  static Entry* Create(const KeyRef& key, const NewValue& value, UnixMs expiry_ms);

  // Replaces value and expiry: in place if `entry` has the room, else in a new entry, which takes
  // over all else; the old one is freed. Its ticket is void.
  static Entry* Replace(Entry* entry, const NewValue& value, UnixMs expiry_ms, size_t& allocated);

  // Changes the expiry alone, on the same terms.
  static Entry* ReplaceExpiry(Entry* entry, UnixMs expiry_ms, size_t& allocated);

  // Makes an inline string (or an integer, as its text) `length` bytes long, zero-filled, raw, on
  // the same terms. length <= kInlineValueLimit.
  static Entry* ResizeInline(Entry* entry, size_t length, size_t& allocated);

  // Swaps the block of a kBlock entry for another (taking over one reference), or for itself after
  // its size changed.
  static void SetBlock(Entry* entry, CountedBlock* block, bool raw, size_t& allocated);

  static char* InlineBytes(Entry* entry);

  // With its blocks.
  static void Destroy(Entry* entry);

 private:
  static Entry* Allocate(size_t key_bytes, bool expires, size_t value_bytes);
  static Entry* CopyHead(const Entry* entry, UnixMs expiry_ms, size_t value_bytes);
  static void PutValue(Entry* entry, const NewValue& value);
  static void ReleaseBlock(Entry* entry);
};

}  // namespace holdfast::memtable
