// What the store's errors are to clients of the API.
#ifndef KEELSON_APISERVER_REGISTRY_STORE_ERRORS_H_
#define KEELSON_APISERVER_REGISTRY_STORE_ERRORS_H_

#include "absl/status/status.h"

namespace keelson::registry {

// Timeout, Unavailable, TooLarge (a request above the store's limit), Internal.
absl::Status FromStore(const absl::Status& status);

// Of a write that failed so (as FromStore gives it) nobody knows whether it happened: it must not
// be tried again, for it would find itself in its own way.
bool MayHaveHappened(const absl::Status& status);

}  // namespace keelson::registry

#endif  // KEELSON_APISERVER_REGISTRY_STORE_ERRORS_H_
