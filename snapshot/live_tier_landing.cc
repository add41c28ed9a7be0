// How writes land in the live tier: sorted into one file per column family, which RocksDB takes in
// together, or not at all.
#include <fmt/core.h>
#include <rocksdb/convenience.h>
#include <rocksdb/snapshot.h>
#include <rocksdb/sst_file_writer.h>

#include <algorithm>

#include "holdfast/check.h"
#include "snapshot/live_tier.h"
#include "snapshot/rocks_database.h"

namespace holdfast::snapshot {

// What is to be in the files, gathered in any order. Files that were not taken in are removed.
class LiveTier::Landing {
 public:
  explicit Landing(Database& database) : database_(database) {}
  ~Landing() {
    for (const Pending& pending : pending_) {
      if (!pending.path.empty()) static_cast<void>(database_.options.env->DeleteFile(pending.path));
    }
  }
  Landing(const Landing&) = delete;
  Landing& operator=(const Landing&) = delete;

  // The bytes that Add is about to copy for this family.
  void Reserve(Family family, size_t bytes, size_t changes) {
    pending_[family].bytes.reserve(bytes);
    pending_[family].changes.reserve(changes);
  }

  // Of several changes of a key the last counts. Keys and rows are copied.
  void Put(Family family, std::string_view key) {
    Add(family, false, [&](std::string& bytes) { bytes += key; }, [](std::string&) {});
  }
  void PutRow(const ColdKey& key, const ColdHeader& header, std::string_view payload) {
    Add(
        kRows, false, [&](std::string& bytes) { AppendColdKey(bytes, key); },
        [&](std::string& bytes) { AppendColdRow(bytes, header, payload); });
  }
  // `value` stays where it is until the landing is over.
  void PutView(Family family, std::string_view key, std::string_view value) {
    Add(family, false, [&](std::string& bytes) { bytes += key; }, [](std::string&) {});
    pending_[family].changes.back().view = value;
  }
  void Erase(Family family, std::string_view key) {
    Add(family, true, [&](std::string& bytes) { bytes += key; }, [](std::string&) {});
  }
  void EraseRow(const ColdKey& key) {
    Add(kRows, true, [&](std::string& bytes) { AppendColdKey(bytes, key); }, [](std::string&) {});
  }
  // Nothing else of this landing may lie in the range.
  void EraseRange(Family family, std::string from, std::string end) {
    HF_CHECK(from < end);
    pending_[family].ranges.emplace_back(std::move(from), std::move(end));
  }

  Status Write() {
    for (size_t family = 0; family < kFamilies; ++family) {
      if (pending_[family].Empty()) continue;
      HF_TRY_STATUS(WriteFile(static_cast<Family>(family)));
    }
    return {};
  }

  std::vector<rocksdb::IngestExternalFileArg> Files() const {
    std::vector<rocksdb::IngestExternalFileArg> files;
    for (size_t family = 0; family < kFamilies; ++family) {
      if (pending_[family].path.empty()) continue;
      rocksdb::IngestExternalFileArg& file = files.emplace_back();
      file.column_family = database_.family(static_cast<Family>(family));
      file.external_files = {pending_[family].path};
      file.options.move_files = true;
      // Or the number would be written into a file that checkpoints share.
      file.options.write_global_seqno = false;
    }
    return files;
  }

 private:
  // Key and row lie in the family's `bytes`, one behind the other.
  struct Change {
    uint64_t prefix = 0;  // the first 8 bytes of the key, as a number that sorts like them
    uint64_t at = 0;      // also the order of time
    uint64_t value_bytes = 0;
    uint32_t key_bytes = 0;
    bool erase = false;
    std::string_view view = {};  // the value, if it does not lie there
  };
  struct Pending {
    std::string bytes;
    std::vector<Change> changes;
    std::vector<std::pair<std::string, std::string>> ranges;
    std::string path;

    bool Empty() const { return changes.empty() && ranges.empty(); }
    std::string_view Key(const Change& change) const {
      return std::string_view(bytes).substr(change.at, change.key_bytes);
    }
    std::string_view Value(const Change& change) const {
      if (!change.view.empty()) return change.view;
      return std::string_view(bytes).substr(change.at + change.key_bytes, change.value_bytes);
    }
    bool Before(const Change& first, const Change& second) const {
      if (first.prefix != second.prefix) return first.prefix < second.prefix;
      const int order = Key(first).compare(Key(second));
      return order != 0 ? order < 0 : first.at < second.at;
    }
    bool SameKey(const Change& first, const Change& second) const {
      return first.prefix == second.prefix && Key(first) == Key(second);
    }
  };

  template <typename AppendKey, typename AppendValue>
  void Add(Family family, bool erase, const AppendKey& append_key, const AppendValue& append) {
    Pending& pending = pending_[family];
    Change change{.at = pending.bytes.size(), .erase = erase};
    append_key(pending.bytes);
    const std::string_view key = std::string_view(pending.bytes).substr(change.at);
    HF_CHECK(!key.empty() && key.size() <= UINT32_MAX);
    change.key_bytes = static_cast<uint32_t>(key.size());
    for (size_t i = 0; i < sizeof(change.prefix); ++i)
      change.prefix = change.prefix << 8 | (i < key.size() ? static_cast<uint8_t>(key[i]) : 0);
    append(pending.bytes);
    change.value_bytes = pending.bytes.size() - change.at - change.key_bytes;
    pending.changes.push_back(change);
  }

  Status WriteFile(Family family) {
    Pending& pending = pending_[family];
    HF_CHECK(pending.path.empty() && !pending.Empty());
    std::ranges::sort(pending.changes, [&pending](const Change& first, const Change& second) {
      return pending.Before(first, second);
    });
    pending.path =
        fmt::format("{}/landing-{}", database_.directory, database_.next_file.fetch_add(1));
    rocksdb::SstFileWriter file(rocksdb::EnvOptions(database_.options), database_.landing,
                                database_.family(family), false);
    rocksdb::Status status = file.Open(pending.path);
    for (size_t i = 0; i < pending.changes.size() && status.ok(); ++i) {
      const Change& change = pending.changes[i];
      if (i + 1 < pending.changes.size() && pending.SameKey(change, pending.changes[i + 1]))
        continue;
      const rocksdb::Slice key = ToSlice(pending.Key(change));
      status = change.erase ? file.Delete(key) : file.Put(key, ToSlice(pending.Value(change)));
    }
    for (const auto& [from, end] : pending.ranges) {
      if (status.ok()) status = file.DeleteRange(ToSlice(from), ToSlice(end));
    }
    if (status.ok()) status = file.Finish();
    return FromRocks(status, fmt::format("writing {}", pending.path));
  }

  Database& database_;
  std::array<Pending, kFamilies> pending_;
};

Status LiveTier::TakeIn(const std::function<void(Landing&)>& fill) {
  Landing landing(*database_);
  Status written;
  database_->writer->Run([&] {
    fill(landing);
    written = landing.Write();
  });
  HF_TRY_STATUS(written);
  const std::lock_guard lock(database_->landing_mutex);
  return TakeInLocked(landing);
}

Status LiveTier::TakeInLocked(Landing& landing) {
  const auto files = landing.Files();
  HF_CHECK(files.size() <= kFamilies);
  if (files.empty()) return {};
  // RocksDB puts a file as far down as nothing lies in its way, and gives it the sequence number of
  // the level where it ends up. That of an upper level may be lower than those of the rows below it
  // that the file replaces (a file that lands beside a compaction into the level below leaves such
  // a level): they would come back. While there is a snapshot every file gets a number above all
  // others, and a place in level 0.
  rocksdb::ManagedSnapshot newest(database_->db.get());
  HF_CHECK(newest.snapshot() != nullptr);
  rocksdb::Status status = database_->db->IngestExternalFiles(files);
  // A full disk stops RocksDB until it is told to go on.
  if (!status.ok() && database_->db->Resume().ok())
    status = database_->db->IngestExternalFiles(files);
  return FromRocks(status, "taking cold rows in");
}

Status LiveTier::Land(std::span<const ColdWrite> writes) {
  return TakeIn([&](Landing& landing) { Fill(landing, writes); });
}

void LiveTier::Fill(Landing& landing, std::span<const ColdWrite> writes) {
  size_t bytes = 0;
  for (const ColdWrite& write : writes) {
    bytes += kColdKeyNameOffset + write.key.name.size();
    if (!write.erase)
      bytes +=
          kMostRowHeaderBytes + (write.payload.size() > kInlineBytes ? 0 : write.payload.size());
  }
  landing.Reserve(kRows, bytes, writes.size());
  for (const ColdWrite& write : writes) {
    if (write.erase) {
      landing.EraseRow(write.key);
      continue;
    }
    ColdHeader header = write.header;
    HF_CHECK(header.value_id == 0 || write.payload.empty());
    if (header.value_id == 0) header.payload_bytes = write.payload.size();
    std::string_view inline_payload = write.payload;
    if (write.payload.size() > kInlineBytes) {
      header.value_id = database_->next_value_id.fetch_add(1);
      HF_CHECK(header.value_id != 0);
      inline_payload = {};
      for (uint64_t at = 0; at < write.payload.size(); at += kChunkBytes) {
        landing.PutView(kChunks, BigEndianKey(header.value_id, BigEndianKey(at / kChunkBytes)),
                        write.payload.substr(at, kChunkBytes));
      }
    }
    landing.PutRow(write.key, header, inline_payload);
    if (header.expiry_ms == memtable::kNoExpiry && header.value_id == 0) continue;
    const std::string key = EncodeColdKey(write.key);
    if (header.expiry_ms != memtable::kNoExpiry)
      landing.Put(kExpiries, BigEndianKey(static_cast<uint64_t>(header.expiry_ms), key));
    if (header.value_id != 0) landing.Put(kReferences, BigEndianKey(header.value_id, key));
  }
}

Status LiveTier::ForgetHints(std::span<const ExpiryHint> hints) {
  return TakeIn([&](Landing& landing) {
    for (const ExpiryHint& hint : hints)
      landing.Erase(kExpiries, BigEndianKey(static_cast<uint64_t>(hint.expiry_ms), hint.cold_key));
  });
}

// Whole files first: afterwards that would take the file of the tombstone along, and what older
// files hold of the space would be back.
Status LiveTier::DropSpace(SpaceId space) {
  const std::string from = ColdKeyBound(space, 0);
  const std::string end = ColdKeyBound(space, memtable::kOrderEnd);
  const rocksdb::Slice first = ToSlice(from);
  const rocksdb::Slice behind = ToSlice(end);
  HF_TRY_STATUS(FromRocks(rocksdb::DeleteFilesInRange(database_->db.get(), database_->family(kRows),
                                                      &first, &behind, false),
                          "removing the files of a space"));
  // RocksDB 7.8 gives a file that overlaps nothing the sequence number 0, and an assertion of its
  // compaction fails at a range tombstone with that number: no tombstone where there is no row.
  const auto row = database_->Iterate(kRows, &behind);
  row->Seek(first);
  HF_TRY_STATUS(FromRocks(row->status(), "looking for rows of a space"));
  if (!row->Valid()) return {};
  return TakeIn([&](Landing& landing) { landing.EraseRange(kRows, from, end); });
}

Result<uint64_t> LiveTier::SweepValues(uint64_t from, size_t at_most,
                                       const std::function<bool(uint64_t)>& is_held) {
  Landing landing(*database_);
  // Or the chunks of a value might be there, and its row and references not yet.
  const std::lock_guard lock(database_->landing_mutex);
  const auto chunk = database_->Iterate(kChunks, nullptr);
  uint64_t next = from;
  for (size_t looked = 0; looked < at_most; ++looked) {
    chunk->Seek(ToSlice(BigEndianKey(next)));
    HF_TRY_STATUS(FromRocks(chunk->status(), "looking for long values without a name"));
    if (!chunk->Valid()) {
      next = 0;
      break;
    }
    const uint64_t value_id = FromBigEndian(ToView(chunk->key()));
    HF_CHECK(value_id >= next && value_id < database_->next_value_id.load());
    next = value_id + 1;
    std::vector<std::string> references;
    // Asked first: who is about to name it may have read its row just now.
    if (is_held(value_id)) continue;
    if (HF_TRY(Named(value_id, references))) {
      references.pop_back();  // the one that is right; the others are of former names
    } else {
      landing.EraseRange(kChunks, BigEndianKey(value_id), BigEndianKey(value_id + 1));
    }
    for (const std::string& reference : references) landing.Erase(kReferences, reference);
  }
  HF_TRY_STATUS(landing.Write());
  HF_TRY_STATUS(TakeInLocked(landing));
  return next;
}

}  // namespace holdfast::snapshot
