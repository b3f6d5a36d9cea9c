#include "tools/kvctl/go_text.h"

#include <cerrno>
#include <cmath>
#include <cstdlib>
#include <limits>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace keelson::kvctl {
namespace {

constexpr char32_t kInvalid = 0xffffffff;

// Decodes one code point from the front; kInvalid and one byte taken when it is not UTF-8.
char32_t TakeRune(absl::string_view& text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  size_t length = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3
                  : first < 0xf5 ? 4 : 0;
  char32_t rune = length == 1 ? first : length == 2 ? first & 0x1f : length == 3 ? first & 0x0f
                                                                                 : first & 0x07;
  bool valid = length != 0 && length <= text.size();
  for (size_t i = 1; valid && i < length; ++i) {
    valid = (byte(i) & 0xc0) == 0x80;
    rune = rune << 6 | (byte(i) & 0x3f);
  }
  constexpr char32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  if (!valid || rune < kLeast[length] || rune > 0x10ffff || (rune >= 0xd800 && rune < 0xe000)) {
    text.remove_prefix(1);
    return kInvalid;
  }
  text.remove_prefix(length);
  return rune;
}

// unicode.IsPrint without its table of unassigned code points: controls, spaces other than ' ',
// formatting and private-use characters are not.
bool IsPrint(char32_t rune) {
  if (rune < 0x20 || rune == 0x7f) return false;
  if (rune < 0x7f) return true;
  constexpr struct {
    char32_t first, last;
  } kUnprintable[] = {{0x80, 0xa0},     {0xad, 0xad},     {0x1680, 0x1680}, {0x2000, 0x200f},
                      {0x2028, 0x202f}, {0x205f, 0x206f}, {0x3000, 0x3000}, {0xe000, 0xf8ff},
                      {0xfeff, 0xfeff}, {0xfff0, 0xfffb}, {0xfffe, 0xffff}, {0xe0000, 0x10ffff}};
  for (const auto& range : kUnprintable) {
    if (rune >= range.first && rune <= range.last) return false;
  }
  return true;
}

void AppendUtf8(std::string& to, char32_t rune) {
  if (rune < 0x80) {
    to.push_back(static_cast<char>(rune));
  } else if (rune < 0x800) {
    to.push_back(static_cast<char>(0xc0 | rune >> 6));
    to.push_back(static_cast<char>(0x80 | (rune & 0x3f)));
  } else if (rune < 0x10000) {
    to.push_back(static_cast<char>(0xe0 | rune >> 12));
    to.push_back(static_cast<char>(0x80 | (rune >> 6 & 0x3f)));
    to.push_back(static_cast<char>(0x80 | (rune & 0x3f)));
  } else {
    to.push_back(static_cast<char>(0xf0 | rune >> 18));
    to.push_back(static_cast<char>(0x80 | (rune >> 12 & 0x3f)));
    to.push_back(static_cast<char>(0x80 | (rune >> 6 & 0x3f)));
    to.push_back(static_cast<char>(0x80 | (rune & 0x3f)));
  }
}

// The letter after a backslash, for the characters that have one.
constexpr struct {
  char letter, meaning;
} kEscapes[] = {{'a', '\a'}, {'b', '\b'}, {'f', '\f'}, {'n', '\n'},  {'r', '\r'},
                {'t', '\t'}, {'v', '\v'}, {'"', '"'},  {'\\', '\\'}};

// Takes `digits` digits of `base` from the front.
std::optional<uint32_t> TakeDigits(absl::string_view& text, size_t digits, int base) {
  if (text.size() < digits) return std::nullopt;
  uint32_t value = 0;
  for (size_t i = 0; i < digits; ++i) {
    const char c = absl::ascii_tolower(text[i]);
    const int digit = absl::ascii_isdigit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : 99;
    if (digit >= base) return std::nullopt;
    value = value * base + digit;
  }
  text.remove_prefix(digits);
  return value;
}

// Takes what follows a backslash and appends what it means.
bool TakeEscape(absl::string_view& text, std::string& to) {
  if (text.empty()) return false;
  const char letter = text[0];
  for (const auto& escape : kEscapes) {
    if (escape.letter == letter) {
      text.remove_prefix(1);
      to.push_back(escape.meaning);
      return true;
    }
  }
  std::optional<uint32_t> value;
  if (letter >= '0' && letter <= '7') {
    value = TakeDigits(text, 3, 8);
    if (!value.has_value() || *value > 255) return false;
    to.push_back(static_cast<char>(*value));
    return true;
  }
  text.remove_prefix(1);
  if (letter == 'x') {
    if (value = TakeDigits(text, 2, 16); !value.has_value()) return false;
    to.push_back(static_cast<char>(*value));
    return true;
  }
  if (letter != 'u' && letter != 'U') return false;
  value = TakeDigits(text, letter == 'u' ? 4 : 8, 16);
  if (!value.has_value() || *value > 0x10ffff || (*value >= 0xd800 && *value < 0xe000)) return false;
  AppendUtf8(to, *value);
  return true;
}

// "1.5" with trailing zeros cut, of value / 10^digits.
std::string Fraction(uint64_t value, int digits) {
  uint64_t unit = 1;
  for (int i = 0; i < digits; ++i) unit *= 10;
  std::string text = absl::StrCat(value / unit);
  if (value % unit == 0) return text;
  std::string decimals = absl::StrFormat("%0*d", digits, value % unit);
  decimals.erase(decimals.find_last_not_of('0') + 1);
  return absl::StrCat(text, ".", decimals);
}

absl::Status NumberError(absl::string_view function, absl::string_view text,
                         absl::string_view what) {
  return absl::InvalidArgumentError(
      absl::StrCat("strconv.", function, ": parsing ", GoQuote(text), ": ", what));
}

}  // namespace

std::string GoQuote(absl::string_view bytes) {
  std::string quoted = "\"";
  while (!bytes.empty()) {
    const absl::string_view before = bytes;
    const char32_t rune = TakeRune(bytes);
    const auto first = static_cast<unsigned char>(before[0]);
    const char* letter = nullptr;
    for (const auto& escape : kEscapes) {
      if (rune == static_cast<char32_t>(escape.meaning)) letter = &escape.letter;
    }
    if (rune == kInvalid) {
      absl::StrAppendFormat(&quoted, "\\x%02x", first);
    } else if (letter != nullptr) {
      absl::StrAppend(&quoted, "\\", absl::string_view(letter, 1));
    } else if (IsPrint(rune)) {
      absl::StrAppend(&quoted, before.substr(0, before.size() - bytes.size()));
    } else if (rune < 0x80) {
      absl::StrAppendFormat(&quoted, "\\x%02x", first);
    } else if (rune < 0x10000) {
      absl::StrAppendFormat(&quoted, "\\u%04x", static_cast<uint32_t>(rune));
    } else {
      absl::StrAppendFormat(&quoted, "\\U%08x", static_cast<uint32_t>(rune));
    }
  }
  quoted.push_back('"');
  return quoted;
}

std::optional<std::string> TakeGoQuoted(absl::string_view& text) {
  absl::string_view rest = text;
  if (rest.empty()) return std::nullopt;
  const char quote = rest[0];
  rest.remove_prefix(1);
  std::string value;
  if (quote == '`') {
    const size_t end = rest.find('`');
    if (end == absl::string_view::npos) return std::nullopt;
    value = std::string(rest.substr(0, end));
    text = rest.substr(end + 1);
    return value;
  }
  if (quote != '"') return std::nullopt;
  while (!rest.empty() && rest[0] != '\n') {
    const char c = rest[0];
    rest.remove_prefix(1);
    if (c == '"') {
      text = rest;
      return value;
    }
    if (c != '\\') {
      value.push_back(c);
    } else if (!TakeEscape(rest, value)) {
      return std::nullopt;
    }
  }
  return std::nullopt;
}

std::string GoJsonString(absl::string_view bytes) {
  std::string json = "\"";
  while (!bytes.empty()) {
    const absl::string_view before = bytes;
    const char32_t rune = TakeRune(bytes);
    if (rune == kInvalid) {
      json += "\\ufffd";
    } else if (rune == '"' || rune == '\\') {
      json += {'\\', before[0]};
    } else if (rune == '\n') {
      json += "\\n";
    } else if (rune == '\r') {
      json += "\\r";
    } else if (rune == '\t') {
      json += "\\t";
    } else if (rune < 0x20 || rune == '<' || rune == '>' || rune == '&' || rune == 0x2028 ||
               rune == 0x2029) {
      absl::StrAppendFormat(&json, "\\u%04x", static_cast<uint32_t>(rune));
    } else {
      absl::StrAppend(&json, before.substr(0, before.size() - bytes.size()));
    }
  }
  json.push_back('"');
  return json;
}

std::string HexEscape(absl::string_view bytes) {
  std::string hex;
  hex.reserve(bytes.size() * 4);
  for (const char c : bytes) {
    absl::StrAppendFormat(&hex, "\\x%02x", static_cast<unsigned char>(c));
  }
  return hex;
}

std::string FormatGoDuration(absl::Duration duration) {
  const int64_t signed_nanos = absl::ToInt64Nanoseconds(duration);
  if (signed_nanos == 0) return "0s";
  const std::string sign = signed_nanos < 0 ? "-" : "";
  const auto nanos = static_cast<uint64_t>(std::llabs(signed_nanos));
  if (nanos < 1'000) return absl::StrCat(sign, nanos, "ns");
  if (nanos < 1'000'000) return absl::StrCat(sign, Fraction(nanos, 3), "µs");
  if (nanos < 1'000'000'000) return absl::StrCat(sign, Fraction(nanos, 6), "ms");
  const uint64_t minutes = nanos / 60'000'000'000;
  std::string text = absl::StrCat(Fraction(nanos % 60'000'000'000, 9), "s");
  if (minutes > 0) text = absl::StrCat(minutes % 60, "m", text);
  if (minutes >= 60) text = absl::StrCat(minutes / 60, "h", text);
  return absl::StrCat(sign, text);
}

absl::StatusOr<absl::Duration> ParseGoDuration(absl::string_view text) {
  const auto error = [&](absl::string_view what) {
    return absl::InvalidArgumentError(absl::StrCat("time: ", what, " ", GoQuote(text)));
  };
  absl::string_view rest = text;
  const bool negative = absl::StartsWith(rest, "-");
  if (negative || absl::StartsWith(rest, "+")) rest.remove_prefix(1);
  if (rest == "0") return absl::ZeroDuration();
  if (rest.empty()) return error("invalid duration");
  absl::Duration sum = absl::ZeroDuration();
  while (!rest.empty()) {
    size_t length = 0;
    int digits = 0;
    int points = 0;
    for (; length < rest.size() && (absl::ascii_isdigit(rest[length]) || rest[length] == '.');
         ++length) {
      rest[length] == '.' ? ++points : ++digits;
    }
    if (digits == 0 || points > 1) return error("invalid duration");
    const double number = std::strtod(std::string(rest.substr(0, length)).c_str(), nullptr);
    rest.remove_prefix(length);
    const size_t unit_length = std::min(rest.find_first_of("0123456789."), rest.size());
    const absl::string_view unit = rest.substr(0, unit_length);
    rest.remove_prefix(unit_length);
    absl::Duration one;
    if (unit == "ns") {
      one = absl::Nanoseconds(1);
    } else if (unit == "us" || unit == "µs" || unit == "μs") {
      one = absl::Microseconds(1);
    } else if (unit == "ms") {
      one = absl::Milliseconds(1);
    } else if (unit == "s") {
      one = absl::Seconds(1);
    } else if (unit == "m") {
      one = absl::Minutes(1);
    } else if (unit == "h") {
      one = absl::Hours(1);
    } else if (unit.empty()) {
      return error("missing unit in duration");
    } else {
      return error(absl::StrCat("unknown unit ", GoQuote(unit), " in duration"));
    }
    sum += one * number;
  }
  return negative ? -sum : sum;
}

absl::StatusOr<int64_t> ParseGoInt(absl::string_view text, int base) {
  absl::string_view digits = text;
  const bool negative = absl::StartsWith(digits, "-");
  if (negative || absl::StartsWith(digits, "+")) digits.remove_prefix(1);
  if (base == 0) {
    base = 10;
    const std::string prefix = absl::AsciiStrToLower(digits.substr(0, 2));
    const int prefixed = prefix == "0x" ? 16 : prefix == "0o" ? 8 : prefix == "0b" ? 2 : 0;
    if (prefixed != 0) {
      base = prefixed;
      digits.remove_prefix(2);
    } else if (digits.size() > 1 && digits[0] == '0') {
      base = 8;
    }
  }
  if (digits.empty() || !absl::ascii_isalnum(digits[0])) {
    return NumberError("ParseInt", text, "invalid syntax");
  }
  const std::string copy(digits);
  char* end;
  errno = 0;
  // strtoull would take "0x" in front of hexadecimal digits, which Go does not.
  if (base == 16 && copy.size() > 1 && absl::ascii_tolower(copy[1]) == 'x') {
    return NumberError("ParseInt", text, "invalid syntax");
  }
  const unsigned long long magnitude = std::strtoull(copy.c_str(), &end, base);
  if (*end != '\0' || end != copy.c_str() + copy.size()) {
    return NumberError("ParseInt", text, "invalid syntax");
  }
  constexpr uint64_t kMax = std::numeric_limits<int64_t>::max();
  if (errno == ERANGE || magnitude > kMax + (negative ? 1 : 0)) {
    return NumberError("ParseInt", text, "value out of range");
  }
  return static_cast<int64_t>(negative ? -magnitude : magnitude);
}

absl::StatusOr<bool> ParseGoBool(absl::string_view text) {
  for (const absl::string_view word : {"1", "t", "T", "true", "TRUE", "True"}) {
    if (text == word) return true;
  }
  for (const absl::string_view word : {"0", "f", "F", "false", "FALSE", "False"}) {
    if (text == word) return false;
  }
  return NumberError("ParseBool", text, "invalid syntax");
}

std::string HumanBytes(uint64_t bytes) {
  if (bytes < 10) return absl::StrCat(bytes, " B");
  constexpr const char* kUnits[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
  const auto exponent =
      static_cast<int>(std::floor(std::log(static_cast<double>(bytes)) / std::log(1000.0)));
  const double value =
      std::floor(static_cast<double>(bytes) / std::pow(1000.0, exponent) * 10 + 0.5) / 10;
  return absl::StrFormat(value < 10 ? "%.1f %s" : "%.0f %s", value, kUnits[exponent]);
}

}  // namespace keelson::kvctl
