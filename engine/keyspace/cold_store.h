// The door to the tier that holds what memory does not, as the keyspace needs it: a queue of writes
// that land in their order, reads that come back, and names in the one order. The engine implements
// it (engine/cold_tier.h); a store without a tier has none, and then no key is ever cold.
//
// Keys are named by space, not by database number: SWAPDB and FLUSHDB give a database another
// space, and what is still on its way finds the one it was meant for, or nobody (R10, R11 of DESIGN
// section 6).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "holdfast/clock.h"
#include "holdfast/memory.h"
#include "holdfast/result.h"
#include "memtable/entry.h"
#include "memtable/key.h"

namespace holdfast::keyspace {

struct Load;

using SpaceId = uint32_t;

// Refers to the caller's bytes.
struct ColdAddress {
  SpaceId space = 0;
  memtable::KeyOrder order = 0;
  std::string_view name;
};

// What is known of a key without its value.
struct ColdFacts {
  memtable::ValueType type = memtable::ValueType::kString;
  bool raw_string = false;
  bool integer = false;  // a string that is held as an integer: other such texts are not
  uint8_t rank = 0;      // how hot it was: 0 cold, 255 hot
  UnixMs expiry_ms = memtable::kNoExpiry;
  uint64_t size = 0;  // of a string its length
};

// One write of a key: its value, or that it is gone. Or only a question.
struct ColdItem {
  uint16_t shard = 0;
  ColdAddress key;
  // Before this lands the tier is asked whether it has the key: see Keyspace::Probed.
  bool probe = false;
  uint8_t cut = 0;    // to come back with the answer
  bool write = true;  // false: a probe is all it is
  // The entry's ticket: comes back with Keyspace::Landed, which by it knows whether the entry is
  // still what was written. 0: it will not be.
  uint16_t ticket = 0;
  bool erase = false;
  bool evict = false;          // the entry leaves memory when this has landed
  uint32_t leaving_bytes = 0;  // what of the budget is given back then, this item not counted
  ColdFacts facts = {};
  std::string_view bytes = {};  // of the value; to be copied
  BlockRef block = {};          // or this, of a long value
  bool by_reference = false;    // the tier has the value, `block` is the reference to it
};

// What the keyspace is told of one shard under one lock: some tens of microseconds.
inline constexpr size_t kMostReported = 64;

// What was found of a key before the first write of it landed.
struct ColdProbed {
  uint16_t shard = 0;
  SpaceId space = 0;
  uint8_t cut = 0;
  bool existed = false;
  bool expires = false;
};

// What Keyspace::Landed needs of an item.
struct ColdLanded {
  uint16_t shard = 0;
  ColdAddress key;
  uint16_t ticket = 0;
  bool evict = false;
  uint32_t leaving_bytes = 0;
};

// What a read found.
struct ColdValue {
  ColdFacts facts = {};
  std::string_view bytes = {};  // of the value, unless only facts were asked for
  BlockRef block = {};          // or this, of a long value
  BlockRef reference = {};      // or what names it: a long value that was not asked for
};

// A key that may be due.
struct ColdHint {
  UnixMs expiry_ms = 0;
  SpaceId space = 0;
  memtable::KeyOrder order = 0;
  std::string name;
};

class ColdStore {
 public:
  virtual ~ColdStore() = default;

  // ---- under the key's shard's lock: never waits
  // False: nothing can be queued now (too much is on its way, or the tier's disk fails).
  virtual bool HasRoom(const ColdItem& item) const = 0;
  // HasRoom said so, or it is an image of a snapshot's cut, which cannot wait. The writes of a key
  // land in the order in which they were queued; each is then reported to Keyspace::Landed, and
  // before, if it probes, to Keyspace::Probed, with no lock held. The bytes are copied here.
  virtual void Queue(ColdItem item) = 0;

  // ---- no lock held; List, ReadEach and ReadReferenced inside EXEC: the gate, so they must not
  // wait for it
  // What is queued is to land soon: memory is short.
  virtual void Hurry() = 0;
  // Until all that was queued before has landed and was reported; an error if it cannot land now.
  virtual Status WaitUntilLanded() = 0;
  // Each is reported to Keyspace::Loaded, by another thread or this one. Does not wait for them.
  virtual void StartReads(std::vector<std::shared_ptr<Load>> loads) = 0;
  // The same on this thread: they are all reported when this returns. May take seconds.
  virtual void ReadInPlace(std::span<const std::shared_ptr<Load>> loads) = 0;
  // Calls `take` for the keys of [from, end) of a space in order, for `enough` or a few more: keys
  // of one order come together. Returns where to go on; `end`: all were seen. May take seconds.
  using TakeName = std::function<void(const ColdAddress& key, const ColdFacts& facts)>;
  virtual Result<memtable::KeyOrder> List(SpaceId space, memtable::KeyOrder from,
                                          memtable::KeyOrder end, size_t enough,
                                          const TakeName& take) = 0;
  // Shows those of the keys that there are, in any order: a few at a time, they are all in memory
  // meanwhile. May take seconds. Unlike a load it leaves nothing behind.
  using TakeValue = std::function<void(const ColdAddress& key, const ColdValue& value)>;
  virtual Status ReadEach(std::span<const ColdAddress> keys, const TakeValue& take) = 0;
  // The value that an entry of form kReference has. May take seconds.
  virtual Result<BlockRef> ReadReferenced(const CountedBlock& reference) = 0;
  // Keys that were written with an expiry up to `now_ms`, oldest first. They are hints: memory, and
  // then the key's facts, say what is. Whoever has dealt with one forgets it, or gets it again.
  virtual Result<std::vector<ColdHint>> DueHints(UnixMs now_ms, size_t at_most) = 0;
  virtual Status ForgetHints(std::span<const ColdHint> hints) = 0;
  // No key of the space is wanted any more; what is queued for it may land or not. Under the gate:
  // only notes it.
  virtual void ForgetSpace(SpaceId space) = 0;
};

}  // namespace holdfast::keyspace
