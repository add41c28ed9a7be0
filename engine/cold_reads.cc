#include "engine/cold_reads.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <utility>

#include "engine/keyspace/load.h"
#include "holdfast/check.h"
#include "holdfast/thread_name.h"

namespace holdfast {
namespace {

using keyspace::Load;
using keyspace::Need;

constexpr size_t kMostKeysABatch = 128;

Error Closing() { return {ErrorCode::kUnavailable, "the store is closing"}; }

keyspace::ColdValue ValueOfRow(snapshot::ColdValue& row) {
  return ValueOf(FactsOf(row.header), row.payload, std::move(row.block));
}

}  // namespace

// Here, and not under the shard's lock.
keyspace::ColdValue ValueOf(const keyspace::ColdFacts& facts, std::string_view bytes,
                            BlockRef block) {
  keyspace::ColdValue value{.facts = facts, .bytes = {}, .block = std::move(block)};
  if (value.block) return value;
  if (bytes.size() > memtable::kInlineValueLimit) {
    value.block = BlockRef::Adopt(CountedBlock::Create(bytes.size()));
    bytes.copy(value.block->data(), bytes.size());
    value.block->size = bytes.size();
  } else {
    value.bytes = bytes;
  }
  return value;
}

// ---- the figures

// 0, 1, 2, 3, then four to each power of two.
size_t LatencyBuckets::BucketOf(uint64_t us) {
  if (us < 4) return us;
  const auto power = static_cast<size_t>(std::bit_width(us)) - 1;
  const size_t quarter = (us >> (power - 2)) & 3;
  return std::min(4 * (power - 1) + quarter, kBuckets - 1);
}

uint64_t LatencyBuckets::LongestUs(size_t bucket) {
  if (bucket < 4) return bucket;
  const size_t power = bucket / 4 + 1;
  return ((uint64_t{4} + bucket % 4 + 1) << (power - 2)) - 1;
}

void LatencyBuckets::Add(std::chrono::nanoseconds time) {
  const auto us = static_cast<uint64_t>(std::max<int64_t>(time.count() / 1000, 0));
  counts_[BucketOf(us)].fetch_add(1, std::memory_order_relaxed);
}

uint64_t LatencyBuckets::PercentileUs(double percent) const {
  HF_CHECK(percent >= 0 && percent <= 100);
  std::array<uint64_t, kBuckets> counts;
  uint64_t all = 0;
  for (size_t i = 0; i < kBuckets; ++i)
    all += counts[i] = counts_[i].load(std::memory_order_relaxed);
  if (all == 0) return 0;
  const auto wanted = static_cast<uint64_t>(std::ceil(static_cast<double>(all) * percent / 100));
  uint64_t seen = 0;
  for (size_t i = 0; i < kBuckets; ++i) {
    seen += counts[i];
    if (seen >= wanted && seen > 0) return LongestUs(i);
  }
  return LongestUs(kBuckets - 1);
}

ColdReadsFigures ColdReads::Figures() const {
  const auto read = [](const std::atomic<uint64_t>& figure) {
    return figure.load(std::memory_order_relaxed);
  };
  return {.reads = read(reads_),
          .batches = read(batches_),
          .absent = read(absent_),
          .bytes = read(bytes_),
          .long_values = read(long_values_),
          .errors = read(errors_),
          .waiting = Waiting(),
          .p50_us = latencies_.PercentileUs(50),
          .p99_us = latencies_.PercentileUs(99)};
}

uint64_t ColdReads::Waiting() const {
  const std::lock_guard lock(mutex_);
  return waiting_.size() + waiting_long_.size();
}

// ---- the pool

ColdReads::ColdReads(ColdReadsParts parts) : parts_(std::move(parts)) {
  HF_CHECK(parts_.rows != nullptr && parts_.loaded && parts_.threads > 0);
}

void ColdReads::Start() {
  HF_CHECK(threads_.empty() && !stop_);
  for (size_t i = 0; i < parts_.threads; ++i) threads_.emplace_back([this] { ReadLoop(); });
  threads_.emplace_back([this] { LongLoop(); });
}

void ColdReads::Stop() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  wake_long_.notify_all();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
  std::deque<Request> unread;
  std::deque<LongRequest> unread_long;
  {
    const std::lock_guard lock(mutex_);
    unread.swap(waiting_);
    unread_long.swap(waiting_long_);
  }
  for (const Request& request : unread) Refuse(request);
  for (const LongRequest& late : unread_long) Refuse(late.request);
}

void ColdReads::StartReads(std::vector<std::shared_ptr<Load>> loads) {
  const Clock::time_point now = Clock::now();
  bool stopped = false;
  {
    const std::lock_guard lock(mutex_);
    stopped = stop_;
    for (std::shared_ptr<Load>& load : loads) {
      if (stopped) break;
      if (load->reference) {
        const snapshot::ColdHeader header = HeaderOfReference(*load->reference.get());
        waiting_long_.push_back({{std::move(load), now}, header});
      } else {
        waiting_.push_back({std::move(load), now});
      }
    }
    if (!waiting_long_.empty()) wake_long_.notify_one();
  }
  if (stopped) {
    for (std::shared_ptr<Load>& load : loads) Refuse({std::move(load), now});
  } else if (loads.size() == 1) {
    wake_.notify_one();
  } else if (!loads.empty()) {
    wake_.notify_all();
  }
}

void ColdReads::ReadLoop() {
  NameThisThread("cold-read");
  std::vector<Request> batch;
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return stop_ || !waiting_.empty(); });
    if (stop_) return;
    // Shared among the threads: a disk answers several reads as fast as one.
    const size_t share = (waiting_.size() + parts_.threads - 1) / parts_.threads;
    const auto taken =
        waiting_.begin() + static_cast<std::ptrdiff_t>(std::min(share, kMostKeysABatch));
    batch.assign(std::make_move_iterator(waiting_.begin()), std::make_move_iterator(taken));
    waiting_.erase(waiting_.begin(), taken);
    lock.unlock();
    std::vector<LongRequest> longs = ReadBatch(batch);
    batch.clear();
    lock.lock();
    // If Stop came, it refuses them.
    for (LongRequest& request : longs) waiting_long_.push_back(std::move(request));
    if (!longs.empty()) wake_long_.notify_one();
  }
}

void ColdReads::LongLoop() {
  NameThisThread("cold-read-long");
  std::unique_lock lock(mutex_);
  while (true) {
    wake_long_.wait(lock, [this] { return stop_ || !waiting_long_.empty(); });
    if (stop_) return;
    const LongRequest request = std::move(waiting_long_.front());
    waiting_long_.pop_front();
    lock.unlock();
    ReadLong(request);
    lock.lock();
  }
}

void ColdReads::ReadInPlace(std::span<const std::shared_ptr<Load>> loads) {
  const Clock::time_point now = Clock::now();
  std::vector<Request> batch;
  for (size_t at = 0; at < loads.size(); at += kMostKeysABatch) {
    batch.clear();
    std::vector<LongRequest> longs;
    for (const std::shared_ptr<Load>& load :
         loads.subspan(at, std::min(loads.size() - at, kMostKeysABatch))) {
      if (load->reference) {
        longs.push_back({{load, now}, HeaderOfReference(*load->reference.get())});
      } else {
        batch.push_back({load, now});
      }
    }
    if (!batch.empty()) {
      for (LongRequest& request : ReadBatch(batch)) longs.push_back(std::move(request));
    }
    for (const LongRequest& request : longs) ReadLong(request);
  }
}

// ---- reading; without locks

// Reports all but those whose values are long.
std::vector<ColdReads::LongRequest> ColdReads::ReadBatch(std::span<const Request> batch) {
  HF_CHECK(!batch.empty() && batch.size() <= kMostKeysABatch);
  std::vector<snapshot::ColdKey> keys;
  // Values cost hardly more than headers, which stand in the same block.
  bool values = false;
  for (const Request& request : batch) {
    keys.push_back(RowKeyOf(request.load->address()));
    values = values || request.load->need >= Need::kRow;
  }
  const auto depth = values ? snapshot::ReadDepth::kRow : snapshot::ReadDepth::kHeader;
  auto rows = parts_.rows->Read(keys, depth);
  batches_.fetch_add(1, std::memory_order_relaxed);
  std::vector<LongRequest> longs;
  for (size_t i = 0; i < batch.size(); ++i) {
    Result<std::optional<snapshot::ColdValue>> row = std::nullopt;
    if (rows) {
      row = std::move((*rows)[i]);
    } else if (batch.size() == 1) {
      row = std::unexpected(rows.error());
    } else {
      // One broken row is the error of the whole batch: which is it?
      auto alone = parts_.rows->Read({&keys[i], 1}, depth);
      if (alone) {
        row = std::move((*alone)[0]);
      } else {
        row = std::unexpected(std::move(alone).error());
      }
    }
    if (auto more = ReadRow(batch[i], std::move(row))) longs.push_back(*std::move(more));
  }
  return longs;
}

// Reports it, unless the value has to be read as well.
std::optional<ColdReads::LongRequest> ColdReads::ReadRow(
    const Request& request, Result<std::optional<snapshot::ColdValue>> row) {
  if (!row) {
    Report(request, std::unexpected(std::move(row).error()));
  } else if (!*row) {
    Report(request, std::nullopt);
  } else if (request.load->need < Need::kRow) {
    Report(request, keyspace::ColdValue{.facts = FactsOf((*row)->header)});
  } else if ((*row)->header.value_id != 0 && request.load->need == Need::kRow) {
    HF_CHECK(parts_.references != nullptr);
    Report(request, keyspace::ColdValue{.facts = FactsOf((*row)->header),
                                        .reference = parts_.references->To((*row)->header)});
  } else if ((*row)->header.value_id != 0) {
    return LongRequest{request, (*row)->header};
  } else {
    Report(request, ValueOfRow(**row));
  }
  return std::nullopt;
}

void ColdReads::ReadLong(const LongRequest& request) {
  long_values_.fetch_add(1, std::memory_order_relaxed);
  if (request.request.load->reference) {
    auto block = parts_.rows->ReadValue(request.header);
    if (!block) return Report(request.request, std::unexpected(std::move(block).error()));
    return Report(request.request, keyspace::ColdValue{.block = *std::move(block)});
  }
  auto found = parts_.rows->ReadLong(RowKeyOf(request.request.load->address()), request.header);
  if (!found) {
    Report(request.request, std::unexpected(std::move(found).error()));
  } else if (!*found) {
    Report(request.request, std::nullopt);
  } else {
    Report(request.request, ValueOfRow(**found));
  }
}

void ColdReads::Report(const Request& request, Result<std::optional<keyspace::ColdValue>> found) {
  reads_.fetch_add(1, std::memory_order_relaxed);
  if (!found) {
    errors_.fetch_add(1, std::memory_order_relaxed);
  } else if (!*found) {
    absent_.fetch_add(1, std::memory_order_relaxed);
  } else {
    const keyspace::ColdValue& value = **found;
    bytes_.fetch_add(value.block ? value.block->size : value.bytes.size(),
                     std::memory_order_relaxed);
  }
  latencies_.Add(Clock::now() - request.asked);
  parts_.loaded(request.load, std::move(found));
}

void ColdReads::Refuse(const Request& request) {
  parts_.loaded(request.load, std::unexpected(Closing()));
}

}  // namespace holdfast
