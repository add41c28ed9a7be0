// Many rows by their places in the order, for who knows no names: the warm-up.
#include "holdfast/check.h"
#include "snapshot/live_tier.h"
#include "snapshot/rocks_database.h"

namespace holdfast::snapshot {
namespace {

// The order of a row's key, which lies in a known space.
Result<ColdKey> KeyOf(const rocksdb::Iterator& row) {
  if (const auto key = DecodeColdKey(ToView(row.key()))) return *key;
  return MakeError(ErrorCode::kCorruption, "a cold row under a key that is none");
}

}  // namespace

// A step to the next row costs a small part of a search for a place, which asks every file: where
// the places lie close to each other the rows in between are passed.
Status LiveTier::ReadOrders(SpaceId space, std::span<const memtable::KeyOrder> orders,
                            memtable::KeyOrder near, const TakeOrdered& take) {
  if (orders.empty()) return {};
  const std::string behind = ColdKeyBound(space, orders.back() + 1);
  const rocksdb::Slice bound = ToSlice(behind);
  const auto row = database_->Iterate(kRows, &bound);
  memtable::KeyOrder at = 0;  // of the row
  bool placed = false;
  for (size_t i = 0; i < orders.size(); ++i) {
    const memtable::KeyOrder wanted = orders[i];
    HF_CHECK(i == 0 || wanted > orders[i - 1]);
    while (placed && row->Valid() && at < wanted && wanted - at <= near) {
      row->Next();
      if (row->Valid()) at = HF_TRY(KeyOf(*row)).order;
    }
    if (!placed || (row->Valid() && at < wanted)) {
      row->Seek(ToSlice(ColdKeyBound(space, wanted)));
      placed = true;
      if (row->Valid()) at = HF_TRY(KeyOf(*row)).order;
    }
    for (; row->Valid() && at == wanted; row->Next()) {
      const ColdKey key = HF_TRY(KeyOf(*row));
      if (key.order != wanted) {
        at = key.order;
        break;
      }
      const auto decoded = DecodeColdRow(ToView(row->value()));
      if (!decoded) return std::unexpected(decoded.error());
      if (!take(key, *decoded)) return {};
    }
    if (!row->Valid()) break;
  }
  return FromRocks(row->status(), "reading cold keys by their order");
}

}  // namespace holdfast::snapshot
