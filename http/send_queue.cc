#include "http/send_queue.h"

#include <algorithm>

#include "base/check.h"

namespace keelson::http {
namespace {

// A piece of copied bytes is not grown beyond this, so that long queues free memory as they drain.
constexpr size_t kCopiedPieceMax = 16 * 1024;
constexpr size_t kCompactAt = 64;

}  // namespace

void SendQueue::CountIn(OutputMeter* meter) {
  if (meter_ != nullptr) meter_->queued_bytes -= size_;
  meter_ = meter;
  if (meter_ != nullptr) meter_->queued_bytes += size_;
}

void SendQueue::AppendCopy(std::string_view bytes) {
  if (bytes.empty()) return;
  Grow(bytes.size());
  if (pieces_.size() == head_ || !pieces_.back().held.empty() ||
      pieces_.back().copied.size() + bytes.size() > kCopiedPieceMax) {
    pieces_.emplace_back();
  }
  pieces_.back().copied.append(bytes);
}

void SendQueue::Append(const SharedBytes& bytes) {
  if (bytes.size() < kCopyMax) return AppendCopy(bytes.view());
  Grow(bytes.size());
  pieces_.emplace_back();
  pieces_.back().held = bytes;
}

void SendQueue::Clear() {
  pieces_.clear();
  head_ = head_done_ = 0;
  Shrink(size_);
}

void SendQueue::MoveTo(GatherBuffer* out, size_t bytes) {
  KV_CHECK_LE(bytes, size_);
  Shrink(bytes);
  moved_ += bytes;
  while (bytes > 0) {
    Piece& piece = pieces_[head_];
    const std::string_view rest = piece.view().substr(head_done_);
    const size_t count = std::min(bytes, rest.size());
    if (piece.held.empty()) {
      out->AppendCopy(rest.substr(0, count));
    } else {
      out->Append(piece.held.Slice(head_done_, count));
    }
    bytes -= count;
    head_done_ += count;
    if (count == rest.size()) {
      piece = Piece();
      ++head_;
      head_done_ = 0;
    }
  }
  if (size_ == 0) return Clear();
  if (head_ >= kCompactAt) {
    pieces_.erase(pieces_.begin(), pieces_.begin() + static_cast<ptrdiff_t>(head_));
    head_ = 0;
  }
}

}  // namespace keelson::http
