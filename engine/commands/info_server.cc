// INFO's Server, Clients, Memory and CPU sections. A field that tells of something Holdfast does
// not have (fork, defragmentation, Lua so far) has the value it has when that thing never happened.
#include <fmt/core.h>

#include <algorithm>

#include "engine/commands/info_sections.h"
#include "engine/commands/version.h"
#include "engine/config/config.h"

namespace holdfast::commands {
namespace {

using View = const InfoView&;

std::string Number(uint64_t value) { return std::to_string(value); }
std::string Seconds(double seconds) { return fmt::format("{:.6f}", seconds); }
std::string Ratio2(double ratio) { return fmt::format("{:.2f}", ratio); }
std::string Percent(double ratio) { return fmt::format("{:.2f}%", ratio * 100); }
const config::Config& ConfigOf(View v) { return *v.services->config; }

constexpr InfoField kServer[] = {
    {"redis_version", nullptr, kCompatibleVersion},
    {"redis_git_sha1", nullptr, "00000000"},
    {"redis_git_dirty", nullptr, "0"},
    {"redis_build_id", nullptr, "0"},
    {"redis_mode", nullptr, "standalone"},
    {"holdfast_version", nullptr, kHoldfastVersion},
    {"os", [](View v) { return v.process.system; }},
    {"arch_bits", nullptr, sizeof(void*) == 8 ? "64" : "32"},
    {"monotonic_clock", nullptr, "POSIX clock_gettime"},
    {"multiplexing_api", nullptr, "epoll"},
    {"atomicvar_api", nullptr, "c++-builtin"},
    {"gcc_version", [](View v) { return v.process.compiler; }},
    {"process_id", [](View v) { return std::to_string(v.process.process_id); }},
    {"process_supervised", nullptr, "no"},
    {"run_id", [](View v) { return v.services->run_id; }},
    {"tcp_port", [](View v) { return std::to_string(ConfigOf(v).Integer("port")); }},
    {"server_time_usec", [](View v) { return std::to_string(v.services->clock->NowUs()); }},
    {"uptime_in_seconds",
     [](View v) { return std::to_string((v.now_ms - v.services->started_ms) / 1000); }},
    {"uptime_in_days",
     [](View v) { return std::to_string((v.now_ms - v.services->started_ms) / 86'400'000); }},
    {"hz", [](View v) { return std::to_string(ConfigOf(v).Integer("hz")); }},
    {"configured_hz", [](View v) { return std::to_string(ConfigOf(v).Integer("hz")); }},
    {"lru_clock", [](View v) { return std::to_string((v.now_ms / 1000) & 0xffffff); }},
    {"executable", [](View v) { return v.process.executable; }},
    {"config_file", [](View v) { return ConfigOf(v).ConfPath(); }},
    {"io_threads_active",
     [](View v) { return std::string(ConfigOf(v).Integer("io-threads") == 1 ? "0" : "1"); }},
};

constexpr InfoField kClients[] = {
    {"connected_clients", [](View v) { return Number(v.clients); }},
    {"cluster_connections", nullptr, "0"},
    {"maxclients", [](View v) { return std::to_string(ConfigOf(v).Integer("maxclients")); }},
    {"client_recent_max_input_buffer", [](View v) { return Number(v.biggest_input); }},
    {"client_recent_max_output_buffer", [](View v) { return Number(v.biggest_output); }},
    {"blocked_clients", [](View v) { return Number(v.blocked_clients); }},
    {"tracking_clients", nullptr, "0"},
    {"clients_in_timeout_table", nullptr, "0"},
    {"total_blocking_keys", nullptr, "0"},
    {"total_blocking_keys_on_nokey", nullptr, "0"},
};

std::string PolicyName(View v) {
  for (const auto& [name, value] :
       ConfigOf(v).Get(std::array{std::string_view("maxmemory-policy")}))
    return value;
  return {};
}

constexpr InfoField kMemory[] = {
    {"used_memory", [](View v) { return Number(v.used_bytes); }},
    {"used_memory_human", [](View v) { return HumanBytes(v.used_bytes); }},
    {"used_memory_rss", [](View v) { return Number(v.process.resident_bytes); }},
    {"used_memory_rss_human", [](View v) { return HumanBytes(v.process.resident_bytes); }},
    {"used_memory_peak", [](View v) { return Number(v.peak_bytes); }},
    {"used_memory_peak_human", [](View v) { return HumanBytes(v.peak_bytes); }},
    {"used_memory_peak_perc", [](View v) { return Percent(Ratio(v.used_bytes, v.peak_bytes)); }},
    {"used_memory_overhead", [](View v) { return Number(v.overhead_bytes()); }},
    {"used_memory_startup", nullptr, "0"},
    {"used_memory_dataset", [](View v) { return Number(v.keyspace_bytes); }},
    {"used_memory_dataset_perc",
     [](View v) { return Percent(Ratio(v.keyspace_bytes, v.used_bytes)); }},
    {"allocator_allocated", [](View v) { return Number(v.allocator.allocated); }},
    {"allocator_active", [](View v) { return Number(v.allocator.active); }},
    {"allocator_resident", [](View v) { return Number(v.allocator.resident); }},
    {"total_system_memory", [](View v) { return Number(v.process.machine_bytes); }},
    {"total_system_memory_human", [](View v) { return HumanBytes(v.process.machine_bytes); }},
    {"used_memory_lua", nullptr, "0"},
    {"used_memory_vm_eval", nullptr, "0"},
    {"used_memory_lua_human", nullptr, "0B"},
    {"used_memory_scripts_eval", nullptr, "0"},
    {"number_of_cached_scripts", nullptr, "0"},
    {"number_of_functions", nullptr, "0"},
    {"number_of_libraries", nullptr, "0"},
    {"used_memory_vm_functions", nullptr, "0"},
    {"used_memory_vm_total", nullptr, "0"},
    {"used_memory_vm_total_human", nullptr, "0B"},
    {"used_memory_functions", nullptr, "0"},
    {"used_memory_scripts", nullptr, "0"},
    {"used_memory_scripts_human", nullptr, "0B"},
    {"maxmemory", [](View v) { return Number(MemoryLimit(*v.services)); }},
    {"maxmemory_human", [](View v) { return HumanBytes(MemoryLimit(*v.services)); }},
    {"maxmemory_policy", PolicyName},
    {"allocator_frag_ratio",
     [](View v) { return Ratio2(Ratio(v.allocator.active, v.allocator.allocated)); }},
    {"allocator_frag_bytes",
     [](View v) { return std::to_string(Difference(v.allocator.active, v.allocator.allocated)); }},
    {"allocator_rss_ratio",
     [](View v) { return Ratio2(Ratio(v.allocator.resident, v.allocator.active)); }},
    {"allocator_rss_bytes",
     [](View v) { return std::to_string(Difference(v.allocator.resident, v.allocator.active)); }},
    {"rss_overhead_ratio",
     [](View v) { return Ratio2(Ratio(v.process.resident_bytes, v.allocator.resident)); }},
    {"rss_overhead_bytes",
     [](View v) {
       return std::to_string(Difference(v.process.resident_bytes, v.allocator.resident));
     }},
    {"mem_fragmentation_ratio", [](View v) { return Ratio2(v.fragmentation()); }},
    {"mem_fragmentation_bytes",
     [](View v) { return std::to_string(Difference(v.process.resident_bytes, v.used_bytes)); }},
    {"mem_not_counted_for_evict", [](View v) { return Number(v.store_memory.not_counted); }},
    {"mem_replication_backlog", nullptr, "0"},
    {"mem_total_replication_buffers", nullptr, "0"},
    {"mem_clients_slaves", nullptr, "0"},
    {"mem_clients_normal", [](View v) { return Number(v.store_memory.clients); }},
    {"mem_cluster_links", nullptr, "0"},
    {"mem_aof_buffer", [](View v) { return Number(v.log.pending_bytes); }},
    {"mem_allocator", [](View v) { return v.allocator.name; }},
    {"active_defrag_running", nullptr, "0"},
    {"lazyfree_pending_objects", nullptr, "0"},
    {"lazyfreed_objects", nullptr, "0"},
};

constexpr InfoField kCpu[] = {
    {"used_cpu_sys", [](View v) { return Seconds(v.process.system_seconds); }},
    {"used_cpu_user", [](View v) { return Seconds(v.process.user_seconds); }},
    {"used_cpu_sys_children", [](View v) { return Seconds(v.process.child_system_seconds); }},
    {"used_cpu_user_children", [](View v) { return Seconds(v.process.child_user_seconds); }},
    {"used_cpu_sys_main_thread", [](View v) { return Seconds(v.process.thread_system_seconds); }},
    {"used_cpu_user_main_thread", [](View v) { return Seconds(v.process.thread_user_seconds); }},
};

}  // namespace

std::span<const InfoField> ServerFields() { return kServer; }
std::span<const InfoField> ClientsFields() { return kClients; }
std::span<const InfoField> MemoryFields() { return kMemory; }
std::span<const InfoField> CpuFields() { return kCpu; }

}  // namespace holdfast::commands
