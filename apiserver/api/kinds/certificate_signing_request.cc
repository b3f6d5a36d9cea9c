#include "apiserver/api/kinds/certificate_signing_request.h"

#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_split.h"
#include "apiserver/api/kinds/field_checks.h"
#include "apiserver/api/kinds/group_checks.h"
#include "apiserver/api/kinds/kinds.h"
#include "apiserver/api/kinds/printing.h"
#include "apiserver/api/kinds/workload.h"
#include "apiserver/api/labels.h"
#include "apiserver/api/object.h"
#include "apiserver/api/quote.h"
#include "apiserver/api/time.h"
#include "base/concat.h"
#include "crypto/certificate_request.h"

namespace keelson::api {
namespace {

constexpr int64_t kExpirationSecondsMin = 600;
constexpr int64_t kDomainBytesMax = 253;
constexpr int64_t kSignerBytesMax = 253 + 1 + 253 + 63 + 1;
constexpr std::string_view kConditions = "status.conditions";
constexpr std::string_view kCertificate = "status.certificate";

void PrepareUpdate(Json& object, const Json& old) { object["spec"] = MapAt(old, "spec"); }

// The bytes of a field that is base64 in JSON; empty for what is not.
std::string BytesAt(const Json& object, std::string_view path) {
  std::string bytes;
  return absl::Base64Unescape(TextAt(object, path), &bytes) ? bytes : "";
}

void ValidateUsages(const Json& usages, FieldErrors& errors) {
  if (usages.empty()) errors.Required("spec.usages");
  std::set<std::string> seen;
  for (size_t i = 0; i < usages.size(); ++i) {
    const std::string at = Index("spec.usages", i);
    const std::string& usage = TextAt(usages[i], "");
    CheckSupported(usage,
                   {"any",
                    "cert sign",
                    "client auth",
                    "code signing",
                    "content commitment",
                    "crl sign",
                    "data encipherment",
                    "decipher only",
                    "digital signature",
                    "email protection",
                    "encipher only",
                    "ipsec end system",
                    "ipsec tunnel",
                    "ipsec user",
                    "key agreement",
                    "key encipherment",
                    "microsoft sgc",
                    "netscape sgc",
                    "ocsp signing",
                    "s/mime",
                    "server auth",
                    "signing",
                    "timestamping"},
                   at, errors);
    if (!seen.insert(usage).second) errors.Duplicate(at, usage);
  }
}

// Each part of a name that dots join.
void CheckParts(const std::string& name, bool (*rule)(std::string_view, std::string*),
                std::string_view path, FieldErrors& errors) {
  const std::vector<std::string> parts = absl::StrSplit(name, '.');
  for (const std::string& part : parts) {
    std::string why;
    if (rule(part, &why)) continue;
    return errors.Invalid(path, name, Concat("validating label ", Quoted(part), ": ", why));
  }
}

// "example.com/signer-name"
void ValidateSignerName(const std::string& name, FieldErrors& errors) {
  constexpr std::string_view kPath = "spec.signerName";
  if (name == "kubernetes.io/legacy-unknown") {
    return errors.Invalid(kPath, name, "the legacy signerName is not allowed via this API version");
  }
  if (name.empty()) return errors.Required(kPath);
  const std::vector<std::string> segments = absl::StrSplit(name, '/');
  if (segments.size() != 2) {
    return errors.Invalid(
        kPath, name,
        "must be a fully qualified domain and path of the form 'example.com/signer-name'");
  }
  if (static_cast<int64_t>(segments[0].size()) > kDomainBytesMax) {
    errors.TooLong(kPath, kDomainBytesMax);
  }
  CheckParts(segments[0], IsLabel, kPath, errors);
  if (segments[0].find('.') == std::string::npos) {
    errors.Invalid(kPath, segments[0],
                   "should be a domain with at least two segments separated by dots");
  }
  CheckParts(segments[1], IsSubdomain, kPath, errors);
  if (static_cast<int64_t>(name.size()) > kSignerBytesMax) errors.TooLong(kPath, kSignerBytesMax);
}

void ValidateConditions(const Json& conditions, FieldErrors& errors) {
  std::set<std::string> seen;
  for (size_t i = 0; i < conditions.size(); ++i) {
    const std::string at = Index(kConditions, i);
    const std::string& type = TextAt(conditions[i], "type");
    const std::string& status = TextAt(conditions[i], "status");
    CheckRequired(type, Child(at, "type"), errors);
    if (type == "Approved" || type == "Denied" || type == "Failed") {
      CheckOneOf(status, {"True"}, Child(at, "status"), errors);
    } else {
      CheckOneOf(status, {"False", "True", "Unknown"}, Child(at, "status"), errors);
    }
    if ((type == "Approved" && seen.count("Denied") > 0) ||
        (type == "Denied" && seen.count("Approved") > 0)) {
      errors.Invalid(Child(at, "type"), type,
                     "Approved and Denied conditions are mutually exclusive");
    }
    if (!seen.insert(type).second) errors.Duplicate(Child(at, "type"), type);
  }
}

void Validate(const Json& object, FieldErrors& errors) {
  const absl::Status request = crypto::CheckCertificateRequest(BytesAt(object, "spec.request"));
  if (!request.ok()) {
    errors.Invalid("spec.request", TextAt(object, "spec.request"), std::string(request.message()));
  }
  ValidateUsages(ArrayAt(object, "spec.usages"), errors);
  ValidateSignerName(TextAt(object, "spec.signerName"), errors);
  if (Find(object, "spec.expirationSeconds") != nullptr &&
      NumberAt(object, "spec.expirationSeconds") < kExpirationSecondsMin) {
    errors.Invalid("spec.expirationSeconds", NumberAt(object, "spec.expirationSeconds"),
                   "may not specify a duration less than 600 seconds (10 minutes)");
  }
  ValidateConditions(ArrayAt(object, kConditions), errors);
  const std::string certificate = BytesAt(object, kCertificate);
  if (certificate.empty()) return;
  const absl::Status checked = crypto::CheckCertificates(certificate);
  if (!checked.ok()) {
    errors.Invalid(kCertificate, "<certificate data>", std::string(checked.message()));
  }
}

std::vector<Json> ConditionsOf(const Json& object, std::string_view type) {
  std::vector<Json> found;
  for (const Json& condition : ArrayAt(object, kConditions)) {
    if (TextAt(condition, "type") == type) found.push_back(condition);
  }
  return found;
}

void CheckNoneRemoved(const Json& object, const Json& old, FieldErrors& errors) {
  for (std::string_view type : {"Approved", "Denied", "Failed"}) {
    if (ConditionsOf(object, type).size() < ConditionsOf(old, type).size()) {
      errors.Forbidden(kConditions,
                       Concat("updates may not remove a condition of type \"", type, "\""));
    }
  }
}

void ValidateStatus(const Json& object, const Json& old, FieldErrors& errors) {
  Validate(object, errors);
  CheckNoneRemoved(object, old, errors);
  for (std::string_view type : {"Approved", "Denied"}) {
    const std::vector<Json> now = ConditionsOf(object, type);
    const std::vector<Json> before = ConditionsOf(old, type);
    if (now.size() > before.size()) {
      errors.Forbidden(kConditions,
                       Concat("updates may not add a condition of type \"", type, "\""));
    } else if (now.size() == before.size() && now != before) {
      errors.Forbidden(kConditions,
                       Concat("updates may not modify a condition of type \"", type, "\""));
    }
  }
  const std::string& certificate = TextAt(old, kCertificate);
  if (!certificate.empty() && TextAt(object, kCertificate) != certificate) {
    errors.Forbidden(kCertificate, "updates may not modify existing certificate content");
  }
}

// A write of /approval changes the conditions and nothing else.
void KeepAllButConditions(Json& object, const Json& old) {
  const Json conditions = ArrayAt(object, kConditions);
  object["spec"] = MapAt(old, "spec");
  object["status"] = MapAt(old, "status");
  if (conditions.empty()) {
    Erase(object, kConditions);
  } else {
    Make(object, kConditions) = conditions;
  }
}

// A condition stays once it is there, and the certificate is none of the approver's business.
void ValidateApproval(const Json& object, const Json& old, FieldErrors& errors) {
  CheckNoneRemoved(object, old, errors);
  if (TextAt(object, kCertificate) != TextAt(old, kCertificate)) {
    errors.Forbidden(kCertificate, "updates may not set certificate content");
  }
}

std::string ConditionCell(const Json& object) {
  std::string cell = "Pending";
  if (FindCondition(object, "Approved") != nullptr) cell = "Approved";
  if (FindCondition(object, "Denied") != nullptr) cell = "Denied";
  if (FindCondition(object, "Failed") != nullptr) cell += ",Failed";
  if (!TextAt(object, kCertificate).empty()) cell += ",Issued";
  return cell;
}

void Print(const Json& object, const PrintContext& context, std::vector<Json>* cells) {
  const Json* seconds = Find(object, "spec.expirationSeconds");
  cells->push_back(NameOf(object));
  cells->push_back(AgeCell(object, context));
  cells->push_back(OrNone(TextAt(object, "spec.signerName")));
  cells->push_back(TextAt(object, "spec.username"));
  cells->push_back(seconds == nullptr
                       ? "<none>"
                       : FormatAge(absl::Seconds(NumberAt(object, "spec.expirationSeconds"))));
  cells->push_back(ConditionCell(object));
}

}  // namespace

void StampConditions(const Json& old, absl::Time now, Json& object) {
  Json* conditions = Find(object, kConditions);
  if (conditions == nullptr || !conditions->is_array()) return;
  for (Json& condition : *conditions) {
    if (!condition.is_object()) continue;
    SetDefault(condition, "lastUpdateTime", api::FormatTime(now));
    std::string since = api::FormatTime(now);
    for (const Json& before : ConditionsOf(old, TextAt(condition, "type"))) {
      const std::string& time = TextAt(before, "lastTransitionTime");
      if (!time.empty() && TextAt(before, "status") == TextAt(condition, "status")) since = time;
    }
    SetDefault(condition, "lastTransitionTime", since);
  }
}

const Kind& CertificateSigningRequestKind() {
  static const Kind kind = {
      .group = "certificates.k8s.io",
      .version = "v1",
      .kind = "CertificateSigningRequest",
      .plural = "certificatesigningrequests",
      .singular = "certificatesigningrequest",
      .short_names = {"csr"},
      .namespaced = false,
      .message = "certificates.v1.CertificateSigningRequest",
      .storage_prefix = "certificatesigningrequests",
      .subresources = {{.name = "approval",
                        .verbs = {"get", "patch", "update"},
                        .prepare_update = KeepAllButConditions,
                        .validate_update = ValidateApproval},
                       StatusSubresource()},
      .name_rule = NameRule::kPathSegment,
      .has_status = true,
      .prepare_update = PrepareUpdate,
      .validate = Validate,
      .validate_status_update = ValidateStatus,
      .columns = {NameColumn(),
                  {"Age"},
                  {"SignerName"},
                  {"Requestor"},
                  {"RequestedDuration"},
                  {"Condition"}},
      .print = Print,
      .field_labels = {{"spec.signerName", "spec.signerName"}},
  };
  return kind;
}

}  // namespace keelson::api
