#include "memtable/entry.h"

#include <charconv>

#include "holdfast/check.h"
#include "memtable/entry_builder.h"
#include "memtable/value_reference.h"

namespace holdfast::memtable {
namespace {

constexpr size_t kPointerBytes = sizeof(CountedBlock*);

size_t ValueBytes(ValueForm form, size_t inline_length) {
  return form == ValueForm::kInline ? inline_length : sizeof(int64_t);
}

}  // namespace

void Entry::set_eviction_state(uint32_t state) {
  HF_CHECK(state < (1u << 24));
  word_ = stored_hash() | (static_cast<uint64_t>(state) << kStoredHashBits);
}

void Entry::Mark(EntryFlag flag, bool on) {
  HF_CHECK(flag != kHasExpiry && flag != kLongKey);  // they change the layout
  flags_ = static_cast<uint8_t>(on ? flags_ | flag : flags_ & ~flag);
}

size_t Entry::OwnBytes() const { return ValueOffset() + ValueBytes(form(), value_length_); }

size_t Entry::AllocatedBytes() const {
  size_t bytes = UsableSize(this, OwnBytes());
  if (key_length_ == kLongKeyLength) bytes += Load<CountedBlock*>(KeyOffset())->AllocatedBytes();
  if (const CountedBlock* held = HeldBlock()) bytes += held->AllocatedBytes();
  return bytes;
}

std::string_view Entry::StringBytes(Scratch& scratch) const {
  HF_CHECK(type() == ValueType::kString);
  switch (form()) {
    case ValueForm::kInline:
      return {bytes() + ValueOffset(), value_length_};
    case ValueForm::kBlock:
      return block()->view();
    case ValueForm::kInteger:
    case ValueForm::kObject:
    case ValueForm::kElsewhere:
    case ValueForm::kReference:
      break;
  }
  HF_CHECK(form() == ValueForm::kInteger);
  char* const end = scratch.text + sizeof(scratch.text);
  const auto written = std::to_chars(scratch.text, end, *Integer());
  return {scratch.text, static_cast<size_t>(written.ptr - scratch.text)};
}

size_t Entry::StringLength() const {
  if (form() == ValueForm::kElsewhere) [[unlikely]]
    return Load<uint64_t>(ValueOffset());
  if (form() == ValueForm::kReference) [[unlikely]]
    return ReferenceIn(*reference()).size;
  Scratch scratch;
  return StringBytes(scratch).size();
}

std::optional<int64_t> Entry::Integer() const {
  if (form() != ValueForm::kInteger) return std::nullopt;
  return Load<int64_t>(ValueOffset());
}

CountedBlock* Entry::block() const {
  return form() == ValueForm::kBlock ? Load<CountedBlock*>(ValueOffset()) : nullptr;
}

CountedBlock* Entry::reference() const {
  return form() == ValueForm::kReference ? Load<CountedBlock*>(ValueOffset()) : nullptr;
}

CountedBlock* Entry::HeldBlock() const {
  HF_CHECK(form() != ValueForm::kObject);
  const bool holds = form() == ValueForm::kBlock || form() == ValueForm::kReference;
  return holds ? Load<CountedBlock*>(ValueOffset()) : nullptr;
}

Entry* EntryBuilder::Allocate(size_t key_bytes, bool expires, size_t value_bytes) {
  const size_t expiry_bytes = expires ? sizeof(UnixMs) : 0;
  return new (holdfast::Allocate(sizeof(Entry) + expiry_bytes + key_bytes + value_bytes)) Entry;
}

void EntryBuilder::PutValue(Entry* entry, const NewValue& value) {
  HF_CHECK(value.form != ValueForm::kObject && value.size() <= kInlineValueLimit);
  entry->type_form_ = static_cast<uint8_t>(static_cast<uint8_t>(ValueType::kString) |
                                           (static_cast<uint8_t>(value.form) << 4));
  entry->value_length_ =
      static_cast<uint16_t>(value.form == ValueForm::kInline ? value.bytes.size() : 0);
  entry->Mark(kRawString, value.raw);
  const size_t offset = entry->ValueOffset();
  switch (value.form) {
    case ValueForm::kInline:
      if (!value.bytes.empty()) {
        std::memcpy(entry->bytes() + offset, value.bytes.data(), value.bytes.size());
      }
      break;
    case ValueForm::kInteger:
    case ValueForm::kElsewhere:
      entry->Store(offset, value.integer);
      break;
    default:
      HF_CHECK(value.block != nullptr);
      entry->Store(offset, value.block);
  }
}

Entry* EntryBuilder::Create(const KeyRef& key, const NewValue& value, UnixMs expiry_ms) {
  const bool long_key = key.name.size() >= kLongKeyLength;
  const bool expires = expiry_ms != kNoExpiry;
  Entry* entry = Allocate(long_key ? kPointerBytes : key.name.size(), expires, value.size());
  entry->word_ = key.hash >> (64 - kStoredHashBits);
  entry->ticket_ = 0;
  entry->flags_ = static_cast<uint8_t>((expires ? kHasExpiry : 0) | (long_key ? kLongKey : 0));
  if (expires) entry->Store(sizeof(Entry), expiry_ms);
  if (long_key) {
    CountedBlock* block = CountedBlock::Create(key.name.size());
    std::memcpy(block->data(), key.name.data(), key.name.size());
    block->size = key.name.size();
    entry->key_length_ = kLongKeyLength;
    entry->Store(entry->KeyOffset(), block);
  } else {
    entry->key_length_ = static_cast<uint16_t>(key.name.size());
    if (!key.name.empty()) {
      std::memcpy(entry->bytes() + entry->KeyOffset(), key.name.data(), key.name.size());
    }
  }
  PutValue(entry, value);
  return entry;
}

// A new entry with the header and key of `entry` and room for the value, which is not there yet.
Entry* EntryBuilder::CopyHead(const Entry* entry, UnixMs expiry_ms, size_t value_bytes) {
  const bool expires = expiry_ms != kNoExpiry;
  const size_t key_bytes = entry->ValueOffset() - entry->KeyOffset();
  Entry* copy = Allocate(key_bytes, expires, value_bytes);
  copy->word_ = entry->word_;
  copy->type_form_ = entry->type_form_;
  copy->flags_ = static_cast<uint8_t>((entry->flags_ & ~kHasExpiry) | (expires ? kHasExpiry : 0));
  copy->ticket_ = 0;
  copy->key_length_ = entry->key_length_;
  copy->value_length_ = entry->value_length_;
  if (expires) copy->Store(sizeof(Entry), expiry_ms);
  std::memcpy(copy->bytes() + copy->KeyOffset(), entry->bytes() + entry->KeyOffset(), key_bytes);
  HF_DCHECK(copy->key() == entry->key());
  return copy;
}

void EntryBuilder::ReleaseBlock(Entry* entry) {
  if (CountedBlock* held = entry->HeldBlock()) BlockRef::Adopt(held).Reset();
}

Entry* EntryBuilder::Replace(Entry* entry, const NewValue& value, UnixMs expiry_ms,
                             size_t& allocated) {
  const bool expires = expiry_ms != kNoExpiry;
  if (value.form == ValueForm::kInline && entry->form() == ValueForm::kInline &&
      value.bytes.size() == entry->value_length_ && expires == entry->Has(kHasExpiry)) [[likely]] {
    if (expires) entry->Store(sizeof(Entry), expiry_ms);
    PutValue(entry, value);
    entry->ticket_ = 0;
    return entry;
  }
  const size_t before = entry->AllocatedBytes();
  const size_t old_bytes = entry->OwnBytes();
  const size_t new_bytes = entry->ValueOffset() + value.size();
  ReleaseBlock(entry);
  if (expires == entry->Has(kHasExpiry) && FitsInPlace(entry, old_bytes, new_bytes)) {
    if (expires) entry->Store(sizeof(Entry), expiry_ms);
    PutValue(entry, value);
  } else {
    Entry* copy = CopyHead(entry, expiry_ms, value.size());
    PutValue(copy, value);
    Free(entry, old_bytes);
    entry = copy;
  }
  entry->ticket_ = 0;
  allocated += entry->AllocatedBytes() - before;
  return entry;
}

Entry* EntryBuilder::ReplaceExpiry(Entry* entry, UnixMs expiry_ms, size_t& allocated) {
  const bool expires = expiry_ms != kNoExpiry;
  if (expires == entry->Has(kHasExpiry)) {
    if (expires) entry->Store(sizeof(Entry), expiry_ms);
    entry->ticket_ = 0;
    return entry;
  }
  const size_t old_bytes = entry->OwnBytes();
  const size_t value_bytes = old_bytes - entry->ValueOffset();
  const size_t before = UsableSize(entry, old_bytes);
  Entry* copy = CopyHead(entry, expiry_ms, value_bytes);
  std::memcpy(copy->bytes() + copy->ValueOffset(), entry->bytes() + entry->ValueOffset(),
              value_bytes);
  Free(entry, old_bytes);
  copy->ticket_ = 0;
  allocated += UsableSize(copy, copy->OwnBytes()) - before;
  return copy;
}

Entry* EntryBuilder::ResizeInline(Entry* entry, size_t length, size_t& allocated) {
  HF_CHECK(length <= kInlineValueLimit);
  Entry::Scratch scratch;
  const std::string_view old = entry->StringBytes(scratch);
  const size_t kept = std::min(old.size(), length);
  const size_t old_bytes = entry->OwnBytes();
  const size_t before = entry->AllocatedBytes();
  const size_t new_bytes = entry->ValueOffset() + length;
  const bool in_place =
      entry->form() == ValueForm::kInline && FitsInPlace(entry, old_bytes, new_bytes);
  Entry* target = in_place ? entry : CopyHead(entry, entry->expiry_ms(), length);
  char* bytes = target->bytes() + target->ValueOffset();
  if (!in_place && kept > 0) std::memcpy(bytes, old.data(), kept);
  std::memset(bytes + kept, 0, length - kept);
  if (!in_place) {
    ReleaseBlock(entry);
    Free(entry, old_bytes);
  }
  target->type_form_ = static_cast<uint8_t>(static_cast<uint8_t>(ValueForm::kInline) << 4);
  target->value_length_ = static_cast<uint16_t>(length);
  target->Mark(kRawString, true);
  target->ticket_ = 0;
  allocated += target->AllocatedBytes() - before;
  return target;
}

void EntryBuilder::SetBlock(Entry* entry, CountedBlock* block, bool raw, size_t& allocated) {
  CountedBlock* old = entry->block();
  HF_CHECK(old != nullptr && block != nullptr);
  if (old != block) {
    allocated += block->AllocatedBytes() - old->AllocatedBytes();
    BlockRef::Adopt(old).Reset();
    entry->Store(entry->ValueOffset(), block);
  }
  entry->Mark(kRawString, raw);
  entry->ticket_ = 0;
}

char* EntryBuilder::InlineBytes(Entry* entry) {
  HF_CHECK(entry->form() == ValueForm::kInline);
  return entry->bytes() + entry->ValueOffset();
}

void EntryBuilder::Destroy(Entry* entry) {
  const size_t bytes = entry->OwnBytes();
  ReleaseBlock(entry);
  if (entry->key_length_ == kLongKeyLength) {
    BlockRef::Adopt(entry->Load<CountedBlock*>(entry->KeyOffset())).Reset();
  }
  Free(entry, bytes);
}

}  // namespace holdfast::memtable
