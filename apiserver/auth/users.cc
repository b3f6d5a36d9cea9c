#include "apiserver/auth/users.h"

#include <nlohmann/json.hpp>

#include "apiserver/api/labels.h"
#include "base/concat.h"

namespace keelson::auth {
namespace {

constexpr std::string_view kServiceAccountPrefix = "system:serviceaccount:";

}  // namespace

std::string ServiceAccountUser(std::string_view name_space, std::string_view name) {
  return Concat(kServiceAccountPrefix, name_space, ":", name);
}

bool SplitServiceAccountUser(std::string_view user, std::string* name_space, std::string* name) {
  if (!user.starts_with(kServiceAccountPrefix)) return false;
  user.remove_prefix(kServiceAccountPrefix.size());
  const size_t colon = user.find(':');
  if (colon == std::string_view::npos) return false;
  *name_space = user.substr(0, colon);
  *name = user.substr(colon + 1);
  std::string why;
  return api::IsLabel(*name_space, &why) && api::IsSubdomain(*name, &why);
}

std::vector<std::string> ServiceAccountGroups(std::string_view name_space) {
  return {"system:serviceaccounts", Concat("system:serviceaccounts:", name_space)};
}

api::Json UserInfo(const registry::User& user) {
  api::Json info = api::Json::object();
  if (!user.name.empty()) info["username"] = user.name;
  if (!user.uid.empty()) info["uid"] = user.uid;
  if (!user.groups.empty()) info["groups"] = user.groups;
  for (const auto& [key, values] : user.extra) info["extra"][key] = values;
  return info;
}

}  // namespace keelson::auth
