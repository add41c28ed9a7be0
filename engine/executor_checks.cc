// What is decided before a command runs: is it known, allowed, to be queued, to be refused?
#include <fmt/core.h>

#include <algorithm>

#include "engine/commands/clients.h"
#include "engine/commands/persistence.h"
#include "engine/executor.h"
#include "engine/store.h"

namespace holdfast {

using commands::CommandEntry;
using commands::Session;

namespace {

// Redis formats what it echoes as C strings: it ends at the first zero byte.
std::string_view Echo(std::string_view argument) { return argument.substr(0, argument.find('\0')); }

// Redis shows at most 128 bytes of arguments in the error about an unknown command.
constexpr size_t kShownBytes = 128;

std::string UnknownCommandText(std::span<const std::string_view> args) {
  std::string shown;
  for (const std::string_view arg : args.subspan(1)) {
    if (shown.size() >= kShownBytes) break;
    shown += fmt::format("'{}' ", Echo(arg).substr(0, kShownBytes - shown.size()));
  }
  return fmt::format("ERR unknown command '{}', with args beginning with: {}",
                     Echo(args[0]).substr(0, kShownBytes), shown);
}

std::string Upper(std::string_view name) {
  std::string upper(name);
  for (char& c : upper) c = static_cast<char>(c >= 'a' && c <= 'z' ? c - 32 : c);
  return upper;
}

}  // namespace

void Executor::Reject(Session& session, const PreparedCommand& command, ReplySink& reply,
                      std::string_view error) {
  if (session.transaction.open) session.transaction.failed = true;
  statistics_.errors.Add(1);
  if (command.entry != nullptr) statistics_.per_command[command.entry->index].rejected.Add(1);
  // EXEC that cannot run ends its transaction.
  if (command.entry != nullptr && command.entry->spec->locking == commands::Locking::kExec) {
    ResetTransaction(session);
    constexpr std::string_view kGeneral = "ERR ";
    if (error.starts_with(kGeneral)) error.remove_prefix(kGeneral.size());
    reply.Error(fmt::format("EXECABORT Transaction discarded because of: {}", error));
  } else {
    reply.Error(error);
  }
  store_.statistics().CountError(reply.error_code());
}

bool Executor::RefuseUnknown(Session& session, const PreparedCommand& command, ReplySink& reply) {
  const CommandEntry* container = store_.table().Find(command.args[0]);
  if (container == nullptr) {
    Reject(session, command, reply, UnknownCommandText(command.args));
    return true;
  }
  if (command.args.size() < 2) {
    Reject(session, command, reply,
           fmt::format("ERR wrong number of arguments for '{}' command", container->spec->name));
    return true;
  }
  Reject(session, command, reply,
         fmt::format("ERR unknown subcommand '{}'. Try {} HELP.",
                     Echo(command.args[1]).substr(0, kShownBytes), Upper(container->spec->name)));
  return true;
}

// EXEC has what anything in its queue has.
bool Executor::HasNow(const Session& session, const CommandEntry& entry,
                      commands::CommandFlag flag) {
  if (entry.Has(flag)) return true;
  if (entry.spec->locking != commands::Locking::kExec) return false;
  return std::any_of(
      session.transaction.queue.begin(), session.transaction.queue.end(),
      [flag](const commands::QueuedCommand& queued) { return queued.entry->Has(flag); });
}

bool Executor::Refused(Session& session, const PreparedCommand& command, ReplySink& reply) {
  const CommandEntry* entry = command.entry;
  if (entry == nullptr || (entry->spec->handler == nullptr &&
                           entry->spec->locking != commands::Locking::kExec)) [[unlikely]]
    return RefuseUnknown(session, command, reply);
  if (!entry->ArityFits(command.args.size())) [[unlikely]] {
    Reject(session, command, reply,
           fmt::format("ERR wrong number of arguments for '{}' command", entry->spec->name));
    return true;
  }
  if (!session.authenticated && !entry->Has(commands::kNoAuth)) [[unlikely]] {
    Reject(session, command, reply, "NOAUTH Authentication required.");
    return true;
  }
  if (session.transaction.open && entry->Has(commands::kNoMulti)) [[unlikely]] {
    Reject(session, command, reply, "ERR Command not allowed inside a transaction");
    return true;
  }
  if (HasNow(session, *entry, commands::kWrite) &&
      store_.WritesRefused(entry->Has(commands::kFrees))) [[unlikely]] {
    Reject(session, command, reply, store_.RefusalText());
    return true;
  }
  if (store_.disk_guard().StopsWrites()) [[unlikely]] {
    const std::string_view refusal = store_.disk_guard().Refusal(
        HasNow(session, *entry, commands::kWrite) || entry->spec->name == std::string_view("ping"),
        HasNow(session, *entry, commands::kDenyOom));
    if (!refusal.empty()) {
      Reject(session, command, reply, refusal);
      return true;
    }
  }
  if (loading_ && !entry->Has(commands::kLoading)) [[unlikely]] {
    Reject(session, command, reply, commands::kLoadingText);
    return true;
  }
  return false;
}

// A full log or CLIENT PAUSE holds commands back before they take any lock. An EXEC that only
// reads, or cannot succeed, waits for no disk: nobody would wake it before the disk works again.
bool Executor::MustWait(const Session& session, const PreparedCommand& command) const {
  constexpr auto kWritesOrMay =
      static_cast<commands::CommandFlag>(commands::kWrite | commands::kMayReplicate);
  const bool may_write = HasNow(session, *command.entry, kWritesOrMay);
  if (may_write && !store_.LogAdmits()) [[unlikely]]
    return true;
  switch (store_.clients().PausedAt(now_ms_)) {
    case commands::PauseMode::kNone:
      return false;
    case commands::PauseMode::kWrites:
      return may_write;
    case commands::PauseMode::kAll:
      // CLIENT UNPAUSE must get through, and so must whoever wants to know what is going on.
      return !command.entry->Has(commands::kAdmin) &&
             !(command.entry->parent != nullptr &&
               command.entry->parent->spec->name == std::string_view("client"));
  }
  return false;
}

bool Executor::Queue(Session& session, const PreparedCommand& command, ReplySink& reply) {
  const CommandEntry& entry = *command.entry;
  if (entry.spec->group == commands::Group::kTransactions && entry.spec->name != "unwatch")
    return false;
  if (entry.spec->name == "reset" || entry.spec->name == "quit") return false;
  // A transaction that cannot succeed any more keeps no further commands.
  if (session.transaction.failed || session.watch_mark.changed.load(std::memory_order_relaxed)) {
    reply.SimpleString("QUEUED");
    return true;
  }
  commands::QueuedCommand queued;
  queued.entry = &entry;
  for (const std::string_view arg : command.args) {
    queued.args.emplace_back(arg);
    session.transaction.queued_bytes += arg.size();
  }
  session.transaction.queue.push_back(std::move(queued));
  session.shared.transaction_length.store(static_cast<uint32_t>(session.transaction.queue.size()),
                                          std::memory_order_relaxed);
  session.shared.queued_bytes.store(session.transaction.queued_bytes, std::memory_order_relaxed);
  reply.SimpleString("QUEUED");
  return true;
}

}  // namespace holdfast
