// SendQueue: the part of a stream's answer that its client's window does not admit yet. Small
// pieces are copied together; larger ones are held by reference, so that a thousand slow watchers
// of one event hold it once.
//
// Thread: one loop.
#ifndef KEELSON_HTTP_SEND_QUEUE_H_
#define KEELSON_HTTP_SEND_QUEUE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/container/inlined_vector.h"
#include "base/shared_bytes.h"
#include "http/gather_buffer.h"
#include "http/stream.h"

namespace keelson::http {

class SendQueue {
 public:
  // Pieces below this many bytes are copied.
  static constexpr size_t kCopyMax = 256;

  SendQueue() = default;
  ~SendQueue() { CountIn(nullptr); }
  SendQueue(const SendQueue&) = delete;
  SendQueue& operator=(const SendQueue&) = delete;

  // Its size counts in `meter` too, from now on; nullptr: in none.
  void CountIn(OutputMeter* meter);

  void AppendCopy(std::string_view bytes);
  void Append(const SharedBytes& bytes);

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  // What MoveTo has moved so far.
  uint64_t moved() const { return moved_; }
  void Clear();

  // Moves the first `bytes` to `out`. REQUIRES: bytes <= size().
  void MoveTo(GatherBuffer* out, size_t bytes);

 private:
  struct Piece {
    std::string copied;
    SharedBytes held;  // empty: the bytes are in `copied`
    std::string_view view() const { return held.empty() ? std::string_view(copied) : held.view(); }
  };

  void Grow(size_t bytes) {
    size_ += bytes;
    if (meter_ != nullptr) meter_->queued_bytes += bytes;
  }
  void Shrink(size_t bytes) {
    size_ -= bytes;
    if (meter_ != nullptr) meter_->queued_bytes -= bytes;
  }

  OutputMeter* meter_ = nullptr;
  absl::InlinedVector<Piece, 1> pieces_;
  size_t head_ = 0;       // pieces before it are gone
  size_t head_done_ = 0;  // bytes of pieces_[head_] that are gone
  size_t size_ = 0;
  uint64_t moved_ = 0;
};

}  // namespace keelson::http

#endif  // KEELSON_HTTP_SEND_QUEUE_H_
