// CheckKeyPair: whether a certificate and a key, both PEM, are one another's. gRPC finds out with
// the first connection only, and then every call just waits for its time to run out. Internal to
// client/.
#ifndef KEELSON_CLIENT_KEY_PAIR_H_
#define KEELSON_CLIENT_KEY_PAIR_H_

#include <string>

#include "absl/status/status.h"

namespace keelson::client {

// InvalidArgument, in the words of Go's clients: one is no PEM, or the key is another
// certificate's.
absl::Status CheckKeyPair(const std::string& cert_pem, const std::string& key_pem);

}  // namespace keelson::client

#endif  // KEELSON_CLIENT_KEY_PAIR_H_
