#include "memtable/table.h"

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "holdfast/check.h"
#include "holdfast/number.h"
#include "memtable/entry_builder.h"
#include "memtable/value_reference.h"

namespace holdfast::memtable {
namespace {

constexpr size_t kSlackLimit = 1 << 20;  // a growing string gets up to this much to spare

BlockRef CopyToBlock(std::string_view bytes) {
  BlockRef block = BlockRef::Adopt(CountedBlock::Create(bytes.size()));
  std::memcpy(block->data(), bytes.data(), bytes.size());
  block->size = bytes.size();
  return block;
}

}  // namespace

Table::Table(const TableOptions& options)
    : options_(options), index_(options.shared_order_bits, options.reclaimer) {}

Table::~Table() {
  index_.Drain([this](Entry* entry) {
    entry_bytes_ -= entry->AllocatedBytes();
    EntryBuilder::Destroy(entry);
  });
  HF_CHECK(size() == 0 && entry_bytes_ == 0 && index_.allocated_bytes() == 0);
}

// After an entry changed: its address or its expiry.
void Table::Moved(const KeyRef& key, const Entry* old, Entry* now) {
  if (old != now || now->Has(kHasExpiry)) index_.Update(key, old, now);
}

Entry* Table::Put(const KeyRef& key, Entry* existing, const NewValue& value, UnixMs expiry_ms) {
  HF_CHECK(expiry_ms >= 0 || expiry_ms == kNoExpiry);
  if (existing == nullptr) {
    Entry* entry = EntryBuilder::Create(key, value, expiry_ms);
    entry_bytes_ += entry->AllocatedBytes();
    index_.Insert(key, entry);
    return entry;
  }
  HF_DCHECK(existing->key() == key.name);
  Entry* entry = EntryBuilder::Replace(existing, value, expiry_ms, entry_bytes_);
  Moved(key, existing, entry);
  return entry;
}

Entry* Table::SetString(const KeyRef& key, Entry* existing, const StringSpec& spec) {
  if (spec.bytes.size() > kInlineValueLimit) {
    return SetBlock(key, existing, CopyToBlock(spec.bytes), spec.expiry_ms, spec.raw);
  }
  if (spec.try_integer && !spec.raw) {
    if (const auto integer = ParseInteger(spec.bytes)) {
      return Put(key, existing, NewValue::Integer(*integer), spec.expiry_ms);
    }
  }
  return Put(key, existing, NewValue::Inline(spec.bytes, spec.raw), spec.expiry_ms);
}

Entry* Table::SetInteger(const KeyRef& key, Entry* existing, int64_t value, UnixMs expiry_ms) {
  return Put(key, existing, NewValue::Integer(value), expiry_ms);
}

Entry* Table::SetBlock(const KeyRef& key, Entry* existing, BlockRef block, UnixMs expiry_ms,
                       bool raw) {
  HF_CHECK(block.get() != nullptr);
  if (block->size <= kInlineValueLimit) {
    return Put(key, existing, NewValue::Inline(block->view(), raw), expiry_ms);
  }
  return Put(key, existing, NewValue::Block(std::move(block), raw), expiry_ms);
}

Entry* Table::SetReference(const KeyRef& key, Entry* existing, BlockRef reference, UnixMs expiry_ms,
                           bool raw) {
  HF_CHECK(ReferenceIn(*reference.get()).size > kInlineValueLimit);
  return Put(key, existing, NewValue::Reference(std::move(reference), raw), expiry_ms);
}

Table::Writable Table::ResizeString(const KeyRef& key, Entry* existing, size_t length) {
  if (existing == nullptr) existing = Put(key, nullptr, NewValue::Inline({}, true), kNoExpiry);
  HF_CHECK(existing->type() == ValueType::kString);
  if (length > kInlineValueLimit) return ResizeBlock(key, existing, length);
  Entry* entry = EntryBuilder::ResizeInline(existing, length, entry_bytes_);
  if (entry != existing) index_.Update(key, existing, entry);
  return {entry, EntryBuilder::InlineBytes(entry)};
}

Table::Writable Table::ResizeBlock(const KeyRef& key, Entry* existing, size_t length) {
  CountedBlock* block = existing->block();
  const bool keeps = block != nullptr && !block->Shared() && length <= block->capacity &&
                     length >= block->capacity / 4;
  if (keeps) {
    if (length > block->size) std::memset(block->data() + block->size, 0, length - block->size);
    block->size = length;
    EntryBuilder::SetBlock(existing, block, true, entry_bytes_);
    return {existing, block->data()};
  }
  Entry::Scratch scratch;
  const std::string_view old = existing->StringBytes(scratch);
  // A string that grew once will grow again; one that begins its life here may not.
  const size_t slack = old.empty() || length <= old.size() ? 0 : std::min(length, kSlackLimit);
  BlockRef grown = BlockRef::Adopt(CountedBlock::Create(length + slack));
  const size_t kept = std::min(old.size(), length);
  std::memcpy(grown->data(), old.data(), kept);
  std::memset(grown->data() + kept, 0, length - kept);
  grown->size = length;
  CountedBlock* target = grown.get();
  Entry* entry = Put(key, existing, NewValue::Block(std::move(grown), true), existing->expiry_ms());
  return {entry, target->data()};
}

Entry* Table::SetExpiry(const KeyRef& key, Entry* existing, UnixMs expiry_ms) {
  HF_CHECK(existing != nullptr && (expiry_ms >= 0 || expiry_ms == kNoExpiry));
  Entry* entry = EntryBuilder::ReplaceExpiry(existing, expiry_ms, entry_bytes_);
  Moved(key, existing, entry);
  return entry;
}

void Table::Erase(const KeyRef& key, Entry* existing) {
  HF_CHECK(existing != nullptr && size() > 0);
  if (existing->Has(kTombstone)) {
    HF_CHECK(tombstones_ > 0);
    --tombstones_;
  }
  index_.Erase(key, existing);
  entry_bytes_ -= existing->AllocatedBytes();
  EntryBuilder::Destroy(existing);
}

Entry* Table::Bury(const KeyRef& key, Entry* existing) {
  HF_CHECK(existing == nullptr || !existing->Has(kTombstone));
  Entry* entry = Put(key, existing, NewValue::Inline({}, false), kNoExpiry);
  entry->Mark(kTombstone, true);
  ++tombstones_;
  return entry;
}

void Table::Revive(Entry* tombstone) {
  HF_CHECK(tombstone->Has(kTombstone) && tombstones_ > 0);
  tombstone->Mark(kTombstone, false);
  --tombstones_;
}

Entry* Table::CopyValue(const KeyRef& key, Entry* existing, const Entry& from, UnixMs expiry_ms) {
  HF_CHECK(existing != &from && from.type() == ValueType::kString);
  const bool raw = from.Has(kRawString);
  if (const auto integer = from.Integer()) return SetInteger(key, existing, *integer, expiry_ms);
  if (CountedBlock* block = from.block()) {
    return Put(key, existing, NewValue::Block(BlockRef::Share(block), raw), expiry_ms);
  }
  if (CountedBlock* reference = from.reference())
    return SetReference(key, existing, BlockRef::Share(reference), expiry_ms, raw);
  Entry::Scratch scratch;
  return Put(key, existing, NewValue::Inline(from.StringBytes(scratch), raw), expiry_ms);
}

void Table::Swap(Table& other) {
  index_.Swap(other.index_);
  std::swap(entry_bytes_, other.entry_bytes_);
  std::swap(tombstones_, other.tombstones_);
  std::swap(noted_bytes_, other.noted_bytes_);
}

std::unique_ptr<Table> Table::Detach() {
  auto table = std::make_unique<Table>(options_);
  table->Swap(*this);
  return table;
}

KeyOrder Table::Scan(KeyOrder start, size_t at_least, const Visit& visit) const {
  std::vector<Index::Ordered> run;
  size_t visited = 0;
  while (start < kOrderEnd) {
    const KeyOrder next = index_.CollectFrom(start, run);
    for (size_t i = 0; i < run.size(); ++i) {
      // Only between orders: a cursor cannot stand inside a run of equal ones.
      if (visited >= at_least && (i == 0 || run[i].order != run[i - 1].order)) return run[i].order;
      visit(*run[i].entry);
      ++visited;
    }
    HF_CHECK(next > start);
    start = next;
  }
  return kOrderEnd;
}

Entry* Table::FirstFrom(KeyOrder start) const {
  std::vector<Index::Ordered> run;
  index_.CollectFrom(start, run);
  return run.empty() ? nullptr : run.front().entry;
}

size_t Table::CollectExpired(UnixMs now, size_t segments, size_t limit,
                             const std::function<void(const Entry&)>& expired) {
  size_t reported = 0;
  for (size_t i = 0; i < segments && reported < limit && index_.expiring() > 0; ++i) {
    reported += index_.LookForExpired(now, limit - reported, expired);
  }
  return reported;
}

}  // namespace holdfast::memtable
