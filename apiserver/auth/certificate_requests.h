// Requests for certificates: the server says who asked for one; only who may `approve` or `sign`
// for a signer answers for it; and nobody becomes a master by one. An admission plugin.
#ifndef KEELSON_APISERVER_AUTH_CERTIFICATE_REQUESTS_H_
#define KEELSON_APISERVER_AUTH_CERTIFICATE_REQUESTS_H_

#include <functional>
#include <memory>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "apiserver/auth/authorizer.h"
#include "apiserver/registry/admission.h"

namespace keelson::auth {

// What the server adds to a request: who asked, and when conditions came to be.
void CompleteCertificateRequest(absl::Time now, registry::AdmissionRequest& request);
// OK for what is no request for a certificate.
absl::Status CheckCertificateRequest(Authorizer& authorizer,
                                     const registry::AdmissionRequest& request);

// `authorizer` is set before the first request, and outlives the plugin. `now` stamps conditions.
std::unique_ptr<registry::AdmissionPlugin> MakeCertificateRequestPlugin(
    Authorizer* const* authorizer, std::function<absl::Time()> now);

}  // namespace keelson::auth

#endif  // KEELSON_APISERVER_AUTH_CERTIFICATE_REQUESTS_H_
