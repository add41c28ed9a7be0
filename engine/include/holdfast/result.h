// Errors as values. A function that can fail returns Status (nothing to give back) or Result<T>;
// HF_TRY unwraps one or returns its error to the caller:
//
//   Result<uint64_t> Copy(FileSystem& fs) {
//     auto file = HF_TRY(fs.OpenForRead("a"));
//     return file->Size();
//   }
//
// Exceptions are not used across these interfaces. `message` is one line for a person: what failed,
// on which file, at which offset.
#pragma once

#include <expected>
#include <string>
#include <utility>

namespace holdfast {

enum class ErrorCode {
  kInvalidArgument,  // the caller's input is wrong
  kNotFound,         // the named thing does not exist
  kIoError,          // the system call failed; `message` has errno's text
  kNoSpace,          // ENOSPC, EDQUOT or the configured bound
  kCorruption,       // bytes do not match their checksum or format
  kUnsupported,      // a newer format, a feature not built
  kBusy,             // someone else holds it (data directory lock)
  kUnavailable,      // refused for now; may work later
};

struct Error {
  ErrorCode code;
  std::string message;
};

template <typename T>
using Result = std::expected<T, Error>;
using Status = Result<void>;

inline std::unexpected<Error> MakeError(ErrorCode code, std::string message) {
  return std::unexpected(Error{code, std::move(message)});
}

}  // namespace holdfast

#define HF_TRY(expression)                                      \
  ({                                                            \
    auto hf_try_result = (expression);                          \
    if (!hf_try_result) [[unlikely]]                            \
      return std::unexpected(std::move(hf_try_result).error()); \
    *std::move(hf_try_result);                                  \
  })

// The same for a Status, whose value is void.
#define HF_TRY_STATUS(expression)                                       \
  do {                                                                  \
    if (auto hf_try_status = (expression); !hf_try_status) [[unlikely]] \
      return std::unexpected(std::move(hf_try_status).error());         \
  } while (false)
