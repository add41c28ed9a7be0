#include "engine/store_log.h"

#include "engine/store.h"

namespace holdfast {

Result<memtable::HashSeed> StoreLog::OpenDirectory() {
  if (store_.config().Bool("appendonly"))
    return MakeError(ErrorCode::kUnsupported, "the log is not connected yet: appendonly no");
  last_save_ms_ = store_.clock().NowMs();
  return memtable::HashSeed{store_.random().NextRandom(), store_.random().NextRandom()};
}

Status StoreLog::Recover() { return {}; }
Status StoreLog::Close() { return {}; }
commands::LogFigures StoreLog::Log() const { return {}; }
commands::LoadFigures StoreLog::Load() const { return {}; }
Result<std::string> StoreLog::StartRewrite() {
  return MakeError(ErrorCode::kUnavailable, "ERR the log is off");
}
Status StoreLog::SetLogEnabled(bool) { return {}; }
void StoreLog::LogPolicyChanged() {}
Status StoreLog::Reload() { return MakeError(ErrorCode::kUnavailable, "ERR the log is off"); }
bool StoreLog::RequestShutdown(const commands::ShutdownRequest&) { return false; }
bool StoreLog::AbortShutdown() { return false; }

void Store::FlushTurn() {}
bool Store::LogAdmits() const { return true; }
bool Store::WritesRefused() const { return false; }
std::string Store::RefusalText() const { return ""; }
void Store::WaitUntilAdmitted() {}
Status Store::WaitForLog(uint64_t) { return {}; }

}  // namespace holdfast
