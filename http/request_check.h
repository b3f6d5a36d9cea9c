// RequestCheck: whether the fields and the body of an HTTP/2 request follow RFC 9113 section 8:
// names and values of legal bytes, pseudo-fields once, first and complete, no fields of a
// connection, a body as long as content-length says. nghttp2 has such checks, but its rule for
// ":authority" refuses what Go clients of etcd send ("http://host:port"), and it cannot be changed
// alone.
#ifndef KEELSON_HTTP_REQUEST_CHECK_H_
#define KEELSON_HTTP_REQUEST_CHECK_H_

#include <cstdint>
#include <optional>
#include <string_view>

namespace keelson::http {

class RequestCheck {
 public:
  // Each returns false when the request is malformed from here on.
  bool OnField(std::string_view name, std::string_view value);
  bool OnFieldsComplete();  // the first block of fields has ended
  bool OnTrailer(std::string_view name, std::string_view value) const;
  bool OnBody(uint64_t bytes);
  bool OnEnd() const;

 private:
  bool OnPseudoField(std::string_view name);

  unsigned pseudo_seen_ = 0;
  bool regular_seen_ = false;
  std::optional<uint64_t> content_length_;
  uint64_t body_bytes_ = 0;
};

}  // namespace keelson::http

#endif  // KEELSON_HTTP_REQUEST_CHECK_H_
