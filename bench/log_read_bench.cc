// How fast a log is read and verified: SETs of 32-byte values, in frames of several sizes and as
// Redis writes them. Applying them is not part of it.
#include <benchmark/benchmark.h>
#include <fmt/core.h>
#include <stdlib.h>

#include <filesystem>
#include <string>

#include "aof/crc32c.h"
#include "aof/frame.h"
#include "aof/log_reader.h"
#include "aof/posix_file_system.h"
#include "aof/request_parser.h"

namespace holdfast::aof {
namespace {

constexpr int kCommands = 1'000'000;
constexpr uint64_t kFileId = 42;

std::string LogText(size_t commands_per_frame) {
  std::string text;
  if (commands_per_frame > 0) text += FormatFileHeader({.file_id = kFileId}).view();
  const std::string value(32, 'v');
  std::string payload;
  uint64_t number = 0;
  for (int i = 1; i <= kCommands; ++i) {
    const std::string key = fmt::format("key:{:012}", i);
    const std::string_view args[] = {"SET", key, value};
    AppendRequest(payload, args);
    const bool flush = commands_per_frame == 0 || i % commands_per_frame == 0 || i == kCommands;
    if (!flush) continue;
    if (commands_per_frame > 0) {
      text += FormatFrameHeader({.number = ++number,
                                 .term = 0,
                                 .unix_ms = 1,
                                 .synced = number - 1,
                                 .bytes = payload.size(),
                                 .crc = Crc32c(0, payload)},
                                kFileId)
                  .view();
    }
    text += payload;
    payload.clear();
  }
  return text;
}

// Commands per frame; 0: no frames.
void BM_ReadLog(benchmark::State& state) {
  std::string directory = std::filesystem::temp_directory_path() / "holdfast-bench-XXXXXX";
  if (::mkdtemp(directory.data()) == nullptr) return state.SkipWithError("no temporary folder");
  PosixFileSystem fs;
  const std::string path = directory + "/log";
  const std::string text = LogText(static_cast<size_t>(state.range(0)));
  {
    auto file = fs.Open(path, {.write = true, .create = true});
    const std::string_view part = text;
    if (!file || !(*file)->WriteAt(0, {&part, 1})) return state.SkipWithError("cannot write");
  }
  for (auto _ : state) {
    LogReader reader(fs, {{path, false, true, std::nullopt}});
    LogBatch batch;
    size_t commands = 0;
    while (reader.Next(batch).value_or(false)) {
      for (const LogGroup& group : batch.groups) {
        for (const LogCommand& command : batch.Commands(group)) {
          benchmark::DoNotOptimize(batch.Args(command).data());
          ++commands;
        }
      }
    }
    if (commands != kCommands || reader.verdict().kind != LogVerdict::Kind::kSound) {
      state.SkipWithError("the log was not read to its end");
    }
  }
  state.SetItemsProcessed(state.iterations() * kCommands);
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(text.size()));
  std::filesystem::remove_all(directory);
}
BENCHMARK(BM_ReadLog)->Arg(0)->Arg(1)->Arg(16)->Arg(1000)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace holdfast::aof

BENCHMARK_MAIN();
