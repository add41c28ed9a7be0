// What an operator should know before trusting this machine with data: too few file descriptors,
// memory overcommit, transparent huge pages, little disk left. Each finding is one line that says
// what to do. Called once by main() before serving; reads /proc and /sys, changes only the soft
// file limit.
#pragma once

#include <string>
#include <vector>

#include "engine/config/config.h"
#include "holdfast/file_system.h"

namespace holdfast::server {

// Raises the soft limit of open files to what maxclients needs; lowers maxclients if the system
// refuses.
std::vector<std::string> AdjustFileLimit(config::Config& config);
std::vector<std::string> CheckMachine(const config::Config& config, FileSystem& file_system);

}  // namespace holdfast::server
