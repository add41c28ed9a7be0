// RocksDB's files without syncs, and without a log of its own. The live tier is made again after a
// crash (R14), so nothing of it is worth a sync: whoever makes a checkpoint of it syncs that. For
// the same reason no error of a write is final: the disk may work again.
//
// Owned by the tier's Database, outlives its rocksdb::DB. Any thread. Errors of the files are
// passed on. Private to snapshot/.
#pragma once

#include <rocksdb/env.h>

#include <memory>

namespace holdfast::snapshot {

std::unique_ptr<rocksdb::Env> UnsyncedEnv();

// RocksDB's text log of its own ends the process if it writes to it after the disk was full (an
// assertion in Debian's build), and says nothing that its errors do not say.
std::shared_ptr<rocksdb::Logger> LogOfNothing();

}  // namespace holdfast::snapshot
