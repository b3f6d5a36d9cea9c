#include "apiserver/api/percent.h"

#include "absl/strings/ascii.h"
#include "base/concat.h"

namespace keelson::api {

std::string PercentEncoded(std::string_view text) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (absl::ascii_isalnum(byte) || c == '-' || c == '.' || c == '_' || c == '~' || c == ':') {
      out.push_back(c);
    } else {
      Append(&out, '%', kHex[byte >> 4], kHex[byte & 15]);
    }
  }
  return out;
}

}  // namespace keelson::api
