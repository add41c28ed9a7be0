// Runs one command's handler under the locks its row asks for, without session checks, log or
// server: what tests of log effects and of replay stand on.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "engine/commands/context.h"
#include "engine/keyspace/change_log.h"
#include "engine/store.h"
#include "holdfast/check.h"

namespace holdfast::commands {

struct HandlerRun {
  Store& store;
  Session& session;
  UnixMs now_ms = 0;
  keyspace::ChangeLog* log = nullptr;  // gets what execution would log
  bool replaying = false;
};

inline void RunHandler(const HandlerRun& run, std::span<const std::string_view> args,
                       ReplySink& sink) {
  const CommandEntry* entry = run.store.table().Resolve(args);
  HF_CHECK(entry != nullptr && entry->spec->handler != nullptr);
  HF_CHECK(entry->ArityFits(args.size()));
  std::vector<KeyPosition> positions;
  std::vector<keyspace::KeyHandle> keys;
  if (CommandTable::FindKeys(*entry, args, positions)) {
    for (const KeyPosition& position : positions) {
      keys.push_back(run.store.keyspace().Handle(run.session.database, args[position.argument]));
    }
  }
  keyspace::LockedShards locks(run.store.keyspace());
  if (entry->spec->locking == Locking::kGate) {
    locks.LockGate();
  } else {
    locks.LockKeys(keys);
  }
  keyspace::KeyAccess access(run.store.keyspace(),
                             {.now_ms = run.now_ms, .log = run.log, .replaying = run.replaying});
  SeededRandom random(7);
  CommandContext context{.args = args,
                         .entry = *entry,
                         .session = run.session,
                         .reply = sink,
                         .now_ms = run.now_ms,
                         .random = random,
                         .keys = keys,
                         .access = access,
                         .locks = locks,
                         .services = run.store.services(),
                         .blocks = {}};
  entry->spec->handler(context);
  const bool changed = context.changed || access.changes() != 0;
  if (run.log == nullptr || !changed || context.effects_only) return;
  if (entry->spec->log_rule == LogRule::kVerbatim) run.log->Record(run.session.database, args);
}

}  // namespace holdfast::commands
