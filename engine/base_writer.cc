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

// What is appended to it belongs to the frame that has not ended.
std::string& BaseWriter::Tail() {
  const bool new_frame =
      !buffer_.frame_ends.empty() && buffer_.frame_ends.back() == buffer_.pieces.size();
  if (buffer_.pieces.empty() || buffer_.pieces.back().block || new_frame)
    buffer_.pieces.emplace_back();
  return buffer_.pieces.back().bytes;
}

void BaseWriter::Select(int database) {
  const IntegerText number(database);
  const std::string_view command[] = {"SELECT", number.view()};
  std::string& out = Tail();
  const size_t start = out.size();
  aof::AppendRequest(out, command);
  buffer_.size += out.size() - start;
  buffer_.database = database;
}

void BaseWriter::EndFrame() {
  HF_CHECK(buffer_.size > buffer_.in_ended_frames);
  if (buffer_.database != 0) Select(0);  // a frame ends in database 0
  buffer_.frame_ends.push_back(buffer_.pieces.size());
  buffer_.in_ended_frames = buffer_.size;
}

// Under the mutex.
void BaseWriter::CountBuffered(uint64_t added, uint64_t taken) {
  HF_CHECK(taken <= buffered_ + added);
  buffered_ += added - taken;
  congested_.store(buffered_ > kMaxBuffered, std::memory_order_relaxed);
}

void BaseWriter::Image(const keyspace::CutImage& image) {
  const int database = image.database_at_cut;
  const Entry& entry = image.entry;
  if (entry.Has(memtable::kTombstone)) return;
  const std::lock_guard lock(mutex_);
  const uint64_t before = buffer_.size;
  if (buffer_.database != database) Select(database);
  std::string& out = Tail();
  size_t start = out.size();
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
  CountedBlock* block = entry.block();
  if (block == nullptr) {
    Entry::Scratch scratch;
    out += entry.StringBytes(scratch);
  }
  buffer_.size += out.size() - start;
  if (block != nullptr) {
    buffer_.pieces.push_back({{}, BlockRef::Share(block)});
    buffer_.size += block->size;
  }
  std::string& end = Tail();
  start = end.size();
  end += "\r\n";
  if (expires) {
    const IntegerText when(entry.expiry_ms());
    end += "$4\r\nPXAT\r\n";
    header(end, '$', when.view().size());
    end += when.view();
    end += "\r\n";
  }
  buffer_.size += end.size() - start;
  if (buffer_.size - buffer_.in_ended_frames >= kFrameBytes) EndFrame();
  CountBuffered(buffer_.size - before, 0);
}

Status BaseWriter::Drain(bool all) {
  Buffer taken;
  {
    const std::lock_guard lock(mutex_);
    if (buffer_.size < (all ? 1 : kFrameBytes)) return {};
    const uint64_t before = buffer_.size;
    if (buffer_.size > buffer_.in_ended_frames) EndFrame();
    CountBuffered(buffer_.size - before, 0);
    taken = std::exchange(buffer_, {});
  }
  size_t first = 0;
  for (const size_t end : taken.frame_ends) {
    HF_CHECK(end > first && end <= taken.pieces.size());
    HF_TRY_STATUS(WriteFrame(std::span(taken.pieces).subspan(first, end - first)));
    first = end;
  }
  HF_CHECK(first == taken.pieces.size());
  const std::lock_guard lock(mutex_);
  CountBuffered(0, taken.size);
  return {};
}

Status BaseWriter::WriteFrame(std::span<const Piece> pieces) {
  aof::FrameHeader header{.number = next_frame_,
                          .term = 0,
                          .unix_ms = clock_.NowMs(),
                          .synced = 0,
                          .bytes = 0,
                          .crc = 0};
  std::vector<std::string_view> parts(1);
  for (const Piece& piece : pieces) {
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
