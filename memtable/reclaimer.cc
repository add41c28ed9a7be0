#include "memtable/reclaimer.h"

#include <deque>
#include <mutex>
#include <utility>
#include <vector>

#include "holdfast/check.h"

namespace holdfast::memtable {
namespace {

// A reader's epoch, alone on its cache line: it is written at every batch.
struct alignas(64) ReaderSlot {
  std::atomic<uint64_t> epoch{0};
  bool taken = false;
};

struct Retired {
  uint64_t epoch;
  std::function<void()> free;
};

}  // namespace

// A guard publishes the epoch it entered in; a retirement takes the current epoch and moves it on.
// What was unlinked before epoch e+1 began cannot be seen by a guard that entered in e+1. All loads
// and stores between unlinking, entering and scanning are seq_cst operations on atomics (not
// fences, which ThreadSanitizer does not follow).
struct Reclaimer::State {
  std::atomic<uint64_t> epoch{1};
  std::mutex mutex;
  std::deque<ReaderSlot> slots;  // addresses stay
  std::deque<Retired> retired;   // in epoch order
};

Reclaimer::Reclaimer() : state_(std::make_unique<State>()) {}

Reclaimer::~Reclaimer() {
  for (const ReaderSlot& slot : state_->slots) HF_CHECK(!slot.taken);
  Collect();
  HF_CHECK(state_->retired.empty());
}

Reclaimer::Reader::Reader(Reclaimer& reclaimer) : reclaimer_(reclaimer), epoch_(nullptr) {
  State& state = *reclaimer_.state_;
  const std::lock_guard lock(state.mutex);
  ReaderSlot* found = nullptr;
  for (ReaderSlot& slot : state.slots) {
    if (!slot.taken) found = &slot;
  }
  if (found == nullptr) found = &state.slots.emplace_back();
  HF_CHECK(found->epoch.load() == 0);
  found->taken = true;
  epoch_ = &found->epoch;
}

Reclaimer::Reader::~Reader() {
  State& state = *reclaimer_.state_;
  const std::lock_guard lock(state.mutex);
  HF_CHECK(epoch_->load() == 0);
  for (ReaderSlot& slot : state.slots) {
    if (&slot.epoch == epoch_) slot.taken = false;
  }
}

Reclaimer::Guard::Guard(Reader& reader) : reader_(reader) {
  HF_DCHECK(reader_.epoch_->load(std::memory_order_relaxed) == 0);
  reader_.epoch_->store(reader_.reclaimer_.state_->epoch.load());
}

Reclaimer::Guard::~Guard() { reader_.epoch_->store(0, std::memory_order_release); }

void Reclaimer::Retire(std::function<void()> free) {
  {
    const std::lock_guard lock(state_->mutex);
    state_->retired.push_back({state_->epoch.fetch_add(1), std::move(free)});
  }
  Collect();
}

void Reclaimer::Collect() {
  std::vector<Retired> ready;
  {
    const std::lock_guard lock(state_->mutex);
    uint64_t oldest = UINT64_MAX;
    for (const ReaderSlot& slot : state_->slots) {
      const uint64_t epoch = slot.epoch.load();
      if (epoch != 0 && epoch < oldest) oldest = epoch;
    }
    while (!state_->retired.empty() && state_->retired.front().epoch < oldest) {
      ready.push_back(std::move(state_->retired.front()));
      state_->retired.pop_front();
    }
  }
  for (const Retired& item : ready) item.free();
}

}  // namespace holdfast::memtable
