// DEBUG DIGEST: one number for a whole data set, equal to redis-server's for equal data. SHA-1
// comes from the host.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "engine/commands/host.h"
#include "engine/keyspace/keyspace.h"
#include "engine/keyspace/locked_shards.h"
#include "holdfast/result.h"

namespace holdfast::commands {

using Digest = std::array<uint8_t, 20>;

std::string HexDigest(const Digest& digest);
// Of a key's value and the fact that it has an expiry, not of its name.
Digest ValueDigest(Host& host, const memtable::Entry& entry);
// Shard by shard, each locked in turn, unless `locks` holds it: what is written meanwhile may or
// may not be in it. Keys that are expired but not yet deleted count, as in Redis. Asks the tier, if
// there is one, which may take long and may fail.
Result<Digest> DatasetDigest(Host& host, keyspace::Keyspace& keyspace,
                             keyspace::LockedShards& locks);

}  // namespace holdfast::commands
