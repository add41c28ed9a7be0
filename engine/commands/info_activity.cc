// INFO's Persistence, Stats and Replication sections.
#include <fmt/core.h>

#include <algorithm>

#include "engine/commands/clients.h"
#include "engine/commands/info_sections.h"
#include "engine/config/config.h"

namespace holdfast::commands {
namespace {

using View = const InfoView&;

std::string Number(uint64_t value) { return std::to_string(value); }
std::string Flag(bool value) { return value ? "1" : "0"; }
std::string OkOrError(bool ok) { return ok ? "ok" : "err"; }
std::string KilobytesPerSecond(double bytes) { return fmt::format("{:.2f}", bytes / 1024); }

constexpr InfoField kPersistence[] = {
    {"loading", [](View v) { return Flag(v.load.loading); }},
    {"async_loading", nullptr, "0"},
    {"current_cow_peak", nullptr, "0"},
    {"current_cow_size", nullptr, "0"},
    {"current_cow_size_age", nullptr, "0"},
    {"current_fork_perc", nullptr, "0.00"},
    {"current_save_keys_processed", nullptr, "0"},
    {"current_save_keys_total", nullptr, "0"},
    {"rdb_changes_since_last_save", [](View v) { return Number(v.log.changes_since_save); }},
    {"rdb_bgsave_in_progress",
     [](View v) {
       return Flag(v.log.snapshots && (v.log.rewrite_in_progress || v.log.save_scheduled));
     }},
    {"rdb_last_save_time",
     [](View v) {
       const Persistence* persistence = v.services->persistence;
       return std::to_string(persistence == nullptr ? 0 : persistence->LastSaveMs() / 1000);
     }},
    {"rdb_last_bgsave_status",
     [](View v) { return OkOrError(!v.log.snapshots || v.log.failed_rewrites == 0); }},
    {"rdb_last_bgsave_time_sec",
     [](View v) { return std::to_string(v.log.snapshots ? v.log.last_rewrite_seconds : -1); }},
    {"rdb_current_bgsave_time_sec",
     [](View v) { return std::to_string(v.log.snapshots ? v.log.current_rewrite_seconds : -1); }},
    {"rdb_saves", [](View v) { return Number(v.log.snapshots ? v.log.rewrites : 0); }},
    {"rdb_last_cow_size", nullptr, "0"},
    {"rdb_last_load_keys_expired", [](View v) { return Number(v.load.rdb_keys_expired); }},
    {"rdb_last_load_keys_loaded", [](View v) { return Number(v.load.rdb_keys); }},
    {"aof_enabled", [](View v) { return Flag(v.log.enabled); }},
    {"aof_rewrite_in_progress", [](View v) { return Flag(v.log.rewrite_in_progress); }},
    {"aof_rewrite_scheduled", [](View v) { return Flag(v.log.rewrite_scheduled); }},
    {"aof_last_rewrite_time_sec",
     [](View v) { return std::to_string(v.log.last_rewrite_seconds); }},
    {"aof_current_rewrite_time_sec",
     [](View v) { return std::to_string(v.log.current_rewrite_seconds); }},
    {"aof_last_bgrewrite_status", [](View v) { return OkOrError(v.log.failed_rewrites == 0); }},
    {"aof_rewrites", [](View v) { return Number(v.log.rewrites); }},
    {"aof_rewrites_consecutive_failures", [](View v) { return Number(v.log.failed_rewrites); }},
    {"aof_last_write_status", [](View v) { return OkOrError(v.log.last_write_ok); }},
    {"aof_last_cow_size", nullptr, "0"},
    {"module_fork_in_progress", nullptr, "0"},
    {"module_fork_last_cow_size", nullptr, "0"},
};

constexpr InfoField kLogFields[] = {
    {"aof_current_size", [](View v) { return Number(v.log.current_bytes); }},
    {"aof_base_size", [](View v) { return Number(v.log.base_bytes); }},
    {"aof_pending_rewrite", nullptr, "0"},
    {"aof_buffer_length", [](View v) { return Number(v.log.pending_bytes); }},
    {"aof_pending_bio_fsync", [](View v) { return Flag(v.log.unsynced_bytes > 0); }},
    {"aof_delayed_fsync", [](View v) { return Number(v.log.delayed_syncs); }},
    {"aof_unsynced_bytes", [](View v) { return Number(v.log.unsynced_bytes); }},
    {"aof_fsyncs", [](View v) { return Number(v.log.syncs); }},
};

// As Redis guesses it: what is left takes as long a byte as what is done.
std::string SecondsLeft(View v) {
  const int64_t elapsed_s = v.now_ms / 1000 - v.load.started_ms / 1000;
  if (elapsed_s <= 0) return "1";
  const uint64_t left = v.load.total_bytes - std::min(v.load.loaded_bytes, v.load.total_bytes);
  return Number(static_cast<uint64_t>(elapsed_s) * left / (v.load.loaded_bytes + 1));
}

constexpr InfoField kLoadFields[] = {
    {"loading_start_time", [](View v) { return std::to_string(v.load.started_ms / 1000); }},
    {"loading_total_bytes", [](View v) { return Number(v.load.total_bytes); }},
    {"loading_rdb_used_mem", nullptr, "0"},
    {"loading_loaded_bytes", [](View v) { return Number(v.load.loaded_bytes); }},
    {"loading_loaded_perc",
     [](View v) {
       return fmt::format("{:.2f}", Ratio(v.load.loaded_bytes, v.load.total_bytes) * 100);
     }},
    {"loading_eta_seconds", SecondsLeft},
};

constexpr InfoField kStats[] = {
    {"total_connections_received",
     [](View v) { return Number(v.services->clients->total_connections()); }},
    {"total_commands_processed", [](View v) { return Number(v.totals.commands); }},
    {"instantaneous_ops_per_sec", [](View v) { return fmt::format("{:.0f}", v.rates.commands); }},
    {"total_net_input_bytes", [](View v) { return Number(v.totals.input_bytes); }},
    {"total_net_output_bytes", [](View v) { return Number(v.totals.output_bytes); }},
    {"total_net_repl_input_bytes", nullptr, "0"},
    {"total_net_repl_output_bytes", nullptr, "0"},
    {"instantaneous_input_kbps", [](View v) { return KilobytesPerSecond(v.rates.input_bytes); }},
    {"instantaneous_output_kbps", [](View v) { return KilobytesPerSecond(v.rates.output_bytes); }},
    {"instantaneous_input_repl_kbps", nullptr, "0.00"},
    {"instantaneous_output_repl_kbps", nullptr, "0.00"},
    {"rejected_connections",
     [](View v) { return Number(v.services->statistics->rejected_connections.load()); }},
    {"sync_full", nullptr, "0"},
    {"sync_partial_ok", nullptr, "0"},
    {"sync_partial_err", nullptr, "0"},
    {"expired_keys", [](View v) { return Number(v.counters.expired); }},
    {"expired_stale_perc", nullptr, "0.00"},
    {"expired_time_cap_reached_count",
     [](View v) { return Number(v.services->statistics->expire_cycles_cut_short.load()); }},
    {"expire_cycle_cpu_milliseconds",
     [](View v) { return Number(v.services->statistics->expire_cycle_us.load() / 1000); }},
    {"evicted_keys", [](View v) { return Number(v.counters.evicted); }},
    {"evicted_clients", nullptr, "0"},
    {"total_eviction_exceeded_time", [](View v) { return std::to_string(v.over_limit.total_ms); }},
    {"current_eviction_exceeded_time",
     [](View v) { return std::to_string(v.over_limit.current_ms); }},
    {"keyspace_hits", [](View v) { return Number(v.counters.hits); }},
    {"keyspace_misses", [](View v) { return Number(v.counters.misses); }},
    {"pubsub_channels", nullptr, "0"},
    {"pubsub_patterns", nullptr, "0"},
    {"pubsubshard_channels", nullptr, "0"},
    {"latest_fork_usec", nullptr, "0"},
    {"total_forks", nullptr, "0"},
    {"migrate_cached_sockets", nullptr, "0"},
    {"slave_expires_tracked_keys", nullptr, "0"},
    {"active_defrag_hits", nullptr, "0"},
    {"active_defrag_misses", nullptr, "0"},
    {"active_defrag_key_hits", nullptr, "0"},
    {"active_defrag_key_misses", nullptr, "0"},
    {"total_active_defrag_time", nullptr, "0"},
    {"current_active_defrag_time", nullptr, "0"},
    {"tracking_total_keys", nullptr, "0"},
    {"tracking_total_items", nullptr, "0"},
    {"tracking_total_prefixes", nullptr, "0"},
    {"unexpected_error_replies", nullptr, "0"},
    {"total_error_replies", [](View v) { return Number(v.totals.errors); }},
    {"dump_payload_sanitizations", nullptr, "0"},
    {"total_reads_processed", [](View v) { return Number(v.totals.reads); }},
    {"total_writes_processed", [](View v) { return Number(v.totals.writes); }},
    {"io_threaded_reads_processed", [](View v) { return Number(v.totals.reads); }},
    {"io_threaded_writes_processed", [](View v) { return Number(v.totals.writes); }},
    {"reply_buffer_shrinks", nullptr, "0"},
    {"reply_buffer_expands", nullptr, "0"},
};

constexpr InfoField kReplication[] = {
    {"role", nullptr, "master"},
    {"connected_slaves", nullptr, "0"},
    {"master_failover_state", nullptr, "no-failover"},
    {"master_replid", [](View v) { return v.services->run_id; }},
    {"master_replid2", nullptr, "0000000000000000000000000000000000000000"},
    {"master_repl_offset", nullptr, "0"},
    {"second_repl_offset", nullptr, "-1"},
    {"repl_backlog_active", nullptr, "0"},
    {"repl_backlog_size",
     [](View v) { return std::to_string(v.services->config->Integer("repl-backlog-size")); }},
    {"repl_backlog_first_byte_offset", nullptr, "0"},
    {"repl_backlog_histlen", nullptr, "0"},
};

}  // namespace

std::span<const InfoField> PersistenceFields() { return kPersistence; }
std::span<const InfoField> StatsFields() { return kStats; }
std::span<const InfoField> ReplicationFields() { return kReplication; }

void AppendPersistenceLines(const InfoView& view, std::string& out) {
  const bool has_log =
      view.services->config->Bool("appendonly");  // as in Redis: also while loading
  if (view.log.enabled || (view.load.loading && has_log)) AppendFields(kLogFields, view, out);
  if (view.load.loading) AppendFields(kLoadFields, view, out);
}

}  // namespace holdfast::commands
