// MemberTls: the certificates and rules of a member's connections, from its flags.
#ifndef KEELSON_SERVER_MEMBER_TLS_H_
#define KEELSON_SERVER_MEMBER_TLS_H_

#include <memory>

#include "absl/status/statusor.h"
#include "http/tls.h"
#include "server/config.h"

namespace keelson::server {

struct MemberTls {
  std::shared_ptr<http::TlsCredentials> client;    // null: no client listener is https
  std::shared_ptr<http::TlsCredentials> peer;      // never null: any peer may become https
  std::shared_ptr<http::TlsCredentials> snapshot;  // as `peer`, of the snapshot thread
};

// Error: InvalidArgument, one line: a file is bad, or an https listener has no certificate.
absl::StatusOr<MemberTls> LoadMemberTls(const Config& config);

}  // namespace keelson::server

#endif  // KEELSON_SERVER_MEMBER_TLS_H_
