// Letters as HTTP compares them: ASCII only, whatever the locale. (Abseil's functions want
// absl::string_view, which in Debian's build is not std::string_view.)
#ifndef KEELSON_HTTP_ASCII_H_
#define KEELSON_HTTP_ASCII_H_

#include <algorithm>
#include <string>
#include <string_view>

namespace keelson::http {

constexpr char ToLower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

inline void LowerInPlace(std::string* text) {
  for (char& c : *text) c = ToLower(c);
}

inline bool EqualsIgnoreCase(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return ToLower(x) == ToLower(y); });
}

// Without the spaces and tabs at both ends.
inline std::string_view StripSpace(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

}  // namespace keelson::http

#endif  // KEELSON_HTTP_ASCII_H_
