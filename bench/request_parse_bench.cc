// What parsing one request costs: pipelined GET, SET and PING as clients send them.
#include <benchmark/benchmark.h>
#include <fmt/core.h>

#include <string>

#include "aof/request_parser.h"

namespace holdfast::aof {
namespace {

void ParseAll(benchmark::State& state, const std::string& input, int64_t requests) {
  RequestParser parser;
  Request request;
  for (auto _ : state) {
    std::string_view rest = input;
    while (parser.Parse(rest, request) == RequestParser::Outcome::kComplete) {
      benchmark::DoNotOptimize(request.args.data());
      rest.remove_prefix(parser.consumed());
    }
    if (!rest.empty()) state.SkipWithError("input not parsed to its end");
  }
  state.SetItemsProcessed(state.iterations() * requests);
}

std::string Repeat(std::initializer_list<std::string_view> args, int count) {
  std::string text;
  for (int i = 0; i < count; ++i) AppendRequest(text, {args.begin(), args.size()});
  return text;
}

void BM_ParseGet(benchmark::State& state) {
  ParseAll(state, Repeat({"GET", "key:000000001234"}, 1000), 1000);
}
BENCHMARK(BM_ParseGet);

void BM_ParseSet32(benchmark::State& state) {
  ParseAll(state, Repeat({"SET", "key:000000001234", std::string(32, 'v')}, 1000), 1000);
}
BENCHMARK(BM_ParseSet32);

void BM_ParseMset20(benchmark::State& state) {
  std::string text;
  std::vector<std::string_view> args{"MSET"};
  for (int i = 0; i < 20; ++i) args.insert(args.end(), {"key:000000001234", "value"});
  for (int i = 0; i < 100; ++i) AppendRequest(text, args);
  ParseAll(state, text, 100);
}
BENCHMARK(BM_ParseMset20);

void BM_ParsePingInline(benchmark::State& state) {
  std::string text;
  for (int i = 0; i < 1000; ++i) text += "PING\r\n";
  ParseAll(state, text, 1000);
}
BENCHMARK(BM_ParsePingInline);

// One byte more at each call: what is known must not be scanned again.
void BM_ParseSetBytewise(benchmark::State& state) {
  const std::string text = Repeat({"SET", "key:000000001234", std::string(1000, 'v')}, 1);
  RequestParser parser;
  Request request;
  for (auto _ : state) {
    for (size_t size = 1; size <= text.size(); ++size) {
      benchmark::DoNotOptimize(parser.Parse(std::string_view(text).substr(0, size), request));
    }
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(text.size()));
}
BENCHMARK(BM_ParseSetBytewise);

void BM_AppendSet32(benchmark::State& state) {
  const std::string value(32, 'v');
  const std::string_view args[] = {"SET", "key:000000001234", value};
  std::string out;
  for (auto _ : state) {
    out.clear();
    AppendRequest(out, args);
    benchmark::DoNotOptimize(out.data());
  }
}
BENCHMARK(BM_AppendSet32);

}  // namespace
}  // namespace holdfast::aof

BENCHMARK_MAIN();
