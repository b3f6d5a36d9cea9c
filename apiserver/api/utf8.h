// Utf8: code points in a text, one after the other.
#ifndef KEELSON_APISERVER_API_UTF8_H_
#define KEELSON_APISERVER_API_UTF8_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace keelson::api {

struct CodePoint {
  uint32_t value = 0;
  size_t bytes = 0;  // 0: what stands there is not UTF-8
};

// REQUIRES: text is not empty.
CodePoint FirstCodePoint(std::string_view text);
bool IsUtf8(std::string_view text);
// Every byte that is no part of UTF-8 becomes U+FFFD, as Go's JSON decoder does it.
std::string WithValidUtf8(std::string_view text);
// REQUIRES: value is a code point, not half of a surrogate pair.
void AppendCodePoint(std::string* out, uint32_t value);

}  // namespace keelson::api

#endif  // KEELSON_APISERVER_API_UTF8_H_
