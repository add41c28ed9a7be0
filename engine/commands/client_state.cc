#include "engine/commands/client_state.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstdint>

namespace holdfast::commands {
namespace {

// Redis's letters.
std::string Flags(const Session& session) {
  const SharedSessionState& shared = session.shared;
  std::string flags;
  if (shared.monitor.load(std::memory_order_relaxed)) flags += 'O';
  if (shared.transaction_length.load(std::memory_order_relaxed) != UINT32_MAX) flags += 'x';
  if (shared.blocked.load(std::memory_order_relaxed)) flags += 'b';
  if (session.watch_mark.changed.load(std::memory_order_relaxed)) flags += 'd';
  if (shared.closing.load(std::memory_order_relaxed)) flags += 'A';
  if (session.connection != nullptr && session.connection->UnixSocket()) flags += 'U';
  if (shared.no_evict.load(std::memory_order_relaxed)) flags += 'e';
  if (shared.no_touch.load(std::memory_order_relaxed)) flags += 'T';
  return flags.empty() ? "N" : flags;
}

struct Buffers {
  uint64_t query = 0;
  uint64_t query_free = 0;
  uint64_t output = 0;
};

Buffers BuffersOf(const Session& session) {
  if (session.connection == nullptr) return {};
  return {session.connection->QueryBufferBytes(), session.connection->QueryBufferFreeBytes(),
          session.connection->OutputBytes()};
}

int64_t SecondsSince(UnixMs then_ms, UnixMs now_ms) {
  return std::max<int64_t>(0, (now_ms - then_ms) / 1000);
}

}  // namespace

void SetClientName(Session& session, std::string_view name) {
  const std::lock_guard lock(session.shared.mutex);
  session.shared.name = name;
}

std::string PeerAddress(const Session& session) {
  return session.connection == nullptr ? std::string() : session.connection->PeerAddress();
}

std::string LocalAddress(const Session& session) {
  return session.connection == nullptr ? std::string() : session.connection->LocalAddress();
}

bool IsLocal(const Session& session) {
  if (session.connection == nullptr || session.connection->UnixSocket()) return true;
  const std::string address = session.connection->PeerAddress();
  return address.starts_with("127.") || address.starts_with("[::1]") || address.starts_with("::1");
}

std::string ClientLine(Session& session, UnixMs now_ms) {
  const SharedSessionState& shared = session.shared;
  const Buffers buffers = BuffersOf(session);
  const uint32_t queued = shared.transaction_length.load(std::memory_order_relaxed);
  const uint64_t argument_bytes = shared.argument_bytes.load(std::memory_order_relaxed);
  const uint64_t queued_bytes = shared.queued_bytes.load(std::memory_order_relaxed);
  const CommandEntry* last = shared.last_command.load(std::memory_order_relaxed);
  const std::lock_guard lock(session.shared.mutex);
  return fmt::format(
      "id={} addr={} laddr={} fd={} name={} age={} idle={} flags={} db={} sub=0 psub=0 ssub=0 "
      "multi={} qbuf={} qbuf-free={} argv-mem={} multi-mem={} rbs=0 rbp=0 obl={} oll=0 omem=0 "
      "tot-mem={} events={} cmd={} user={} redir=-1 resp={} lib-name={} lib-ver={}",
      session.id, PeerAddress(session), LocalAddress(session),
      session.connection == nullptr ? -1 : session.connection->FileDescriptor(), shared.name,
      SecondsSince(session.created_ms, now_ms),
      SecondsSince(shared.last_interaction_ms.load(std::memory_order_relaxed), now_ms),
      Flags(session), shared.database.load(std::memory_order_relaxed),
      queued == UINT32_MAX ? -1 : static_cast<int64_t>(queued), buffers.query, buffers.query_free,
      argument_bytes, queued_bytes, buffers.output,
      sizeof(Session) + buffers.query + buffers.query_free + buffers.output + argument_bytes +
          queued_bytes,
      buffers.output > 0 ? "rw" : "r", last == nullptr ? "NULL" : last->spec->name, shared.user,
      shared.protocol.load(std::memory_order_relaxed), shared.lib_name, shared.lib_version);
}

}  // namespace holdfast::commands
