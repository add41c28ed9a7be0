// INFO as data: a section is a name and its fields, a field a name and how its value is made.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "engine/commands/info_view.h"

namespace holdfast::commands {

struct InfoField {
  std::string_view name;
  std::string (*value)(const InfoView&) = nullptr;
  std::string_view constant = {};  // where `value` is null
};

struct InfoSection {
  std::string_view name;  // as in the heading
  bool by_default = true;
  std::span<const InfoField> fields = {};
  // Lines that depend on what there is: one per database, command, error.
  void (*lines)(const InfoView&, std::string& out) = nullptr;
};

// In the order of Redis's output.
std::span<const InfoField> ServerFields();
std::span<const InfoField> ClientsFields();
std::span<const InfoField> MemoryFields();
std::span<const InfoField> PersistenceFields();
std::span<const InfoField> StatsFields();
std::span<const InfoField> ReplicationFields();
std::span<const InfoField> CpuFields();
std::span<const InfoField> TieringFields();
void AppendFields(std::span<const InfoField> fields, const InfoView& view, std::string& out);
void AppendPersistenceLines(const InfoView& view, std::string& out);
void AppendTierLines(const InfoView& view, std::string& out);
void AppendErrorLines(const InfoView& view, std::string& out);
void AppendCommandLines(const InfoView& view, std::string& out);
void AppendLatencyLines(const InfoView& view, std::string& out);
void AppendKeyspaceLines(const InfoView& view, std::string& out);

}  // namespace holdfast::commands
