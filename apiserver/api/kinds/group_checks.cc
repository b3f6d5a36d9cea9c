#include "apiserver/api/kinds/group_checks.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "apiserver/api/kinds/field_checks.h"
#include "apiserver/api/labels.h"
#include "apiserver/api/object.h"
#include "base/concat.h"

namespace keelson::api {
namespace {

bool IsPercent(std::string_view text) {
  return text.size() > 1 && text.back() == '%' &&
         std::all_of(text.begin(), text.end() - 1, absl::ascii_isdigit);
}

bool IsPathCharacter(char c) {
  constexpr std::string_view kOthers = "/-._~%!$&'()*+,;=:";
  return absl::ascii_isalnum(c) || kOthers.find(c) != std::string_view::npos;
}

bool IsConditionReason(std::string_view reason) {
  const auto inner = [](char c) {
    return absl::ascii_isalnum(c) || c == '_' || c == ',' || c == ':';
  };
  const char last = reason.back();
  return absl::ascii_isalpha(reason.front()) && std::all_of(reason.begin(), reason.end(), inner) &&
         (absl::ascii_isalnum(last) || last == '_');
}

void CheckConditionReason(const std::string& reason, std::string_view path, FieldErrors& errors) {
  constexpr int64_t kBytesMax = 1024;
  if (reason.empty()) return errors.Required(path, "must be set");
  if (!IsConditionReason(reason)) {
    errors.Invalid(path, reason,
                   "a condition reason must start with alphabetic character, optionally followed "
                   "by a string of alphanumeric characters or '_,:', and must end with an "
                   "alphanumeric character or '_' (e.g. 'my_name',  or 'MY_NAME',  or 'MyName',  "
                   "or 'ReasonA,ReasonB',  or 'ReasonA:ReasonB', regex used for validation is "
                   "'[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?')");
  }
  if (static_cast<int64_t>(reason.size()) > kBytesMax) errors.TooLong(path, kBytesMax);
}

void CheckCondition(const Json& condition, std::string_view path, FieldErrors& errors) {
  constexpr int64_t kMessageBytesMax = 32 * 1024;
  CheckName(TextAt(condition, "type"), IsQualifiedName, Child(path, "type"), errors);
  CheckSupported(TextAt(condition, "status"), {"False", "True", "Unknown"}, Child(path, "status"),
                 errors);
  if (const int64_t generation = NumberAt(condition, "observedGeneration"); generation < 0) {
    errors.Invalid(Child(path, "observedGeneration"), generation,
                   "must be greater than or equal to zero");
  }
  if (TextAt(condition, "lastTransitionTime").empty()) {
    errors.Required(Child(path, "lastTransitionTime"), "must be set");
  }
  CheckConditionReason(TextAt(condition, "reason"), Child(path, "reason"), errors);
  if (static_cast<int64_t>(TextAt(condition, "message").size()) > kMessageBytesMax) {
    errors.TooLong(Child(path, "message"), kMessageBytesMax);
  }
}

}  // namespace

const Json& ValueAt(const Json& object, std::string_view path) {
  static const Json none;
  const Json* found = Find(object, path);
  return found == nullptr ? none : *found;
}

void CheckNoneNegative(const Json& map, std::initializer_list<std::string_view> fields,
                       std::string_view path, FieldErrors& errors) {
  for (std::string_view field : fields) CheckNotNegativeAt(map, field, path, errors);
}

void CheckSupported(std::string_view text, std::initializer_list<std::string_view> supported,
                    std::string_view path, FieldErrors& errors) {
  if (std::find(supported.begin(), supported.end(), text) == supported.end()) {
    errors.NotSupported(path, text, supported);
  }
}

void CheckImmutable(const Json& object, const Json& old, std::string_view path,
                    FieldErrors& errors) {
  CheckImmutable(object, old, path, path, errors);
}

void CheckCollisionCount(const Json& object, const Json& old, FieldErrors& errors) {
  constexpr std::string_view kPath = "status.collisionCount";
  const int64_t count = NumberAt(object, kPath);
  if (count < NumberAt(old, kPath)) errors.Invalid(kPath, count, "cannot be decremented");
}

void CheckIntOrPercent(const Json& value, std::string_view path, FieldErrors& errors) {
  if (value.is_number()) {
    CheckNotNegative(value.get<int64_t>(), path, errors);
  } else if (!value.is_string() || !IsPercent(value.get_ref<const std::string&>())) {
    errors.Invalid(path, value,
                   "a valid percent string must be a numeric string followed by an ending '%' "
                   "(e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')");
  }
}

int64_t IntOrPercent(const Json& value) {
  if (value.is_number()) return value.get<int64_t>();
  if (!value.is_string()) return 0;
  std::string text = value.get<std::string>();
  if (IsPercent(text)) text.pop_back();
  int64_t number = 0;
  return absl::SimpleAtoi(text, &number) ? number : 0;
}

void CheckNotOverAllPercent(const Json& value, std::string_view path, FieldErrors& errors) {
  if (value.is_string() && IsPercent(value.get_ref<const std::string&>()) &&
      IntOrPercent(value) > 100) {
    errors.Invalid(path, value, "must not be greater than 100%");
  }
}

void CheckPathSegment(std::string_view value, std::string_view path, FieldErrors& errors) {
  if (value == "." || value == "..") {
    errors.Invalid(path, value, Concat("may not be '", value, "'"));
  }
  for (char forbidden : {'/', '%'}) {
    if (value.find(forbidden) != std::string_view::npos) {
      errors.Invalid(path, value, Concat("may not contain '", forbidden, "'"));
    }
  }
}

void CheckDomainPrefixedPath(std::string_view value, std::string_view path, FieldErrors& errors) {
  if (value.empty()) return errors.Required(path);
  const size_t slash = value.find('/');
  if (slash == std::string_view::npos || slash == 0 || slash + 1 == value.size()) {
    return errors.Invalid(path, value, "must be a domain-prefixed path (such as \"acme.io/foo\")");
  }
  CheckName(value.substr(0, slash), IsSubdomain, path, errors);
  const std::string_view rest = value.substr(slash + 1);
  if (!std::all_of(rest.begin(), rest.end(), IsPathCharacter)) {
    errors.Invalid(path, rest,
                   "Invalid path (regex used for validation is "
                   "'[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+')");
  }
}

void ValidateTypedReference(const Json& reference, std::string_view path, FieldErrors& errors) {
  if (Find(reference, "apiGroup") != nullptr) {
    CheckName(TextAt(reference, "apiGroup"), IsSubdomain, Child(path, "apiGroup"), errors);
  }
  for (std::string_view field : {"kind", "name"}) {
    const std::string& text = TextAt(reference, field);
    if (text.empty()) {
      errors.Required(Child(path, field), Concat(field, " is required"));
    } else {
      CheckPathSegment(text, Child(path, field), errors);
    }
  }
}

void CheckConditions(const Json& conditions, std::string_view path, FieldErrors& errors) {
  std::set<std::string> seen;
  size_t index = 0;
  for (const Json& condition : conditions) {
    const std::string at = Index(path, index++);
    const std::string& type = TextAt(condition, "type");
    if (!seen.insert(type).second) errors.Duplicate(Child(at, "type"), type);
    CheckCondition(condition, at, errors);
  }
}

}  // namespace keelson::api
