// PolicyRule: one rule of a Role or ClusterRole: which verbs on which resources, or on which paths.
// What rules allow together, and whether some cover others. Values; any thread.
#ifndef KEELSON_APISERVER_AUTH_RULES_H_
#define KEELSON_APISERVER_AUTH_RULES_H_

#include <string>
#include <string_view>
#include <vector>

#include "apiserver/api/json.h"
#include "apiserver/registry/admission.h"

namespace keelson::auth {

// What a request wants to do.
struct Attributes {
  registry::User user = {};
  std::string verb = {};
  std::string group = {};
  std::string version = {};
  std::string resource = {};  // plural
  std::string subresource = {};
  std::string name_space = {};
  // Of a list or watch too, when its field selector demands a metadata.name.
  std::string name = {};
  std::string path = {};  // when it is about no resource
  bool is_resource = false;
  // Of a list or watch, as the client sent it.
  std::string field_selector = {};
};

struct PolicyRule {
  std::vector<std::string> verbs = {};
  std::vector<std::string> groups = {};
  std::vector<std::string> resources = {};  // "pods", "pods/log", "*/scale", "*"
  std::vector<std::string> names = {};      // empty: all
  std::vector<std::string> urls = {};       // "/healthz", "/api/*"
  bool operator==(const PolicyRule&) const = default;

  bool Allows(const Attributes& attributes) const;
  // The form of the API: apiGroups, resources, resourceNames, nonResourceURLs, verbs.
  static PolicyRule FromJson(const api::Json& rule);
  api::Json ToJson() const;
  // {APIGroups:[""], Resources:["pods"], Verbs:["get"]}
  std::string ToString() const;
};

using Rules = std::vector<PolicyRule>;

// The rules of a Role or ClusterRole.
Rules RulesOf(const api::Json& role);
api::Json ToJson(const Rules& rules);

// What `wanted` allows and `held` does not, as rules of one verb, resource and name each.
Rules NotCovered(const Rules& held, const Rules& wanted);
// Rules that differ in their verbs alone become one.
Rules Compact(const Rules& rules);

// ["a" "b"], with that between them.
std::string QuotedList(const std::vector<std::string>& texts, std::string_view separator);

bool HasGroup(const registry::User& user, std::string_view group);

}  // namespace keelson::auth

#endif  // KEELSON_APISERVER_AUTH_RULES_H_
