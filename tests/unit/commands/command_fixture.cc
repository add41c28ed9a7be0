#include "tests/unit/commands/command_fixture.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>

#include "engine/reply_sinks.h"
#include "engine/store.h"
#include "holdfast/check.h"
#include "tests/unit/commands/handler_run.h"

namespace holdfast::commands {
namespace {

// One escape of a double-quoted word; `at` stands behind the backslash.
char Unescape(std::string_view line, size_t& at) {
  const char c = line[at++];
  if (c == 'n') return '\n';
  if (c == 'r') return '\r';
  if (c != 'x') return c;
  const auto value = std::stoi(std::string(line.substr(at, 2)), nullptr, 16);
  at += 2;
  return static_cast<char>(value);
}

std::string Quoted(std::string_view bytes) {
  std::string text = "\"";
  for (const char c : bytes) {
    if (std::isprint(static_cast<unsigned char>(c)) != 0 && c != '"' && c != '\\') {
      text += c;
    } else {
      text += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    }
  }
  return text + "\"";
}

std::vector<std::string> Texts(const std::vector<Reply>& elements) {
  std::vector<std::string> texts;
  for (const Reply& element : elements) texts.push_back(Text(element));
  return texts;
}

std::string MapText(const std::vector<Reply>& elements) {
  std::vector<std::string> pairs;
  for (size_t i = 0; i + 1 < elements.size(); i += 2) {
    pairs.push_back(Text(elements[i]) + ": " + Text(elements[i + 1]));
  }
  return fmt::format("{{{}}}", fmt::join(pairs, ", "));
}

}  // namespace

std::vector<std::string> Words(std::string_view line) {
  std::vector<std::string> words;
  size_t at = 0;
  while (at < line.size()) {
    if (line[at] == ' ') {
      ++at;
      continue;
    }
    std::string word;
    if (line[at] == '\'' || line[at] == '"') {
      const char quote = line[at++];
      while (line[at] != quote) {
        const char c = line[at++];
        word += quote == '"' && c == '\\' ? Unescape(line, at) : c;
      }
      ++at;
    } else {
      while (at < line.size() && line[at] != ' ') word += line[at++];
    }
    words.push_back(std::move(word));
  }
  return words;
}

std::string Text(const Reply& reply) {
  switch (reply.type) {
    case Reply::Type::kNull:
      return "nil";
    case Reply::Type::kNullArray:
      return "nil-array";
    case Reply::Type::kInteger:
      return fmt::format("{}", reply.integer);
    case Reply::Type::kBulkString:
      return Quoted(reply.text);
    case Reply::Type::kArray:
      return fmt::format("[{}]", fmt::join(Texts(reply.elements), ", "));
    case Reply::Type::kSet:
      return fmt::format("~[{}]", fmt::join(Texts(reply.elements), ", "));
    case Reply::Type::kMap:
      return MapText(reply.elements);
    case Reply::Type::kSimpleString:
    case Reply::Type::kError:
      return reply.text;
    default:
      return fmt::format("(type {}) {}", static_cast<int>(reply.type), reply.text);
  }
}

void RecordingLog::Record(int database, std::span<const std::string_view> command) {
  lines.push_back(fmt::format("{}", fmt::join(command, " ")));
  if (database != 0) lines.back() = fmt::format("[{}] {}", database, lines.back());
}

void RecordingLog::RecordBefore(int database, std::span<const std::string_view> command) {
  Record(database, command);
  lines.back() = "before: " + lines.back();
}

CommandTest::CommandTest(std::vector<std::pair<std::string, std::string>> settings) {
  auto db = Db::Open({.settings = std::move(settings), .clock = &clock_, .random = &random_});
  HF_CHECK(db.has_value());
  db_ = std::move(*db);
  session_ = NewSession();
}

CommandTest::~CommandTest() = default;

std::unique_ptr<DbSession> CommandTest::NewSession() {
  auto session = db_->NewSession();
  session->SetProtocol(2);
  return session;
}

std::string CommandTest::RunIn(DbSession& session, std::string_view line) {
  const std::vector<std::string> words = Words(line);
  const std::vector<std::string_view> args(words.begin(), words.end());
  return Text(session.Execute(std::span<const std::string_view>(args)));
}

void CommandTest::Expect(std::initializer_list<Exchange> exchanges) {
  for (const Exchange& exchange : exchanges) {
    EXPECT_EQ(Run(exchange.command), exchange.reply) << exchange.command;
  }
}

std::string CommandTest::RunInDatabase(int database, std::string_view line) {
  ValueSink sink(2);
  bare_session_.SetDatabase(database);
  Invoke(line, nullptr, false, sink);
  bare_session_.SetDatabase(0);
  return Text(sink.Take());
}

void CommandTest::Invoke(std::string_view line, keyspace::ChangeLog* log, bool replaying,
                         ReplySink& sink) {
  const std::vector<std::string> words = Words(line);
  const std::vector<std::string_view> args(words.begin(), words.end());
  RunHandler({.store = store(),
              .session = bare_session_,
              .now_ms = clock_.NowMs(),
              .log = log,
              .replaying = replaying},
             args, sink);
}

std::vector<std::string> CommandTest::Effects(std::string_view line) {
  RecordingLog log;
  DiscardSink sink;
  Invoke(line, &log, false, sink);
  return log.lines;
}

std::string CommandTest::Replay(std::string_view line) {
  ErrorSink sink;
  Invoke(line, nullptr, true, sink);
  return sink.text();
}

}  // namespace holdfast::commands
