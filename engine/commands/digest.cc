#include "engine/commands/digest.h"

#include <span>
#include <vector>

#include "engine/keyspace/names_walk.h"

namespace holdfast::commands {
namespace {

constexpr size_t kEntriesPerStep = 64;  // some 100 us under the lock
constexpr size_t kNamesPerStep = 256;   // of the tier
constexpr uint64_t kBytesPerStep = uint64_t{1} << 20;

void Xor(Digest& digest, const Digest& other) {
  for (size_t i = 0; i < digest.size(); ++i) digest[i] ^= other[i];
}

std::string_view View(const Digest& digest) {
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

// Adds something whose order does not matter.
void Combine(Host& host, Digest& digest, std::string_view bytes) { Xor(digest, host.Sha1(bytes)); }

// Adds something whose order does matter.
void Mix(Host& host, Digest& digest, std::string_view bytes) {
  Combine(host, digest, bytes);
  digest = host.Sha1(View(digest));
}

void MixNumber(Host& host, Digest& digest, uint32_t number) {
  const char bytes[] = {static_cast<char>(number >> 24), static_cast<char>(number >> 16),
                        static_cast<char>(number >> 8), static_cast<char>(number)};
  Mix(host, digest, {bytes, sizeof(bytes)});
}

void MixValue(Host& host, Digest& digest, memtable::ValueType type, std::string_view bytes,
              bool expires) {
  MixNumber(host, digest, static_cast<uint32_t>(type));
  Mix(host, digest, bytes);
  if (expires) Combine(host, digest, "!!expire!!");
}

void MixValue(Host& host, Digest& digest, const memtable::Entry& entry) {
  memtable::Entry::Scratch scratch;
  MixValue(host, digest, entry.type(), entry.StringBytes(scratch), entry.Has(memtable::kHasExpiry));
}

// The sum over one database, as it grows.
class Sum {
 public:
  Sum(Host& host, keyspace::Keyspace& keyspace, keyspace::LockedShards& locks, int database)
      : host_(host), keyspace_(keyspace), locks_(locks), database_(database) {}

  Status Add() {
    memtable::KeyOrder next = 0;
    keyspace::MemoryStretch stretch;
    std::vector<Referenced> referenced;
    while (next < memtable::kOrderEnd) {
      stretch.Take(
          keyspace_, locks_, database_, next, kEntriesPerStep, [&](const memtable::Entry& entry) {
            if (CountedBlock* reference = entry.reference()) {
              referenced.push_back({std::string(entry.key()), entry.type(),
                                    entry.Has(memtable::kHasExpiry), BlockRef::Share(reference)});
              return;
            }
            Digest digest{};
            Mix(host_, digest, entry.key());
            MixValue(host_, digest, entry);
            Count(digest);
          });
      HF_TRY_STATUS(AddReferenced(referenced));
      if (stretch.cold()) HF_TRY_STATUS(AddCold(stretch, next));
      next = stretch.end();
    }
    return {};
  }
  const Digest& digest() const { return digest_; }
  uint64_t keys() const { return keys_; }

 private:
  struct ColdName {
    keyspace::SpaceId space;
    memtable::KeyOrder order;
    std::string name;
    uint64_t size;
  };

  // In memory, but for its value.
  struct Referenced {
    std::string name;
    memtable::ValueType type;
    bool expires;
    BlockRef reference;
  };

  Status AddReferenced(std::vector<Referenced>& keys) {
    for (const Referenced& key : keys) {
      const BlockRef value = HF_TRY(keyspace_.cold_store()->ReadReferenced(*key.reference.get()));
      Digest digest{};
      Mix(host_, digest, key.name);
      MixValue(host_, digest, key.type, value->view(), key.expires);
      Count(digest);
    }
    keys.clear();
    return {};
  }

  void Count(const Digest& of_key) {
    Combine(host_, digest_, View(of_key));
    ++keys_;
  }

  Status AddCold(const keyspace::MemoryStretch& stretch, memtable::KeyOrder from) {
    while (from < stretch.end()) {
      std::vector<ColdName> names;
      from = HF_TRY(keyspace_.cold_store()->List(
          stretch.space(), from, stretch.end(), kNamesPerStep,
          [&](const keyspace::ColdAddress& key, const keyspace::ColdFacts& facts) {
            if (stretch.Masks(key)) return;
            names.push_back({key.space, key.order, std::string(key.name), facts.size});
          }));
      HF_TRY_STATUS(AddValues(names));
    }
    return {};
  }

  // In pieces that memory can hold.
  Status AddValues(std::span<const ColdName> names) {
    for (size_t i = 0; i < names.size();) {
      std::vector<keyspace::ColdAddress> piece;
      for (uint64_t bytes = 0; i < names.size() && bytes < kBytesPerStep; ++i) {
        piece.push_back({names[i].space, names[i].order, names[i].name});
        bytes += names[i].size;
      }
      HF_TRY_STATUS(keyspace_.cold_store()->ReadEach(piece, [&](const keyspace::ColdAddress& key,
                                                                const keyspace::ColdValue& value) {
        Digest digest{};
        Mix(host_, digest, key.name);
        MixValue(host_, digest, value.facts.type, value.block ? value.block->view() : value.bytes,
                 value.facts.expiry_ms != memtable::kNoExpiry);
        Count(digest);
      }));
    }
    return {};
  }

  Host& host_;
  keyspace::Keyspace& keyspace_;
  keyspace::LockedShards& locks_;
  const int database_;
  Digest digest_{};
  uint64_t keys_ = 0;
};

}  // namespace

std::string HexDigest(const Digest& digest) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (const uint8_t byte : digest) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

Digest ValueDigest(Host& host, const memtable::Entry& entry) {
  Digest digest{};
  MixValue(host, digest, entry);
  return digest;
}

Result<Digest> DatasetDigest(Host& host, keyspace::Keyspace& keyspace,
                             keyspace::LockedShards& locks) {
  Digest total{};
  for (int database = 0; database < keyspace.databases(); ++database) {
    Sum sum(host, keyspace, locks, database);
    HF_TRY_STATUS(sum.Add());
    if (sum.keys() == 0) continue;
    MixNumber(host, total, static_cast<uint32_t>(database));
    Xor(total, sum.digest());
  }
  return total;
}

}  // namespace holdfast::commands
