#include "engine/keyspace/shard_residency.h"

#include <algorithm>

#include "holdfast/check.h"

namespace holdfast::keyspace {

std::shared_ptr<Load> ShardResidency::Find(SpaceId space, const memtable::KeyRef& ref) const {
  if (loads_.empty()) return nullptr;
  const auto found = loads_.find({space, ref.hash, ref.name});
  return found != loads_.end() ? found->second : nullptr;
}

std::shared_ptr<Load> ShardResidency::Make(SpaceId space, uint16_t shard,
                                           const memtable::KeyRef& ref, Need need) {
  auto load = std::make_shared<Load>();
  load->space = space;
  load->shard = shard;
  load->name = ref.name;
  load->ref = {load->name, ref.hash, ref.slot};
  load->need = need;
  const bool made = loads_.emplace(Name{space, ref.hash, load->name}, load).second;
  HF_CHECK(made);
  return load;
}

void ShardResidency::DropIfIdle(const Load& load) {
  if (load.pins > 0 || load.state == Load::State::kReading) return;
  const size_t dropped = loads_.erase({load.space, load.ref.hash, load.name});
  HF_CHECK(dropped == 1);
}

uint16_t ShardResidency::Queued() {
  HF_CHECK(queued_ < kMaxQueued);
  ++queued_;
  if (++last_ticket_ == 0) ++last_ticket_;  // 0: no ticket
  return last_ticket_;
}

void ShardResidency::OpenWatch() {
  HF_CHECK(!watch_);
  watch_.emplace();
}

void ShardResidency::CloseWatch() {
  HF_CHECK(watch_.has_value());
  watch_.reset();
}

bool ShardResidency::LeftSinceWatch(memtable::KeyOrder order) const {
  HF_CHECK(watch_.has_value());
  return watch_->contains(order);
}

void ShardResidency::Landed() {
  HF_CHECK(queued_ > 0);
  --queued_;
}

void ShardResidency::BeginCut() {
  ++cut_;
  cut_corrections_.clear();
}

void ShardResidency::CorrectCut(SpaceId space, bool expires) {
  auto found = std::ranges::find(cut_corrections_, space, &CutCorrection::space);
  if (found == cut_corrections_.end())
    found = cut_corrections_.insert(found, CutCorrection{.space = space});
  ++found->keys;
  if (expires) ++found->expiring;
}

}  // namespace holdfast::keyspace
