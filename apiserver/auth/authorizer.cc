#include "apiserver/auth/authorizer.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <unordered_map>
#include <utility>

#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/synchronization/mutex.h"
#include "apiserver/api/errors.h"
#include "apiserver/api/object.h"
#include "apiserver/api/quote.h"
#include "apiserver/auth/node_authorizer.h"
#include "apiserver/auth/users.h"
#include "base/concat.h"

namespace keelson::auth {
namespace {

using api::Json;
using api::NameOf;
using api::TextAt;

// Namespaces whose bindings are kept compiled; beyond that all are compiled anew.
constexpr size_t kNamespacesMax = 4096;
constexpr size_t kRolesMax = 65536;

// The binding and which of its subjects somebody is.
struct Grant {
  Object binding;
  size_t subject;
  size_t position;  // among the bindings
};

// The bindings of one list, by whom they are for.
struct Bindings {
  std::vector<Object> list;
  std::unordered_map<std::string, std::vector<Grant>> users;
  std::unordered_map<std::string, std::vector<Grant>> groups;
};

std::shared_ptr<const Bindings> CompileBindings(std::vector<Object> list,
                                                std::string_view name_space) {
  auto bindings = std::make_shared<Bindings>();
  for (size_t position = 0; position < list.size(); ++position) {
    const Json& subjects = api::ArrayAt(*list[position], "subjects");
    for (size_t i = 0; i < subjects.size(); ++i) {
      const std::string& kind = TextAt(subjects[i], "kind");
      const std::string& name = TextAt(subjects[i], "name");
      const Grant grant{list[position], i, position};
      if (kind == "User") {
        bindings->users[name].push_back(grant);
      } else if (kind == "Group") {
        bindings->groups[name].push_back(grant);
      } else if (kind == "ServiceAccount") {
        const std::string& own = TextAt(subjects[i], "namespace");
        const std::string_view of = own.empty() ? name_space : std::string_view(own);
        if (!of.empty()) bindings->users[ServiceAccountUser(of, name)].push_back(grant);
      }
    }
  }
  bindings->list = std::move(list);
  return bindings;
}

// Of the bindings that are for a user, in their order, each once.
std::vector<Grant> GrantsTo(const Bindings& bindings, const registry::User& user) {
  std::vector<Grant> grants;
  const auto add = [&grants](const auto& map, const std::string& key) {
    const auto found = map.find(key);
    if (found != map.end()) {
      grants.insert(grants.end(), found->second.begin(), found->second.end());
    }
  };
  add(bindings.users, user.name);
  for (const std::string& group : user.groups) add(bindings.groups, group);
  std::sort(grants.begin(), grants.end(), [](const Grant& a, const Grant& b) {
    return std::tie(a.position, a.subject) < std::tie(b.position, b.subject);
  });
  grants.erase(std::unique(grants.begin(), grants.end(),
                           [](const Grant& a, const Grant& b) { return a.position == b.position; }),
               grants.end());
  return grants;
}

// RoleBinding "x/ns" of Role "y" to User "z"
std::string Describe(const Grant& grant, std::string_view name_space) {
  const Json& binding = *grant.binding;
  const Json& subject = api::ArrayAt(binding, "subjects")[grant.subject];
  const std::string& kind = TextAt(subject, "kind");
  std::string who = TextAt(subject, "name");
  if (kind == "ServiceAccount") {
    const std::string& own = TextAt(subject, "namespace");
    Append(&who, "/", own.empty() ? name_space : std::string_view(own));
  }
  return Concat(
      name_space.empty() ? "ClusterRoleBinding " : "RoleBinding ",
      api::Quoted(name_space.empty() ? NameOf(binding) : Concat(NameOf(binding), "/", name_space)),
      " of ", TextAt(binding, "roleRef.kind"), " ", api::Quoted(TextAt(binding, "roleRef.name")),
      " to ", kind, " ", api::Quoted(who));
}

std::string Aggregate(const std::vector<std::string>& errors) {
  if (errors.size() == 1) return errors.front();
  return Concat("[", absl::StrJoin(errors, ", "), "]");
}

}  // namespace

class Authorizer::Rbac {
 public:
  explicit Rbac(Objects* objects) : objects_(objects) {}

  // `visit` gets a grant and its rules, or nullptr and an error; false ends it.
  using Visit = std::function<bool(const Grant& grant, std::string_view name_space,
                                   const Rules* rules, const std::string& error)>;
  void ForEachGrant(const registry::User& user, std::string_view name_space, const Visit& visit) {
    if (!ForEachGrantIn(user, "", visit) || name_space.empty()) return;
    ForEachGrantIn(user, name_space, visit);
  }

  absl::StatusOr<std::shared_ptr<const Rules>> RulesOfRole(const std::string& kind,
                                                           std::string_view name_space,
                                                           const std::string& name) {
    const bool cluster = kind == "ClusterRole";
    if (!cluster && kind != "Role") {
      return api::Internal(Concat("unsupported role reference kind: ", api::Quoted(kind)));
    }
    const Object role = objects_->Find(cluster ? kClusterRoles : kRoles,
                                       cluster ? std::string_view() : name_space, name);
    if (role == nullptr) {
      return api::NotFound({std::string(kRbacGroup), cluster ? "clusterrole" : "role"}, name);
    }
    const std::string key = cluster ? Concat("/", name) : Concat(name_space, "/", name);
    absl::MutexLock lock(&mutex_);
    if (roles_.size() > kRolesMax) roles_.clear();
    auto& [compiled_from, rules] = roles_[key];
    if (compiled_from != role) {
      compiled_from = role;
      rules = std::make_shared<const Rules>(RulesOf(*role));
    }
    return rules;
  }

 private:
  bool ForEachGrantIn(const registry::User& user, std::string_view name_space, const Visit& visit) {
    const std::shared_ptr<const Bindings> bindings = BindingsIn(name_space);
    for (const Grant& grant : GrantsTo(*bindings, user)) {
      const auto rules = RulesOfRole(TextAt(*grant.binding, "roleRef.kind"), name_space,
                                     TextAt(*grant.binding, "roleRef.name"));
      const bool more =
          rules.ok() ? visit(grant, name_space, rules->get(), "")
                     : visit(grant, name_space, nullptr, std::string(rules.status().message()));
      if (!more) return false;
    }
    return true;
  }

  std::shared_ptr<const Bindings> BindingsIn(std::string_view name_space) {
    std::vector<Object> list =
        objects_->List(name_space.empty() ? kClusterRoleBindings : kRoleBindings, name_space);
    const std::string key(name_space);
    {
      absl::MutexLock lock(&mutex_);
      const auto found = bindings_.find(key);
      if (found != bindings_.end() && found->second->list == list) return found->second;
    }
    const auto compiled = CompileBindings(std::move(list), name_space);
    absl::MutexLock lock(&mutex_);
    if (bindings_.size() > kNamespacesMax) bindings_.clear();
    if (compiled->list.empty()) {
      bindings_.erase(key);
    } else {
      bindings_[key] = compiled;
    }
    return compiled;
  }

  Objects* const objects_;
  absl::Mutex mutex_;
  // By namespace; "" has those of the whole cluster.
  std::unordered_map<std::string, std::shared_ptr<const Bindings>> bindings_
      ABSL_GUARDED_BY(mutex_);
  // By "namespace/name"; what they were compiled from, too.
  std::unordered_map<std::string, std::pair<Object, std::shared_ptr<const Rules>>> roles_
      ABSL_GUARDED_BY(mutex_);
};

Authorizer::Authorizer(Objects* objects)
    : objects_(objects), rbac_(std::make_unique<Rbac>(objects)) {}
Authorizer::~Authorizer() = default;

Decision Authorizer::Decide(const Attributes& attributes) {
  if (HasGroup(attributes.user, kMastersGroup)) return {.allowed = true};
  Decision node = DecideForNode(*objects_, attributes);
  if (node.allowed) return node;
  Decision decision;
  std::vector<std::string> errors;
  rbac_->ForEachGrant(
      attributes.user, attributes.is_resource ? attributes.name_space : std::string_view(),
      [&](const Grant& grant, std::string_view name_space, const Rules* rules,
          const std::string& error) {
        if (rules == nullptr) {
          errors.push_back(error);
          return true;
        }
        decision.allowed = std::any_of(rules->begin(), rules->end(), [&](const PolicyRule& rule) {
          return rule.Allows(attributes);
        });
        if (decision.allowed) {
          decision.reason = Concat("RBAC: allowed by ", Describe(grant, name_space));
        }
        return !decision.allowed;
      });
  if (decision.allowed) return decision;
  decision.reason = std::move(node.reason);
  if (!errors.empty()) {
    Append(&decision.reason, decision.reason.empty() ? "" : "\n", "RBAC: ", Aggregate(errors));
  }
  return decision;
}

absl::Status Authorizer::Authorize(const Attributes& attributes) {
  const Decision decision = Decide(attributes);
  return decision.allowed ? absl::OkStatus() : ForbiddenStatus(attributes, decision.reason);
}

Rules Authorizer::RulesFor(const registry::User& user, std::string_view name_space,
                           std::vector<std::string>* errors) {
  Rules all;
  rbac_->ForEachGrant(
      user, name_space,
      [&](const Grant&, std::string_view, const Rules* rules, const std::string& error) {
        if (rules != nullptr) {
          all.insert(all.end(), rules->begin(), rules->end());
        } else {
          errors->push_back(error);
        }
        return true;
      });
  return all;
}

absl::StatusOr<Rules> Authorizer::RulesOfReference(const Json& role_ref,
                                                   std::string_view name_space) {
  const auto rules =
      rbac_->RulesOfRole(TextAt(role_ref, "kind"), name_space, TextAt(role_ref, "name"));
  if (!rules.ok()) return rules.status();
  return **rules;
}

absl::Status ForbiddenStatus(const Attributes& attributes, std::string_view reason) {
  std::string why = Concat("User ", api::Quoted(attributes.user.name), " cannot ", attributes.verb);
  if (!attributes.is_resource) {
    Append(&why, " path ", api::Quoted(attributes.path));
  } else {
    Append(&why, " resource ",
           api::Quoted(attributes.subresource.empty()
                           ? attributes.resource
                           : Concat(attributes.resource, "/", attributes.subresource)),
           " in API group ", api::Quoted(attributes.group));
    if (attributes.name_space.empty()) {
      why += " at the cluster scope";
    } else {
      Append(&why, " in the namespace ", api::Quoted(attributes.name_space));
    }
  }
  // What the client chose must not read as HTML to a browser.
  why = absl::StrReplaceAll(why, {{"&", "&amp;"}, {"<", "&lt;"}, {">", "&gt;"}});
  if (!reason.empty()) Append(&why, ": ", reason);
  if (!attributes.is_resource) return api::ForbiddenPlainly(Concat("forbidden: ", why));
  return api::Forbidden({attributes.group, attributes.resource}, attributes.name, why);
}

}  // namespace keelson::auth
