// COMMAND DOCS and COMMAND LIST.
#include "engine/commands/arguments.h"
#include "engine/commands/command_names.h"
#include "engine/commands/server_handlers.h"
#include "holdfast/glob.h"

namespace holdfast::commands {
namespace {

void ReplyText(ReplySink& reply, std::string_view name, std::string_view value) {
  if (value.empty()) return;
  reply.BulkString(name);
  reply.BulkString(value);
}

void ReplyStatuses(ReplySink& reply, std::string_view name,
                   std::span<const std::string_view> values) {
  if (values.empty()) return;
  reply.BulkString(name);
  reply.Set(values.size());
  for (const std::string_view value : values) reply.SimpleString(value);
}

size_t Present(std::string_view text) { return text.empty() ? 0 : 1; }

void ReplyArguments(ReplySink& reply, std::span<const ArgumentSpec> arguments) {
  reply.Array(arguments.size());
  for (const ArgumentSpec& argument : arguments) {
    const bool numbered = argument.key_spec_index >= 0;
    reply.Map(2 + (numbered ? 1 : 0) + Present(argument.token) + Present(argument.summary) +
              Present(argument.since) + Present(argument.deprecated_since) +
              (argument.flags != 0 ? 1 : 0) + (argument.arguments.empty() ? 0 : 1));
    ReplyText(reply, "name", argument.name);
    ReplyText(reply, "type", ArgumentTypeName(argument.type));
    if (numbered) {
      reply.BulkString("key_spec_index");
      reply.Integer(argument.key_spec_index);
    }
    ReplyText(reply, "token", argument.token);
    ReplyText(reply, "summary", argument.summary);
    ReplyText(reply, "since", argument.since);
    ReplyText(reply, "deprecated_since", argument.deprecated_since);
    ReplyStatuses(reply, "flags", ArgumentFlagNames(argument.flags));
    if (argument.arguments.empty()) continue;
    reply.BulkString("arguments");
    ReplyArguments(reply, argument.arguments);
  }
}

void ReplyHistory(ReplySink& reply, std::span<const HistoryNote> history) {
  if (history.empty()) return;
  reply.BulkString("history");
  reply.Set(history.size());
  for (const HistoryNote& note : history) {
    reply.Array(2);
    reply.BulkString(note.since);
    reply.BulkString(note.change);
  }
}

std::vector<std::string_view> DocFlags(const CommandSpec& spec) {
  std::vector<std::string_view> flags;
  if (!spec.deprecated_since.empty()) flags.push_back("deprecated");
  if (spec.syscmd) flags.push_back("syscmd");
  return flags;
}

void ReplyDocs(ReplySink& reply, const CommandEntry& entry) {
  const CommandSpec& spec = *entry.spec;
  const std::vector<std::string_view> doc_flags = DocFlags(spec);
  reply.BulkString(spec.name);
  reply.Map(3 + Present(spec.complexity) + (doc_flags.empty() ? 0 : 1) +
            Present(spec.deprecated_since) + Present(spec.replaced_by) +
            (spec.history.empty() ? 0 : 1) + (spec.arguments.empty() ? 0 : 1) +
            (entry.subcommands.empty() ? 0 : 1));
  ReplyText(reply, "summary", spec.summary);
  ReplyText(reply, "since", spec.since);
  ReplyText(reply, "group", GroupName(spec.group));
  ReplyText(reply, "complexity", spec.complexity);
  ReplyStatuses(reply, "doc_flags", doc_flags);
  ReplyText(reply, "deprecated_since", spec.deprecated_since);
  ReplyText(reply, "replaced_by", spec.replaced_by);
  ReplyHistory(reply, spec.history);
  if (!spec.arguments.empty()) {
    reply.BulkString("arguments");
    ReplyArguments(reply, spec.arguments);
  }
  if (entry.subcommands.empty()) return;
  reply.BulkString("subcommands");
  reply.Map(entry.subcommands.size());
  for (const CommandEntry* subcommand : entry.subcommands) ReplyDocs(reply, *subcommand);
}

// Which commands COMMAND LIST names.
struct ListFilter {
  enum class By : uint8_t { kNothing, kModule, kCategory, kPattern } by = By::kNothing;
  uint32_t category = 0;
  std::string_view pattern;

  bool Matches(const CommandEntry& entry) const {
    switch (by) {
      case By::kNothing:
        return true;
      case By::kModule:
        return false;  // no command comes from a module
      case By::kCategory:
        return (entry.acl & category) != 0;
      case By::kPattern:
        return GlobMatch(pattern, entry.spec->name, GlobCase::kIgnore);
    }
    return false;
  }
};

std::optional<ListFilter> ParseListFilter(CommandContext& ctx) {
  ListFilter filter;
  if (ctx.args.size() == 2) return filter;
  if (ctx.args.size() == 5 && IsToken(ctx.args[2], "filterby")) {
    if (IsToken(ctx.args[3], "module")) {
      filter.by = ListFilter::By::kModule;
      return filter;
    }
    if (IsToken(ctx.args[3], "aclcat")) {
      filter.by = ListFilter::By::kCategory;
      filter.category = AclByName(ctx.args[4]);
      return filter;
    }
    if (IsToken(ctx.args[3], "pattern")) {
      filter.by = ListFilter::By::kPattern;
      filter.pattern = ctx.args[4];
      return filter;
    }
  }
  ctx.reply.Error(errors::kSyntax);
  return std::nullopt;
}

}  // namespace

void CommandDocs(CommandContext& ctx) {
  const CommandTable& table = *ctx.services.table;
  std::vector<const CommandEntry*> entries;
  if (ctx.args.size() == 2) {
    entries.assign(table.commands().begin(), table.commands().end());
  } else {
    for (const std::string_view name : ctx.args.subspan(2)) {
      if (const CommandEntry* entry = table.FindFull(name)) entries.push_back(entry);
    }
  }
  ctx.reply.Map(entries.size());
  for (const CommandEntry* entry : entries) ReplyDocs(ctx.reply, *entry);
}

void CommandList(CommandContext& ctx) {
  const auto filter = ParseListFilter(ctx);
  if (!filter) return;
  const CommandTable& table = *ctx.services.table;
  std::vector<std::string_view> names;
  for (size_t i = 0; i < table.entry_count(); ++i) {
    const CommandEntry& entry = table.entry(static_cast<uint16_t>(i));
    if (filter->Matches(entry)) names.push_back(entry.spec->name);
  }
  ctx.reply.Array(names.size());
  for (const std::string_view name : names) ctx.reply.BulkString(name);
}

}  // namespace holdfast::commands
