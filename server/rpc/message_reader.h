// MessageReader: takes the body of a gRPC stream as it arrives, in pieces of any size, and finds
// the messages in it.
//
//   body    := message*
//   message := compressed:u8 size:be32 bytes[size]
//   example    00 00000003 616263  ->  "abc", not compressed
//
// Thread: one.
#ifndef KEELSON_SERVER_RPC_MESSAGE_READER_H_
#define KEELSON_SERVER_RPC_MESSAGE_READER_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "base/shared_bytes.h"

namespace keelson::rpc {

constexpr size_t kMessagePrefixBytes = 5;

class MessageReader {
 public:
  // Returns false to stop reading.
  using OnMessage = absl::FunctionRef<bool(bool compressed, SharedBytes message)>;

  explicit MessageReader(uint64_t message_bytes_max) : message_bytes_max_(message_bytes_max) {}

  // Calls `on_message` for each message that `bytes` completes. Error: ResourceExhausted, worded as
  // grpc-go does, as soon as a prefix announces too much; Internal for an unknown flag. Nothing may
  // be fed after an error or a stop.
  absl::Status Feed(std::string_view bytes, OnMessage on_message);
  // The body ended here. Error: Internal, in the middle of a message.
  absl::Status Finish() const;

  // Bytes kept of a message that is not whole.
  uint64_t buffered() const { return partial_.size(); }

 private:
  const uint64_t message_bytes_max_;
  char prefix_[kMessagePrefixBytes] = {};
  size_t prefix_size_ = 0;  // bytes of prefix_ that are there
  uint64_t size_ = 0;       // of the message; valid once the prefix is whole
  std::string partial_;     // of the message
};

// Writes the prefix of a message of `size` bytes. REQUIRES: size < 4 GiB.
void EncodeMessagePrefix(bool compressed, size_t size, char (&to)[kMessagePrefixBytes]);

}  // namespace keelson::rpc

#endif  // KEELSON_SERVER_RPC_MESSAGE_READER_H_
