#include "apiserver/api/utf8.h"

namespace keelson::api {
namespace {

constexpr std::string_view kReplacement = "\xef\xbf\xbd";

}  // namespace

CodePoint FirstCodePoint(std::string_view text) {
  const auto byte = [&](size_t i) -> uint32_t { return static_cast<unsigned char>(text[i]); };
  const uint32_t first = byte(0);
  if (first < 0x80) return {first, 1};
  size_t bytes = 0;
  uint32_t least = 0;  // shorter forms of smaller values are not UTF-8
  if (first >= 0xc2 && first < 0xe0) {
    bytes = 2, least = 0x80;
  } else if (first >= 0xe0 && first < 0xf0) {
    bytes = 3, least = 0x800;
  } else if (first >= 0xf0 && first < 0xf5) {
    bytes = 4, least = 0x10000;
  }
  if (bytes == 0 || text.size() < bytes) return {};
  uint32_t value = first & (0x7f >> bytes);
  for (size_t i = 1; i < bytes; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return {};
    value = (value << 6) | (byte(i) & 0x3f);
  }
  const bool surrogate = value >= 0xd800 && value < 0xe000;
  if (value < least || value > 0x10ffff || surrogate) return {};
  return {value, bytes};
}

bool IsUtf8(std::string_view text) {
  while (!text.empty()) {
    const size_t bytes = FirstCodePoint(text).bytes;
    if (bytes == 0) return false;
    text.remove_prefix(bytes);
  }
  return true;
}

std::string WithValidUtf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const size_t bytes = FirstCodePoint(text).bytes;
    out.append(bytes == 0 ? kReplacement : text.substr(0, bytes));
    text.remove_prefix(bytes == 0 ? 1 : bytes);
  }
  return out;
}

void AppendCodePoint(std::string* out, uint32_t value) {
  const auto more = [&](int shift) {
    out->push_back(static_cast<char>(0x80 | ((value >> shift) & 0x3f)));
  };
  if (value < 0x80) {
    out->push_back(static_cast<char>(value));
  } else if (value < 0x800) {
    out->push_back(static_cast<char>(0xc0 | (value >> 6)));
    more(0);
  } else if (value < 0x10000) {
    out->push_back(static_cast<char>(0xe0 | (value >> 12)));
    more(6), more(0);
  } else {
    out->push_back(static_cast<char>(0xf0 | (value >> 18)));
    more(12), more(6), more(0);
  }
}

}  // namespace keelson::api
