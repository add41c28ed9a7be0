#include "engine/base_writer.h"

#include <utility>

#include "aof/crc32c.h"
#include "aof/frame.h"
#include "aof/request_parser.h"
#include "holdfast/check.h"
#include "holdfast/number.h"

namespace holdfast {

using memtable::Entry;

Status BaseWriter::Create(const std::string& path) {
  file_ = HF_TRY(file_system_.Open(path, {.write = true, .create = true}));
  HF_TRY_STATUS(file_->Truncate(0));
  const aof::AnnotationLine header = aof::FormatFileHeader({file_id_});
  const std::string_view parts[] = {header.view()};
  HF_TRY_STATUS(file_->WriteAt(0, parts));
  offset_ = header.size;
  return {};
}

std::string& BaseWriter::Tail() {
  if (buffer_.pieces.empty() || buffer_.pieces.back().block) buffer_.pieces.emplace_back();
  return buffer_.pieces.back().bytes;
}

void BaseWriter::Select(int database) {
  const IntegerText number(database);
  const std::string_view command[] = {"SELECT", number.view()};
  aof::AppendRequest(Tail(), command);
  buffer_.database = database;
}

void BaseWriter::Image(int database, const Entry& entry) {
  const std::lock_guard lock(mutex_);
  const uint64_t before = buffer_.size;
  if (buffer_.database != database) Select(database);
  std::string& out = Tail();
  const size_t start = out.size();
  const bool expires = entry.Has(memtable::kHasExpiry);
  const auto header = [](std::string& text, char kind, size_t value) {
    text += kind;
    text += IntegerText(static_cast<int64_t>(value)).view();
    text += "\r\n";
  };
  header(out, '*', expires ? 5 : 3);
  out += "$3\r\nSET\r\n";
  header(out, '$', entry.key().size());
  out += entry.key();
  out += "\r\n";
  header(out, '$', entry.StringLength());
  buffer_.size += out.size() - start;
  if (CountedBlock* block = entry.block()) {
    buffer_.pieces.push_back({{}, BlockRef::Share(block)});
    buffer_.size += block->size;
  } else {
    Entry::Scratch scratch;
    const std::string_view bytes = entry.StringBytes(scratch);
    out += bytes;
    buffer_.size += bytes.size();
  }
  std::string& end = Tail();
  end += "\r\n";
  if (expires) {
    const IntegerText when(entry.expiry_ms());
    end += "$4\r\nPXAT\r\n";
    header(end, '$', when.view().size());
    end += when.view();
    end += "\r\n";
  }
  buffered_.fetch_add(buffer_.size - before, std::memory_order_relaxed);
}

Status BaseWriter::Drain(bool all) {
  Buffer taken;
  {
    const std::lock_guard lock(mutex_);
    if (buffer_.size < (all ? 1 : kFrameBytes)) return {};
    if (buffer_.database != 0) Select(0);  // a frame ends in database 0
    taken = std::exchange(buffer_, {});
  }
  buffered_.fetch_sub(taken.size, std::memory_order_relaxed);
  return WriteFrame(taken);
}

Status BaseWriter::WriteFrame(const Buffer& buffer) {
  aof::FrameHeader header{.number = next_frame_,
                          .term = 0,
                          .unix_ms = clock_.NowMs(),
                          .synced = 0,
                          .bytes = 0,
                          .crc = 0};
  std::vector<std::string_view> parts(1);
  for (const Piece& piece : buffer.pieces) {
    const std::string_view bytes =
        piece.block ? piece.block->view() : std::string_view(piece.bytes);
    parts.push_back(bytes);
    header.bytes += bytes.size();
    header.crc = aof::Crc32c(header.crc, bytes);
  }
  HF_CHECK(header.bytes > 0);
  const aof::AnnotationLine line = aof::FormatFrameHeader(header, file_id_);
  parts[0] = line.view();
  HF_TRY_STATUS(file_->WriteAt(offset_, parts));
  offset_ += line.size + header.bytes;
  ++next_frame_;
  return {};
}

Status BaseWriter::Finish(uint64_t cut_frame) {
  HF_TRY_STATUS(Drain(true));
  const aof::FrameHeader header{
      .number = cut_frame, .term = 0, .unix_ms = clock_.NowMs(), .synced = 0, .bytes = 0, .crc = 0};
  const aof::AnnotationLine line = aof::FormatFrameHeader(header, file_id_);
  const std::string_view parts[] = {line.view()};
  HF_TRY_STATUS(file_->WriteAt(offset_, parts));
  offset_ += line.size;
  return file_->Sync();
}

}  // namespace holdfast
