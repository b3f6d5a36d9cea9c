// Kinds that are only ever the body of a subresource: they are decoded, checked and printed like
// others, but are no resources themselves.
#include <nlohmann/json.hpp>

#include "apiserver/api/kinds/field_checks.h"
#include "apiserver/api/kinds/kinds.h"
#include "apiserver/api/kinds/printing.h"
#include "apiserver/api/object.h"

namespace keelson::api {
namespace {

constexpr int64_t kTokenSecondsMin = 600;
constexpr int64_t kTokenSecondsMax = int64_t{1} << 32;

void ValidateScale(const Json& object, FieldErrors& errors) {
  CheckNotNegative(NumberAt(object, "spec.replicas"), "spec.replicas", errors);
}

void PrintScale(const Json& object, const PrintContext& context, std::vector<Json>* cells) {
  cells->push_back(NameOf(object));
  cells->push_back(NumberAt(object, "spec.replicas"));
  cells->push_back(NumberAt(object, "status.replicas"));
  cells->push_back(AgeCell(object, context));
}

void SetTokenRequestDefaults(Json& object) { SetDefault(object, "spec.expirationSeconds", 3600); }

void ValidateTokenRequest(const Json& object, FieldErrors& errors) {
  const int64_t seconds = NumberAt(object, "spec.expirationSeconds");
  if (seconds < kTokenSecondsMin) {
    errors.Invalid("spec.expirationSeconds", seconds,
                   "may not specify a duration less than 10 minutes");
  }
  if (seconds > kTokenSecondsMax) {
    errors.Invalid("spec.expirationSeconds", seconds,
                   "may not specify a duration larger than 2^32 seconds");
  }
}

}  // namespace

const Kind& ScaleKind() {
  static const Kind kind = {
      .group = "autoscaling",
      .version = "v1",
      .kind = "Scale",
      .plural = "",
      .singular = "",
      .message = "autoscaling.v1.Scale",
      .storage_prefix = "",
      .has_status = true,
      .validate = ValidateScale,
      .columns = {NameColumn(), {"Desired", "integer"}, {"Available", "integer"}, {"Age"}},
      .print = PrintScale,
  };
  return kind;
}

const Kind& EvictionKind() {
  static const Kind kind = {
      .group = "policy",
      .version = "v1",
      .kind = "Eviction",
      .plural = "",
      .singular = "",
      .message = "policy.v1.Eviction",
      .storage_prefix = "",
  };
  return kind;
}

const Kind& TokenRequestKind() {
  static const Kind kind = {
      .group = "authentication.k8s.io",
      .version = "v1",
      .kind = "TokenRequest",
      .plural = "",
      .singular = "",
      .message = "authentication.v1.TokenRequest",
      .storage_prefix = "",
      .has_status = true,
      .set_defaults = SetTokenRequestDefaults,
      .validate = ValidateTokenRequest,
  };
  return kind;
}

const Kind* FindSubresourceKind(std::string_view api_version, std::string_view name) {
  for (const Kind* kind : {&ScaleKind(), &EvictionKind(), &TokenRequestKind()}) {
    if (kind->kind == name && kind->api_version() == api_version) return kind;
  }
  return nullptr;
}

}  // namespace keelson::api
