// What a connection has still to send: text being written, behind pieces that are complete. A long
// text is closed into a piece, so that a client that reads slowly frees what it has read; a long
// value is a piece by reference, never copied.
//
// Positions count all bytes ever appended. Owned by a connection, used by its I/O thread; nothing
// here can fail.
#pragma once

#include <cstdint>
#include <list>
#include <span>
#include <string>
#include <string_view>

#include "holdfast/memory.h"

namespace holdfast::server {

class OutputQueue {
 public:
  static constexpr size_t kPieceBytes = 64 << 10;

  // The end of the queue, to be appended to. Not kept over any other call.
  std::string& text() { return text_; }
  // `bytes` lie in `block`; not empty.
  void AppendBlock(BlockRef block, std::string_view bytes);
  // Before more is appended: a text that is long enough becomes a piece.
  void CloseLongText() {
    if (text_.size() >= kPieceBytes) [[unlikely]]
      CloseText();
  }

  uint64_t end() const { return text_start_ + text_.size(); }
  uint64_t sent() const { return sent_; }
  uint64_t UnsentBytes() const { return end() - sent_; }
  // The unsent bytes before position `limit`, in order, as far as `parts` reaches: how many of
  // `parts` were filled.
  size_t Unsent(uint64_t limit, std::span<std::string_view> parts) const;
  void MarkSent(uint64_t bytes);
  // Drops what is unsent; all positions so far count as sent.
  void Drop();

 private:
  struct Piece {
    uint64_t start = 0;
    std::string text;  // if there is no block
    BlockRef block;
    std::string_view part;  // of the block
    std::string_view bytes() const { return block ? part : std::string_view(text); }
  };
  void CloseText();

  std::list<Piece> pieces_;
  std::string text_;
  uint64_t text_start_ = 0;
  uint64_t sent_ = 0;
};

}  // namespace holdfast::server
