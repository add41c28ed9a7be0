// holdfast-server: configuration, store, server, in this order; stops with the log synced.
#include <fmt/core.h>

#include <csignal>
#include <cstdio>
#include <string>
#include <vector>

#include "aof/posix_file_system.h"
#include "engine/store.h"
#include "engine/system_clock.h"
#include "server/net/server.h"

namespace {

class StandardOutputLogger final : public holdfast::Logger {
 public:
  void Write(holdfast::LogLevel, std::string_view line) override {
    fmt::print(stderr, "{}\n", line);
  }
};

int Serve(holdfast::config::Config& config, holdfast::Logger& logger) {
  holdfast::SystemClock clock;
  holdfast::SystemRandom random;
  holdfast::aof::PosixFileSystem file_system;
  auto store = holdfast::Store::Open(
      {.config = &config, .clock = &clock, .random = &random, .file_system = &file_system});
  if (!store) {
    logger.Write(holdfast::LogLevel::kWarning, store.error().message);
    return 1;
  }
  holdfast::server::Server server(**store, config, logger);
  if (auto listening = server.Listen(); !listening) {
    logger.Write(holdfast::LogLevel::kWarning, listening.error().message);
    return 1;
  }
  logger.Write(holdfast::LogLevel::kNotice, "Ready to accept connections");
  server.Run();
  return (*store)->Close() ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  holdfast::config::Config config;
  StandardOutputLogger logger;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string words[] = {argv[i + 1]};
    if (auto set = config.SetAtStart(std::string(argv[i]).substr(2), words); !set) {
      fmt::print(stderr, "{}: {}\n", argv[i], set.error());
      return 1;
    }
  }
  return Serve(config, logger);
}
