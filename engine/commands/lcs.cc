// LCS: the longest common subsequence by dynamic programming, two rows of lengths and one bit a
// cell for the way back (a 32nd of a full table).
#include <algorithm>
#include <string>
#include <vector>

#include "engine/commands/arguments.h"
#include "engine/commands/string_access.h"
#include "engine/commands/string_handlers.h"
#include "engine/config/config.h"
#include "holdfast/bytes.h"

namespace holdfast::commands {
namespace {

using memtable::Entry;

// Of the table of bits: 4 GiB, for whoever raises proto-max-bulk-len.
constexpr uint64_t kMaxCells = uint64_t{1} << 35;
constexpr uint64_t kRedisCellBytes = 4;

struct Options {
  bool length = false;
  bool indexes = false;
  bool with_match_length = false;
  int64_t min_match_length = 0;
};

struct Match {
  size_t a_begin;
  size_t b_begin;
  size_t length;
};

// Where a and b differ at (i, j), `up` says that the subsequence continues at (i - 1, j).
class Table {
 public:
  Table(std::string_view a, std::string_view b)
      : a_(a), b_(b), up_((a.size() * b.size() + 63) / 64) {
    std::vector<uint32_t> above(b.size() + 1);
    std::vector<uint32_t> row(b.size() + 1);
    for (size_t i = 1; i <= a.size(); ++i) {
      for (size_t j = 1; j <= b.size(); ++j) {
        if (a[i - 1] == b[j - 1]) {
          row[j] = above[j - 1] + 1;
          continue;
        }
        row[j] = std::max(above[j], row[j - 1]);
        if (above[j] > row[j - 1]) up_[Cell(i, j) / 64] |= uint64_t{1} << (Cell(i, j) % 64);
      }
      above.swap(row);
    }
    length_ = above[b.size()];
  }

  size_t length() const { return length_; }

  // From the end to the beginning, as Redis answers them. `text` gets the subsequence.
  std::vector<Match> Matches(std::string& text) const {
    std::vector<Match> matches;
    text.assign(length_, '\0');
    size_t left = length_;
    size_t i = a_.size();
    size_t j = b_.size();
    bool extends = false;  // the last match ends where this position begins
    while (i > 0 && j > 0) {
      if (a_[i - 1] != b_[j - 1]) {
        const size_t cell = Cell(i, j);
        --(((up_[cell / 64] >> (cell % 64)) & 1) != 0 ? i : j);
        extends = false;
        continue;
      }
      --i;
      --j;
      text[--left] = a_[i];
      if (extends) {
        matches.back() = {i, j, matches.back().length + 1};
      } else {
        matches.push_back({i, j, 1});
      }
      extends = true;
    }
    return matches;
  }

 private:
  size_t Cell(size_t i, size_t j) const { return (i - 1) * b_.size() + (j - 1); }

  std::string_view a_;
  std::string_view b_;
  std::vector<uint64_t> up_;
  size_t length_ = 0;
};

// nullopt after answering an error.
std::optional<Options> ParseOptions(CommandContext& ctx) {
  Options options;
  for (size_t i = 3; i < ctx.args.size(); ++i) {
    if (IsToken(ctx.args[i], "idx")) {
      options.indexes = true;
    } else if (IsToken(ctx.args[i], "len")) {
      options.length = true;
    } else if (IsToken(ctx.args[i], "withmatchlen")) {
      options.with_match_length = true;
    } else if (IsToken(ctx.args[i], "minmatchlen") && i + 1 < ctx.args.size()) {
      const auto value = IntegerArgument(ctx, ++i);
      if (!value) return std::nullopt;
      options.min_match_length = std::max<int64_t>(0, *value);
    } else {
      ctx.reply.Error(errors::kSyntax);
      return std::nullopt;
    }
  }
  if (!options.indexes || !options.length) return options;
  ctx.reply.Error("ERR If you want both the length and indexes, please just use IDX.");
  return std::nullopt;
}

// Redis counts what its own, larger table would take.
bool TableFits(CommandContext& ctx, uint64_t rows, uint64_t columns) {
  const auto cells = CheckedMul(rows, columns);
  const auto limit = static_cast<uint64_t>(ctx.services.config->Integer("proto-max-bulk-len"));
  if (!cells || *cells > limit / kRedisCellBytes) {
    ctx.reply.Error("ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len");
    return false;
  }
  if (*cells > kMaxCells) {
    ctx.reply.Error("ERR Insufficient memory, failed allocating transient memory for LCS");
    return false;
  }
  return true;
}

void ReplyRange(CommandContext& ctx, size_t begin, size_t length) {
  ctx.reply.Array(2);
  ctx.reply.Integer(static_cast<int64_t>(begin));
  ctx.reply.Integer(static_cast<int64_t>(begin + length - 1));
}

void ReplyMatches(CommandContext& ctx, const Options& options, std::vector<Match> matches,
                  size_t length) {
  std::erase_if(matches, [&](const Match& match) {
    return static_cast<int64_t>(match.length) < options.min_match_length;
  });
  ctx.reply.Map(2);
  ctx.reply.BulkString("matches");
  ctx.reply.Array(matches.size());
  for (const Match& match : matches) {
    ctx.reply.Array(options.with_match_length ? 3 : 2);
    ReplyRange(ctx, match.a_begin, match.length);
    ReplyRange(ctx, match.b_begin, match.length);
    if (options.with_match_length) ctx.reply.Integer(static_cast<int64_t>(match.length));
  }
  ctx.reply.BulkString("len");
  ctx.reply.Integer(static_cast<int64_t>(length));
}

}  // namespace

void Lcs(CommandContext& ctx) {
  const Entry* entries[] = {ctx.access.Read(ctx.keys[0]), ctx.access.Read(ctx.keys[1])};
  std::string_view texts[2];
  Entry::Scratch scratch[2];
  for (size_t i = 0; i < 2; ++i) {
    if (entries[i] == nullptr) continue;
    if (entries[i]->type() != memtable::ValueType::kString) {
      return ctx.reply.Error("ERR The specified keys must contain string values");
    }
    texts[i] = entries[i]->StringBytes(scratch[i]);
  }
  const auto options = ParseOptions(ctx);
  if (!options) return;
  if (!TableFits(ctx, texts[0].size() + 1, texts[1].size() + 1)) return;
  const Table table(texts[0], texts[1]);
  if (options->length) return ctx.reply.Integer(static_cast<int64_t>(table.length()));
  std::string text;
  std::vector<Match> matches = table.Matches(text);
  if (options->indexes) return ReplyMatches(ctx, *options, std::move(matches), table.length());
  ctx.reply.BulkString(text);
}

}  // namespace holdfast::commands
