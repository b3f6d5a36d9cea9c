// CertificateSigningRequest: what its subresources do beside what the table of kinds says.
#ifndef KEELSON_APISERVER_API_KINDS_CERTIFICATE_SIGNING_REQUEST_H_
#define KEELSON_APISERVER_API_KINDS_CERTIFICATE_SIGNING_REQUEST_H_

#include "absl/time/time.h"
#include "apiserver/api/errors.h"
#include "apiserver/api/json.h"

namespace keelson::api {

// A write of /approval changes the conditions of `old` and nothing else.
void KeepAllButConditions(const Json& old, Json& object);
// Conditions that do not say when they were made say now; one that was there before keeps the time
// since when it is so.
void StampConditions(const Json& old, absl::Time now, Json& object);
// In addition to the kind's own checks: a condition stays once it is there, and the certificate is
// none of the approver's business.
void ValidateApproval(const Json& object, const Json& old, FieldErrors& errors);

}  // namespace keelson::api

#endif  // KEELSON_APISERVER_API_KINDS_CERTIFICATE_SIGNING_REQUEST_H_
