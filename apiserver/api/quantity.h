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
  // Text, or a number; 0 for everything else.
  static Quantity Of(const Json& value);

  // Rounded up; saturates.
  int64_t Value() const;
  int64_t Milli() const;
  bool IsZero() const { return nano_ == 0; }
  bool IsNegative() const { return nano_ < 0; }
  Quantity operator+(const Quantity& other) const;
  Quantity operator-(const Quantity& other) const;
  std::strong_ordering operator<=>(const Quantity& other) const { return nano_ <=> other.nano_; }
  bool operator==(const Quantity& other) const { return nano_ == other.nano_; }

  // The canonical text: the largest suffix that leaves a whole number.
  std::string ToString() const;

 private:
  __int128 nano_ = 0;
  Format format_ = Format::kDecimal;
};

}  // namespace keelson::api

#endif  // KEELSON_APISERVER_API_QUANTITY_H_
