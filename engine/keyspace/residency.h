// What a command needs of a key, and the door to the tier that holds what memory does not. A store
// without a live tier has every key in memory or nowhere: all needs are met at once.
#pragma once

#include <cstdint>

namespace holdfast::keyspace {

// From a row's key spec: how much of a cold key is fetched and pinned before the command runs.
enum class Need : uint8_t {
  kNothing,    // the old value does not matter (plain SET)
  kExistence,  // is it there (EXISTS, SET NX)
  kHeader,     // type, TTL, size (TTL, TYPE)
  kRow,        // all of it, or of a long value what names it: enough to give the key another
               // expiry or name (EXPIRE, RENAME, COPY)
  kValue,      // all of it
};

}  // namespace holdfast::keyspace
