// holdfast-server: configuration, store, server, in this order; stops with the log synced.
//   holdfast-server [conf file] [-] [--name value]...
#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include "aof/posix_file_system.h"
#include "engine/commands/version.h"
#include "engine/config/conf_file.h"
#include "engine/store.h"
#include "engine/store_log.h"
#include "engine/system_clock.h"
#include "server/allocator.h"
#include "server/net/server.h"
#include "server/net/server_log.h"
#include "server/net/startup_checks.h"

namespace {

using holdfast::LogLevel;
using holdfast::config::Config;
using holdfast::server::ServerLog;

constexpr char kUsage[] =
    "Usage: holdfast-server [/path/to/redis.conf] [-] [--name value]...\n"
    "       holdfast-server --version | --help\n"
    "Parameters have redis.conf's names and syntax; '-' reads more of them from standard input.\n"
    "Examples:\n"
    "  holdfast-server                        (the data set lies in ./appendonlydir)\n"
    "  holdfast-server redis.conf --port 7777\n"
    "  holdfast-server --maxmemory 1gb                   (more than that goes to disk)\n"
    "  holdfast-server --eviction-action drop --appendonly no --save ''\n";

std::string Product() { return fmt::format("Holdfast {}", holdfast::commands::kHoldfastVersion); }

// Exits the process for what ends here; the configuration is complete otherwise.
bool LoadConfig(int argc, char** argv, Config& config, holdfast::FileSystem& files, int& status) {
  const std::vector<std::string_view> arguments(argv + 1, argv + argc);
  const holdfast::config::CommandLine line = holdfast::config::ParseCommandLine(arguments);
  if (line.show_version || line.show_help) {
    fmt::print("{}", line.show_version ? Product() + "\n" : kUsage);
    status = 0;
    return false;
  }
  std::string input;
  if (line.read_stdin) input.assign(std::istreambuf_iterator<char>(std::cin), {});
  const auto loaded = holdfast::config::LoadConfiguration(config, files, line, input);
  if (loaded) return true;
  fmt::print(stderr, "{}", loaded.error().Block(Product()));
  status = 1;
  return false;
}

void Daemonize() {
  if (::fork() != 0) ::_exit(0);
  ::setsid();
  const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  for (int i = 0; i < 3 && null >= 0; ++i) ::dup2(null, i);
}

LogLevel LevelOf(const Config& config) { return static_cast<LogLevel>(config.Integer("loglevel")); }

void WritePidFile(const Config& config, ServerLog& log) {
  std::string path = config.Text("pidfile");
  if (path.empty() && config.Bool("daemonize")) path = "/var/run/redis.pid";
  if (path.empty()) return;
  std::ofstream file(path);
  file << ::getpid() << '\n';
  if (!file.flush()) log.Write(LogLevel::kWarning, "can't write the pid file " + path);
}

void Announce(Config& config, holdfast::FileSystem& files, ServerLog& log) {
  log.Write(LogLevel::kNotice, Product() + " starts");
  for (const std::string& finding : holdfast::server::AdjustFileLimit(config))
    log.Write(LogLevel::kWarning, finding);
  for (const std::string& finding : holdfast::server::CheckMachine(config, files))
    log.Write(LogLevel::kWarning, finding);
  std::string inert;
  for (const std::string& setting : config.InertSettings()) inert += " '" + setting + "'";
  if (!inert.empty()) log.Write(LogLevel::kWarning, "set, but without effect so far:" + inert);
}

int Fail(ServerLog& log, const holdfast::Error& error) {
  log.Write(LogLevel::kWarning, error.message);
  return 1;
}

// Reads the log beside the serving threads, and ends them if it cannot be read.
class Recovery {
 public:
  Recovery(holdfast::Store& store, holdfast::server::Server& server, ServerLog& log)
      : store_(store), thread_([this, &server, &log] {
          recovered_ = store_.Recover();
          done_.store(true);
          if (recovered_) {
            log.Write(LogLevel::kNotice, "Ready to accept connections");
          } else {
            server.Stop();
          }
        }) {}
  Recovery(const Recovery&) = delete;
  Recovery& operator=(const Recovery&) = delete;
  ~Recovery() { static_cast<void>(Finish()); }

  // Nobody serves any more. Ok, too, if it was this that ended it: nothing of the log was touched.
  holdfast::Status Finish() {
    if (!thread_.joinable()) return recovered_;
    const bool ends_it = !done_.load();
    store_.CancelRecovery();
    thread_.join();
    const bool cancelled =
        !recovered_ && recovered_.error().code == holdfast::ErrorCode::kUnavailable;
    if (ends_it && cancelled) recovered_ = {};
    return recovered_;
  }

 private:
  holdfast::Store& store_;
  holdfast::Status recovered_;
  std::atomic<bool> done_{false};
  std::thread thread_;
};

int Serve(Config& config, holdfast::FileSystem& files, ServerLog& log) {
  holdfast::SystemClock clock;
  holdfast::SystemRandom random;
  auto store = holdfast::Store::Create({.config = &config,
                                        .clock = &clock,
                                        .random = &random,
                                        .file_system = &files,
                                        .logger = &log});
  if (!store) return Fail(log, store.error());
  holdfast::Status recovered;
  {
    holdfast::server::Server server(**store, config, log);
    if (auto listening = server.Listen(); !listening) return Fail(log, listening.error());
    (*store)->log().set_shutdown_handler([&](const holdfast::commands::ShutdownRequest&) {
      log.Write(LogLevel::kWarning, "User requested shutdown...");
      server.Stop();
      return true;
    });
    WritePidFile(config, log);
    Recovery recovery(**store, server, log);
    server.Run();
    recovered = recovery.Finish();
  }
  const auto closed = (*store)->Close();
  const std::string pid_file = config.Text("pidfile");
  if (!pid_file.empty()) ::unlink(pid_file.c_str());
  if (!recovered) return Fail(log, recovered.error());
  if (!closed) return Fail(log, closed.error());
  log.Write(LogLevel::kWarning, "Holdfast is now ready to exit, bye bye...");
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGHUP, SIG_IGN);
  Config config;
  holdfast::aof::PosixFileSystem files;
  int status = 0;
  if (!LoadConfig(argc, argv, config, files, status)) return status;
  ServerLog log;
  log.SetLevel(LevelOf(config));
  if (auto opened = log.Open(config.Text("logfile")); !opened) return Fail(log, opened.error());
  const auto level = config.OnChange({"loglevel"}, [&log](const Config& now) {
    log.SetLevel(LevelOf(now));
    return holdfast::Status{};
  });
  const auto memory = config.OnChange({"maxmemory"}, [](const Config& now) {
    holdfast::server::FollowMemoryLimit(static_cast<uint64_t>(now.Integer("maxmemory")));
    return holdfast::Status{};
  });
  holdfast::server::FollowMemoryLimit(static_cast<uint64_t>(config.Integer("maxmemory")));
  if (config.Bool("daemonize")) Daemonize();
  Announce(config, files, log);
  return Serve(config, files, log);
}
