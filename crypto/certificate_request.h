// Requests to be certified (PKCS #10) and certificates that come from elsewhere, as PEM text.
#ifndef KEELSON_CRYPTO_CERTIFICATE_REQUEST_H_
#define KEELSON_CRYPTO_CERTIFICATE_REQUEST_H_

#include <string>
#include <vector>

#include "absl/status/status.h"

namespace keelson::crypto {

// InvalidArgument: it is no request, or not signed by the key it names.
absl::Status CheckCertificateRequest(const std::string& pem);
// The organizations (O) of the subject that a request names; none for what is no request.
std::vector<std::string> OrganizationsOfRequest(const std::string& pem);
// One certificate or more, and nothing else. InvalidArgument: not so.
absl::Status CheckCertificates(const std::string& pem);

}  // namespace keelson::crypto

#endif  // KEELSON_CRYPTO_CERTIFICATE_REQUEST_H_
