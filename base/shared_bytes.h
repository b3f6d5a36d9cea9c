// SharedBytes: immutable bytes that many may hold: an entry's payload is shared by the log, the
// peers and apply; an encoded event by all its watchers. Copying one costs a reference count,
// slicing keeps the whole buffer alive. Safe to share between threads.
//
// ByteChain: a list of SharedBytes that together are one message, sent without being copied
// together.
#ifndef KEELSON_BASE_SHARED_BYTES_H_
#define KEELSON_BASE_SHARED_BYTES_H_

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "absl/container/inlined_vector.h"

namespace keelson {

class SharedBytes {
 public:
  SharedBytes() = default;
  // Takes over `bytes`.
  explicit SharedBytes(std::string bytes)
      : owner_(std::make_shared<const std::string>(std::move(bytes))), view_(*owner_) {}
  // A part of `owner`. REQUIRES: `view` lies within *owner.
  SharedBytes(std::shared_ptr<const std::string> owner, std::string_view view)
      : owner_(std::move(owner)), view_(view) {}

  static SharedBytes Copy(std::string_view bytes) { return SharedBytes(std::string(bytes)); }

  std::string_view view() const { return view_; }
  const char* data() const { return view_.data(); }
  size_t size() const { return view_.size(); }
  bool empty() const { return view_.empty(); }
  // REQUIRES: pos + count <= size().
  SharedBytes Slice(size_t pos, size_t count) const;

  friend bool operator==(const SharedBytes& a, const SharedBytes& b) { return a.view_ == b.view_; }

 private:
  std::shared_ptr<const std::string> owner_;
  std::string_view view_;
};

class ByteChain {
 public:
  ByteChain() = default;
  explicit ByteChain(SharedBytes piece) { Append(std::move(piece)); }
  explicit ByteChain(std::string bytes) { Append(SharedBytes(std::move(bytes))); }

  void Append(SharedBytes piece) {
    if (piece.empty()) return;
    size_ += piece.size();
    pieces_.push_back(std::move(piece));
  }
  void Append(const ByteChain& other) {
    for (const SharedBytes& piece : other.pieces_) Append(piece);
  }

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  const absl::InlinedVector<SharedBytes, 4>& pieces() const { return pieces_; }
  // All bytes in one string, copied.
  std::string Flatten() const;

 private:
  absl::InlinedVector<SharedBytes, 4> pieces_;
  size_t size_ = 0;
};

}  // namespace keelson

#endif  // KEELSON_BASE_SHARED_BYTES_H_
