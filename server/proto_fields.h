// ProtoFields: walks over the fields of an encoded message, where parsing all of it would cost more
// than what is wanted of it. Broken bytes end the walk; whoever parses them says so.
#ifndef KEELSON_SERVER_PROTO_FIELDS_H_
#define KEELSON_SERVER_PROTO_FIELDS_H_

#include <cstdint>
#include <string_view>

#include "base/coding.h"

namespace keelson::server {

class ProtoFields {
 public:
  explicit ProtoFields(std::string_view message) : rest_(message) {}

  // Moves to the next field; false at the end.
  bool Next() {
    uint64_t tag = 0;
    if (!TakeVarint(rest_, tag)) return false;
    number_ = static_cast<int>(tag >> 3);
    bytes_ = {};
    switch (tag & 7) {
      case 0:
        return TakeVarint(rest_, value_);
      case 1:
        return Skip(8);
      case 2:
        return TakeVarint(rest_, value_) && Skip(value_);
      case 5:
        return Skip(4);
      default:
        return false;
    }
  }

  int number() const { return number_; }
  uint64_t varint() const { return value_; }         // of the last field, if it was one
  std::string_view bytes() const { return bytes_; }  // likewise

 private:
  bool Skip(uint64_t size) {
    if (size > rest_.size()) return false;
    bytes_ = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return true;
  }

  std::string_view rest_;
  int number_ = 0;
  uint64_t value_ = 0;
  std::string_view bytes_;
};

}  // namespace keelson::server

#endif  // KEELSON_SERVER_PROTO_FIELDS_H_
