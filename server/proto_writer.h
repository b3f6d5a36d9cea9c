// ProtoWriter: protobuf fields written by hand, for answers that splice stored bytes (a stored
// KeyValue goes out as it lies on disk) and are too hot for message objects. Zero scalars and empty
// bytes are left out, as proto3 does.
#ifndef KEELSON_SERVER_PROTO_WRITER_H_
#define KEELSON_SERVER_PROTO_WRITER_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "base/coding.h"

namespace keelson::server {

class ProtoWriter {
 public:
  explicit ProtoWriter(std::string* out) : out_(*out) {}

  void Uint(int field, uint64_t v) {
    if (v == 0) return;
    Tag(field, 0);
    AppendVarint(out_, v);
  }
  void Int(int field, int64_t v) { Uint(field, static_cast<uint64_t>(v)); }
  void Bool(int field, bool v) { Uint(field, v ? 1 : 0); }
  void Bytes(int field, std::string_view v) {
    if (!v.empty()) Message(field, v);
  }
  // An embedded message, also when it is empty.
  void Message(int field, std::string_view encoded) {
    MessageHead(field, encoded.size());
    out_.append(encoded);
  }
  // The head of an embedded message whose `size` bytes the caller appends.
  void MessageHead(int field, size_t size) {
    Tag(field, 2);
    AppendVarint(out_, size);
  }

 private:
  void Tag(int field, int wire_type) {
    AppendVarint(out_, (static_cast<uint64_t>(field) << 3) | static_cast<uint64_t>(wire_type));
  }
  std::string& out_;
};

}  // namespace keelson::server

#endif  // KEELSON_SERVER_PROTO_WRITER_H_
