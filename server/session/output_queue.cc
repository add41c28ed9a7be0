#include "server/session/output_queue.h"

#include <algorithm>
#include <utility>

#include "holdfast/check.h"

namespace holdfast::server {
namespace {

constexpr size_t kKeptTextBytes = OutputQueue::kPieceBytes;  // an idle connection keeps no more
constexpr size_t kSlackBytes = 16 << 10;  // the reply that ends a piece should not move it

// The part of `bytes`, which begin at position `start`, from `from` up to `limit`.
std::string_view Between(std::string_view bytes, uint64_t start, uint64_t from, uint64_t limit) {
  const uint64_t first = std::max(start, from);
  const uint64_t end = std::min(start + bytes.size(), limit);
  HF_DCHECK(first < end);
  return bytes.substr(first - start, end - first);
}

}  // namespace

void OutputQueue::CloseText() {
  if (text_.empty()) return;
  Piece& piece = pieces_.emplace_back();
  piece.start = text_start_;
  text_start_ = end();
  if (text_.size() < kPieceBytes / 2) {
    // What stands between two long values takes no more than it needs: the buffer stays.
    piece.text.assign(text_);
    text_.clear();
    return;
  }
  piece.text.swap(text_);
  text_.reserve(kPieceBytes + kSlackBytes);
}

void OutputQueue::AppendBlock(BlockRef block, std::string_view bytes) {
  HF_CHECK(block && !bytes.empty() && bytes.data() >= block->data());
  HF_CHECK(bytes.data() + bytes.size() <= block->data() + block->size);
  CloseText();
  const uint64_t start = text_start_;
  text_start_ += bytes.size();
  pieces_.push_back({.start = start, .text = {}, .block = std::move(block), .part = bytes});
}

size_t OutputQueue::Unsent(uint64_t limit, std::span<std::string_view> parts) const {
  HF_CHECK(limit <= end());
  size_t filled = 0;
  for (const Piece& piece : pieces_) {
    if (filled == parts.size() || std::max(piece.start, sent_) >= limit) return filled;
    parts[filled++] = Between(piece.bytes(), piece.start, sent_, limit);
  }
  if (filled < parts.size() && std::max(text_start_, sent_) < limit) {
    parts[filled++] = Between(text_, text_start_, sent_, limit);
  }
  return filled;
}

void OutputQueue::MarkSent(uint64_t bytes) {
  sent_ += bytes;
  HF_CHECK(sent_ <= end());
  while (!pieces_.empty() && pieces_.front().start + pieces_.front().bytes().size() <= sent_) {
    pieces_.pop_front();
  }
  if (sent_ == end()) Drop();
}

void OutputQueue::Drop() {
  sent_ = text_start_ = end();
  pieces_.clear();
  text_.clear();
  if (text_.capacity() > kKeptTextBytes) std::string().swap(text_);
}

}  // namespace holdfast::server
