// A file as a new file elsewhere, synced; its directory is not. Any thread; reads and writes the
// disk. Errors: of the call that failed; what was written until then stays.
#pragma once

#include <string>

#include "holdfast/file_system.h"
#include "holdfast/result.h"

namespace holdfast::snapshot {

// There must be no file `to`.
Status CopyFile(FileSystem& files, const std::string& from, const std::string& to);

}  // namespace holdfast::snapshot
