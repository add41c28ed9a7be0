#include "aof/check_report.h"

#include <fmt/core.h>
#include <fmt/format.h>

#include <algorithm>

#include "holdfast/check.h"

namespace holdfast::aof {
namespace {

// A log of damage or malice may hold any number of names.
constexpr size_t kMaxNames = 512;
constexpr size_t kMaxNameBytes = 64;

std::string JsonString(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      (out += '\\') += c;
    } else if (byte < 0x20 || byte >= 0x7f) {
      out += fmt::format("\\u{:04x}", byte);
    } else {
      out += c;
    }
  }
  return out += '"';
}

std::string_view KindName(LogVerdict::Kind kind) {
  switch (kind) {
    case LogVerdict::Kind::kSound:
      return "sound";
    case LogVerdict::Kind::kTorn:
      return "torn";
    case LogVerdict::Kind::kDamage:
      return "damaged";
    case LogVerdict::Kind::kReachedTime:
      return "later";
  }
  return "";
}

}  // namespace

std::string Printable(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c >= ' ' && c <= '~') {
      out += c;
    } else {
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

void CheckReport::Count(const LogBatch& batch) {
  groups_ += batch.groups.size();
  commands_ += batch.commands.size();
  for (const LogFrame& frame : batch.frames) {
    if (frame.unix_ms == 0) continue;
    oldest_ms_ = oldest_ms_ == 0 ? frame.unix_ms : std::min(oldest_ms_, frame.unix_ms);
    newest_ms_ = std::max(newest_ms_, frame.unix_ms);
  }
  if (!per_command_) return;
  std::string name;
  for (const LogCommand& command : batch.commands) {
    name = batch.args[command.first_arg].substr(0, kMaxNameBytes);
    for (char& c : name) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    if (const auto found = names_.find(name); found != names_.end()) {
      ++found->second;
    } else if (names_.size() < kMaxNames) {
      names_.emplace(name, 1);
    } else {
      ++other_names_;
    }
  }
}

std::vector<std::pair<std::string, uint64_t>> CheckReport::ByCount() const {
  std::vector<std::pair<std::string, uint64_t>> list(names_.begin(), names_.end());
  std::ranges::sort(list, [](const auto& a, const auto& b) {
    return a.second != b.second ? a.second > b.second : a.first < b.first;
  });
  if (other_names_ > 0) list.emplace_back("(others)", other_names_);
  return list;
}

std::string CheckReport::FileLine(const LogSource& source, const LogSourceState& state) {
  const std::string path = Printable(source.path);
  if (!state.present) return fmt::format("{}: not read", path);
  return fmt::format("{}: {} of {} bytes, {} frames, {} groups, {} commands{}{}{}", path, state.end,
                     state.size, state.frames, state.groups, state.commands,
                     source.base ? ", base" : "", source.listed ? "" : ", not in the manifest",
                     !state.preamble.empty() ? ", " + Printable(state.preamble)
                     : state.framed          ? ""
                                             : ", without checksums");
}

void CheckReport::AddCheckpoints(std::vector<CheckedCheckpoint> checkpoints, RowStatistics rows) {
  HF_CHECK(checkpoints_.empty() && !checkpoints.empty());
  checkpoints_ = std::move(checkpoints);
  rows_ = std::move(rows);
}

std::vector<std::string> CheckReport::CheckpointLines(bool stats) const {
  std::vector<std::string> lines;
  for (const CheckedCheckpoint& checkpoint : checkpoints_) {
    lines.push_back(
        fmt::format("{}: sound checkpoint, {} keys{}, cut behind frame {} at unix time "
                    "{}.{:03}",
                    Printable(checkpoint.path), checkpoint.keys,
                    checkpoint.hot_keys ? fmt::format(", {} hot", *checkpoint.hot_keys) : "",
                    checkpoint.cut_frame, checkpoint.cut_ms / 1000, checkpoint.cut_ms % 1000));
    if (!checkpoint.damaged_hint.empty()) {
      lines.push_back(fmt::format("{}: {}; no data is lost: the next start will be slow to warm up",
                                  Printable(checkpoint.path), Printable(checkpoint.damaged_hint)));
    }
  }
  if (!stats || checkpoints_.empty()) return lines;
  lines.push_back("of the newest of these:");
  for (const auto& [database, keys] : rows_.keys_by_database())
    lines.push_back(fmt::format("{:>12}  keys in database {}", keys, database));
  for (const auto& [type, of] : rows_.types()) {
    lines.push_back(fmt::format(
        "{:>12}  {} keys, {} of them with a time to live; {} bytes of keys, {} of values", of.keys,
        Printable(type), of.expiring, of.key_bytes, of.value_bytes));
  }
  for (const RowStatistics::BigKey& key : rows_.Biggest()) {
    lines.push_back(fmt::format("{:>12}  bytes: {} {} in database {}", key.bytes,
                                Printable(key.type), Printable(key.key), key.database));
  }
  return lines;
}

std::string CheckReport::CheckpointJson(bool stats) const {
  if (checkpoints_.empty()) return "";
  std::vector<std::string> items;
  for (const CheckedCheckpoint& checkpoint : checkpoints_) {
    items.push_back(fmt::format(
        R"({{"path":{},"id":"{:016x}","cut_frame":{},"cut_ms":{},"keys":{}{}{}}})",
        JsonString(checkpoint.path), checkpoint.id, checkpoint.cut_frame, checkpoint.cut_ms,
        checkpoint.keys,
        checkpoint.hot_keys ? fmt::format(R"(,"hot_keys":{})", *checkpoint.hot_keys) : "",
        checkpoint.damaged_hint.empty()
            ? ""
            : fmt::format(R"(,"damaged_hint":{})", JsonString(checkpoint.damaged_hint))));
  }
  std::string out = fmt::format(R"(,"checkpoints":[{}])", fmt::join(items, ","));
  if (!stats) return out;
  items.clear();
  for (const auto& [database, keys] : rows_.keys_by_database())
    items.push_back(fmt::format(R"("{}":{})", database, keys));
  out += fmt::format(R"(,"databases":{{{}}})", fmt::join(items, ","));
  items.clear();
  for (const auto& [type, of] : rows_.types()) {
    items.push_back(fmt::format(R"({}:{{"keys":{},"expiring":{},"key_bytes":{},"value_bytes":{}}})",
                                JsonString(type), of.keys, of.expiring, of.key_bytes,
                                of.value_bytes));
  }
  out += fmt::format(R"(,"types":{{{}}})", fmt::join(items, ","));
  items.clear();
  for (const RowStatistics::BigKey& key : rows_.Biggest()) {
    items.push_back(fmt::format(R"({{"database":{},"key":{},"type":{},"bytes":{}}})", key.database,
                                JsonString(key.key), JsonString(key.type), key.bytes));
  }
  return out + fmt::format(R"(,"biggest":[{}])", fmt::join(items, ","));
}

std::vector<std::string> CheckReport::Lines(const LogReader& reader, bool stats) const {
  HF_CHECK(reader.sources().size() == reader.states().size());
  std::vector<std::string> lines = CheckpointLines(stats);
  if (stats) {
    for (size_t i = 0; i < reader.sources().size(); ++i) {
      lines.push_back(FileLine(reader.sources()[i], reader.states()[i]));
    }
    for (const auto& [name, count] : ByCount()) {
      lines.push_back(fmt::format("{:>12}  {}", count, Printable(name)));
    }
    if (newest_ms_ > 0) {
      lines.push_back(fmt::format("written between unix times {}.{:03} and {}.{:03}",
                                  oldest_ms_ / 1000, oldest_ms_ % 1000, newest_ms_ / 1000,
                                  newest_ms_ % 1000));
    }
  }
  for (size_t i = 0; i < reader.states().size(); ++i) {
    const LogSourceState& state = reader.states()[i];
    const bool stopped_here =
        reader.verdict().kind != LogVerdict::Kind::kSound && i >= reader.verdict().source;
    if (stopped_here || state.end == state.size) continue;
    lines.push_back(
        fmt::format("{}: {} zero bytes at its end, which redis-server does not load "
                    "(--fix cuts them)",
                    Printable(reader.sources()[i].path), state.size - state.end));
  }
  if (reader.sources().empty() && !checkpoints_.empty()) {
    // No log: the checkpoint is all there is.
  } else if (reader.verdict().kind == LogVerdict::Kind::kSound) {
    lines.push_back(fmt::format("sound: {} files, {} groups, {} commands, next frame {}",
                                reader.sources().size(), groups_, commands_, reader.next_frame()));
  } else {
    lines.push_back(Printable(reader.verdict().Text()));
    lines.push_back(fmt::format("{} groups, {} commands before it are good", groups_, commands_));
  }
  return lines;
}

std::string CheckReport::Json(const LogReader& reader, bool stats, const Outcome& outcome) const {
  const LogVerdict& verdict = reader.verdict();
  std::string out = fmt::format(R"({{"path":{},"verdict":"{}","exit_code":{},"fixed":{})",
                                JsonString(outcome.path), KindName(verdict.kind), outcome.exit_code,
                                outcome.fixed);
  if (verdict.kind != LogVerdict::Kind::kSound) {
    out += fmt::format(R"(,"file":{},"offset":{},"bytes":{},"reason":{})", JsonString(verdict.file),
                       verdict.offset, verdict.bytes, JsonString(verdict.reason));
  }
  out += fmt::format(R"(,"groups":{},"commands":{},"next_frame":{},"side_files":[)", groups_,
                     commands_, reader.next_frame());
  std::vector<std::string> items;
  for (const std::string& path : outcome.side_files) items.push_back(JsonString(path));
  out += fmt::format("{}],\"files\":[", fmt::join(items, ","));
  items.clear();
  for (size_t i = 0; i < reader.sources().size(); ++i) {
    const LogSource& source = reader.sources()[i];
    const LogSourceState& state = reader.states()[i];
    items.push_back(fmt::format(
        R"({{"path":{},"base":{},"listed":{},"framed":{},"size":{},"end":{},"frames":{},)"
        R"("groups":{},"commands":{},"preamble":{}}})",
        JsonString(source.path), source.base, source.listed, state.framed, state.size, state.end,
        state.frames, state.groups, state.commands, JsonString(state.preamble)));
  }
  out += fmt::format("{}]", fmt::join(items, ","));
  out += CheckpointJson(stats);
  if (stats) {
    items.clear();
    for (const auto& [name, count] : ByCount()) {
      items.push_back(fmt::format("{}:{}", JsonString(name), count));
    }
    out += fmt::format(R"(,"oldest_ms":{},"newest_ms":{},"counts":{{{}}})", oldest_ms_, newest_ms_,
                       fmt::join(items, ","));
  }
  return out += "}";
}

std::string CheckReport::JsonError(const std::string& path, std::string_view message,
                                   int exit_code) {
  return fmt::format(R"({{"path":{},"verdict":"error","exit_code":{},"reason":{}}})",
                     JsonString(path), exit_code, JsonString(message));
}

}  // namespace holdfast::aof
