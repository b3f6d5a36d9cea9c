// Concat: texts and whole numbers joined, from std::string_view too, which this Abseil's StrCat
// does not take.
#ifndef KEELSON_BASE_CONCAT_H_
#define KEELSON_BASE_CONCAT_H_

#include <concepts>
#include <string>
#include <string_view>
#include <type_traits>

namespace keelson {

template <typename... Parts>
void Append(std::string* out, const Parts&... parts) {
  const auto one = [out](const auto& part) {
    using Part = std::remove_cvref_t<decltype(part)>;
    if constexpr (std::same_as<Part, char>) {
      out->push_back(part);
    } else if constexpr (std::integral<Part>) {
      out->append(std::to_string(part));
    } else {
      out->append(std::string_view(part));
    }
  };
  (one(parts), ...);
}

template <typename... Parts>
std::string Concat(const Parts&... parts) {
  std::string out;
  Append(&out, parts...);
  return out;
}

}  // namespace keelson

#endif  // KEELSON_BASE_CONCAT_H_
