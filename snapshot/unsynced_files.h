// RocksDB's files without syncs: the live tier is made again after a crash (R14), so nothing of it
// is worth one. Whoever makes a checkpoint of it syncs the files of that.
//
// Owned by the tier's Database, outlives its rocksdb::DB. Any thread. Errors of the files are
// passed on. Private to snapshot/.
#pragma once

#include <rocksdb/env.h>

#include <memory>

namespace holdfast::snapshot {

std::unique_ptr<rocksdb::Env> UnsyncedEnv();

}  // namespace holdfast::snapshot
