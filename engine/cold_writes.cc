#include "engine/cold_writes.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "engine/keyspace/breather.h"
#include "engine/value_references.h"
#include "holdfast/check.h"
#include "holdfast/thread_name.h"

namespace holdfast {
namespace {

using keyspace::kMostReported;
using std::chrono::milliseconds;

// Under a memory limit the queue may hold so large a part of it; each of them is 1 to 2 MB at 256
// MB, which is a batch of thousands of items.
constexpr uint64_t kBytesPart = 128;
constexpr uint64_t kBlockPart = 32;
constexpr uint64_t kLeastBytes = uint64_t{128} << 10;
constexpr uint64_t kMostBytes = uint64_t{16} << 20;
constexpr uint64_t kLeastBlockBytes = uint64_t{1} << 20;
constexpr uint64_t kMostBlockBytes = uint64_t{32} << 20;
// Each landing is a file that will be compacted: even in a hurry they are not made of a few items.
constexpr milliseconds kHurriedGather{4};
constexpr milliseconds kCongestedPause{5};
constexpr int kMostCongestedPauses = 400;  // two seconds
constexpr milliseconds kLongestRetry{5000};
constexpr size_t kKeysPerProbe = 256;  // their rows are in memory meanwhile

// Of a value that the tier has, where that is.
snapshot::ColdHeader RowHeaderOf(const ColdBatch::Record& record) {
  snapshot::ColdHeader header = HeaderOf(record.facts);
  if (!record.by_reference) return header;
  const snapshot::ColdHeader named = HeaderOfReference(*record.block.get());
  HF_CHECK(named.size == header.size);
  header.value_id = named.value_id;
  header.payload_bytes = named.payload_bytes;
  return header;
}

// Calls `report` for all of them, in their order within each shard.
template <typename Item>
void ReportByShard(std::vector<Item>& items,
                   const std::function<void(std::span<const Item>)>& report) {
  std::ranges::stable_sort(items, {}, &Item::shard);
  keyspace::Breather breather;
  for (auto first = items.begin(); first != items.end();) {
    const auto most = first + std::min<ptrdiff_t>(items.end() - first, kMostReported);
    const auto end =
        std::find_if(first, most, [&](const Item& item) { return item.shard != first->shard; });
    report({first, end});
    first = end;
    breather.Breathe();
  }
}

}  // namespace

ColdWrites::ColdWrites(ColdWritesParts parts) : parts_(std::move(parts)) {
  HF_CHECK(parts_.rows != nullptr && parts_.budget != nullptr && parts_.landed && parts_.probed);
}

void ColdWrites::Start() {
  HF_CHECK(!thread_.joinable() && !stop_);
  closed_.store(false, std::memory_order_release);
  thread_ = std::thread([this] { Loop(); });
}

void ColdWrites::Stop() {
  closed_.store(true, std::memory_order_release);
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  landed_.notify_all();
  if (!thread_.joinable()) return;
  thread_.join();
  for (ColdBatch& batch : taken_) Release(batch);
  for (ShardsQueue& queue : queues_) {
    const std::lock_guard lock(queue.mutex);
    Release(queue.batch);
  }
}

void ColdWrites::Release(ColdBatch& batch) {
  items_.fetch_sub(batch.items(), std::memory_order_relaxed);
  block_bytes_.fetch_sub(batch.block_bytes(), std::memory_order_relaxed);
  Count(-static_cast<int64_t>(batch.allocated_bytes()));
  batch.Clear();
}

// Twice: once where it is, once as what will not be there long.
void ColdWrites::Count(int64_t bytes) {
  if (bytes == 0) return;
  bytes_.fetch_add(static_cast<uint64_t>(bytes), std::memory_order_relaxed);
  parts_.budget->Add(bytes);
  parts_.budget->AddLeaving(bytes);
}

uint64_t ColdWrites::ByteBound() const {
  if (!parts_.budget->limited()) return kMostBytes;
  return std::clamp(parts_.budget->limit() / kBytesPart, kLeastBytes, kMostBytes);
}

uint64_t ColdWrites::BlockBound() const {
  if (!parts_.budget->limited()) return kMostBlockBytes;
  return std::clamp(parts_.budget->limit() / kBlockPart, kLeastBlockBytes, kMostBlockBytes);
}

bool ColdWrites::HasRoom(const keyspace::ColdItem& item) const {
  if (closed_.load(std::memory_order_acquire) || failing_.load(std::memory_order_relaxed))
    return false;
  const uint64_t bytes = bytes_.load(std::memory_order_relaxed);
  // What is longer than the bound goes alone.
  if (bytes != 0 && bytes + ColdBatch::MostBytes(item) > ByteBound()) return false;
  if (!item.block) return true;
  const uint64_t blocks = block_bytes_.load(std::memory_order_relaxed);
  return blocks == 0 || blocks + item.block->AllocatedBytes() <= BlockBound();
}

void ColdWrites::Queue(keyspace::ColdItem item) {
  ShardsQueue& queue = queues_[item.shard % kQueues];
  size_t grown = 0;
  uint64_t blocks = 0;
  {
    const std::lock_guard lock(queue.mutex);
    const size_t before = queue.batch.allocated_bytes();
    const uint64_t blocks_before = queue.batch.block_bytes();
    // Before the landing thread can have reported it.
    items_.fetch_add(1, std::memory_order_relaxed);
    queue.batch.Append(std::move(item));
    grown = queue.batch.allocated_bytes() - before;
    blocks = queue.batch.block_bytes() - blocks_before;
    Count(static_cast<int64_t>(grown));
    block_bytes_.fetch_add(blocks, std::memory_order_relaxed);
  }
  if (!armed_.load(std::memory_order_relaxed)) Wake(armed_);
  if (grown == 0 && blocks == 0) return;
  if (PlentyQueued() && !plenty_.load(std::memory_order_relaxed)) Wake(plenty_);
}

bool ColdWrites::PlentyQueued() const {
  return bytes_.load(std::memory_order_relaxed) >= ByteBound() / 2 ||
         block_bytes_.load(std::memory_order_relaxed) >= BlockBound() / 2;
}

bool ColdWrites::Congested() const {
  return failing_.load(std::memory_order_relaxed) || PlentyQueued();
}

void ColdWrites::Hurry() {
  if (!hurried_.load(std::memory_order_relaxed)) Wake(hurried_);
}

void ColdWrites::Wake(std::atomic<bool>& why) {
  {
    const std::lock_guard lock(mutex_);
    why.store(true, std::memory_order_relaxed);
  }
  wake_.notify_one();
}

Status ColdWrites::WaitUntilLanded() {
  std::unique_lock lock(mutex_);
  const uint64_t wait = ++waits_wanted_;
  const uint64_t failures = failures_;
  wake_.notify_one();
  landed_.wait(lock, [&] { return stop_ || waits_done_ >= wait || failures_ != failures; });
  if (waits_done_ >= wait) return {};
  if (failures_ != failures) return MakeError(ErrorCode::kIoError, last_error_);
  return MakeError(ErrorCode::kUnavailable, "the store is closing");
}

void ColdWrites::ForgetSpace(keyspace::SpaceId space) {
  {
    const std::lock_guard lock(mutex_);
    (holds_ > 0 ? held_ : forgotten_).push_back(space);
  }
  wake_.notify_one();
}

void ColdWrites::KeepSpaces() {
  const std::lock_guard lock(mutex_);
  ++holds_;
}

void ColdWrites::LetSpacesGo() {
  {
    const std::lock_guard lock(mutex_);
    HF_CHECK(holds_ > 0);
    if (--holds_ > 0) return;
    forgotten_.insert(forgotten_.end(), held_.begin(), held_.end());
    held_.clear();
  }
  wake_.notify_one();
}

ColdWritesFigures ColdWrites::Figures() const {
  const std::lock_guard lock(mutex_);
  return {.queued_items = items_.load(std::memory_order_relaxed),
          .queued_bytes = bytes_.load(std::memory_order_relaxed),
          .probed_items = probed_items_,
          .landed_items = landed_items_,
          .landed_bytes = landed_bytes_,
          .landings = landings_,
          .failed_landings = failures_,
          .waits_for_compaction = congestions_,
          .forgotten_spaces = forgotten_.size() + held_.size(),
          .failing = failing_.load(std::memory_order_relaxed),
          .last_error = last_error_};
}

// ---- the landing thread

void ColdWrites::Loop() {
  NameThisThread("cold-write");
  std::unique_lock lock(mutex_);
  while (true) {
    Gather(lock);
    if (stop_) return;
    const uint64_t waits = waits_wanted_;
    // Those of whom nothing can be queued any more: all of it is taken now, at the latest.
    std::vector<keyspace::SpaceId> spaces = std::exchange(forgotten_, {});
    // Before the queues are emptied: what comes behind sets them again.
    for (std::atomic<bool>* why : {&armed_, &plenty_, &hurried_})
      why->store(false, std::memory_order_relaxed);
    lock.unlock();
    TakeQueued();
    const bool landed = LandTaken();
    if (landed) {
      ReportTaken();
      DropSpaces(std::move(spaces));
    }
    lock.lock();
    if (!landed) return;
    waits_done_ = waits;
    landed_.notify_all();
  }
}

// Until there is something to do, and then a moment longer unless that cannot wait.
void ColdWrites::Gather(std::unique_lock<std::mutex>& lock) {
  const auto asked = [this] { return stop_ || waits_done_ != waits_wanted_; };
  wake_.wait(lock, [&] { return asked() || armed_ || !forgotten_.empty(); });
  const auto short_of_memory = [&] { return asked() || plenty_; };
  if (wake_.wait_for(lock, kHurriedGather, short_of_memory)) return;
  if (parts_.gather <= kHurriedGather) return;
  wake_.wait_for(lock, parts_.gather - kHurriedGather,
                 [&] { return short_of_memory() || hurried_; });
}

void ColdWrites::TakeQueued() {
  for (size_t i = 0; i < kQueues; ++i) {
    HF_CHECK(taken_[i].items() == 0);
    const std::lock_guard lock(queues_[i].mutex);
    taken_[i] = std::exchange(queues_[i].batch, {});
  }
}

// Until it succeeds. False: Stop came first.
bool ColdWrites::Retry(const std::function<Status()>& step) {
  milliseconds retry = parts_.first_retry;
  for (Status done = step(); !done; done = step()) {
    if (closed_.load(std::memory_order_acquire)) return false;
    NoteFailure(done.error());
    if (!Pause(retry)) return false;
    retry = std::min(2 * retry, kLongestRetry);
  }
  NoteSuccess();
  return true;
}

// False: Stop came first.
bool ColdWrites::LandTaken() {
  if (!Probe()) return false;
  std::vector<snapshot::ColdWrite> writes;
  size_t items = 0;
  for (const ColdBatch& batch : taken_) items += batch.items();
  writes.reserve(items);
  uint64_t bytes = 0;
  for (const ColdBatch& batch : taken_) {
    batch.ForEach([&](const ColdBatch::Record& record) {
      if (!record.write) return;
      writes.push_back({.key = RowKeyOf(record.address()),
                        .erase = record.erase,
                        .header = RowHeaderOf(record),
                        .payload = record.value()});
      bytes += record.name_bytes + record.value().size();
    });
  }
  HF_CHECK(writes.size() <= items);
  if (writes.empty()) return true;
  if (!Retry([&] { return LandOnce(writes); })) return false;
  const std::lock_guard lock(mutex_);
  landed_items_ += writes.size();
  landed_bytes_ += bytes;
  ++landings_;
  return true;
}

// Nothing of these keys is on its way but what was taken, so what the tier has now is what it had
// when they were written. False: Stop came first.
bool ColdWrites::Probe() {
  std::vector<const ColdBatch::Record*> records;
  for (const ColdBatch& batch : taken_) {
    batch.ForEach([&](const ColdBatch::Record& record) {
      if (record.probe) records.push_back(&record);
    });
  }
  std::vector<keyspace::ColdProbed> found;
  for (std::span<const ColdBatch::Record* const> left = records; !left.empty();) {
    const auto some = left.first(std::min(left.size(), kKeysPerProbe));
    left = left.subspan(some.size());
    const bool asked = Retry([&] {
      found.clear();
      return ProbeOnce(some, found);
    });
    if (!asked) return false;
    ReportByShard(found, parts_.probed);
  }
  if (records.empty()) return true;
  const std::lock_guard lock(mutex_);
  probed_items_ += records.size();
  return true;
}

// A row that is damaged is taken for none: a key that is counted twice harms nothing, one that is
// counted too seldom would be taken for absent.
Status ColdWrites::ProbeOnce(std::span<const ColdBatch::Record* const> records,
                             std::vector<keyspace::ColdProbed>& found) {
  std::vector<snapshot::ColdKey> keys;
  keys.reserve(records.size());
  for (const ColdBatch::Record* record : records) keys.push_back(RowKeyOf(record->address()));
  const auto rows = parts_.rows->Read(keys, snapshot::ReadDepth::kHeader);
  if (!rows && rows.error().code == ErrorCode::kCorruption && records.size() > 1) {
    for (size_t i = 0; i < records.size(); ++i)
      HF_TRY_STATUS(ProbeOnce(records.subspan(i, 1), found));
    return {};
  }
  if (!rows && rows.error().code != ErrorCode::kCorruption) return std::unexpected(rows.error());
  if (!rows) parts_.damaged(rows.error());
  for (size_t i = 0; i < records.size(); ++i) {
    const ColdBatch::Record& record = *records[i];
    const bool existed = rows && (*rows)[i].has_value();
    found.push_back({.shard = record.shard,
                     .space = record.space,
                     .cut = record.cut,
                     .existed = existed,
                     .expires = existed && (*rows)[i]->header.expiry_ms != memtable::kNoExpiry});
  }
  return {};
}

Status ColdWrites::LandOnce(const std::vector<snapshot::ColdWrite>& writes) {
  bool waited = false;
  // A disk that is nearly full has no room to compact, but perhaps for what lands.
  for (int left = kMostCongestedPauses; left > 0 && parts_.rows->Congested(); --left) {
    waited = true;
    if (!Pause(kCongestedPause)) return MakeError(ErrorCode::kUnavailable, "the store is closing");
  }
  if (waited) {
    const std::lock_guard lock(mutex_);
    ++congestions_;
  }
  return parts_.rows->Land(writes);
}

void ColdWrites::ReportTaken() {
  std::vector<keyspace::ColdLanded> landed;
  for (ColdBatch& batch : taken_) {
    landed.clear();
    batch.ForEach([&](const ColdBatch::Record& record) {
      if (!record.write) return;
      landed.push_back({.shard = record.shard,
                        .key = record.address(),
                        .ticket = record.ticket,
                        .evict = record.evict,
                        .leaving_bytes = record.leaving_bytes});
    });
    ReportByShard(landed, parts_.landed);
    Release(batch);
  }
}

// False: Stop came first.
bool ColdWrites::Pause(milliseconds time) {
  std::unique_lock lock(mutex_);
  return !wake_.wait_for(lock, time, [this] { return stop_; });
}

void ColdWrites::NoteFailure(const Error& error) {
  // Whoever is told of the failure finds that there is no room.
  const bool known = failing_.exchange(true, std::memory_order_relaxed);
  {
    const std::lock_guard lock(mutex_);
    ++failures_;
    last_error_ = error.message;
  }
  landed_.notify_all();
  if (known || parts_.logger == nullptr) return;
  parts_.logger->Write(
      LogLevel::kWarning,
      fmt::format("Writing to the cold tier failed, nothing is evicted until it works again: {}",
                  error.message));
}

void ColdWrites::NoteSuccess() {
  if (!failing_.exchange(false, std::memory_order_relaxed) || parts_.logger == nullptr) return;
  parts_.logger->Write(LogLevel::kNotice, "Writing to the cold tier works again");
}

void ColdWrites::DropSpaces(std::vector<keyspace::SpaceId> spaces) {
  while (!spaces.empty()) {
    const Status dropped = parts_.rows->DropSpace(spaces.back());
    if (!dropped) {
      NoteFailure(dropped.error());
      if (!Pause(parts_.first_retry)) return;
      const std::lock_guard lock(mutex_);
      forgotten_.insert(forgotten_.end(), spaces.begin(), spaces.end());
      return;
    }
    NoteSuccess();
    spaces.pop_back();
  }
}

}  // namespace holdfast
