// Security contexts of containers, and what pods' have in common with them.
#include <algorithm>
#include <cctype>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "apiserver/api/kinds/containers.h"
#include "apiserver/api/kinds/field_checks.h"
#include "apiserver/api/object.h"

namespace keelson::api {
namespace {

constexpr int64_t kIdMax = std::numeric_limits<int32_t>::max();
constexpr int64_t kProfilePathMax = 4095;

}  // namespace

void ValidateUserAndGroup(const Json& context, std::string_view path, FieldErrors& errors) {
  for (std::string_view field : {"runAsUser", "runAsGroup"}) {
    CheckBetween(NumberAt(context, field), 0, kIdMax, Child(path, field), errors);
  }
}

void ValidateSeccompProfile(const Json* profile, std::string_view path, FieldErrors& errors) {
  if (profile == nullptr) return;
  const std::string& type = TextAt(*profile, "type");
  if (type.empty()) {
    errors.Required(Child(path, "type"), "type is required when seccompProfile is set");
  } else {
    CheckOneOf(type, {"Localhost", "RuntimeDefault", "Unconfined"}, Child(path, "type"), errors);
  }
  const std::string at = Child(path, "localhostProfile");
  const bool has_file = Find(*profile, "localhostProfile") != nullptr;
  if (type == "Localhost" && !has_file) {
    errors.Required(at, "must be set when seccomp type is Localhost");
  } else if (type == "Localhost") {
    CheckDescendingPath(TextAt(*profile, "localhostProfile"), at, errors);
  } else if (has_file) {
    errors.Invalid(at, *profile, "can only be set when seccomp type is Localhost");
  }
}

void ValidateAppArmorProfile(const Json* profile, std::string_view path, FieldErrors& errors) {
  if (profile == nullptr) return;
  const std::string& type = TextAt(*profile, "type");
  const std::string at = Child(path, "localhostProfile");
  const Json* name = Find(*profile, "localhostProfile");
  if (type.empty()) {
    return errors.Required(Child(path, "type"), "type is required when appArmorProfile is set");
  }
  CheckOneOf(type, {"Localhost", "RuntimeDefault", "Unconfined"}, Child(path, "type"), errors);
  if (type != "Localhost") {
    if (name != nullptr) {
      errors.Invalid(at, *name, "can only be set when AppArmor type is Localhost");
    }
    return;
  }
  const std::string& text = TextAt(*profile, "localhostProfile");
  const auto is_space = [](char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; };
  if (text.empty()) {
    errors.Required(at, "must be set when AppArmor type is Localhost");
  } else if (is_space(text.front()) || is_space(text.back())) {
    errors.Invalid(at, text, "must not be padded with whitespace");
  }
  if (static_cast<int64_t>(text.size()) > kProfilePathMax) errors.TooLong(at, kProfilePathMax);
}

void ValidateSecurityContext(const Json& context, bool host_users, std::string_view path,
                             FieldErrors& errors) {
  ValidateUserAndGroup(context, path, errors);
  CheckOptionalOneOf(Find(context, "procMount"), {"Default", "Unmasked"}, Child(path, "procMount"),
                     errors);
  if (host_users && TextAt(context, "procMount") == "Unmasked") {
    errors.Invalid(Child(path, "procMount"), "Unmasked",
                   "`hostUsers` must be false to use `Unmasked`");
  }
  ValidateSeccompProfile(Find(context, "seccompProfile"), Child(path, "seccompProfile"), errors);
  if (!FlagAt(context, "allowPrivilegeEscalation", true)) {
    if (FlagAt(context, "privileged")) {
      errors.Invalid(path, context,
                     "cannot set `allowPrivilegeEscalation` to false and `privileged` to true");
    }
    for (const Json& capability : ArrayAt(context, "capabilities.add")) {
      if (capability == "CAP_SYS_ADMIN") {
        errors.Invalid(path, context,
                       "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` "
                       "CAP_SYS_ADMIN");
      }
    }
  }
  ValidateAppArmorProfile(Find(context, "appArmorProfile"), Child(path, "appArmorProfile"), errors);
}

}  // namespace keelson::api
