// Url: the endpoints of flags ("http://10.0.0.1:2379"), checked as etcd checks them.
#ifndef KEELSON_SERVER_URL_H_
#define KEELSON_SERVER_URL_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace keelson::server {

struct Url {
  std::string scheme;  // http or https
  std::string host;    // without the brackets of an IPv6 address
  uint16_t port = 0;
  std::string text;  // as written

  bool secure() const { return scheme == "https"; }
};

// scheme://host:port and nothing else. InvalidArgument says what is wrong with it, with etcd's
// words.
absl::StatusOr<Url> ParseUrl(const std::string& written);
// Comma-separated, at least one.
absl::StatusOr<std::vector<Url>> ParseUrls(const std::string& text);

}  // namespace keelson::server

#endif  // KEELSON_SERVER_URL_H_
