// One key with its value: a single allocation.
//
//   header 16 | expiry 8 (if kHasExpiry) | key | value
//
// The value is the bytes themselves (inline string), an 8-byte integer, or an 8-byte pointer to a
// CountedBlock (long string, or what names one that the live tier has) or to a collection. A key
// longer than 65,534 bytes lies in a CountedBlock too. Collections will hang off the pointer of
// kObject: what they are follows from type() and from a first byte of the object's own (its
// encoding), so that sizing and freeing one is a switch over the type, with no virtual table in the
// object. An Entry is owned by the Table that holds it; it is read and changed only under its
// shard's lock. Nothing here can fail: allocation failure ends the process.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>

#include "holdfast/clock.h"
#include "holdfast/memory.h"
#include "memtable/key.h"

namespace holdfast::memtable {

enum class ValueType : uint8_t { kString = 0, kList, kSet, kSortedSet, kHash, kStream, kModule };

// How the value lies in memory.
enum class ValueForm : uint8_t {
  kInteger,    // 8 bytes, two's complement
  kInline,     // the bytes, in the entry
  kBlock,      // pointer to a CountedBlock
  kObject,     // pointer to a collection (types to come)
  kElsewhere,  // 8 bytes: its size. The value lies in the live tier alone; never in a table
  kReference,  // pointer to a ValueReference's block: a long value that lies in the live tier alone
};

// What became of the entry since the live tier last saw it (DESIGN section 6, R1).
enum EntryFlag : uint8_t {
  kHasExpiry = 1 << 0,
  kDirty = 1 << 1,
  kEpoch = 1 << 2,      // the snapshot epoch of the last change or visit
  kCold = 1 << 3,       // a cold copy exists or is on its way
  kTombstone = 1 << 4,  // deleted, its cold copy not yet
  kRawString = 1 << 5,  // OBJECT ENCODING says "raw" whatever the length (as after APPEND)
  kLongKey = 1 << 6,
  kUnknown = 1 << 7,  // with kDirty and kCold: written without a look whether a cold copy exists
};

inline constexpr size_t kInlineValueLimit = 1024;  // longer strings live in a CountedBlock
inline constexpr UnixMs kNoExpiry = -1;

class Entry {
 public:
  Entry(const Entry&) = delete;
  Entry& operator=(const Entry&) = delete;

  std::string_view key() const;
  uint64_t stored_hash() const { return word_ & ((uint64_t{1} << kStoredHashBits) - 1); }
  KeyOrder order() const {
    return (static_cast<KeyOrder>(SlotOf(key())) << kStoredHashBits) | stored_hash();
  }
  uint32_t eviction_state() const { return static_cast<uint32_t>(word_ >> kStoredHashBits); }
  void set_eviction_state(uint32_t state);
  ValueType type() const { return static_cast<ValueType>(type_form_ & 15); }
  ValueForm form() const { return static_cast<ValueForm>(type_form_ >> 4); }
  bool Has(EntryFlag flag) const { return (flags_ & flag) != 0; }
  void Mark(EntryFlag flag, bool on);  // not kHasExpiry, kLongKey
  // Which queued write of this entry says what the entry still is; 0: none, it changed since.
  uint16_t ticket() const { return ticket_; }
  void set_ticket(uint16_t ticket) { ticket_ = ticket; }
  UnixMs expiry_ms() const;  // kNoExpiry if none
  bool ExpiredAt(UnixMs now) const { return Has(kHasExpiry) && expiry_ms() <= now; }
  // Bytes the allocator handed out for this entry and its blocks.
  size_t AllocatedBytes() const;

  // Strings. The view of an integer is written into `scratch`.
  struct Scratch {
    char text[24];
  };
  std::string_view StringBytes(Scratch& scratch) const;
  size_t StringLength() const;             // also of forms kElsewhere and kReference
  std::optional<int64_t> Integer() const;  // only form kInteger
  CountedBlock* block() const;             // only form kBlock, else null
  CountedBlock* reference() const;         // only form kReference, else null

 private:
  friend class EntryBuilder;
  Entry() = default;

  size_t ValueOffset() const;
  size_t OwnBytes() const;          // asked of the allocator for the entry itself
  CountedBlock* HeldBlock() const;  // of either form that holds one, else null
  // A value or key that is 8 bytes in the entry; nothing in it is aligned.
  template <typename T>
  T Load(size_t offset) const {
    T value;
    std::memcpy(&value, bytes() + offset, sizeof(T));
    return value;
  }
  template <typename T>
  void Store(size_t offset, T value) {
    std::memcpy(bytes() + offset, &value, sizeof(T));
  }
  const char* bytes() const { return reinterpret_cast<const char*>(this); }
  char* bytes() { return reinterpret_cast<char*>(this); }
  size_t KeyOffset() const { return sizeof(Entry) + (Has(kHasExpiry) ? sizeof(UnixMs) : 0); }

  uint64_t word_;      // 40 hash bits, 24 of eviction state
  uint8_t type_form_;  // 4 bits type, 4 bits form
  uint8_t flags_;
  uint16_t ticket_;
  uint16_t key_length_;    // 0xffff: kLongKey
  uint16_t value_length_;  // inline strings
};
static_assert(sizeof(Entry) == 16);

inline constexpr uint16_t kLongKeyLength = 0xffff;

inline std::string_view Entry::key() const {
  if (key_length_ != kLongKeyLength) [[likely]]
    return {bytes() + KeyOffset(), key_length_};
  return Load<CountedBlock*>(KeyOffset())->view();
}

inline UnixMs Entry::expiry_ms() const {
  return Has(kHasExpiry) ? Load<UnixMs>(sizeof(Entry)) : kNoExpiry;
}

inline size_t Entry::ValueOffset() const {
  return KeyOffset() + (key_length_ == kLongKeyLength ? sizeof(CountedBlock*) : key_length_);
}

}  // namespace holdfast::memtable
