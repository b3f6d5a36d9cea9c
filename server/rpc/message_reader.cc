#include "server/rpc/message_reader.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/coding.h"

namespace keelson::rpc {
namespace {

// A prefix costs its sender five bytes and must not cost us a megabyte: room is made as bytes come.
constexpr uint64_t kFirstReserve = 16 * 1024;

}  // namespace

absl::Status MessageReader::Feed(std::string_view bytes, OnMessage on_message) {
  for (;;) {
    if (prefix_size_ < kMessagePrefixBytes) {
      const size_t count = std::min(bytes.size(), kMessagePrefixBytes - prefix_size_);
      std::memcpy(prefix_ + prefix_size_, bytes.data(), count);
      prefix_size_ += count;
      bytes.remove_prefix(count);
      if (prefix_size_ < kMessagePrefixBytes) return absl::OkStatus();
      size_ = LoadBig32(prefix_ + 1);
      if (static_cast<unsigned char>(prefix_[0]) > 1) {
        return absl::InternalError(absl::StrCat("grpc: received unexpected payload format ",
                                                static_cast<unsigned char>(prefix_[0])));
      }
      if (size_ > message_bytes_max_) {
        return absl::ResourceExhaustedError(absl::StrCat("grpc: received message larger than max (",
                                                         size_, " vs. ", message_bytes_max_, ")"));
      }
    }
    const size_t missing = size_ - partial_.size();
    SharedBytes message;
    if (partial_.empty() && bytes.size() >= missing) {
      message = SharedBytes::Copy(bytes.substr(0, missing));
    } else {
      if (partial_.empty()) partial_.reserve(std::min(size_, kFirstReserve));
      partial_.append(bytes.substr(0, missing));
      if (partial_.size() < size_) return absl::OkStatus();
      message = SharedBytes(std::exchange(partial_, {}));
    }
    bytes.remove_prefix(missing);
    prefix_size_ = 0;
    if (!on_message(prefix_[0] != 0, std::move(message))) return absl::OkStatus();
    if (bytes.empty()) return absl::OkStatus();
  }
}

absl::Status MessageReader::Finish() const {
  if (prefix_size_ == 0) return absl::OkStatus();
  return absl::InternalError("grpc: the request ended in the middle of a message: unexpected EOF");
}

void EncodeMessagePrefix(bool compressed, size_t size, char (&to)[kMessagePrefixBytes]) {
  KV_CHECK_LE(size, size_t{0xffffffff});
  to[0] = compressed ? 1 : 0;
  StoreBig32(to + 1, static_cast<uint32_t>(size));
}

}  // namespace keelson::rpc
