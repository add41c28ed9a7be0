// COMMAND, COMMAND COUNT, INFO, GETKEYS, GETKEYSANDFLAGS: the rows as replies.
#include <algorithm>

#include "engine/commands/arguments.h"
#include "engine/commands/command_names.h"
#include "engine/commands/server_handlers.h"

namespace holdfast::commands {
namespace {

void ReplyStatusSet(ReplySink& reply, std::span<const std::string_view> names,
                    std::string_view prefix = {}) {
  reply.Set(names.size());
  for (const std::string_view name : names) reply.SimpleString(std::string(prefix).append(name));
}

void ReplyField(ReplySink& reply, std::string_view name, int64_t value) {
  reply.BulkString(name);
  reply.Integer(value);
}

// {type: T, spec: {...}} with the pairs still to come.
void ReplyPart(ReplySink& reply, std::string_view name, std::string_view type, size_t pairs) {
  reply.BulkString(name);
  reply.Map(2);
  reply.BulkString("type");
  reply.BulkString(type);
  reply.BulkString("spec");
  reply.Map(pairs);
}

void ReplyBeginSearch(ReplySink& reply, const KeySpec& spec) {
  switch (spec.begin) {
    case KeySpec::Begin::kIndex:
      ReplyPart(reply, "begin_search", "index", 1);
      ReplyField(reply, "index", spec.begin_position);
      break;
    case KeySpec::Begin::kKeyword:
      ReplyPart(reply, "begin_search", "keyword", 2);
      reply.BulkString("keyword");
      reply.BulkString(spec.keyword);
      ReplyField(reply, "startfrom", spec.begin_position);
      break;
    case KeySpec::Begin::kUnknown:
      ReplyPart(reply, "begin_search", "unknown", 0);
      break;
  }
}

void ReplyFindKeys(ReplySink& reply, const KeySpec& spec) {
  switch (spec.find) {
    case KeySpec::Find::kRange:
      ReplyPart(reply, "find_keys", "range", 3);
      ReplyField(reply, "lastkey", spec.last);
      ReplyField(reply, "keystep", spec.step);
      ReplyField(reply, "limit", spec.limit);
      break;
    case KeySpec::Find::kKeyNum:
      ReplyPart(reply, "find_keys", "keynum", 3);
      ReplyField(reply, "keynumidx", spec.keynum_index);
      ReplyField(reply, "firstkey", spec.first_key);
      ReplyField(reply, "keystep", spec.step);
      break;
    case KeySpec::Find::kUnknown:
      ReplyPart(reply, "find_keys", "unknown", 0);
      break;
  }
}

void ReplyKeySpec(ReplySink& reply, const KeySpec& spec) {
  reply.Map(spec.notes.empty() ? 3 : 4);
  if (!spec.notes.empty()) {
    reply.BulkString("notes");
    reply.BulkString(spec.notes);
  }
  reply.BulkString("flags");
  ReplyStatusSet(reply, KeySpecFlagNames(spec.flags));
  ReplyBeginSearch(reply, spec);
  ReplyFindKeys(reply, spec);
}

void ReplyRow(ReplySink& reply, const CommandEntry* entry) {
  if (entry == nullptr) return reply.Null();
  const CommandSpec& spec = *entry->spec;
  reply.Array(10);
  reply.BulkString(spec.name);
  reply.Integer(spec.arity);
  ReplyStatusSet(reply, FlagNames(entry->flags));
  reply.Integer(entry->first_key);
  reply.Integer(entry->last_key);
  reply.Integer(entry->key_step);
  ReplyStatusSet(reply, AclNames(entry->acl), "@");
  reply.Set(spec.tips.size());
  for (const std::string_view tip : spec.tips) reply.BulkString(tip);
  reply.Set(spec.keys.size());
  for (const KeySpec& key : spec.keys) ReplyKeySpec(reply, key);
  reply.Set(entry->subcommands.size());
  for (const CommandEntry* subcommand : entry->subcommands) ReplyRow(reply, subcommand);
}

void ReplyAllRows(CommandContext& ctx) {
  const auto commands = ctx.services.table->commands();
  ctx.reply.Array(commands.size());
  for (const CommandEntry* entry : commands) ReplyRow(ctx.reply, entry);
}

// What an error may name besides keys: nullopt after the reply.
std::optional<std::vector<KeyPosition>> FindKeysOf(CommandContext& ctx,
                                                   std::span<const std::string_view> line) {
  const CommandEntry* entry = ctx.services.table->Resolve(line);
  // COMMAND and its like run without a subcommand, but not with an unknown one.
  const bool unknown_subcommand =
      entry != nullptr && !entry->subcommands.empty() && line.size() > 1;
  if (entry == nullptr || unknown_subcommand) {
    ctx.reply.Error("ERR Invalid command specified");
    return std::nullopt;
  }
  if (entry->spec->keys.empty()) {
    ctx.reply.Error("ERR The command has no key arguments");
    return std::nullopt;
  }
  if (!entry->ArityFits(line.size())) {
    ctx.reply.Error("ERR Invalid number of arguments specified for command");
    return std::nullopt;
  }
  std::vector<KeyPosition> keys;
  if (!CommandTable::FindKeys(*entry, line, keys)) {
    ctx.reply.Error("ERR Invalid arguments specified for command");
    return std::nullopt;
  }
  return keys;
}

// SET's flags depend on its option GET.
uint16_t ActualFlags(const KeyPosition& key, std::span<const std::string_view> line) {
  if ((key.flags & kKeyVariableFlags) == 0) return key.flags;
  for (const std::string_view option : line.subspan(std::min(line.size(), key.argument + 2))) {
    if (IsToken(option, "get")) return kKeyRW | kKeyAccess | kKeyUpdate;
  }
  return kKeyOW | kKeyUpdate;
}

}  // namespace

void CommandAll(CommandContext& ctx) { ReplyAllRows(ctx); }

void CommandCount(CommandContext& ctx) {
  ctx.reply.Integer(static_cast<int64_t>(ctx.services.table->commands().size()));
}

void CommandInfo(CommandContext& ctx) {
  if (ctx.args.size() == 2) return ReplyAllRows(ctx);
  ctx.reply.Array(ctx.args.size() - 2);
  for (const std::string_view name : ctx.args.subspan(2))
    ReplyRow(ctx.reply, ctx.services.table->FindFull(name));
}

void CommandGetKeys(CommandContext& ctx) {
  const auto line = ctx.args.subspan(2);
  const auto keys = FindKeysOf(ctx, line);
  if (!keys) return;
  ctx.reply.Array(keys->size());
  for (const KeyPosition& key : *keys) ctx.reply.BulkString(line[key.argument]);
}

void CommandGetKeysAndFlags(CommandContext& ctx) {
  const auto line = ctx.args.subspan(2);
  const auto keys = FindKeysOf(ctx, line);
  if (!keys) return;
  ctx.reply.Array(keys->size());
  for (const KeyPosition& key : *keys) {
    ctx.reply.Array(2);
    ctx.reply.BulkString(line[key.argument]);
    ReplyStatusSet(ctx.reply, KeySpecFlagNames(ActualFlags(key, line)));
  }
}

void CommandHelp(CommandContext& ctx) {
  static constexpr std::string_view kLines[] = {
      "(without a subcommand)",
      "    The rows of all commands.",
      "COUNT",
      "    Number of commands.",
      "DOCS [<command> ...]",
      "    Documentation of the named commands, or of all.",
      "GETKEYS <command line>",
      "    The keys of a command line.",
      "GETKEYSANDFLAGS <command line>",
      "    The keys of a command line, and how each is used.",
      "INFO [<command> ...]",
      "    The rows of the named commands, or of all.",
      "LIST [FILTERBY (MODULE <name> | ACLCAT <category> | PATTERN <pattern>)]",
      "    Names of commands.",
  };
  ReplyHelp(ctx, kLines);
}

}  // namespace holdfast::commands
