// CertificateSigningRequest: what needs more than the object to tell.
#ifndef KEELSON_APISERVER_API_KINDS_CERTIFICATE_SIGNING_REQUEST_H_
#define KEELSON_APISERVER_API_KINDS_CERTIFICATE_SIGNING_REQUEST_H_

#include "absl/time/time.h"
#include "apiserver/api/json.h"

namespace keelson::api {

// Conditions that do not say when they were made say now; one that was there before keeps the time
// since when it is so.
void StampConditions(const Json& old, absl::Time now, Json& object);

}  // namespace keelson::api

#endif  // KEELSON_APISERVER_API_KINDS_CERTIFICATE_SIGNING_REQUEST_H_
