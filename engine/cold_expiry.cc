#include "engine/cold_expiry.h"

#include <memory>

#include "engine/executor.h"
#include "engine/keyspace/load.h"
#include "engine/keyspace/locked_shards.h"
#include "engine/store.h"
#include "holdfast/check.h"

namespace holdfast {
namespace {
constexpr size_t kHintsPerLook = 128;
}

size_t ColdExpiry::Round(Executor& executor, int64_t budget_ns) {
  keyspace::ColdStore* tier = store_.keyspace().cold_store();
  if (tier == nullptr) return 0;
  const int64_t started_ns = store_.clock().MonotonicNs();
  deleted_ = 0;
  for (bool more = true; more;) {
    const auto hints = tier->DueHints(executor.now_ms(), kHintsPerLook);
    if (!hints || hints->empty()) break;
    HF_CHECK(hints->size() <= kHintsPerLook);
    auto headers = std::make_shared<keyspace::LoadSet>(nullptr);
    WantHeaders(*hints, *headers);
    headers->ReadInPlace(store_.keyspace());
    more = Delete(executor, *hints);
    headers->Release(store_.keyspace());
    executor.EndTurn();
    more = more && !dealt_with_.empty() && tier->ForgetHints(dealt_with_).has_value();
    if (store_.clock().MonotonicNs() - started_ns > budget_ns) break;
  }
  return deleted_;
}

// In one go: the keys are then looked at one by one without a read.
void ColdExpiry::WantHeaders(std::span<const keyspace::ColdHint> hints,
                             keyspace::LoadSet& headers) {
  keyspace::Keyspace& keyspace = store_.keyspace();
  for (const keyspace::ColdHint& hint : hints) {
    keyspace::KeyHandle key = keyspace.Handle(0, hint.name);
    keyspace::LockedShards locks(keyspace);
    locks.LockOne(*key.shard);
    key.database = keyspace.DatabaseOf(hint.space);
    if (key.database >= 0) headers.Want(keyspace, key, keyspace::Need::kHeader);
  }
}

bool ColdExpiry::Delete(Executor& executor, std::span<const keyspace::ColdHint> hints) {
  dealt_with_.clear();
  for (const keyspace::ColdHint& hint : hints) {
    if (!store_.LogAdmits() || store_.WritesRefused(true)) return false;
    const Executor::Expiry expiry = executor.DeleteExpiredIn(hint.space, hint.name);
    if (expiry == Executor::Expiry::kUnreadable) continue;
    dealt_with_.push_back(hint);
    if (expiry == Executor::Expiry::kDeleted) ++deleted_;
  }
  return true;
}

}  // namespace holdfast
