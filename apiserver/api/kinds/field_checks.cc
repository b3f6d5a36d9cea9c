#include "apiserver/api/kinds/field_checks.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "apiserver/api/labels.h"
#include "apiserver/api/object.h"
#include "base/concat.h"

namespace keelson::api {
namespace {

constexpr int64_t kPortMax = 65535;
constexpr size_t kPortNameCharactersMax = 15;
constexpr int64_t kFileModeMax = 0777;

std::string Range(int64_t first, int64_t last) {
  return Concat("must be between ", first, " and ", last, ", inclusive");
}

// The 16 bytes of an IPv6 address, or the 4 of an IPv4 one; empty for anything else.
std::vector<unsigned char> ParseIp(std::string_view text) {
  const std::string terminated(text);
  std::array<unsigned char, 16> bytes{};
  if (inet_pton(AF_INET, terminated.c_str(), bytes.data()) == 1) {
    return {bytes.begin(), bytes.begin() + 4};
  }
  if (inet_pton(AF_INET6, terminated.c_str(), bytes.data()) == 1) {
    return {bytes.begin(), bytes.end()};
  }
  return {};
}

bool IsVoid(const Json* value) {
  if (value == nullptr) return true;
  switch (value->type()) {
    case Json::value_t::null:
    case Json::value_t::discarded:
      return true;
    case Json::value_t::string:
    case Json::value_t::array:
      return value->is_string() ? value->get_ref<const std::string&>().empty() : value->empty();
    case Json::value_t::boolean:
      return !value->get<bool>();
    case Json::value_t::object:
      return std::all_of(value->begin(), value->end(),
                         [](const Json& member) { return IsVoid(&member); });
    default:
      return value->get<double>() == 0;
  }
}

std::set<std::string> NamesOf(const Json& left, const Json& right) {
  std::set<std::string> names;
  for (const Json* object : {&left, &right}) {
    for (const auto& [name, value] : object->items()) names.insert(name);
  }
  return names;
}

constexpr auto kReplaceBadText = Json::error_handler_t::replace;

void AppendDifferences(const Json* before, const Json* after, const std::string& path,
                       std::string* lines) {
  if (MeansTheSame(before, after)) return;
  if (before != nullptr && after != nullptr && before->is_object() && after->is_object()) {
    for (const std::string& name : NamesOf(*before, *after)) {
      AppendDifferences(Member(*before, name), Member(*after, name),
                        path.empty() ? name : Child(path, name), lines);
    }
    return;
  }
  if (before != nullptr && after != nullptr && before->is_array() && after->is_array() &&
      before->size() == after->size()) {
    for (size_t i = 0; i < before->size(); ++i) {
      AppendDifferences(&(*before)[i], &(*after)[i], Index(path, i), lines);
    }
    return;
  }
  if (!IsVoid(before)) {
    Append(lines, "-", path, ": ", before->dump(-1, ' ', false, kReplaceBadText), "\n");
  }
  if (!IsVoid(after)) {
    Append(lines, "+", path, ": ", after->dump(-1, ' ', false, kReplaceBadText), "\n");
  }
}

}  // namespace

void CheckName(std::string_view name, NameCheck rule, std::string_view path, FieldErrors& errors) {
  std::string why;
  if (!rule(name, &why)) errors.Invalid(path, name, why);
}

void CheckRequiredName(std::string_view name, NameCheck rule, std::string_view path,
                       FieldErrors& errors) {
  if (name.empty()) {
    errors.Required(path);
  } else {
    CheckName(name, rule, path, errors);
  }
}

void CheckRequired(std::string_view text, std::string_view path, FieldErrors& errors) {
  if (text.empty()) errors.Required(path);
}

void CheckOneOf(std::string_view text, std::initializer_list<std::string_view> supported,
                std::string_view path, FieldErrors& errors) {
  if (text.empty()) {
    errors.Required(path);
  } else if (std::find(supported.begin(), supported.end(), text) == supported.end()) {
    errors.NotSupported(path, text, supported);
  }
}

void CheckOptionalOneOf(const Json* text, std::initializer_list<std::string_view> supported,
                        std::string_view path, FieldErrors& errors) {
  if (text == nullptr) return;
  const std::string& value = TextAt(*text, "");
  if (std::find(supported.begin(), supported.end(), value) == supported.end()) {
    errors.NotSupported(path, value, supported);
  }
}

void CheckNotNegative(int64_t number, std::string_view path, FieldErrors& errors) {
  if (number < 0) errors.Invalid(path, number, "must be greater than or equal to 0");
}

void CheckPositive(int64_t number, std::string_view path, FieldErrors& errors) {
  if (number <= 0) errors.Invalid(path, number, "must be greater than zero");
}

void CheckNotNegativeAt(const Json& object, std::string_view field, std::string_view path,
                        FieldErrors& errors) {
  CheckNotNegative(NumberAt(object, field), Child(path, field), errors);
}

void CheckBetween(int64_t number, int64_t first, int64_t last, std::string_view path,
                  FieldErrors& errors) {
  if (number < first || number > last) errors.Invalid(path, number, Range(first, last));
}

void CheckPort(int64_t port, std::string_view path, FieldErrors& errors) {
  CheckBetween(port, 1, kPortMax, path, errors);
}

void CheckPortName(std::string_view name, std::string_view path, FieldErrors& errors) {
  if (name.size() > kPortNameCharactersMax) {
    errors.Invalid(path, name,
                   Concat("must be no more than ", kPortNameCharactersMax, " characters"));
  }
  const auto lower = [](char c) { return c >= 'a' && c <= 'z'; };
  const auto allowed = [&lower](char c) { return lower(c) || (c >= '0' && c <= '9') || c == '-'; };
  if (name.empty() || !std::all_of(name.begin(), name.end(), allowed)) {
    errors.Invalid(path, name,
                   "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)");
  }
  if (std::none_of(name.begin(), name.end(), lower)) {
    errors.Invalid(path, name, "must contain at least one letter (a-z)");
  }
  if (name.find("--") != std::string_view::npos) {
    errors.Invalid(path, name, "must not contain consecutive hyphens");
  }
  if (!name.empty() && (name.front() == '-' || name.back() == '-')) {
    errors.Invalid(path, name, "must not begin or end with a hyphen");
  }
}

void CheckPortOrName(const Json* port, std::string_view path, FieldErrors& errors) {
  if (port != nullptr && port->is_string()) {
    CheckPortName(port->get_ref<const std::string&>(), path, errors);
  } else {
    CheckPort(port != nullptr && port->is_number() ? port->get<int64_t>() : 0, path, errors);
  }
}

void CheckProtocol(std::string_view protocol, std::string_view path, FieldErrors& errors) {
  CheckOneOf(protocol, {"SCTP", "TCP", "UDP"}, path, errors);
}

void CheckFileMode(const Json& object, std::string_view field, std::string_view path,
                   FieldErrors& errors) {
  const int64_t mode = NumberAt(object, field);
  if (mode < 0 || mode > kFileModeMax) {
    errors.Invalid(Child(path, field), mode,
                   "must be a number between 0 and 0777 (octal), both inclusive");
  }
}

bool IsIpv4(std::string_view text) { return ParseIp(text).size() == 4; }
bool IsIpv6(std::string_view text) { return ParseIp(text).size() == 16; }

void CheckIp(std::string_view ip, std::string_view path, FieldErrors& errors) {
  if (ParseIp(ip).empty()) {
    errors.Invalid(path, ip, "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)");
  }
}

void CheckEndpointIp(std::string_view ip, std::string_view path, FieldErrors& errors) {
  const std::vector<unsigned char> bytes = ParseIp(ip);
  if (bytes.empty()) return errors.Invalid(path, ip, "must be a valid IP address");
  const bool four = bytes.size() == 4;
  const bool zeros =
      std::all_of(bytes.begin(), bytes.end() - 1, [](unsigned char byte) { return byte == 0; });
  if (zeros && bytes.back() == 0) {
    errors.Invalid(path, ip, Concat("may not be unspecified (", ip, ")"));
  }
  if (four ? bytes[0] == 127 : zeros && bytes.back() == 1) {
    errors.Invalid(path, ip, "may not be in the loopback range (127.0.0.0/8, ::1/128)");
  }
  if (four ? bytes[0] == 169 && bytes[1] == 254 : bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80) {
    errors.Invalid(path, ip, "may not be in the link-local range (169.254.0.0/16, fe80::/10)");
  }
  if (four ? bytes[0] == 224 && bytes[1] == 0 && bytes[2] == 0
           : bytes[0] == 0xff && (bytes[1] & 0x0f) == 0x02) {
    errors.Invalid(path, ip,
                   "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)");
  }
}

void CheckCidr(std::string_view cidr, std::string_view path, FieldErrors& errors) {
  const size_t slash = cidr.find('/');
  const size_t bytes = ParseIp(cidr.substr(0, slash)).size();
  int bits = -1;
  const bool number = slash != std::string_view::npos &&
                      absl::SimpleAtoi(std::string(cidr.substr(slash + 1)), &bits);
  if (bytes == 0 || !number || bits < 0 || static_cast<size_t>(bits) > bytes * 8) {
    errors.Invalid(path, cidr, "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)");
  }
}

bool HasBackstep(std::string_view file) {
  while (true) {
    const size_t slash = file.find('/');
    if (file.substr(0, slash) == "..") return true;
    if (slash == std::string_view::npos) return false;
    file.remove_prefix(slash + 1);
  }
}

void CheckNoBackstep(std::string_view file, std::string_view path, FieldErrors& errors) {
  if (HasBackstep(file)) errors.Invalid(path, file, "must not contain '..'");
}

void CheckDescendingPath(std::string_view file, std::string_view path, FieldErrors& errors) {
  if (!file.empty() && file.front() == '/') {
    errors.Invalid(path, file, "must be a relative path");
  }
  CheckNoBackstep(file, path, errors);
}

void CheckFileInVolume(std::string_view file, std::string_view path, FieldErrors& errors) {
  CheckDescendingPath(file, path, errors);
  if (file.substr(0, 2) == ".." && !HasBackstep(file)) {
    errors.Invalid(path, file, "must not start with '..'");
  }
}

void CheckEnvironmentName(std::string_view name, std::string_view path, FieldErrors& errors) {
  const auto allowed = [](char c) { return c >= ' ' && c <= '~' && c != '='; };
  if (!std::all_of(name.begin(), name.end(), allowed)) {
    errors.Invalid(path, name,
                   "a valid environment variable name must consist only of printable ASCII "
                   "characters other than '='");
  }
}

bool MeansTheSame(const Json* left, const Json* right) {
  if (IsVoid(left) || IsVoid(right)) return IsVoid(left) && IsVoid(right);
  if (left->is_object() && right->is_object()) {
    for (const std::string& name : NamesOf(*left, *right)) {
      if (!MeansTheSame(Member(*left, name), Member(*right, name))) return false;
    }
    return true;
  }
  if (left->is_array() && right->is_array()) {
    return std::equal(left->begin(), left->end(), right->begin(), right->end(),
                      [](const Json& a, const Json& b) { return MeansTheSame(&a, &b); });
  }
  return *left == *right;
}

std::string Differences(const Json& before, const Json& after) {
  std::string lines;
  AppendDifferences(&before, &after, "", &lines);
  return lines;
}

void CheckImmutable(const Json& object, const Json& old, std::string_view field,
                    std::string_view path, FieldErrors& errors) {
  const Json* now = Find(object, field);
  if (!MeansTheSame(now, Find(old, field))) {
    errors.Invalid(path, now != nullptr ? *now : Json(), "field is immutable");
  }
}

}  // namespace keelson::api
