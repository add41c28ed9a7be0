// How writes land in the live tier: sorted into one file per column family, which RocksDB takes in
// together, or not at all.
#include <fmt/core.h>
#include <rocksdb/convenience.h>
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

  // Of several changes of a key the last counts.
  void Put(Family family, std::string key, std::string value) {
    Add(family, {.key = std::move(key), .value = std::move(value)});
  }
  // `value` stays where it is until the landing is over.
  void PutView(Family family, std::string key, std::string_view value) {
    Add(family, {.key = std::move(key), .view = value});
  }
  void Erase(Family family, std::string key) {
    Add(family, {.key = std::move(key), .erase = true});
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
  struct Change {
    std::string key;
    std::string value = {};
    std::string_view view = {};
    bool erase = false;
    size_t number = 0;  // in the order of time
  };
  struct Pending {
    std::vector<Change> changes;
    std::vector<std::pair<std::string, std::string>> ranges;
    std::string path;
    bool Empty() const { return changes.empty() && ranges.empty(); }
  };

  void Add(Family family, Change change) {
    std::vector<Change>& changes = pending_[family].changes;
    change.number = changes.size();
    changes.push_back(std::move(change));
  }

  Status WriteFile(Family family) {
    Pending& pending = pending_[family];
    HF_CHECK(pending.path.empty() && !pending.Empty());
    std::ranges::sort(pending.changes, {}, [](const Change& change) {
      return std::pair<std::string_view, size_t>(change.key, change.number);
    });
    pending.path =
        fmt::format("{}/landing-{}", database_.directory, database_.next_file.fetch_add(1));
    rocksdb::SstFileWriter file(rocksdb::EnvOptions(), database_.options, database_.family(family),
                                false);
    rocksdb::Status status = file.Open(pending.path);
    for (size_t i = 0; i < pending.changes.size() && status.ok(); ++i) {
      const Change& change = pending.changes[i];
      if (i + 1 < pending.changes.size() && pending.changes[i + 1].key == change.key) continue;
      const std::string_view value =
          change.view.empty() ? std::string_view(change.value) : change.view;
      status = change.erase ? file.Delete(ToSlice(change.key))
                            : file.Put(ToSlice(change.key), ToSlice(value));
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

Status LiveTier::TakeIn(Landing& landing) {
  HF_TRY_STATUS(landing.Write());
  const auto files = landing.Files();
  HF_CHECK(files.size() <= kFamilies);
  if (files.empty()) return {};
  rocksdb::Status status = database_->db->IngestExternalFiles(files);
  // A full disk stops RocksDB until it is told to go on.
  if (!status.ok() && database_->db->Resume().ok())
    status = database_->db->IngestExternalFiles(files);
  return FromRocks(status, "taking cold rows in");
}

Status LiveTier::Land(std::span<const ColdWrite> writes) {
  Landing landing(*database_);
  for (const ColdWrite& write : writes) {
    std::string key = EncodeColdKey(write.key);
    if (write.erase) {
      landing.Erase(kRows, std::move(key));
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
    std::string row;
    AppendColdRow(row, header, inline_payload);
    if (header.expiry_ms != memtable::kNoExpiry)
      landing.Put(kExpiries, BigEndianKey(static_cast<uint64_t>(header.expiry_ms), key), {});
    if (header.value_id != 0) landing.Put(kReferences, BigEndianKey(header.value_id, key), {});
    landing.Put(kRows, std::move(key), std::move(row));
  }
  return TakeIn(landing);
}

Status LiveTier::ForgetHints(std::span<const ExpiryHint> hints) {
  Landing landing(*database_);
  for (const ExpiryHint& hint : hints) {
    landing.Erase(kExpiries, BigEndianKey(static_cast<uint64_t>(hint.expiry_ms), hint.cold_key));
  }
  return TakeIn(landing);
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
  Landing landing(*database_);
  landing.EraseRange(kRows, from, end);
  return TakeIn(landing);
}

Result<uint64_t> LiveTier::SweepValues(uint64_t from, size_t at_most,
                                       const std::function<bool(uint64_t)>& is_queued) {
  Landing landing(*database_);
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
    // Asked first: what is queued may land in between.
    if (is_queued(value_id) || HF_TRY(Named(value_id, references))) continue;
    landing.EraseRange(kChunks, BigEndianKey(value_id), BigEndianKey(value_id + 1));
    for (std::string& reference : references) landing.Erase(kReferences, std::move(reference));
  }
  HF_TRY_STATUS(TakeIn(landing));
  return next;
}

}  // namespace holdfast::snapshot
