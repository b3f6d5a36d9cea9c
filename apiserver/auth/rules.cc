#include "apiserver/auth/rules.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <tuple>

#include "apiserver/api/object.h"
#include "apiserver/api/quote.h"
#include "base/concat.h"

namespace keelson::auth {
namespace {

using api::Json;
using Texts = std::vector<std::string>;

bool Has(const Texts& set, std::string_view text) {
  return std::find(set.begin(), set.end(), text) != set.end();
}

Texts TextsAt(const Json& rule, std::string_view field) {
  Texts texts;
  for (const Json& item : api::ArrayAt(rule, field)) {
    if (item.is_string()) texts.push_back(item.get<std::string>());
  }
  return texts;
}

// `resource` may be "pods/log", and a rule's "*/log" means every resource's.
bool CoversResource(const Texts& resources, std::string_view resource) {
  const size_t slash = resource.find('/');
  return Has(resources, "*") || Has(resources, resource) ||
         (slash != std::string_view::npos && Has(resources, Concat("*", resource.substr(slash))));
}

bool CoversUrl(std::string_view rule, std::string_view url) {
  if (rule == url) return true;
  if (!rule.ends_with('*')) return false;
  while (rule.ends_with('*')) rule.remove_suffix(1);
  return url.starts_with(rule);
}

bool CoversAnyUrl(const Texts& urls, std::string_view url) {
  return std::any_of(urls.begin(), urls.end(),
                     [url](const std::string& rule) { return CoversUrl(rule, url); });
}

// `small` has one verb, and one URL or one group, resource and at most one name.
bool Covers(const PolicyRule& rule, const PolicyRule& small) {
  if (!Has(rule.verbs, "*") && !Has(rule.verbs, small.verbs.front())) return false;
  if (!small.urls.empty()) return CoversAnyUrl(rule.urls, small.urls.front());
  if (!Has(rule.groups, "*") && !Has(rule.groups, small.groups.front())) return false;
  if (!CoversResource(rule.resources, small.resources.front())) return false;
  return rule.names.empty() || (!small.names.empty() && Has(rule.names, small.names.front()));
}

Rules BreakDown(const PolicyRule& rule) {
  Rules small;
  for (const std::string& group : rule.groups) {
    for (const std::string& resource : rule.resources) {
      for (const std::string& verb : rule.verbs) {
        if (rule.names.empty()) small.push_back({{verb}, {group}, {resource}});
        for (const std::string& name : rule.names) {
          small.push_back({{verb}, {group}, {resource}, {name}});
        }
      }
    }
  }
  for (const std::string& url : rule.urls) {
    for (const std::string& verb : rule.verbs) {
      small.push_back({.verbs = {verb}, .urls = {url}});
    }
  }
  return small;
}

}  // namespace

bool PolicyRule::Allows(const Attributes& attributes) const {
  if (!Has(verbs, "*") && !Has(verbs, attributes.verb)) return false;
  if (!attributes.is_resource) return CoversAnyUrl(urls, attributes.path);
  if (!Has(groups, "*") && !Has(groups, attributes.group)) return false;
  if (!CoversResource(resources, attributes.subresource.empty()
                                     ? attributes.resource
                                     : Concat(attributes.resource, "/", attributes.subresource))) {
    return false;
  }
  return names.empty() || Has(names, attributes.name);
}

PolicyRule PolicyRule::FromJson(const Json& rule) {
  return {.verbs = TextsAt(rule, "verbs"),
          .groups = TextsAt(rule, "apiGroups"),
          .resources = TextsAt(rule, "resources"),
          .names = TextsAt(rule, "resourceNames"),
          .urls = TextsAt(rule, "nonResourceURLs")};
}

Json PolicyRule::ToJson() const {
  Json rule = {{"verbs", verbs}};
  if (!groups.empty()) rule["apiGroups"] = groups;
  if (!resources.empty()) rule["resources"] = resources;
  if (!names.empty()) rule["resourceNames"] = names;
  if (!urls.empty()) rule["nonResourceURLs"] = urls;
  return rule;
}

std::string PolicyRule::ToString() const {
  std::string text = "{";
  const auto add = [&text](std::string_view field, const Texts& values) {
    if (values.empty()) return;
    Append(&text, text.size() > 1 ? ", " : "", field, ":", QuotedList(values, " "));
  };
  add("APIGroups", groups);
  add("Resources", resources);
  add("NonResourceURLs", urls);
  add("ResourceNames", names);
  add("Verbs", verbs);
  text += "}";
  return text;
}

Rules RulesOf(const Json& role) {
  Rules rules;
  for (const Json& rule : api::ArrayAt(role, "rules")) rules.push_back(PolicyRule::FromJson(rule));
  return rules;
}

Json ToJson(const Rules& rules) {
  Json list = Json::array();
  for (const PolicyRule& rule : rules) list.push_back(rule.ToJson());
  return list;
}

Rules NotCovered(const Rules& held, const Rules& wanted) {
  Rules missing;
  for (const PolicyRule& rule : wanted) {
    for (PolicyRule& small : BreakDown(rule)) {
      const bool covered = std::any_of(held.begin(), held.end(), [&small](const PolicyRule& mine) {
        return Covers(mine, small);
      });
      if (!covered) missing.push_back(std::move(small));
    }
  }
  return missing;
}

Rules Compact(const Rules& rules) {
  Rules result;
  std::map<std::tuple<std::string, std::string, Texts>, size_t> places;
  for (const PolicyRule& rule : rules) {
    if (!rule.urls.empty() || rule.groups.size() != 1 || rule.resources.size() != 1 ||
        rule.names.size() > 1) {
      result.push_back(rule);
      continue;
    }
    const auto [place, is_new] =
        places.try_emplace({rule.groups[0], rule.resources[0], rule.names}, result.size());
    if (is_new) {
      result.push_back(rule);
    } else {
      Texts& verbs = result[place->second].verbs;
      verbs.insert(verbs.end(), rule.verbs.begin(), rule.verbs.end());
    }
  }
  return result;
}

std::string QuotedList(const Texts& texts, std::string_view separator) {
  std::string out = "[";
  for (const std::string& text : texts) {
    Append(&out, out.size() > 1 ? separator : "", api::Quoted(text));
  }
  out += "]";
  return out;
}

bool HasGroup(const registry::User& user, std::string_view group) {
  return Has(user.groups, group);
}

}  // namespace keelson::auth
