// The few etcd v3 messages a load generator needs, encoded and decoded by hand: a protobuf library
// would cost more than the rest of a request. Requests are appended with gRPC's prefix, ready for
// the body of a stream:
//
//   body    := message*
//   message := compressed:u8(0) size:be32 protobuf[size]
//   example    PutRequest{key: "k", value: "v"}  ->  00 00000006  0a 01 6b  12 01 76
//
// Field numbers are etcd's; do not renumber.
#ifndef KEELSON_TOOLS_KVBENCH_ETCD_MESSAGES_H_
#define KEELSON_TOOLS_KVBENCH_ETCD_MESSAGES_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/functional/function_ref.h"

namespace keelson::kvbench {

constexpr size_t kMessagePrefixBytes = 5;

enum class Consistency { kLinearizable, kSerializable };

void AppendPut(std::string& to, std::string_view key, std::string_view value);
void AppendGet(std::string& to, std::string_view key, Consistency consistency);
void AppendStatus(std::string& to);
// A watch on one key, from now.
void AppendWatchCreate(std::string& to, std::string_view key, int64_t watch_id);

// Walks over the fields of one encoded message.
class FieldReader {
 public:
  explicit FieldReader(std::string_view message) : rest_(message) {}
  // Moves to the next field; false at the end and where the encoding is broken.
  bool Next();
  bool broken() const { return broken_; }

  uint32_t number() const { return number_; }
  uint64_t varint() const { return varint_; }           // of the last field, if it was one
  std::string_view bytes() const { return bytes_; }  // likewise

 private:
  std::string_view rest_;
  bool broken_ = false;
  uint32_t number_ = 0;
  uint64_t varint_ = 0;
  std::string_view bytes_;
};

// Each returns nullopt for bytes that are not that message.

// RangeResponse.count.
std::optional<uint64_t> ReadRangeCount(std::string_view message);

struct MemberStatus {
  uint64_t member_id = 0;
  uint64_t leader = 0;  // 0: none known
};
std::optional<MemberStatus> ReadStatus(std::string_view message);

struct WatchAnswer {
  bool created = false;
  bool canceled = false;
  std::string_view cancel_reason;
  uint64_t events = 0;
};
// Calls `on_value` with the value of each event's KeyValue.
std::optional<WatchAnswer> ReadWatch(std::string_view message,
                                     absl::FunctionRef<void(std::string_view)> on_value);

// Cuts a gRPC body that arrives in pieces into messages.
class MessageCutter {
 public:
  // Calls `on_message` for each message that `bytes` completes; the view ends with the call.
  // Returns false, for good, when a message is compressed (we do not ask for that) or too large.
  bool Feed(std::string_view bytes, absl::FunctionRef<void(std::string_view)> on_message);
  bool in_the_middle() const { return !partial_.empty(); }

  static constexpr size_t kMessageMax = 64 << 20;

 private:
  // Takes whole messages off the front; nullopt: broken.
  static std::optional<size_t> Cut(std::string_view bytes,
                                   absl::FunctionRef<void(std::string_view)> on_message);
  std::string partial_;
};

}  // namespace keelson::kvbench

#endif  // KEELSON_TOOLS_KVBENCH_ETCD_MESSAGES_H_
