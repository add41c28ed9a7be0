// A file as a new file elsewhere, synced; its directory is not. Any thread; reads and writes the
// disk. Errors: of the call that failed, or kUnavailable once it is cancelled; what was written
// until then stays.
#pragma once

#include <atomic>
#include <string>

#include "holdfast/file_system.h"
#include "holdfast/result.h"

namespace holdfast::snapshot {

// There must be no file `to`.
Status CopyFile(FileSystem& files, const std::string& from, const std::string& to,
                const std::atomic<bool>* cancelled = nullptr);

}  // namespace holdfast::snapshot
