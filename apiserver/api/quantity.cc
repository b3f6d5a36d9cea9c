#include "apiserver/api/quantity.h"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>

#include "base/concat.h"

namespace keelson::api {
namespace {

__extension__ typedef __int128 Int128;

constexpr int kNanoExponent = -9;
constexpr Int128 kOne = 1'000'000'000;
constexpr Int128 kMost = 80 * kOne * kOne * kOne * kOne;
constexpr int64_t kInt64Most = std::numeric_limits<int64_t>::max();
// Upstream keeps what fits in these many digits as an integer, and then the text as it was written.
constexpr int kExactDigits = 18;
constexpr int kExactBinaryDigits = 15;

constexpr std::string_view kDecimalSuffixes[] = {"n", "u", "m", "", "k", "M", "G", "T", "P", "E"};
constexpr std::string_view kBinarySuffixes[] = {"", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"};

struct Suffix {
  Quantity::Format format;
  int exponent;  // of 10, or of 2
};

std::optional<Suffix> ParseSuffix(std::string_view text) {
  for (size_t i = 0; i < std::size(kDecimalSuffixes); ++i) {
    if (text == kDecimalSuffixes[i]) {
      return Suffix{Quantity::Format::kDecimal, kNanoExponent + 3 * static_cast<int>(i)};
    }
  }
  for (size_t i = 1; i < std::size(kBinarySuffixes); ++i) {
    if (text == kBinarySuffixes[i]) {
      return Suffix{Quantity::Format::kBinary, 10 * static_cast<int>(i)};
    }
  }
  if (text.size() < 2 || (text[0] != 'e' && text[0] != 'E')) return std::nullopt;
  text.remove_prefix(1);
  const bool negative = text[0] == '-';
  if (negative || text[0] == '+') text.remove_prefix(1);
  if (text.empty()) return std::nullopt;
  int exponent = 0;
  for (char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    exponent = std::min(exponent * 10 + (c - '0'), 1000);
  }
  return Suffix{Quantity::Format::kExponent, negative ? -exponent : exponent};
}

// What a quantity is written of: [+-]digits[.digits][suffix].
struct Parts {
  bool negative = false;
  std::string_view whole;  // without zeros in front; "0" for none
  std::string_view fraction;
  Suffix suffix;

  bool IsBinary() const { return suffix.format == Quantity::Format::kBinary; }
};

std::string_view TakeDigits(std::string_view* text) {
  const std::string_view digits =
      text->substr(0, std::min(text->find_first_not_of("0123456789"), text->size()));
  text->remove_prefix(digits.size());
  return digits;
}

std::optional<Parts> Split(std::string_view text) {
  if (text.empty()) return std::nullopt;
  Parts parts;
  parts.negative = text[0] == '-';
  if (text[0] == '-' || text[0] == '+') text.remove_prefix(1);
  parts.whole = TakeDigits(&text);
  parts.whole.remove_prefix(std::min(parts.whole.find_first_not_of('0'), parts.whole.size()));
  if (parts.whole.empty()) parts.whole = "0";
  if (!text.empty() && text[0] == '.') {
    text.remove_prefix(1);
    parts.fraction = TakeDigits(&text);
  }
  const std::optional<Suffix> suffix = ParseSuffix(text);
  if (!suffix.has_value()) return std::nullopt;
  parts.suffix = *suffix;
  return parts;
}

// value * 10^exponent, and a little more if `inexact`, rounded away from zero; saturates. REQUIRES:
// value >= 0.
Int128 Scale10(Int128 value, int exponent, bool inexact) {
  for (; exponent > 0 && value != 0; --exponent) {
    if (value > kMost / 10) return kMost;
    value *= 10;
  }
  for (; exponent < 0 && value != 0; ++exponent) {
    inexact |= value % 10 != 0;
    value /= 10;
  }
  return std::min(value + (inexact ? 1 : 0), kMost);
}

// All digits as one number, but those at the end that are too many to matter.
struct Digits {
  Int128 value = 0;
  int exponent = 0;
  bool inexact = false;  // of those left out one is not 0
};

Digits ReadDigits(const Parts& parts) {
  Digits digits;
  const auto add = [&digits](char c, bool is_fraction) {
    if (digits.value > kMost / 100) {  // no digit more has room
      digits.inexact |= c != '0';
      if (!is_fraction) ++digits.exponent;
      return;
    }
    digits.value = digits.value * 10 + (c - '0');
    if (is_fraction) --digits.exponent;
  };
  for (char c : parts.whole) add(c, false);
  for (char c : parts.fraction) add(c, true);
  return digits;
}

// Whether upstream keeps the text as it is, canonical or not.
bool IsKeptAsWritten(const Parts& parts) {
  const int digits = static_cast<int>(parts.whole.size() + parts.fraction.size());
  if (parts.IsBinary()) {
    if (!parts.fraction.empty()) return false;
    if (kExactBinaryDigits - digits - parts.suffix.exponent * 3 / 10 - 1 < 0) return false;
    int64_t value = 0;
    for (char c : parts.whole) value = value * 10 + (c - '0');
    return value % 8 != 0;
  }
  const int scale = parts.suffix.exponent - static_cast<int>(parts.fraction.size());
  if (digits > kExactDigits || scale < kNanoExponent || scale % 3 != 0) return false;
  const std::string all = Concat(parts.whole, parts.fraction);
  return all.front() != '0' && !all.ends_with("000");
}

int64_t Saturated(Int128 value) {
  if (value > kInt64Most) return kInt64Most;
  if (value < std::numeric_limits<int64_t>::min()) return std::numeric_limits<int64_t>::min();
  return static_cast<int64_t>(value);
}

// value / by, rounded away from zero.
Int128 DividedUp(Int128 value, Int128 by) {
  const Int128 rest = value % by;
  return value / by + (rest == 0 ? 0 : rest > 0 ? 1 : -1);
}

std::string Text(Int128 value) {
  const bool negative = value < 0;
  std::string reversed;
  do {
    const int digit = static_cast<int>(value % 10);
    reversed.push_back(static_cast<char>('0' + (digit < 0 ? -digit : digit)));
    value /= 10;
  } while (value != 0);
  if (negative) reversed.push_back('-');
  return {reversed.rbegin(), reversed.rend()};
}

Int128 Bounded(Int128 value) { return std::clamp(value, -kMost, kMost); }

}  // namespace

Quantity Quantity::FromValue(int64_t value, Format format) {
  Quantity quantity;
  quantity.nano_ = value * kOne;
  quantity.format_ = format;
  return quantity;
}

Quantity Quantity::FromMilli(int64_t milli, Format format) {
  Quantity quantity;
  quantity.nano_ = milli * (kOne / 1000);
  quantity.format_ = format;
  return quantity;
}

std::optional<Quantity> Quantity::Parse(std::string_view text) {
  const std::optional<Parts> parts = Split(text);
  if (!parts.has_value()) return std::nullopt;
  const Digits digits = ReadDigits(*parts);
  Quantity quantity;
  quantity.format_ = parts->suffix.format;
  if (parts->IsBinary()) {
    // The digits are bounded first: what is above 2^63 is cut off anyway.
    constexpr Int128 kMostBinary = kInt64Most * kOne;
    Int128 value = digits.value;
    int exponent = digits.exponent - kNanoExponent;
    bool inexact = digits.inexact;
    for (int shift = parts->suffix.exponent; shift > 0; --shift) {
      if (value > kMost / 2) {
        inexact |= value % 10 != 0;
        value /= 10;
        ++exponent;
      }
      value *= 2;
    }
    value = Scale10(value, exponent, inexact);
    quantity.nano_ = std::min(value, kMostBinary);
    if (quantity.nano_ > 0 && quantity.nano_ < kOne) quantity.format_ = Format::kDecimal;
  } else {
    quantity.nano_ = Scale10(digits.value, digits.exponent + parts->suffix.exponent - kNanoExponent,
                             digits.inexact);
  }
  if (parts->negative) quantity.nano_ = -quantity.nano_;
  return quantity;
}

std::optional<std::string> Quantity::Canonical(std::string_view text) {
  const std::optional<Parts> parts = Split(text);
  if (!parts.has_value()) return std::nullopt;
  if (IsKeptAsWritten(*parts)) return std::string(text);
  return Parse(text)->ToString();
}

Quantity Quantity::Of(const Json& value) {
  if (value.is_string()) return Parse(value.get_ref<const std::string&>()).value_or(Quantity());
  if (value.is_number()) return Parse(value.dump()).value_or(Quantity());
  return {};
}

int64_t Quantity::Value() const { return Saturated(DividedUp(nano_, kOne)); }
int64_t Quantity::Milli() const { return Saturated(DividedUp(nano_, kOne / 1000)); }

Quantity Quantity::operator+(const Quantity& other) const {
  Quantity sum;
  sum.nano_ = Bounded(nano_ + other.nano_);
  sum.format_ = IsZero() ? other.format_ : format_;
  return sum;
}

Quantity Quantity::operator-(const Quantity& other) const {
  Quantity difference;
  difference.nano_ = Bounded(nano_ - other.nano_);
  difference.format_ = IsZero() ? other.format_ : format_;
  return difference;
}

std::string Quantity::ToString() const {
  if (IsZero()) return "0";
  if (format_ == Format::kBinary && nano_ % kOne == 0) {
    Int128 value = nano_ / kOne;
    if (value <= -1024 || value >= 1024) {
      size_t suffix = 0;
      for (; value % 1024 == 0 && suffix + 1 < std::size(kBinarySuffixes); ++suffix) value /= 1024;
      return Concat(Text(value), kBinarySuffixes[suffix]);
    }
  }
  Int128 value = nano_;
  int exponent = kNanoExponent;
  const int most = format_ == Format::kExponent ? 60 : 18;
  for (; value % 1000 == 0 && exponent < most; exponent += 3) value /= 1000;
  if (format_ != Format::kExponent) {
    return Concat(Text(value), kDecimalSuffixes[(exponent - kNanoExponent) / 3]);
  }
  return exponent == 0 ? Text(value) : Concat(Text(value), "e", exponent);
}

}  // namespace keelson::api
