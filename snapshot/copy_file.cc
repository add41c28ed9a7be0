#include "snapshot/copy_file.h"

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "holdfast/check.h"

namespace holdfast::snapshot {
namespace {
constexpr size_t kPieceBytes = size_t{1} << 20;
}

Status CopyFile(FileSystem& files, const std::string& from, const std::string& to,
                const std::atomic<bool>* cancelled) {
  const auto source = HF_TRY(files.Open(from, {}));
  const auto copy = HF_TRY(files.Open(to, {.write = true, .create = true, .exclusive = true}));
  std::string buffer(kPieceBytes, '\0');
  for (uint64_t at = 0;;) {
    if (cancelled != nullptr && cancelled->load(std::memory_order_relaxed))
      return MakeError(ErrorCode::kUnavailable, "cancelled: the copy was not finished");
    const size_t count = HF_TRY(source->ReadAt(at, buffer));
    HF_CHECK(count <= buffer.size());
    if (count == 0) return copy->Sync();
    const std::string_view piece = std::string_view(buffer).substr(0, count);
    HF_TRY_STATUS(copy->WriteAt(at, {&piece, 1}));
    at += count;
  }
}

}  // namespace holdfast::snapshot
