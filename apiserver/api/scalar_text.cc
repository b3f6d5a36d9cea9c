#include "apiserver/api/scalar_text.h"

#include <algorithm>
#include <optional>

#include "absl/strings/escaping.h"
#include "apiserver/api/quantity.h"
#include "apiserver/api/quote.h"
#include "apiserver/api/time.h"
#include "base/concat.h"

namespace keelson::api {
namespace {

constexpr std::string_view kZeroTime = "0001-01-01T00:00:00Z";
constexpr std::string_view kTimeLayout = "2006-01-02T15:04:05Z07:00";
constexpr std::string_view kMicroTimeLayout = "2006-01-02T15:04:05.000000Z07:00";

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

std::string_view Trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n\v\f";
  const size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

// Which of Go's refusals a text gets that is no quantity.
std::string_view QuantityFault(std::string_view text) {
  const auto skip = [&text](std::string_view characters) {
    text.remove_prefix(std::min(text.find_first_not_of(characters), text.size()));
  };
  constexpr std::string_view kDigits = "0123456789";
  const bool empty = text.empty();
  if (!empty && (text[0] == '+' || text[0] == '-')) text.remove_prefix(1);
  skip(kDigits);
  if (!text.empty() && text[0] == '.') {
    text.remove_prefix(1);
    skip(kDigits);
  }
  skip("eEinumkKMGTP");
  if (!text.empty() && (text[0] == '+' || text[0] == '-')) text.remove_prefix(1);
  skip(kDigits);
  return empty || !text.empty() ? "quantities must match the regular expression "
                                  "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
                                : "unable to parse quantity's suffix";
}

// Go reads a time element by element; the first that is not there is named, with all that is left.
std::string TimeFault(std::string_view text, std::string_view layout) {
  struct Element {
    std::string_view name;
    size_t digits;
  };
  constexpr Element kElements[] = {{"2006", 4}, {"-", 0}, {"01", 2}, {"-", 0}, {"02", 2}, {"T", 0},
                                   {"15", 2},   {":", 0}, {"04", 2}, {":", 0}, {"05", 2}};
  std::string_view rest = text;
  const std::string start = Concat("parsing time ", Quoted(text));
  const auto cannot = [&](std::string_view name) {
    return Concat(start, " as ", Quoted(layout), ": cannot parse ", Quoted(rest), " as ",
                  Quoted(name));
  };
  for (const auto& [name, digits] : kElements) {
    if (digits == 0
            ? !rest.starts_with(name)
            : rest.size() < digits || !std::all_of(rest.begin(), rest.begin() + digits, IsDigit)) {
      return cannot(name);
    }
    const std::string_view value = rest.substr(0, digits);
    if (name == "01" && (value < "01" || value > "12")) return start + ": month out of range";
    if (name == "15" && value > "23") return start + ": hour out of range";
    if (name == "04" && value > "59") return start + ": minute out of range";
    if (name == "05" && value > "59") return start + ": second out of range";
    rest.remove_prefix(std::max<size_t>(digits, 1));
  }
  const size_t fraction = std::min(rest.find_first_not_of(".,0123456789"), rest.size());
  if (layout == kMicroTimeLayout && (fraction != 7 || rest[0] != '.')) return cannot(".000000");
  if (fraction > 1) rest.remove_prefix(fraction);
  const bool has_zone = rest.starts_with('Z') || rest.starts_with('+') || rest.starts_with('-');
  const size_t zone_bytes = rest.starts_with('Z') ? 1 : 6;
  if (!has_zone || rest.size() < zone_bytes) return cannot("Z07:00");
  if (rest.size() > zone_bytes) {
    return Concat(start, ": extra text: ", Quoted(rest.substr(zone_bytes)));
  }
  return start + ": day out of range";
}

bool HasSixDigits(std::string_view text) {
  const size_t dot = text.find('.');
  if (dot == std::string_view::npos) return false;
  const std::string_view fraction = text.substr(dot + 1);
  return std::find_if_not(fraction.begin(), fraction.end(), IsDigit) - fraction.begin() == 6;
}

}  // namespace

ScalarText ReadQuantity(std::string_view text) {
  text = Trimmed(text);
  std::optional<std::string> canonical = Quantity::Canonical(text);
  if (!canonical.has_value()) return {"", std::string(QuantityFault(text))};
  return {*std::move(canonical), ""};
}

ScalarText ReadTime(std::string_view text) {
  const std::optional<absl::Time> time = ParseTime(text);
  if (!time.has_value()) return {"", TimeFault(text, kTimeLayout)};
  std::string canonical = api::FormatTime(*time);
  return {canonical == kZeroTime ? "" : std::move(canonical), ""};
}

ScalarText ReadMicroTime(std::string_view text) {
  const std::optional<absl::Time> time = ParseTime(text);
  if (!time.has_value() || !HasSixDigits(text)) return {"", TimeFault(text, kMicroTimeLayout)};
  if (api::FormatTime(*time) == kZeroTime) return {};
  return {FormatMicroTime(*time), ""};
}

ScalarText ReadBase64(std::string_view text) {
  std::string compact(text);
  std::erase_if(compact, [](char c) { return c == '\r' || c == '\n'; });
  constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const size_t digits = std::min(compact.find_first_not_of(kAlphabet), compact.size());
  const std::string_view padding = std::string_view(compact).substr(digits);
  const bool padded = padding.empty() || padding == "=" || padding == "==";
  if (!padded || compact.size() % 4 != 0) {
    return {"", Concat("illegal base64 data at input byte ", padded ? compact.size() : digits)};
  }
  std::string bytes;
  if (!absl::Base64Unescape(compact, &bytes)) {
    return {"", Concat("illegal base64 data at input byte ", digits)};
  }
  return {absl::Base64Escape(bytes), ""};
}

}  // namespace keelson::api
