// HeaderBlock: the header fields of one request, in the order they came, kept in one string, so
// that a request costs one allocation however many fields it has. HTTP/2 pseudo-headers (":method",
// ":path", ":authority", ":scheme") are fields like the others and come first; for HTTP/1.1 the
// session adds the same ones. Names are lower-case.
//
// Views handed out stay valid until the next Add, Clear, or move.
#ifndef KEELSON_HTTP_HEADER_BLOCK_H_
#define KEELSON_HTTP_HEADER_BLOCK_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/container/inlined_vector.h"

namespace keelson::http {

struct HeaderView {
  std::string_view name;
  std::string_view value;
};

class HeaderBlock {
 public:
  // REQUIRES: all names and values together stay below 4 GiB (sessions limit them to far less).
  void Add(std::string_view name, std::string_view value);
  void Clear();

  // The value of the first field of that name (lower-case).
  std::optional<std::string_view> Find(std::string_view name) const;
  // As Find, with "" for an absent field.
  std::string_view Get(std::string_view name) const { return Find(name).value_or(""); }

  size_t size() const { return fields_.size(); }
  HeaderView operator[](size_t i) const;
  // Bytes of all names and values.
  size_t bytes() const { return text_.size(); }

 private:
  struct Field {
    uint32_t offset;
    uint32_t name_size;
    uint32_t value_size;
  };
  std::string text_;
  absl::InlinedVector<Field, 12> fields_;
};

}  // namespace keelson::http

#endif  // KEELSON_HTTP_HEADER_BLOCK_H_
