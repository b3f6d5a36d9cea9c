#include "apiserver/auth/service_account_tokens.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_split.h"
#include "apiserver/api/errors.h"
#include "apiserver/api/object.h"
#include "apiserver/api/quote.h"
#include "apiserver/api/time.h"
#include "apiserver/auth/rules.h"
#include "apiserver/auth/users.h"
#include "base/concat.h"
#include "base/status_macros.h"

namespace keelson::auth {
namespace {

using api::Json;
using api::NumberAt;
using api::TextAt;

// Between the clocks of those who sign and those who verify.
constexpr absl::Duration kLeeway = absl::Minutes(1);
constexpr int64_t kDefaultSeconds = 60 * 60;
constexpr int64_t kSecondsMin = 10 * 60;
constexpr int64_t kSecondsMax = int64_t{1} << 32;
constexpr size_t kTokenBytesMax = 64 * 1024;
constexpr char kPrivateClaims[] = "kubernetes.io";

absl::Status Refused(std::string_view why) {
  return absl::UnauthenticatedError(absl::string_view(why.data(), why.size()));
}

std::string Encode(const Json& part) { return absl::WebSafeBase64Escape(part.dump()); }

std::optional<Json> Decode(std::string_view part) {
  std::string bytes;
  if (!absl::WebSafeBase64Unescape(absl::string_view(part.data(), part.size()), &bytes)) {
    return std::nullopt;
  }
  Json json = Json::parse(bytes, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return std::nullopt;
  return json;
}

struct Parts {
  std::string_view signed_text;
  std::string_view signature;
  Json header;
  Json claims;
};

std::optional<Parts> Split(std::string_view token) {
  const size_t first = token.find('.');
  const size_t last = token.rfind('.');
  if (token.size() > kTokenBytesMax || first == last || first == std::string_view::npos) {
    return std::nullopt;
  }
  std::optional<Json> header = Decode(token.substr(0, first));
  std::optional<Json> claims = Decode(token.substr(first + 1, last - first - 1));
  if (!header || !claims) return std::nullopt;
  return Parts{token.substr(0, last), token.substr(last + 1), *std::move(header),
               *std::move(claims)};
}

// "aud" is one text, or several.
std::vector<std::string> AudiencesOf(const Json& claims) {
  const Json* const audience = api::Member(claims, "aud");
  if (audience == nullptr) return {};
  if (audience->is_string()) return {audience->get<std::string>()};
  std::vector<std::string> all;
  if (!audience->is_array()) return all;
  for (const Json& one : *audience) {
    if (one.is_string()) all.push_back(one.get<std::string>());
  }
  return all;
}

absl::Status CheckTimes(const Json& claims, absl::Time now) {
  const Json* const expires = api::Member(claims, "exp");
  if (expires == nullptr || !expires->is_number() ||
      now - kLeeway > absl::FromUnixSeconds(NumberAt(claims, "exp"))) {
    return Refused("service account token has expired");
  }
  if (now + kLeeway < absl::FromUnixSeconds(NumberAt(claims, "nbf"))) {
    return Refused("service account token is not valid yet");
  }
  if (now + kLeeway < absl::FromUnixSeconds(NumberAt(claims, "iat"))) {
    return Refused("service account token is issued in the future");
  }
  return absl::OkStatus();
}

const Json& PrivateClaims(const Json& claims) {
  static const Json none = Json::object();
  const Json* const found = api::Member(claims, kPrivateClaims);
  return found != nullptr ? *found : none;
}

Json Reference(const Json& object) {
  return {{"name", api::NameOf(object)}, {"uid", api::UidOf(object)}};
}

registry::User UserOf(const Json& claims) {
  const Json& ours = PrivateClaims(claims);
  const std::string& name_space = TextAt(ours, "namespace");
  registry::User user;
  user.name = ServiceAccountUser(name_space, TextAt(ours, "serviceaccount.name"));
  user.uid = TextAt(ours, "serviceaccount.uid");
  user.groups = ServiceAccountGroups(name_space);
  const auto add = [&user](std::string_view key, const std::string& value) {
    if (!value.empty()) user.extra.push_back({std::string(key), {value}});
  };
  if (const std::string& id = TextAt(claims, "jti"); !id.empty()) {
    add(kCredentialIdKey, Concat("JTI=", id));
  }
  add(kNodeNameKey, TextAt(ours, "node.name"));
  add(kNodeUidKey, TextAt(ours, "node.uid"));
  add(kPodNameKey, TextAt(ours, "pod.name"));
  add(kPodUidKey, TextAt(ours, "pod.uid"));
  return user;
}

}  // namespace

ServiceAccountTokens::ServiceAccountTokens(ServiceAccountTokenOptions options,
                                           crypto::SignatureKey key, Objects* objects,
                                           WallClock now)
    : options_(std::move(options)), key_(std::move(key)), objects_(objects), now_(std::move(now)) {
  if (options_.audiences.empty()) options_.audiences = {options_.issuer};
}

absl::StatusOr<ServiceAccountTokens> ServiceAccountTokens::Load(ServiceAccountTokenOptions options,
                                                                Objects* objects, WallClock now) {
  auto key = crypto::SignatureKey::LoadPrivate(options.key_file);
  if (!key.ok()) return key.status();
  return ServiceAccountTokens(std::move(options), *std::move(key), objects, std::move(now));
}

absl::StatusOr<VerifiedToken> ServiceAccountTokens::Verify(
    std::string_view token, const std::vector<std::string>& audiences) const {
  const std::optional<Parts> parts = Split(token);
  // The method is the key's, whatever the token says: a token must not choose how it is checked.
  if (!parts || TextAt(parts->header, "alg") != key_.method() ||
      TextAt(parts->claims, "iss") != options_.issuer) {
    return Refused("invalid bearer token");
  }
  std::string signature;
  if (!absl::WebSafeBase64Unescape(
          absl::string_view(parts->signature.data(), parts->signature.size()), &signature) ||
      !key_.Verify(parts->signed_text, signature)) {
    return Refused("invalid bearer token");
  }
  VerifiedToken verified;
  const std::vector<std::string>& wanted = audiences.empty() ? options_.audiences : audiences;
  for (const std::string& audience : AudiencesOf(parts->claims)) {
    if (std::find(wanted.begin(), wanted.end(), audience) != wanted.end()) {
      verified.audiences.push_back(audience);
    }
  }
  if (verified.audiences.empty()) {
    return Refused(Concat("token audiences ", QuotedList(AudiencesOf(parts->claims), " "),
                          " is invalid for the target audiences ", QuotedList(wanted, " ")));
  }
  KV_RETURN_IF_ERROR(CheckTimes(parts->claims, now_()));
  KV_RETURN_IF_ERROR(CheckLiving(parts->claims));
  verified.user = UserOf(parts->claims);
  return verified;
}

// The service account, and what the token is bound to, are there and the same as when it was made.
absl::Status ServiceAccountTokens::CheckLiving(const Json& claims) const {
  const Json& ours = PrivateClaims(claims);
  const std::string& name_space = TextAt(ours, "namespace");
  const auto find = [&](const Resource& resource, std::string_view in,
                        const std::string& name) -> absl::StatusOr<Json> {
    // What a cache does not have yet may be there all the same.
    if (const Object cached = objects_->Find(resource, in, name); cached != nullptr) return *cached;
    return objects_->Get(resource, in, name);
  };
  const auto is_gone = [this](const Json& object) {
    const auto deleted = api::ParseTime(TextAt(object, "metadata.deletionTimestamp"));
    return deleted && *deleted < now_() - kLeeway;
  };
  const std::string& name = TextAt(ours, "serviceaccount.name");
  const auto account = find(kServiceAccounts, name_space, name);
  if (!account.ok()) return Refused(std::string(account.status().message()));
  if (api::UidOf(*account) != TextAt(ours, "serviceaccount.uid")) {
    return Refused(Concat("service account UID (", api::UidOf(*account), ") does not match claim (",
                          TextAt(ours, "serviceaccount.uid"), ")"));
  }
  if (is_gone(*account)) {
    return Refused(Concat("service account ", name_space, "/", name, " has been deleted"));
  }
  const bool of_pod = api::Find(ours, "pod") != nullptr;
  for (const auto& [field, resource] :
       {std::pair("secret", kSecrets), std::pair("pod", kPods), std::pair("node", kNodes)}) {
    const Json* const reference = api::Find(ours, field);
    // A pod's token only tells its node.
    if (reference == nullptr || (resource == kNodes && of_pod)) continue;
    const auto bound = find(resource, resource == kNodes ? std::string_view() : name_space,
                            TextAt(*reference, "name"));
    if (!bound.ok() || api::UidOf(*bound) != TextAt(*reference, "uid") || is_gone(*bound)) {
      return Refused("service account token has been invalidated");
    }
  }
  return absl::OkStatus();
}

// The claims that bind a token to the object of spec.boundObjectRef.
absl::StatusOr<Json> ServiceAccountTokens::BoundObject(std::string_view name_space,
                                                       std::string_view name,
                                                       const Json& reference) const {
  const std::string& kind = TextAt(reference, "kind");
  const std::string& bound_name = TextAt(reference, "name");
  const std::string& api_version = TextAt(reference, "apiVersion");
  Json claims = Json::object();
  absl::StatusOr<Json> bound;
  if (api_version != "v1" && !api_version.empty()) {
    bound = api::BadRequest(
        Concat("cannot bind token to object of type ", api_version, ", Kind=", kind));
  } else if (kind == "Pod") {
    bound = objects_->Get(kPods, name_space, bound_name);
    if (!bound.ok()) return bound.status();
    if (TextAt(*bound, "spec.serviceAccountName") != name) {
      return api::BadRequest(Concat("cannot bind token for serviceaccount ", api::Quoted(name),
                                    " to pod running with different serviceaccount name."));
    }
    claims["pod"] = Reference(*bound);
    if (const std::string& node = TextAt(*bound, "spec.nodeName"); !node.empty()) {
      const auto found = objects_->Get(kNodes, "", node);
      if (!found.ok() && !api::IsNotFound(found.status())) return found.status();
      claims["node"] = found.ok() ? Reference(*found) : Json{{"name", node}};
    }
  } else if (kind == "Node") {
    bound = objects_->Get(kNodes, "", bound_name);
    if (bound.ok()) claims["node"] = Reference(*bound);
  } else if (kind == "Secret") {
    bound = objects_->Get(kSecrets, name_space, bound_name);
    if (bound.ok()) claims["secret"] = Reference(*bound);
  } else {
    bound = api::BadRequest(Concat("cannot bind token to object of type ",
                                   api_version.empty() ? "" : "/", api_version, ", Kind=", kind));
  }
  if (!bound.ok()) return bound.status();
  const std::string& uid = TextAt(reference, "uid");
  if (!uid.empty() && uid != api::UidOf(*bound)) {
    return api::Conflict({"", kind}, bound_name,
                         Concat("the UID in the bound object reference (", uid,
                                ") does not match the UID in record. The object might have been "
                                "deleted and then recreated"));
  }
  return claims;
}

absl::StatusOr<Json> ServiceAccountTokens::Request(std::string_view name_space,
                                                   std::string_view name, Json request) const {
  api::FieldErrors errors;
  for (const auto& [field, wanted] :
       {std::pair("name", name), std::pair("namespace", name_space)}) {
    const std::string& given = TextAt(request, Concat("metadata.", field));
    if (!given.empty() && given != wanted) {
      errors.Invalid(Concat("metadata.", field), given,
                     Concat("must match the service account ", field, " if specified"));
    }
  }
  if (!errors.empty()) return api::Invalid("authentication.k8s.io", "TokenRequest", name, errors);
  KV_ASSIGN_OR_RETURN(const Json account, objects_->Get(kServiceAccounts, name_space, name));
  Json& spec = api::Make(request, "spec");
  if (api::ArrayAt(spec, "audiences").empty()) spec["audiences"] = options_.audiences;
  api::SetDefault(spec, "expirationSeconds", kDefaultSeconds);
  const int64_t seconds = NumberAt(spec, "expirationSeconds");
  if (seconds < kSecondsMin) {
    errors.Invalid("spec.expirationSeconds", seconds,
                   "may not specify a duration less than 10 minutes");
  } else if (seconds > kSecondsMax) {
    errors.Invalid("spec.expirationSeconds", seconds,
                   "may not specify a duration larger than 2^32 seconds");
  }
  if (!errors.empty()) return api::Invalid("authentication.k8s.io", "TokenRequest", "", errors);

  Json ours = {{"namespace", name_space}, {"serviceaccount", Reference(account)}};
  if (const Json* const reference = api::Find(spec, "boundObjectRef"); reference != nullptr) {
    KV_ASSIGN_OR_RETURN(const Json bound, BoundObject(name_space, name, *reference));
    ours.update(bound);
  }
  const int64_t now = absl::ToUnixSeconds(now_());
  const Json claims = {{"iss", options_.issuer},
                       {"sub", ServiceAccountUser(name_space, name)},
                       {"aud", spec["audiences"]},
                       {"iat", now},
                       {"nbf", now},
                       {"exp", now + seconds},
                       {"jti", api::MakeUid()},
                       {kPrivateClaims, std::move(ours)}};
  const Json header = {{"alg", key_.method()}, {"kid", key_.id()}};
  std::string token = Concat(Encode(header), ".", Encode(claims));
  KV_ASSIGN_OR_RETURN(const std::string signature, key_.Sign(token));
  Append(&token, ".", std::string(absl::WebSafeBase64Escape(signature)));
  Json& metadata = api::Make(request, "metadata");
  metadata["name"] = name;
  metadata["namespace"] = name_space;
  metadata["creationTimestamp"] = api::FormatTime(absl::FromUnixSeconds(now));
  request["status"] = {
      {"token", std::move(token)},
      {"expirationTimestamp", api::FormatTime(absl::FromUnixSeconds(now + seconds))}};
  return request;
}

std::string ServiceAccountTokens::OpenIdConfiguration(std::string_view jwks_uri) const {
  const Json document = {{"issuer", options_.issuer},
                         {"jwks_uri", jwks_uri},
                         {"response_types_supported", {"id_token"}},
                         {"subject_types_supported", {"public"}},
                         {"id_token_signing_alg_values_supported", Json::array({key_.method()})}};
  return document.dump();
}

std::string ServiceAccountTokens::Jwks() const {
  Json key = {{"use", "sig"}, {"kid", key_.id()}, {"alg", key_.method()}};
  for (const auto& [name, value] : key_.PublicMembers()) key[name] = value;
  return Json{{"keys", Json::array({std::move(key)})}}.dump();
}

}  // namespace keelson::auth
