#include "aof/group_parser.h"

#include <fmt/core.h>

#include <limits>

#include "aof/request_parser.h"
#include "holdfast/bytes.h"
#include "holdfast/check.h"
#include "holdfast/number.h"

namespace holdfast::aof {
namespace {

// Redis trusts the lengths in its log; here they are only believed as far as the file goes.
constexpr RequestLimits kLogLimits{.max_bulk_bytes = uint64_t{1} << 62, .strict = true};
constexpr size_t kMaxLineBytes = 1024;  // of a '#' line, as Redis has it

bool IsCommand(std::string_view name, std::string_view lower) {
  if (name.size() != lower.size()) return false;
  for (size_t i = 0; i < name.size(); ++i) {
    if ((name[i] | 0x20) != lower[i]) return false;
  }
  return true;
}

class GroupScanner {
 public:
  GroupScanner(std::string_view text, uint64_t offset, uint32_t& database, LogBatch& batch)
      : text_(text), offset_(offset), database_(database), batch_(batch) {}

  GroupScan Scan() {
    HF_CHECK(!batch_.frames.empty());
    while (scan_.stop == GroupScan::Stop::kEnd && at_ < text_.size()) {
      if (text_[at_] != '*' && !in_transaction_) return Finish(GroupScan::Stop::kOther);
      if (text_[at_] == '#') {
        SkipLine();
      } else {
        TakeCommand();
      }
    }
    if (scan_.stop == GroupScan::Stop::kEnd && in_transaction_) Cut(1);
    return Finish(scan_.stop);
  }

 private:
  GroupScan Finish(GroupScan::Stop stop) {
    scan_.stop = stop;
    if (in_transaction_) RollBack();
    HF_CHECK(scan_.size <= text_.size());
    return std::move(scan_);
  }

  void Cut(uint64_t missing) {
    scan_.stop = GroupScan::Stop::kCut;
    scan_.stop_at = at_;
    scan_.missing = missing;
  }

  void Bad(std::string reason) {
    scan_.stop = GroupScan::Stop::kBad;
    scan_.stop_at = at_;
    scan_.reason = std::move(reason);
  }

  // An annotation of Redis inside a transaction.
  void SkipLine() {
    const size_t end = text_.substr(at_, kMaxLineBytes).find('\n');
    if (end != std::string_view::npos) {
      at_ += end + 1;
    } else if (text_.size() - at_ < kMaxLineBytes) {
      Cut(1);
    } else {
      Bad("a line that begins with '#' has no end");
    }
  }

  void TakeCommand() {
    const size_t first = batch_.args.size();
    size_t size = AppendWholeRequest(text_.substr(at_), kLogLimits, batch_.args);
    if (size == 0) {
      batch_.args.resize(first);
      size = TakeUnusual();
      if (size == 0) return;
    }
    const size_t count = batch_.args.size() - first;
    HF_CHECK(count > 0);
    if (batch_.args.size() > std::numeric_limits<uint32_t>::max()) {
      return Bad("more than 4,294,967,295 arguments in one group");
    }
    const size_t start = at_;
    if (TakeControl(first, count)) {
      if (scan_.stop != GroupScan::Stop::kEnd) return;
      at_ = start + size;
      if (!in_transaction_) scan_.size = at_;
      return;
    }
    at_ = start + size;
    batch_.commands.push_back(
        {static_cast<uint32_t>(first), static_cast<uint32_t>(count), database_});
    if (in_transaction_) return;
    batch_.groups.push_back({offset_ + start, static_cast<uint32_t>(batch_.commands.size() - 1), 1,
                             static_cast<uint32_t>(batch_.frames.size() - 1)});
    scan_.size = at_;
  }

  // A command that the fast way did not take: with very many arguments, cut, or bad. Its size, or 0
  // with scan_ saying why.
  size_t TakeUnusual() {
    RequestParser parser(kLogLimits);
    Request request;
    switch (parser.Parse(text_.substr(at_), request)) {
      case RequestParser::Outcome::kIncomplete:
        Cut(parser.bytes_missing());
        return 0;
      case RequestParser::Outcome::kError:
        Bad(parser.error());
        return 0;
      case RequestParser::Outcome::kComplete:
        break;
    }
    batch_.args.insert(batch_.args.end(), request.args.begin(), request.args.end());
    HF_CHECK(parser.consumed() > 0);
    return parser.consumed();
  }

  // Takes SELECT, MULTI and EXEC out. False: an ordinary command.
  bool TakeControl(size_t first, size_t count) {
    const std::string_view name = batch_.args[first];
    if (name.size() < 4 || name.size() > 6) return false;
    if (IsCommand(name, "select")) {
      Select(first, count);
    } else if (IsCommand(name, "multi")) {
      if (in_transaction_) {
        Bad("MULTI inside MULTI");
        return true;
      }
      in_transaction_ = true;
      group_start_ = at_;
      first_arg_ = first;
      first_command_ = batch_.commands.size();
      database_before_ = database_;
    } else if (IsCommand(name, "exec")) {
      if (!in_transaction_) {
        Bad("EXEC without MULTI");
        return true;
      }
      EndTransaction();
    } else {
      return false;
    }
    batch_.args.resize(first);
    return true;
  }

  void Select(size_t first, size_t count) {
    const auto index = count == 2 ? ParseInteger(batch_.args[first + 1]) : std::nullopt;
    if (!index || *index < 0 || *index > std::numeric_limits<int32_t>::max()) {
      return Bad("SELECT without a database number");
    }
    database_ = static_cast<uint32_t>(*index);
  }

  void EndTransaction() {
    in_transaction_ = false;
    HF_CHECK(first_command_ <= batch_.commands.size());
    const size_t count = batch_.commands.size() - first_command_;
    if (count == 0) return;  // an empty transaction is no group
    batch_.groups.push_back({offset_ + group_start_, static_cast<uint32_t>(first_command_),
                             static_cast<uint32_t>(count),
                             static_cast<uint32_t>(batch_.frames.size() - 1)});
  }

  void RollBack() {
    HF_CHECK(first_command_ <= batch_.commands.size() && first_arg_ <= batch_.args.size());
    batch_.commands.resize(first_command_);
    batch_.args.resize(first_arg_);
    database_ = database_before_;
    in_transaction_ = false;
  }

  const std::string_view text_;
  const uint64_t offset_;
  uint32_t& database_;
  LogBatch& batch_;
  GroupScan scan_;
  size_t at_ = 0;
  bool in_transaction_ = false;
  // Where the transaction under way began, to take it back if its EXEC is not there.
  size_t group_start_ = 0;
  size_t first_arg_ = 0;
  size_t first_command_ = 0;
  uint32_t database_before_ = 0;
};

}  // namespace

GroupScan ScanGroups(std::string_view text, uint64_t offset, uint32_t& database, LogBatch& batch) {
  return GroupScanner(text, offset, database, batch).Scan();
}

}  // namespace holdfast::aof
