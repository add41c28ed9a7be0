// The durable side of a store: its directory and lock, recovery, the log writer, rewriting. Owned
// by the Store; implements what commands may ask of persistence. Any thread, except where said.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "engine/commands/persistence.h"
#include "holdfast/file_system.h"
#include "holdfast/result.h"
#include "memtable/key.h"

namespace holdfast {

class Store;

class StoreLog final : public commands::Persistence {
 public:
  explicit StoreLog(Store& store) : store_(store) {}
  ~StoreLog() override = default;

  // Opening, in this order, by one thread, before anything else runs. OpenDirectory locks the data
  // directory and returns the data set's hash seed (a fresh one without a directory).
  Result<memtable::HashSeed> OpenDirectory();
  Status Recover();
  Status Close();

  commands::LogFigures Log() const override;
  commands::LoadFigures Load() const override;
  UnixMs LastSaveMs() const override { return last_save_ms_.load(std::memory_order_relaxed); }
  Result<std::string> StartRewrite() override;
  Status SetLogEnabled(bool enabled) override;
  void LogPolicyChanged() override;
  Status Reload() override;
  bool RequestShutdown(const commands::ShutdownRequest& request) override;
  bool AbortShutdown() override;

 private:
  Store& store_;
  std::unique_ptr<FileLock> directory_lock_;
  std::atomic<UnixMs> last_save_ms_{0};
};

}  // namespace holdfast
