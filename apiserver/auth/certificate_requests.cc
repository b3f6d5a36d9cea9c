#include "apiserver/auth/certificate_requests.h"

#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "absl/strings/escaping.h"
#include "apiserver/api/errors.h"
#include "apiserver/api/kinds/certificate_signing_request.h"
#include "apiserver/api/kinds/kinds.h"
#include "apiserver/api/object.h"
#include "apiserver/api/quote.h"
#include "apiserver/auth/users.h"
#include "base/concat.h"
#include "crypto/certificate_request.h"

namespace keelson::auth {
namespace {

using api::Json;
using api::TextAt;
using registry::AdmissionRequest;
using registry::Operation;

constexpr std::string_view kClientSigner = "kubernetes.io/kube-apiserver-client";

// Whatever the client said of it.
void SetUser(const registry::User& user, Json& spec) {
  if (!spec.is_object()) return;
  for (const char* field : {"uid", "groups", "extra"}) spec.erase(field);
  spec["username"] = user.name;
  if (!user.uid.empty()) spec["uid"] = user.uid;
  if (!user.groups.empty()) spec["groups"] = user.groups;
  for (const auto& [key, values] : user.extra) spec["extra"][key] = values;
}

bool IsOurs(const AdmissionRequest& request) {
  return request.kind == &api::CertificateSigningRequestKind() &&
         request.operation != Operation::kDelete && request.object != nullptr;
}

// The verb must be granted for the signer, or for all of its domain.
absl::Status CheckMay(Authorizer& authorizer, std::string_view verb,
                      const AdmissionRequest& request) {
  const std::string& signer = TextAt(*request.old, "spec.signerName");
  const std::string domain = Concat(signer.substr(0, signer.find('/')), "/*");
  for (const std::string& name : {signer, domain}) {
    const Decision decision = authorizer.Decide({.user = request.user,
                                                 .verb = std::string(verb),
                                                 .group = std::string(request.kind->group),
                                                 .version = "*",
                                                 .resource = "signers",
                                                 .name = name,
                                                 .is_resource = true});
    if (decision.allowed) return absl::OkStatus();
  }
  return api::Forbidden(
      request.kind->resource(), request.name,
      Concat("user not permitted to ", verb, " requests with signerName ", api::Quoted(signer)));
}

absl::Status CheckSubject(const AdmissionRequest& request) {
  if (TextAt(*request.object, "spec.signerName") != kClientSigner) return absl::OkStatus();
  std::string pem;
  absl::Base64Unescape(TextAt(*request.object, "spec.request"), &pem);
  for (const std::string& organization : crypto::OrganizationsOfRequest(pem)) {
    if (organization != kMastersGroup) continue;
    return api::Forbidden(
        request.kind->resource(), request.name,
        Concat("use of ", kClientSigner, " signer with system:masters group is not allowed"));
  }
  return absl::OkStatus();
}

class CertificateRequestPlugin final : public registry::AdmissionPlugin {
 public:
  CertificateRequestPlugin(Authorizer* const* authorizer, std::function<absl::Time()> now)
      : authorizer_(authorizer), now_(std::move(now)) {}

  absl::Status Mutate(registry::Registry&, AdmissionRequest& request) override {
    CompleteCertificateRequest(now_(), request);
    return absl::OkStatus();
  }
  absl::Status Validate(registry::Registry&, const AdmissionRequest& request) override {
    return CheckCertificateRequest(**authorizer_, request);
  }

 private:
  Authorizer* const* const authorizer_;
  const std::function<absl::Time()> now_;
};

}  // namespace

void CompleteCertificateRequest(absl::Time now, AdmissionRequest& request) {
  if (!IsOurs(request)) return;
  if (request.operation == Operation::kCreate) {
    SetUser(request.user, api::Make(*request.object, "spec"));
  } else {
    api::StampConditions(*request.old, now, *request.object);
  }
}

absl::Status CheckCertificateRequest(Authorizer& authorizer, const AdmissionRequest& request) {
  if (!IsOurs(request)) return absl::OkStatus();
  if (request.operation == Operation::kCreate) return CheckSubject(request);
  if (request.subresource == "approval") return CheckMay(authorizer, "approve", request);
  const bool signs = request.subresource == "status" &&
                     api::MapAt(*request.object, "status") != api::MapAt(*request.old, "status");
  return signs ? CheckMay(authorizer, "sign", request) : absl::OkStatus();
}

std::unique_ptr<registry::AdmissionPlugin> MakeCertificateRequestPlugin(
    Authorizer* const* authorizer, std::function<absl::Time()> now) {
  return std::make_unique<CertificateRequestPlugin>(authorizer, std::move(now));
}

}  // namespace keelson::auth
