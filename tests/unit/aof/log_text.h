// Log files as text, for tests of what reads them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "aof/crc32c.h"
#include "aof/frame.h"
#include "aof/log_reader.h"
#include "aof/request_parser.h"

namespace holdfast::aof {

inline std::string Resp(std::initializer_list<std::string_view> args) {
  std::string text;
  AppendRequest(text, {args.begin(), args.size()});
  return text;
}

inline std::string FileHeaderLine(uint64_t id) {
  return std::string(FormatFileHeader({.file_id = id}).view());
}

// One frame; `synced` defaults to nothing known.
inline std::string FrameText(uint64_t id, uint64_t number, std::string_view payload,
                             uint64_t synced = 0, UnixMs unix_ms = 1000) {
  const FrameHeader header{.number = number,
                           .term = 0,
                           .unix_ms = unix_ms,
                           .synced = synced,
                           .bytes = payload.size(),
                           .crc = Crc32c(0, payload)};
  return std::string(FormatFrameHeader(header, id).view()) + std::string(payload);
}

// What a reader handed out: one line per group, "db:SET a 1;..." with commands joined by ';'.
struct LogContents {
  std::vector<std::string> groups;
  LogVerdict verdict;
  std::string error;  // of Next
};

inline std::string GroupText(const LogBatch& batch, const LogGroup& group) {
  std::string text;
  for (const LogCommand& command : batch.Commands(group)) {
    if (!text.empty()) text += ';';
    text += std::to_string(command.database) + ":";
    bool first = true;
    for (const std::string_view arg : batch.Args(command)) {
      if (!first) text += ' ';
      text += arg;
      first = false;
    }
  }
  return text;
}

inline LogContents Drain(LogReader& reader) {
  LogContents log;
  LogBatch batch;
  while (true) {
    auto more = reader.Next(batch);
    if (!more) {
      log.error = more.error().message;
      return log;
    }
    if (!*more) break;
    for (const LogGroup& group : batch.groups) log.groups.push_back(GroupText(batch, group));
  }
  log.verdict = reader.verdict();
  return log;
}

}  // namespace holdfast::aof
