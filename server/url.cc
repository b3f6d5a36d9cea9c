#include "server/url.h"

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/status_macros.h"

namespace keelson::server {

absl::StatusOr<Url> ParseUrl(const std::string& written) {
  Url url;
  url.text = written;
  const std::string_view text = url.text;
  const size_t colon = text.find("://");
  if (colon == std::string_view::npos) {
    return absl::InvalidArgumentError(absl::StrCat("URL must have a scheme: ", url.text));
  }
  url.scheme = std::string(text.substr(0, colon));
  if (url.scheme != "http" && url.scheme != "https") {
    return absl::InvalidArgumentError(absl::StrCat("URL scheme must be http or https: ", url.text));
  }
  const std::string_view rest = text.substr(colon + 3);
  if (rest.find_first_of("/?#@ ") != std::string_view::npos) {
    return absl::InvalidArgumentError(absl::StrCat("URL must not contain a path: ", url.text));
  }
  const size_t port_colon = rest.rfind(':');
  const bool bracketed = rest.starts_with('[');
  if (port_colon == std::string_view::npos || port_colon == 0 ||
      (bracketed && rest[port_colon - 1] != ']')) {
    return absl::InvalidArgumentError(
        absl::StrCat("URL address does not have the form \"host:port\": ", url.text));
  }
  std::string_view host = rest.substr(0, port_colon);
  if (bracketed) host = host.substr(1, host.size() - 2);
  if (!bracketed && host.find(':') != std::string_view::npos) {
    return absl::InvalidArgumentError(
        absl::StrCat("URL address has an IPv6 address without brackets: ", url.text));
  }
  uint32_t port;
  if (!absl::SimpleAtoi(std::string(rest.substr(port_colon + 1)), &port) || port > 65535) {
    return absl::InvalidArgumentError(
        absl::StrCat("URL port is not a number up to 65535: ", url.text));
  }
  url.host = std::string(host);
  url.port = static_cast<uint16_t>(port);
  return url;
}

absl::StatusOr<std::vector<Url>> ParseUrls(const std::string& text) {
  std::vector<Url> urls;
  for (const std::string& part : std::vector<std::string>(absl::StrSplit(text, ','))) {
    KV_ASSIGN_OR_RETURN(Url url, ParseUrl(std::string(absl::StripAsciiWhitespace(part))));
    urls.push_back(std::move(url));
  }
  return urls;
}

}  // namespace keelson::server
