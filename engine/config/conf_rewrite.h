// CONFIG REWRITE: brings a conf file up to date with the configuration and keeps its comments,
// order and included files as they are. New lines go to the end, below a comment that says so.
//
// The file is replaced as a whole (temporary file beside it, sync, rename, sync of the directory):
// a crash or a full disk leaves the old one. Any thread, one call at a time.
#pragma once

#include <string>
#include <string_view>

#include "engine/config/config.h"
#include "holdfast/file_system.h"

namespace holdfast::config {

// The new text of a conf file whose text was `old_text`.
std::string RewriteText(const Config& config, std::string_view old_text);

// Rewrites config.ConfPath(). The error's message is the reply ("ERR The server is running without
// a config file", "ERR Rewriting config file: ...").
Status RewriteConfFile(const Config& config, FileSystem& files);

}  // namespace holdfast::config
