// PATCH with application/apply-patch+yaml: of an object, its status, or its scale.
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "apiserver/api/decode.h"
#include "apiserver/api/errors.h"
#include "apiserver/api/object.h"
#include "apiserver/api/yaml.h"
#include "apiserver/http/object_handlers.h"
#include "apiserver/http/scale.h"
#include "apiserver/registry/apply_config.h"
#include "apiserver/registry/metadata.h"
#include "base/concat.h"
#include "base/status_macros.h"

namespace keelson::apiserver {

using api::Json;
using api::Kind;

namespace {

// What is to be applied, and what is strictly wrong with its text.
struct Configuration {
  Json config;
  std::string strict_fault;
};

absl::StatusOr<Configuration> DecodeConfiguration(const ApiRequest& request) {
  if (request.body.size() > api::kBodyBytesMax) {
    return api::TooLarge(Concat("limit is ", api::kBodyBytesMax));
  }
  std::vector<std::string> duplicates;
  absl::StatusOr<Json> value = api::ParseYaml(request.body, &duplicates);
  constexpr std::string_view kStart = "error converting YAML to JSON: ";
  if (!value.ok()) {
    const absl::string_view why = value.status().message();
    return api::BadRequest(
        Concat("error decoding YAML: ", kStart, std::string_view(why.data(), why.size())));
  }
  if (value->is_null()) *value = Json::object();
  if (!value->is_object()) {
    return api::BadRequest(
        Concat("error decoding YAML: error unmarshaling JSON: while decoding JSON: json: cannot "
               "unmarshal ",
               value->is_boolean() ? "bool" : value->type_name(),
               " into Go value of type map[string]interface {}"));
  }
  Configuration configuration{*std::move(value), ""};
  if (!duplicates.empty()) {
    configuration.strict_fault = Concat(kStart, "yaml: unmarshal errors:");
    for (const std::string& one : duplicates) Append(&configuration.strict_fault, "\n  ", one);
  }
  return configuration;
}

}  // namespace

absl::StatusOr<ApiResponse> ObjectHandlers::Apply(const Kind& kind, const ApiRequest& request) {
  const RequestInfo& info = request.info;
  std::vector<std::string> warnings;
  KV_ASSIGN_OR_RETURN(registry::WriteOptions options, WriteOptionsOf(request, &warnings));
  KV_ASSIGN_OR_RETURN(const api::FieldValidation validation, FieldValidationOf(info));
  KV_ASSIGN_OR_RETURN(const bool force, ParseFlag(info, "force"));
  KV_ASSIGN_OR_RETURN(const Configuration configuration, DecodeConfiguration(request));
  options.applied = true;
  const bool to_scale = info.subresource == "scale";
  const auto apply = to_scale ? registry::ApplyScale : registry::ApplyConfig;
  const auto change = [&](const Json& newest) -> absl::StatusOr<Json> {
    warnings.clear();
    KV_ASSIGN_OR_RETURN(
        Json object, apply(kind, newest, configuration.config, options,
                           force ? registry::OnConflict::kForce : registry::OnConflict::kRefuse));
    if (!configuration.strict_fault.empty() && validation == api::FieldValidation::kStrict) {
      return api::BadRequest(Concat("error strict decoding YAML: ", configuration.strict_fault));
    }
    if (!configuration.strict_fault.empty() && validation == api::FieldValidation::kWarn) {
      warnings.push_back(configuration.strict_fault);
    }
    if (api::NameOf(object).empty()) {
      return api::BadRequest(Concat("the name of the object (", info.name,
                                    " based on URL) was undeterminable: name must be provided"));
    }
    KV_RETURN_IF_ERROR(CheckName(info, object));
    KV_RETURN_IF_ERROR(registry::CheckNamespace(kind, info.name_space, object));
    if (to_scale) KV_RETURN_IF_ERROR(WithScale(kind, newest, ScaleOf(kind, object)).status());
    return object;
  };
  int code = 200;
  absl::StatusOr<Json> applied =
      registry_->Update(kind, info.name_space, info.name, change, options);
  if (info.subresource.empty() && api::IsNotFound(applied.status())) {
    auth::Attributes creation = AttributesOf(request);
    creation.verb = "create";
    KV_RETURN_IF_ERROR(authorizer_->Authorize(creation));
    KV_ASSIGN_OR_RETURN(Json object, change(Json::object()));
    if (const std::string& uid = api::UidOf(object); !uid.empty()) {
      return api::Conflict(kind.resource(), info.name,
                           Concat("uid mismatch: the provided object specified uid ", uid,
                                  ", and no existing object was found"));
    }
    code = 201;
    applied = registry_->Create(kind, info.name_space, std::move(object), options);
    if (api::IsAlreadyExists(applied.status())) {
      // Somebody else has created it meanwhile.
      code = 200;
      applied = registry_->Update(kind, info.name_space, info.name, change, options);
    }
  }
  if (!applied.ok()) return applied.status();
  if (to_scale) return ApiResponse::Of(ScaleOf(kind, *applied));
  KV_ASSIGN_OR_RETURN(ApiResponse response, AnswerObject(kind, request, *applied, code));
  response.warnings = std::move(warnings);
  return response;
}

}  // namespace keelson::apiserver
