// OBJECT: how a value is kept.
#include "engine/commands/arguments.h"
#include "engine/commands/generic_handlers.h"
#include "engine/commands/value_names.h"

namespace holdfast::commands {

using memtable::Entry;

namespace {

// Small integers are shared objects in Redis; clients see this count for them.
constexpr int64_t kSharedIntegers = 10000;
constexpr int64_t kSharedReferences = INT32_MAX;

constexpr std::string_view kHelp[] = {
    "ENCODING <key>",
    "    Answer the internal encoding of the value at <key>.",
    "FREQ <key>",
    "    Answer the access frequency of <key>: a counter that grows with the logarithm of",
    "    the number of recent accesses.",
    "IDLETIME <key>",
    "    Answer the seconds since <key> was last accessed.",
    "REFCOUNT <key>",
    "    Answer the number of references to the value at <key>.",
};

const Entry* FindOrReplyNull(CommandContext& ctx) {
  const Entry* entry = ctx.access.Look(ctx.keys[0]);
  if (entry == nullptr) ctx.reply.Null();
  return entry;
}

}  // namespace

void ObjectEncoding(CommandContext& ctx) {
  const Entry* entry = FindOrReplyNull(ctx);
  if (entry != nullptr) ctx.reply.BulkString(EncodingName(*entry));
}

// Frequencies are kept by the LFU policies only, idle times by all but these and the queues.
void ObjectFreq(CommandContext& ctx) {
  const Entry* entry = FindOrReplyNull(ctx);
  if (entry == nullptr) return;
  if (const auto frequency = ctx.access.Frequency(*entry)) return ctx.reply.Integer(*frequency);
  ctx.reply.Error(
      "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that "
      "when switching between policies at runtime LRU and LFU data will take some time to adjust.");
}

void ObjectIdleTime(CommandContext& ctx) {
  const Entry* entry = FindOrReplyNull(ctx);
  if (entry == nullptr) return;
  if (const auto seconds = ctx.access.IdleSeconds(*entry)) return ctx.reply.Integer(*seconds);
  if (ctx.access.Frequency(*entry)) {
    return ctx.reply.Error(
        "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when "
        "switching between policies at runtime LRU and LFU data will take some time to adjust.");
  }
  ctx.reply.Error("ERR The allkeys-s3fifo maxmemory policy is selected, idle time not tracked.");
}

void ObjectRefCount(CommandContext& ctx) {
  const Entry* entry = FindOrReplyNull(ctx);
  if (entry == nullptr) return;
  const std::optional<int64_t> value =
      entry->form() == memtable::ValueForm::kInteger ? entry->Integer() : std::nullopt;
  const bool shared = value && *value >= 0 && *value < kSharedIntegers;
  ctx.reply.Integer(shared ? kSharedReferences : 1);
}

void ObjectHelp(CommandContext& ctx) { ReplyHelp(ctx, kHelp); }

}  // namespace holdfast::commands
