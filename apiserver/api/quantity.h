// Quantity: an amount of a resource: "100m", "1.5", "2Gi", "1e3". Exact to a billionth; larger than
// any real machine. Immutable.
#ifndef KEELSON_APISERVER_API_QUANTITY_H_
#define KEELSON_APISERVER_API_QUANTITY_H_

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "apiserver/api/json.h"

namespace keelson::api {

class Quantity {
 public:
  enum class Format { kDecimal, kBinary, kExponent };

  Quantity() = default;
  static Quantity FromValue(int64_t value, Format format = Format::kDecimal);
  static Quantity FromMilli(int64_t milli, Format format = Format::kDecimal);
  // nullopt: not a quantity.
  static std::optional<Quantity> Parse(std::string_view text);
  // A quantity's text as the API server keeps it: canonical, but that upstream leaves some texts
  // which are as good as they were ("1.500", "5E3"). nullopt: not a quantity.
  static std::optional<std::string> Canonical(std::string_view text);
  // Text, or a number; 0 for everything else.
  static Quantity Of(const Json& value);

  // Rounded up; saturates.
  int64_t Value() const;
  int64_t Milli() const;
  Format format() const { return format_; }
  bool IsZero() const { return nano_ == 0; }
  bool IsNegative() const { return nano_ < 0; }
  Quantity operator+(const Quantity& other) const;
  Quantity operator-(const Quantity& other) const;
  std::strong_ordering operator<=>(const Quantity& other) const { return nano_ <=> other.nano_; }
  bool operator==(const Quantity& other) const { return nano_ == other.nano_; }

  // The canonical text: the largest suffix that leaves a whole number.
  std::string ToString() const;

 private:
  __extension__ typedef __int128 Int128;

  Int128 nano_ = 0;
  Format format_ = Format::kDecimal;
};

}  // namespace keelson::api

#endif  // KEELSON_APISERVER_API_QUANTITY_H_
