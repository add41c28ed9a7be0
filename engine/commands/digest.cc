#include "engine/commands/digest.h"

namespace holdfast::commands {
namespace {

constexpr size_t kEntriesPerStep = 64;  // some 100 us under the lock

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

void MixValue(Host& host, Digest& digest, const memtable::Entry& entry) {
  MixNumber(host, digest, static_cast<uint32_t>(entry.type()));
  memtable::Entry::Scratch scratch;
  Mix(host, digest, entry.StringBytes(scratch));
  if (entry.Has(memtable::kHasExpiry)) Combine(host, digest, "!!expire!!");
}

struct Sum {
  Digest digest{};
  uint64_t keys = 0;
};

void AddShard(Host& host, keyspace::LockedShards& locks, keyspace::Shard& shard, int database,
              Sum& sum) {
  memtable::KeyOrder next = 0;
  while (next < memtable::kOrderEnd) {
    locks.With(shard, [&](keyspace::Shard& locked) {
      const memtable::Table* table = locked.table(database);
      if (table == nullptr) {
        next = memtable::kOrderEnd;
        return;
      }
      next = table->Scan(next, kEntriesPerStep, [&](const memtable::Entry& entry) {
        if (entry.Has(memtable::kTombstone)) return;
        Digest digest{};
        Mix(host, digest, entry.key());
        MixValue(host, digest, entry);
        Combine(host, sum.digest, View(digest));
        ++sum.keys;
      });
    });
  }
}

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

Digest DatasetDigest(Host& host, keyspace::Keyspace& keyspace, keyspace::LockedShards& locks) {
  Digest total{};
  for (int database = 0; database < keyspace.databases(); ++database) {
    Sum sum;
    for (keyspace::Shard& shard : keyspace.shards()) AddShard(host, locks, shard, database, sum);
    if (sum.keys == 0) continue;
    MixNumber(host, total, static_cast<uint32_t>(database));
    Xor(total, sum.digest);
  }
  return total;
}

}  // namespace holdfast::commands
