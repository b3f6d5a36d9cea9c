#include "apiserver/api/quote.h"

#include <nlohmann/json.hpp>

#include "absl/strings/str_format.h"
#include "apiserver/api/utf8.h"
#include "base/concat.h"

namespace keelson::api {

bool IsPrintable(uint32_t c) {
  if (c < 0x20 || (c >= 0x7f && c <= 0xa0) || c == 0xad) return false;
  if (c >= 0x2000 && c <= 0x200f) return false;
  if (c >= 0x2028 && c <= 0x202f) return false;
  if (c >= 0x205f && c <= 0x206f) return false;
  if (c == 0x1680 || c == 0x3000 || c == 0xfeff) return false;
  if (c >= 0xe000 && c <= 0xf8ff) return false;
  if (c >= 0xfff0 && c <= 0xfffb) return false;
  return c < 0xe0000 && (c & 0xfffe) != 0xfffe;
}

namespace {

char ShortEscape(uint32_t c) {
  switch (c) {
    case '\a':
      return 'a';
    case '\b':
      return 'b';
    case '\f':
      return 'f';
    case '\n':
      return 'n';
    case '\r':
      return 'r';
    case '\t':
      return 't';
    case '\v':
      return 'v';
    case '"':
      return '"';
    case '\\':
      return '\\';
    default:
      return 0;
  }
}

}  // namespace

std::string Quoted(std::string_view text) {
  std::string out = "\"";
  while (!text.empty()) {
    const auto [c, bytes] = FirstCodePoint(text);
    if (bytes == 0) {
      absl::StrAppendFormat(&out, "\\x%02x", static_cast<unsigned char>(text[0]));
    } else if (const char escape = ShortEscape(c); escape != 0) {
      out.push_back('\\');
      out.push_back(escape);
    } else if (IsPrintable(c)) {
      out.append(text.substr(0, bytes));
    } else if (c < 0x80) {
      absl::StrAppendFormat(&out, "\\x%02x", c);
    } else {
      absl::StrAppendFormat(&out, "\\u%04x", c);
    }
    text.remove_prefix(bytes == 0 ? 1 : bytes);
  }
  out.push_back('"');
  return out;
}

std::string GoText(const Json& value) {
  switch (value.type()) {
    case Json::value_t::null:
      return "<nil>";
    case Json::value_t::string:
      return value.get<std::string>();
    case Json::value_t::object: {
      std::string text;
      for (const auto& [name, member] : value.items()) {
        Append(&text, text.empty() ? "map[" : " ", name, ":", GoText(member));
      }
      return text.empty() ? "map[]" : text + "]";
    }
    case Json::value_t::array: {
      std::string text;
      for (const Json& item : value) Append(&text, text.empty() ? "[" : " ", GoText(item));
      return text.empty() ? "[]" : text + "]";
    }
    default:
      return value.dump();
  }
}

}  // namespace keelson::api
