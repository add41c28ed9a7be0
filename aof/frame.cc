#include "aof/frame.h"

#include <charconv>
#include <cstring>
#include <optional>

#include "aof/crc32c.h"
#include "holdfast/check.h"

namespace holdfast::aof {
namespace {

constexpr ByteView kLineEnd = "\r\n";
constexpr size_t kCrcDigits = 8;
constexpr size_t kFileIdDigits = 16;

void Put(AnnotationLine& line, ByteView text) {
  HF_CHECK(line.size + text.size() <= sizeof(line.text));
  std::memcpy(line.text + line.size, text.data(), text.size());
  line.size += text.size();
}

void PutDecimal(AnnotationLine& line, ByteView name, uint64_t value) {
  Put(line, name);
  const auto [end, error] =
      std::to_chars(line.text + line.size, line.text + sizeof(line.text), value);
  HF_CHECK(error == std::errc());
  line.size = static_cast<size_t>(end - line.text);
}

void PutHex(AnnotationLine& line, ByteView name, uint64_t value, size_t digits) {
  Put(line, name);
  HF_CHECK(line.size + digits <= sizeof(line.text));
  for (size_t i = 0; i < digits; ++i) {
    line.text[line.size + i] = "0123456789abcdef"[(value >> (4 * (digits - 1 - i))) & 15];
  }
  line.size += digits;
}

// The checksum that starts with the file's id: a frame of another file, or of an earlier life of
// this one, never matches.
uint32_t FileSeed(uint64_t file_id) {
  char bytes[sizeof(file_id)];
  for (size_t i = 0; i < sizeof(bytes); ++i) bytes[i] = static_cast<char>(file_id >> (8 * i));
  return Crc32c(0, {bytes, sizeof(bytes)});
}

void Seal(AnnotationLine& line, uint32_t seed) {
  PutHex(line, ",h=", Crc32c(seed, line.view()), kCrcDigits);
  Put(line, kLineEnd);
}

bool Take(ByteView& rest, ByteView literal) {
  if (!rest.starts_with(literal)) return false;
  rest.remove_prefix(literal.size());
  return true;
}

// Canonical decimals only: no sign, no leading zero.
std::optional<uint64_t> TakeDecimal(ByteView& rest, ByteView name) {
  if (!Take(rest, name) || rest.empty() || rest[0] < '0' || rest[0] > '9') return std::nullopt;
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), value);
  if (error != std::errc()) return std::nullopt;
  const size_t digits = static_cast<size_t>(end - rest.data());
  if (rest[0] == '0' && digits > 1) return std::nullopt;
  rest.remove_prefix(digits);
  return value;
}

// Exactly `digits` lower-case hex digits.
std::optional<uint64_t> TakeHex(ByteView& rest, ByteView name, size_t digits) {
  if (!Take(rest, name) || rest.size() < digits) return std::nullopt;
  uint64_t value = 0;
  for (size_t i = 0; i < digits; ++i) {
    const char c = rest[i];
    uint64_t digit = 0;
    if (c >= '0' && c <= '9') {
      digit = static_cast<uint64_t>(c - '0');
    } else if (c >= 'a' && c <= 'f') {
      digit = static_cast<uint64_t>(c - 'a') + 10;
    } else {
      return std::nullopt;
    }
    value = (value << 4) | digit;
  }
  rest.remove_prefix(digits);
  return value;
}

// The end of a line: its own checksum over what came before, CR LF, nothing else. Returns the
// line's length, or nullopt.
std::optional<size_t> TakeSeal(ByteView text, ByteView rest, uint32_t seed) {
  const ByteView covered = text.substr(0, text.size() - rest.size());
  const auto stored = TakeHex(rest, ",h=", kCrcDigits);
  if (!stored || *stored != Crc32c(seed, covered) || !Take(rest, kLineEnd)) return std::nullopt;
  return text.size() - rest.size();
}

}  // namespace

AnnotationLine FormatFileHeader(const FileHeader& header) {
  AnnotationLine line;
  Put(line, kAnnotationPrefix);
  PutDecimal(line, "v=", kLogFormatVersion);
  PutHex(line, ",id=", header.file_id, kFileIdDigits);
  Seal(line, 0);
  HF_CHECK(line.size == kFileHeaderBytes);
  return line;
}

AnnotationLine FormatFrameHeader(const FrameHeader& header, uint64_t file_id) {
  HF_CHECK(header.unix_ms >= 0);
  HF_CHECK(header.synced <= header.number);
  AnnotationLine line;
  Put(line, kAnnotationPrefix);
  PutDecimal(line, "i=", header.number);
  PutDecimal(line, ",t=", header.term);
  PutDecimal(line, ",ts=", static_cast<uint64_t>(header.unix_ms));
  PutDecimal(line, ",s=", header.synced);
  PutDecimal(line, ",n=", header.bytes);
  PutHex(line, ",crc=", header.crc, kCrcDigits);
  Seal(line, FileSeed(file_id));
  return line;
}

Result<Parsed<FileHeader>> ParseFileHeader(ByteView text) {
  text = text.substr(0, kMaxAnnotationBytes);
  const auto bad = [] { return MakeError(ErrorCode::kCorruption, "not a valid file header line"); };
  ByteView rest = text;
  if (!Take(rest, kAnnotationPrefix)) return bad();
  const auto version = TakeDecimal(rest, "v=");
  if (!version) return bad();
  if (*version != kLogFormatVersion) {
    return MakeError(ErrorCode::kUnsupported, "log format version " + std::to_string(*version) +
                                                  "; this program reads " +
                                                  std::to_string(kLogFormatVersion));
  }
  const auto file_id = TakeHex(rest, ",id=", kFileIdDigits);
  if (!file_id) return bad();
  const auto size = TakeSeal(text, rest, 0);
  if (!size) return bad();
  return Parsed<FileHeader>{{*file_id}, *size};
}

Result<Parsed<FrameHeader>> ParseFrameHeader(ByteView text, uint64_t file_id) {
  text = text.substr(0, kMaxAnnotationBytes);
  const auto bad = [] {
    return MakeError(ErrorCode::kCorruption, "not a valid frame header line");
  };
  ByteView rest = text;
  if (!Take(rest, kAnnotationPrefix)) return bad();
  const auto number = TakeDecimal(rest, "i=");
  const auto term = TakeDecimal(rest, ",t=");
  const auto unix_ms = TakeDecimal(rest, ",ts=");
  const auto synced = TakeDecimal(rest, ",s=");
  const auto bytes = TakeDecimal(rest, ",n=");
  const auto crc = TakeHex(rest, ",crc=", kCrcDigits);
  if (!number || !term || !unix_ms || !synced || !bytes || !crc) return bad();
  const auto size = TakeSeal(text, rest, FileSeed(file_id));
  if (!size || *unix_ms > static_cast<uint64_t>(INT64_MAX) || *synced > *number) return bad();
  return Parsed<FrameHeader>{
      {*number, *term, static_cast<UnixMs>(*unix_ms), *synced, *bytes, static_cast<uint32_t>(*crc)},
      *size};
}

}  // namespace holdfast::aof
