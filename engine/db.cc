#include "holdfast/db.h"

#include <fmt/core.h>

#include "aof/posix_file_system.h"
#include "engine/executor.h"
#include "engine/reply_sinks.h"
#include "engine/store.h"
#include "engine/system_clock.h"

namespace holdfast {
namespace {

class EmbeddedSession final : public DbSession {
 public:
  explicit EmbeddedSession(Store& store) : store_(store), executor_(store) {
    session_.SetProtocol(3);
    store_.clients().Add(session_, store_.clock().NowMs());
  }
  ~EmbeddedSession() override {
    executor_.ResetTransaction(session_);
    store_.clients().Remove(session_);
  }

  Reply Execute(std::span<const std::string_view> args) override {
    ValueSink sink(session_.protocol);
    if (args.empty()) {
      sink.Error("ERR empty command");
      return sink.Take();
    }
    executor_.BeginTurn();
    PreparedCommand command{.args = args, .entry = nullptr, .key = {}};
    executor_.Prepare(session_, command);
    while (executor_.Execute(session_, command, sink) == Outcome::kParked) {
      store_.WaitUntilAdmitted();
      executor_.BeginTurn();
    }
    executor_.EndTurn();
    if (Status waited = store_.WaitForLog(session_.log_position); !waited) {
      ValueSink failed;
      failed.Error(fmt::format("IOERR {}", waited.error().message));
      return failed.Take();
    }
    return sink.Take();
  }

  void SetProtocol(int version) override { session_.SetProtocol(version); }

 private:
  Store& store_;
  Executor executor_;
  commands::Session session_;
};

class OpenDb final : public Db {
 public:
  Status Start(const Options& options) {
    for (const auto& [name, value] : options.settings) {
      const std::string words[] = {value};
      if (auto set = config_.SetAtStart(name, words); !set)
        return MakeError(ErrorCode::kInvalidArgument, fmt::format("{}: {}", name, set.error()));
    }
    const std::string directory[] = {options.directory};
    const std::string off[] = {"no"};
    const auto set = options.directory.empty() ? config_.SetAtStart("appendonly", off)
                                               : config_.SetAtStart("dir", directory);
    if (!set) return MakeError(ErrorCode::kInvalidArgument, set.error());
    if (options.file_system != nullptr)
      config_.SetDefault("eviction-action", static_cast<int64_t>(config::EvictionAction::kDrop));
    store_ = HF_TRY(Store::Open(
        {.config = &config_,
         .clock = options.clock != nullptr ? options.clock : &clock_,
         .random = options.random != nullptr ? options.random : &random_,
         .file_system = options.file_system != nullptr ? options.file_system : &file_system_,
         .in_memory = options.directory.empty()}));
    return {};
  }

  std::unique_ptr<DbSession> NewSession() override {
    return std::make_unique<EmbeddedSession>(*store_);
  }
  Status Close() override { return store_->Close(); }
  Store& store() override { return *store_; }

 private:
  SystemClock clock_;
  SystemRandom random_;
  aof::PosixFileSystem file_system_;
  config::Config config_;
  std::unique_ptr<Store> store_;
};

}  // namespace

Result<std::unique_ptr<Db>> Db::Open(const Options& options) {
  auto db = std::make_unique<OpenDb>();
  HF_TRY_STATUS(db->Start(options));
  return db;
}

}  // namespace holdfast
