// What the tests of CONFIG SET appendonly share.
#pragma once

#include <fmt/core.h>

#include <memory>
#include <string>
#include <string_view>

#include "tests/unit/engine/engine_fixture.h"

namespace holdfast::engine_test {

inline const Settings kNoLog{{"appendonly", "no"}};

inline std::string Set(DbSession& session, std::string_view value) {
  return Execute(session, fmt::format("CONFIG SET appendonly {}", value));
}

// The log is on and holds the data set.
inline bool Complete(DbSession& session) {
  return Persistence(session, "aof_enabled") == "1" && NothingRewrites(session);
}

inline bool TurnOn(DbSession& session) {
  return Set(session, "yes") == "OK" && Eventually([&] { return Complete(session); });
}

inline bool TurnOff(Db& db, DbSession& session) {
  return Set(session, "no") == "OK" &&
         Eventually([&] { return db.store().active_log() == nullptr; });
}

// As after kill -9 at an operation, or now.
inline std::unique_ptr<sim::SimulatedFileSystem> Killed(const sim::SimulatedFileSystem& disk) {
  return disk.AfterPowerCut(
      {.operation = disk.operations(), .data = sim::PowerCut::Data::kKeepAll});
}

inline bool Holds(const sim::SimulatedFileSystem& disk, std::string_view name_part) {
  for (const std::string& path : disk.Paths()) {
    if (path.contains(name_part)) return true;
  }
  return false;
}

inline void Fill(DbSession& session, int from, int to) {
  for (int i = from; i < to; ++i) Execute(session, fmt::format("SET key:{} {}", i, i * 7));
}

}  // namespace holdfast::engine_test
