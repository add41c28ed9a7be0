#include "snapshot/rdb_preamble.h"

#include <fmt/core.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "holdfast/check.h"
#include "holdfast/number.h"
#include "snapshot/rdb_reader.h"

namespace holdfast::snapshot {
namespace {

constexpr size_t kBatchBytes = size_t{1} << 20;
constexpr size_t kBatchKeys = 16'384;
// Longer strings are handed over, not copied.
constexpr size_t kCopiedBytes = size_t{4} << 10;

class RdbPreamble final : public aof::Preamble {
 public:
  RdbPreamble(std::unique_ptr<RdbReader> reader, const RdbReadOptions& options)
      : reader_(std::move(reader)), options_(options) {}

  Result<bool> Next(aof::LogBatch& batch) override {
    HF_CHECK(batch.groups.empty());
    batch.Reserve(kBatchBytes);
    batch.frames.push_back({0, 0, reader_->written_ms(), reader_->offset()});
    size_t kept_bytes = 0;
    while (!ended_ && batch.groups.size() < kBatchKeys && kept_bytes < kBatchBytes &&
           batch.Room().size() >= kRoomForOne) {
      ended_ = !HF_TRY(reader_->Next(entry_));
      if (ended_ || Dropped()) continue;
      kept_bytes += LongBytes(entry_.key) + LongBytes(entry_.value);
      AddEntry(batch);
      if (options_.counts != nullptr)
        options_.counts->loaded.fetch_add(1, std::memory_order_relaxed);
    }
    return !batch.groups.empty();
  }
  uint64_t offset() const override { return reader_->offset(); }
  std::string Describe() const override {
    const std::string_view checksum = !ended_                   ? ""
                                      : reader_->has_checksum() ? ", checksum right"
                                                                : ", without checksum";
    return fmt::format("{}RDB version {}{}", reader_->of_valkey() ? "Valkey's " : "",
                       reader_->version(), checksum);
  }

 private:
  static constexpr size_t kRoomForOne = 2 * kCopiedBytes + sizeof(IntegerText);

  static size_t LongBytes(const std::string& text) {
    return text.size() > kCopiedBytes ? text.size() : 0;
  }

  bool Dropped() {
    const bool dropped = options_.drop_expired_at_ms && !reader_->log_base() &&
                         entry_.expiry_ms != memtable::kNoExpiry &&
                         entry_.expiry_ms <= *options_.drop_expired_at_ms;
    if (dropped && options_.counts != nullptr)
      options_.counts->expired.fetch_add(1, std::memory_order_relaxed);
    return dropped;
  }

  static std::string_view Copy(aof::LogBatch& batch, std::string_view bytes) {
    HF_CHECK(bytes.size() <= batch.Room().size());
    char* room = batch.Room().data();
    bytes.copy(room, bytes.size());
    batch.Added(bytes.size());
    return {room, bytes.size()};
  }

  static std::string_view Put(aof::LogBatch& batch, std::string& bytes) {
    if (bytes.size() <= kCopiedBytes) return Copy(batch, bytes);
    return batch.Keep(std::exchange(bytes, {}));
  }

  void AddEntry(aof::LogBatch& batch) {
    const auto first_arg = static_cast<uint32_t>(batch.args.size());
    const auto command = static_cast<uint32_t>(batch.commands.size());
    batch.args.push_back("SET");
    batch.args.push_back(Put(batch, entry_.key));
    batch.args.push_back(Put(batch, entry_.value));
    if (entry_.expiry_ms != memtable::kNoExpiry) {
      // Redis's clock may have stood before 1970; a command's may not.
      const UnixMs expiry_ms = std::max<UnixMs>(entry_.expiry_ms, 1);
      batch.args.push_back("PXAT");
      batch.args.push_back(Copy(batch, IntegerText(expiry_ms).view()));
    }
    const auto arg_count = static_cast<uint32_t>(batch.args.size()) - first_arg;
    HF_CHECK(arg_count == 3 || arg_count == 5);
    batch.commands.push_back({first_arg, arg_count, entry_.database});
    batch.groups.push_back({reader_->offset(), command, 1, 0});
  }

  const std::unique_ptr<RdbReader> reader_;
  const RdbReadOptions options_;
  RdbEntry entry_;
  bool ended_ = false;
};

}  // namespace

aof::PreambleOpener RdbPreambles(const RdbReadOptions& options) {
  return [options](File& file, uint64_t size) -> Result<std::unique_ptr<aof::Preamble>> {
    return std::make_unique<RdbPreamble>(HF_TRY(RdbReader::Open(file, size)), options);
  };
}

}  // namespace holdfast::snapshot
