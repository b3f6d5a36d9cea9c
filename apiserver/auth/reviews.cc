#include "apiserver/auth/reviews.h"

#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_join.h"
#include "apiserver/api/errors.h"
#include "apiserver/api/object.h"
#include "apiserver/api/time.h"
#include "apiserver/auth/node_authorizer.h"
#include "apiserver/auth/users.h"
#include "base/concat.h"
#include "base/status_macros.h"

namespace keelson::auth {
namespace {

using api::Find;
using api::Json;
using api::TextAt;
using registry::User;

constexpr std::string_view kAuthorizationGroup = "authorization.k8s.io";

std::vector<std::string> TextsAt(const Json& object, std::string_view path) {
  std::vector<std::string> texts;
  for (const Json& item : api::ArrayAt(object, path)) {
    if (item.is_string()) texts.push_back(item.get<std::string>());
  }
  return texts;
}

// A label or field selector that an access review names.
void ValidateSelector(const Json& attributes, std::string_view field, api::FieldErrors& errors) {
  const Json* const selector = Find(attributes, field);
  if (selector == nullptr) return;
  const std::string path = Concat("spec.resourceAttributes.", field);
  const bool raw = !TextAt(*selector, "rawSelector").empty();
  const bool requirements = !api::ArrayAt(*selector, "requirements").empty();
  if (raw && requirements) {
    errors.Invalid(Concat(path, ".rawSelector"), TextAt(*selector, "rawSelector"),
                   "may not specified at the same time as requirements");
  } else if (!raw && !requirements) {
    errors.Required(
        Concat(path, ".requirements"),
        Concat("when ", path, " is specified, requirements or rawSelector is required"));
  }
}

void ValidateAccessReview(const Json& review, api::FieldErrors& errors) {
  const Json* const resource = Find(review, "spec.resourceAttributes");
  const Json* const path = Find(review, "spec.nonResourceAttributes");
  if (resource != nullptr && path != nullptr) {
    errors.Invalid("spec.nonResourceAttributes", *path,
                   "cannot be specified in combination with resourceAttributes");
  } else if (resource == nullptr && path == nullptr) {
    errors.Invalid("spec.resourceAttributes", nullptr,
                   "exactly one of nonResourceAttributes or resourceAttributes must be specified");
  }
  if (resource == nullptr) return;
  ValidateSelector(*resource, "fieldSelector", errors);
  ValidateSelector(*resource, "labelSelector", errors);
}

void ValidateSubject(const Json& review, api::FieldErrors& errors) {
  if (TextAt(review, "spec.user").empty() && api::ArrayAt(review, "spec.groups").empty()) {
    errors.Invalid("spec.user", "", "at least one of user or group must be specified");
  }
}

// managedFields are the machinery's, and a null creationTimestamp is how clients write none.
void ValidateNoMetadata(const Json& review, bool namespace_may_be, api::FieldErrors& errors) {
  for (const auto& [field, value] : api::MapAt(review, "metadata").items()) {
    const bool none = value.is_null() || value == "" || value == Json::object();
    if (none || field == "managedFields" || (namespace_may_be && field == "namespace")) continue;
    errors.Invalid("metadata", api::MapAt(review, "metadata"),
                   namespace_may_be ? "must be empty except for namespace" : "must be empty");
    return;
  }
}

absl::Status InvalidReview(std::string_view kind, const api::FieldErrors& errors) {
  return api::Invalid(std::string(kAuthorizationGroup), std::string(kind), "", errors);
}

User SubjectOf(const Json& review) {
  const Json& spec = api::MapAt(review, "spec");
  User user{.name = TextAt(spec, "user"),
            .uid = TextAt(spec, "uid"),
            .groups = TextsAt(spec, "groups"),
            .extra = {}};
  for (const auto& [key, values] : api::MapAt(spec, "extra").items()) {
    std::vector<std::string> texts;
    for (const Json& value : values) {
      if (value.is_string()) texts.push_back(value.get<std::string>());
    }
    user.extra.push_back({key, std::move(texts)});
  }
  return user;
}

std::string FieldSelectorOf(const Json& resource) {
  const Json* const selector = Find(resource, "fieldSelector");
  if (selector == nullptr) return "";
  std::vector<std::string> terms;
  if (const std::string& raw = TextAt(*selector, "rawSelector"); !raw.empty()) return raw;
  for (const Json& requirement : api::ArrayAt(*selector, "requirements")) {
    const Json& values = api::ArrayAt(requirement, "values");
    if (TextAt(requirement, "operator") == "In" && values.size() == 1 && values[0].is_string()) {
      terms.push_back(Concat(TextAt(requirement, "key"), "=", values[0].get<std::string>()));
    }
  }
  return absl::StrJoin(terms, ",");
}

Json AnswerAccess(Authorizer& authorizer, User user, Json review) {
  Attributes attributes{.user = std::move(user)};
  if (const Json* const resource = Find(review, "spec.resourceAttributes"); resource != nullptr) {
    attributes.is_resource = true;
    attributes.verb = TextAt(*resource, "verb");
    attributes.group = TextAt(*resource, "group");
    attributes.version = TextAt(*resource, "version");
    attributes.resource = TextAt(*resource, "resource");
    attributes.subresource = TextAt(*resource, "subresource");
    attributes.name_space = TextAt(*resource, "namespace");
    attributes.name = TextAt(*resource, "name");
    attributes.field_selector = FieldSelectorOf(*resource);
  } else {
    attributes.verb = TextAt(review, "spec.nonResourceAttributes.verb");
    attributes.path = TextAt(review, "spec.nonResourceAttributes.path");
  }
  const Decision decision = authorizer.Decide(attributes);
  Json status = {{"allowed", decision.allowed}};
  if (!decision.reason.empty()) status["reason"] = decision.reason;
  review["status"] = std::move(status);
  return review;
}

}  // namespace

absl::StatusOr<Json> ReviewSelfAccess(Authorizer& authorizer, const User& user, Json review) {
  api::FieldErrors errors;
  ValidateAccessReview(review, errors);
  ValidateNoMetadata(review, /*namespace_may_be=*/false, errors);
  if (!errors.empty()) return InvalidReview("SelfSubjectAccessReview", errors);
  return AnswerAccess(authorizer, user, std::move(review));
}

absl::StatusOr<Json> ReviewAccess(Authorizer& authorizer, Json review) {
  api::FieldErrors errors;
  ValidateAccessReview(review, errors);
  ValidateSubject(review, errors);
  ValidateNoMetadata(review, /*namespace_may_be=*/false, errors);
  if (!errors.empty()) return InvalidReview("SubjectAccessReview", errors);
  User user = SubjectOf(review);
  return AnswerAccess(authorizer, std::move(user), std::move(review));
}

absl::StatusOr<Json> ReviewLocalAccess(Authorizer& authorizer, std::string_view name_space,
                                       Json review) {
  if (const std::string& given = api::NamespaceOf(review); given.empty()) {
    api::Make(review, "metadata")["namespace"] = name_space;
  } else if (given != name_space) {
    return api::BadRequest(
        Concat("spec.resourceAttributes.namespace must match namespace: ", name_space));
  }
  api::FieldErrors errors;
  ValidateAccessReview(review, errors);
  ValidateSubject(review, errors);
  ValidateNoMetadata(review, /*namespace_may_be=*/true, errors);
  const Json* const resource = Find(review, "spec.resourceAttributes");
  if (resource != nullptr && TextAt(*resource, "namespace") != name_space) {
    errors.Invalid("spec.resourceAttributes.namespace", TextAt(*resource, "namespace"),
                   "must match metadata.namespace");
  }
  if (const Json* const path = Find(review, "spec.nonResourceAttributes"); path != nullptr) {
    errors.Invalid("spec.nonResourceAttributes", *path, "disallowed on this kind of request");
  }
  if (!errors.empty()) return InvalidReview("LocalSubjectAccessReview", errors);
  User user = SubjectOf(review);
  return AnswerAccess(authorizer, std::move(user), std::move(review));
}

absl::StatusOr<Json> ReviewSelfRules(Authorizer& authorizer, const User& user, Json review) {
  const std::string name_space = TextAt(review, "spec.namespace");
  if (name_space.empty()) return api::BadRequest("no namespace on request");
  std::vector<std::string> errors;
  Json resource_rules = Json::array();
  Json path_rules = Json::array();
  for (const PolicyRule& rule : authorizer.RulesFor(user, name_space, &errors)) {
    if (!rule.resources.empty()) {
      PolicyRule resources = rule;
      resources.urls.clear();
      resource_rules.push_back(resources.ToJson());
    }
    if (!rule.urls.empty()) {
      path_rules.push_back({{"verbs", rule.verbs}, {"nonResourceURLs", rule.urls}});
    }
  }
  Json status = {{"resourceRules", std::move(resource_rules)},
                 {"nonResourceRules", std::move(path_rules)},
                 {"incomplete", false}};
  if (IsNode(user)) {
    status["incomplete"] = true;
    errors.insert(errors.begin(), "node authorizer does not support user rule resolution");
  }
  if (!errors.empty()) {
    status["evaluationError"] =
        errors.size() == 1 ? errors[0] : Concat("[", absl::StrJoin(errors, ", "), "]");
  }
  review["status"] = std::move(status);
  return review;
}

absl::StatusOr<Json> ReviewSelf(const User& user, absl::Time now, Json review) {
  api::Make(review, "metadata")["creationTimestamp"] = api::FormatTime(now);
  review["status"] = {{"userInfo", UserInfo(user)}};
  return review;
}

absl::StatusOr<Json> ReviewToken(const Authenticator& authenticator, Json review) {
  const std::string& token = TextAt(review, "spec.token");
  if (token.empty()) return api::BadRequest("token is required for TokenReview in authentication");
  const auto verified = authenticator.AuthenticateToken(token, TextsAt(review, "spec.audiences"));
  if (verified.ok()) {
    review["status"] = {{"authenticated", true},
                        {"user", UserInfo(verified->user)},
                        {"audiences", verified->audiences}};
  } else {
    review["status"] = {{"authenticated", false},
                        {"user", Json::object()},
                        {"error", std::string(verified.status().message())}};
  }
  return review;
}

}  // namespace keelson::auth
