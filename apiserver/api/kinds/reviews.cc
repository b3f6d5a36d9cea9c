// Questions that are answered and not kept: who somebody is (authentication.k8s.io) and what
// somebody may do (authorization.k8s.io).
#include <nlohmann/json.hpp>

#include "apiserver/api/kinds/field_checks.h"
#include "apiserver/api/kinds/group_checks.h"
#include "apiserver/api/kinds/kinds.h"
#include "apiserver/api/object.h"
#include "base/concat.h"

namespace keelson::api {
namespace {

void ValidateSelector(const Json& selector, std::string_view path, FieldErrors& errors) {
  const std::string& raw = TextAt(selector, "rawSelector");
  const Json& requirements = ArrayAt(selector, "requirements");
  if (!raw.empty() && !requirements.empty()) {
    errors.Invalid(Child(path, "rawSelector"), raw,
                   "may not specified at the same time as requirements");
  }
  if (raw.empty() && requirements.empty()) {
    errors.Required(Child(path, "requirements"),
                    Concat("when ", path,
                           " is specified, requirements or rawSelector is "
                           "required"));
  }
}

// What is asked about is one of the two.
void ValidateAttributes(const Json& spec, FieldErrors& errors) {
  const Json* resource = Find(spec, "resourceAttributes");
  const Json& other = ValueAt(spec, "nonResourceAttributes");
  if (resource != nullptr && !other.is_null()) {
    errors.Invalid("spec.nonResourceAttributes", other,
                   "cannot be specified in combination with resourceAttributes");
  }
  if (resource == nullptr && other.is_null()) {
    errors.Invalid("spec.resourceAttributes", other,
                   "exactly one of nonResourceAttributes or resourceAttributes must be specified");
  }
}

void ValidateSelectors(const Json& spec, FieldErrors& errors) {
  for (std::string_view field : {"fieldSelector", "labelSelector"}) {
    const Json* selector = Find(MapAt(spec, "resourceAttributes"), field);
    if (selector != nullptr) {
      ValidateSelector(*selector, Child("spec.resourceAttributes", field), errors);
    }
  }
}

void CheckNoMetadata(const Json& object, FieldErrors& errors) {
  Json metadata = MapAt(object, "metadata");
  metadata.erase("managedFields");
  const Json none;
  if (!MeansTheSame(&metadata, &none)) errors.Invalid("metadata", metadata, "must be empty");
}

void ValidateSelfAccess(const Json& object, FieldErrors& errors) {
  const Json& spec = MapAt(object, "spec");
  ValidateAttributes(spec, errors);
  ValidateSelectors(spec, errors);
  CheckNoMetadata(object, errors);
}

void ValidateSubject(const Json& spec, FieldErrors& errors) {
  ValidateAttributes(spec, errors);
  const std::string& user = TextAt(spec, "user");
  if (user.empty() && ArrayAt(spec, "groups").empty()) {
    errors.Invalid("spec.user", user, "at least one of user or group must be specified");
  }
  ValidateSelectors(spec, errors);
}

void ValidateAccess(const Json& object, FieldErrors& errors) {
  ValidateSubject(MapAt(object, "spec"), errors);
  CheckNoMetadata(object, errors);
}

void ValidateLocalAccess(const Json& object, FieldErrors& errors) {
  const Json& spec = MapAt(object, "spec");
  ValidateSubject(spec, errors);
  Json metadata = MapAt(object, "metadata");
  metadata.erase("managedFields");
  metadata.erase("namespace");
  const Json none;
  if (!MeansTheSame(&metadata, &none)) {
    errors.Invalid("metadata", metadata, "must be empty except for namespace");
  }
  const std::string& space = TextAt(spec, "resourceAttributes.namespace");
  if (Find(spec, "resourceAttributes") != nullptr && space != NamespaceOf(object)) {
    errors.Invalid("spec.resourceAttributes.namespace", space, "must match metadata.namespace");
  }
  if (const Json* other = Find(spec, "nonResourceAttributes"); other != nullptr) {
    errors.Invalid("spec.nonResourceAttributes", *other, "disallowed on this kind of request");
  }
}

Kind SelfSubjectReview(std::string_view version) {
  return {
      .group = "authentication.k8s.io",
      .version = version,
      .kind = "SelfSubjectReview",
      .plural = "selfsubjectreviews",
      .singular = "selfsubjectreview",
      .namespaced = false,
      .message = "authentication.v1.SelfSubjectReview",
      .storage_prefix = "",
      .verbs = {"create"},
  };
}

}  // namespace

const Kind& SelfSubjectReviewKind() {
  static const Kind kind = SelfSubjectReview("v1");
  return kind;
}

const Kind& SelfSubjectReviewV1beta1Kind() {
  static const Kind kind = SelfSubjectReview("v1beta1");
  return kind;
}

const Kind& SelfSubjectReviewV1alpha1Kind() {
  static const Kind kind = SelfSubjectReview("v1alpha1");
  return kind;
}

const Kind& TokenReviewKind() {
  static const Kind kind = {
      .group = "authentication.k8s.io",
      .version = "v1",
      .kind = "TokenReview",
      .plural = "tokenreviews",
      .singular = "tokenreview",
      .namespaced = false,
      .message = "authentication.v1.TokenReview",
      .storage_prefix = "",
      .verbs = {"create"},
  };
  return kind;
}

const Kind& LocalSubjectAccessReviewKind() {
  static const Kind kind = {
      .group = "authorization.k8s.io",
      .version = "v1",
      .kind = "LocalSubjectAccessReview",
      .plural = "localsubjectaccessreviews",
      .singular = "localsubjectaccessreview",
      .message = "authorization.v1.LocalSubjectAccessReview",
      .storage_prefix = "",
      .verbs = {"create"},
      .validate = ValidateLocalAccess,
  };
  return kind;
}

const Kind& SelfSubjectAccessReviewKind() {
  static const Kind kind = {
      .group = "authorization.k8s.io",
      .version = "v1",
      .kind = "SelfSubjectAccessReview",
      .plural = "selfsubjectaccessreviews",
      .singular = "selfsubjectaccessreview",
      .namespaced = false,
      .message = "authorization.v1.SelfSubjectAccessReview",
      .storage_prefix = "",
      .verbs = {"create"},
      .validate = ValidateSelfAccess,
  };
  return kind;
}

const Kind& SelfSubjectRulesReviewKind() {
  static const Kind kind = {
      .group = "authorization.k8s.io",
      .version = "v1",
      .kind = "SelfSubjectRulesReview",
      .plural = "selfsubjectrulesreviews",
      .singular = "selfsubjectrulesreview",
      .namespaced = false,
      .message = "authorization.v1.SelfSubjectRulesReview",
      .storage_prefix = "",
      .verbs = {"create"},
  };
  return kind;
}

const Kind& SubjectAccessReviewKind() {
  static const Kind kind = {
      .group = "authorization.k8s.io",
      .version = "v1",
      .kind = "SubjectAccessReview",
      .plural = "subjectaccessreviews",
      .singular = "subjectaccessreview",
      .namespaced = false,
      .message = "authorization.v1.SubjectAccessReview",
      .storage_prefix = "",
      .verbs = {"create"},
      .validate = ValidateAccess,
  };
  return kind;
}

}  // namespace keelson::api
