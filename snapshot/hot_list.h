// The hot list of a checkpoint: which keys were in memory, by (space, slot, hash) and rank, so that
// a start can bring them back, hottest first. A hint: without it, or with a wrong one, a store is
// as right as with it (docs/formats.md, "Hot list").
//
// The list is a row of runs, each of one space and class, in ascending order: whoever reads takes
// the runs of the hottest class first. About 6 bytes a key. Writer and reader hold one run, and the
// reader some 40 bytes of each, whatever the length of the list.
//
// Owned by one thread. They read and write the disk: never under a shard's lock or on an I/O
// thread. Errors: kCorruption and kUnsupported name the file and the reason, kNotFound, kIoError
// and kNoSpace the call.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "holdfast/clock.h"
#include "holdfast/file_system.h"
#include "holdfast/result.h"
#include "memtable/key.h"
#include "snapshot/cold_key.h"

namespace holdfast::snapshot {

inline constexpr std::string_view kHotListFile = "HOTLIST";  // stored on disk: never change
inline constexpr uint32_t kHotListVersion = 1;               // stored on disk: never renumber
inline constexpr uint32_t kHotClasses = 8;
inline constexpr size_t kMostKeysOfHotRun = size_t{1} << 16;

struct HotKey {
  memtable::KeyOrder order = 0;
  uint8_t rank = 0;  // eviction/access_rank.h

  friend bool operator==(const HotKey&, const HotKey&) = default;
};

// The hottest is the last. Stored on disk: never change.
constexpr uint32_t HotClassOf(uint8_t rank) { return rank / (256 / kHotClasses); }

class HotListWriter {
 public:
  // Begins a file, in the place of one that is there.
  static Result<std::unique_ptr<HotListWriter>> Create(FileSystem& files, const std::string& path,
                                                       UnixMs now_ms);
  ~HotListWriter();
  HotListWriter(const HotListWriter&) = delete;
  HotListWriter& operator=(const HotListWriter&) = delete;

  // Keys of one space, in any order; sorts them. Keys of one order become one.
  Status Add(SpaceId space, std::vector<HotKey>& keys);
  // Not synced: SealCheckpoint does that.
  Status Finish();
  uint64_t keys() const { return keys_; }

 private:
  HotListWriter(std::unique_ptr<File> file, UnixMs now_ms);
  Status AddRun(SpaceId space, uint32_t hot_class, const HotKey* first, size_t count);
  Status Flush();

  std::unique_ptr<File> file_;
  std::string buffer_;
  uint64_t written_ = 0;
  uint64_t keys_ = 0;
  uint64_t runs_ = 0;
  uint32_t crc_ = 0;
};

// Where a run stands.
struct HotRun {
  uint64_t offset = 0;
  SpaceId space = 0;
  uint32_t hot_class = 0;
  uint32_t keys = 0;
  uint32_t bytes = 0;     // of its keys
  uint32_t crc_seed = 0;  // the checksum of all before it
  memtable::KeyOrder first = 0;
};

class HotListReader {
 public:
  // Reads all of it once: whatever is wrong with a byte shows here.
  static Result<std::unique_ptr<HotListReader>> Open(FileSystem& files, const std::string& path);
  ~HotListReader();
  HotListReader(const HotListReader&) = delete;
  HotListReader& operator=(const HotListReader&) = delete;

  UnixMs made_ms() const { return made_ms_; }
  uint64_t keys() const { return keys_; }
  const std::vector<HotRun>& runs() const { return runs_; }  // as they stand in the file
  // Appends the run's keys, ascending.
  Status Read(const HotRun& run, std::vector<HotKey>& keys);

 private:
  HotListReader(std::unique_ptr<File> file, std::string path);
  Status ReadHead(uint64_t size);
  Status ReadRuns(uint64_t size);
  Status Fetch(uint64_t offset, size_t count, std::string& bytes);
  std::unexpected<Error> Wrong(std::string_view reason, uint64_t offset) const;

  std::unique_ptr<File> file_;
  const std::string path_;
  UnixMs made_ms_ = 0;
  uint64_t keys_ = 0;
  uint32_t crc_ = 0;
  std::vector<HotRun> runs_;
};

// Verifies it on the way: a list that is not sound is not copied.
Status CopyHotList(FileSystem& files, const std::string& from, const std::string& to);

}  // namespace holdfast::snapshot
