#include "engine/replay.h"

#include <fmt/core.h>

#include <algorithm>
#include <memory>
#include <thread>
#include <vector>

#include "engine/replay_worker.h"
#include "engine/store.h"

namespace holdfast {
namespace {

using commands::Locking;

constexpr size_t kMaxWorkers = 16;

// The reader takes a core for itself, unless what the commands need of the tier takes much longer.
size_t WorkerCount(Store& store, size_t wanted) {
  if (wanted > 0) return std::min(wanted, kMaxWorkers);
  const size_t cores = std::max(1u, std::thread::hardware_concurrency());
  const bool cold = std::ranges::any_of(
      store.keyspace().shards(), [](const keyspace::Shard& shard) { return shard.cold_keys != 0; });
  return std::clamp<size_t>(cold ? cores : cores - 1, 1, kMaxWorkers);
}

// Deals the commands of batches to workers by shard.
class Dealer {
 public:
  Dealer(Store& store, const std::vector<aof::LogSource>& sources, size_t workers)
      : store_(store), sources_(sources) {
    for (size_t i = 0; i < workers; ++i)
      workers_.push_back(std::make_unique<ReplayWorker>(store, sources));
    shares_.resize(workers);
  }

  Status Deal(const std::shared_ptr<const aof::LogBatch>& batch) {
    for (ReplayShare& share : shares_) share.batch = batch;
    for (const aof::LogGroup& group : batch->groups) {
      for (const aof::LogCommand& command : batch->Commands(group)) {
        HF_TRY_STATUS(DealCommand(*batch, group, command));
      }
    }
    for (size_t i = 0; i < workers_.size(); ++i) {
      if (!shares_[i].items.empty()) workers_[i]->Deal(std::exchange(shares_[i], {}));
    }
    return {};
  }

  bool Failed() const {
    return std::any_of(workers_.begin(), workers_.end(),
                       [](const auto& worker) { return worker->failed(); });
  }

  Status Finish() {
    Status result;
    for (const auto& worker : workers_) {
      if (Status finished = worker->Finish(); !finished && result) result = finished;
    }
    return result;
  }

 private:
  Status DealCommand(const aof::LogBatch& batch, const aof::LogGroup& group,
                     const aof::LogCommand& logged) {
    ReplayItem item;
    item.command.args = batch.Args(logged);
    item.database = static_cast<int>(logged.database);
    item.offset = group.offset;
    const std::string& file = sources_[batch.source].path;
    HF_TRY_STATUS(ResolveLogged(store_, item.command, item.database, file, group.offset));
    if (item.command.entry->one_key) {
      shares_[WorkerOf(*item.command.key.shard)].items.push_back(std::move(item));
      return {};
    }
    DealTo(Involved(item), item);
    return {};
  }

  size_t WorkerOf(const keyspace::Shard& shard) const { return shard.index % workers_.size(); }

  std::vector<bool> Involved(const ReplayItem& item) {
    std::vector<bool> involved(workers_.size(), true);
    if (item.command.entry->spec->locking != Locking::kKeys) return involved;
    positions_.clear();
    if (!commands::CommandTable::FindKeys(*item.command.entry, item.command.args, positions_))
      return involved;
    involved.assign(workers_.size(), false);
    for (const commands::KeyPosition& position : positions_) {
      const std::string_view name = item.command.args[position.argument];
      involved[WorkerOf(*store_.keyspace().Handle(item.database, name).shard)] = true;
    }
    return involved;
  }

  void DealTo(const std::vector<bool>& involved, const ReplayItem& item) {
    const auto parties = static_cast<size_t>(std::count(involved.begin(), involved.end(), true));
    std::shared_ptr<Rendezvous> rendezvous;
    if (parties > 1) rendezvous = std::make_shared<Rendezvous>(parties);
    for (size_t i = 0; i < involved.size(); ++i) {
      if (!involved[i]) continue;
      shares_[i].items.push_back(item);
      shares_[i].items.back().rendezvous = rendezvous;
    }
  }

  Store& store_;
  const std::vector<aof::LogSource>& sources_;
  std::vector<std::unique_ptr<ReplayWorker>> workers_;
  std::vector<ReplayShare> shares_;
  std::vector<commands::KeyPosition> positions_;
};

}  // namespace

Status ResolveLogged(Store& store, PreparedCommand& command, int database, const std::string& file,
                     uint64_t offset) {
  command.entry = store.table().Resolve(command.args);
  const bool usable = command.entry != nullptr && command.entry->spec->handler != nullptr &&
                      command.entry->ArityFits(command.args.size()) &&
                      database < store.keyspace().databases();
  if (!usable) {
    return MakeError(ErrorCode::kUnsupported,
                     fmt::format("{}: the group at offset {} holds '{}' (database {}), which this "
                                 "server cannot apply",
                                 file, offset, command.args[0].substr(0, 64), database));
  }
  if (command.entry->one_key) command.key = store.keyspace().Handle(database, command.args[1]);
  return {};
}

Status ReplayLog(Store& store, aof::LogReader& reader, const ReplayOptions& options) {
  Dealer dealer(store, reader.sources(), WorkerCount(store, options.workers));
  while (!dealer.Failed()) {
    const auto batch = std::make_shared<aof::LogBatch>();
    if (!HF_TRY(reader.Next(*batch))) break;
    HF_TRY_STATUS(dealer.Deal(batch));
    if (options.progress == nullptr) continue;
    if (options.progress->cancelled.load(std::memory_order_relaxed))
      return MakeError(ErrorCode::kUnavailable, "cancelled: the log was not read to its end");
    if (!batch->frames.empty())
      options.progress->newest_ms.store(batch->frames.back().unix_ms, std::memory_order_relaxed);
    options.progress->bytes.store(reader.bytes_read(), std::memory_order_relaxed);
    options.progress->commands.fetch_add(batch->commands.size(), std::memory_order_relaxed);
  }
  return dealer.Finish();
}

Status ReplayLogUnderGate(Store& store, aof::LogReader& reader) {
  Executor executor(store);
  aof::LogBatch batch;
  while (HF_TRY(reader.Next(batch))) {
    for (const aof::LogGroup& group : batch.groups) {
      for (const aof::LogCommand& logged : batch.Commands(group)) {
        PreparedCommand command{.args = batch.Args(logged), .entry = nullptr, .key = {}};
        const int database = static_cast<int>(logged.database);
        HF_TRY_STATUS(ResolveLogged(store, command, database, reader.sources()[batch.source].path,
                                    group.offset));
        HF_TRY_STATUS(executor.ReplayUnderGate(database, command));
      }
    }
  }
  return {};
}

}  // namespace holdfast
