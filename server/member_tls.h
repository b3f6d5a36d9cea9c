// MemberTls: the certificates and rules of a member's connections, from its flags.
#ifndef KEELSON_SERVER_MEMBER_TLS_H_
#define KEELSON_SERVER_MEMBER_TLS_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "http/tls.h"
#include "server/config.h"

namespace keelson::server {

// A certificate that the member makes for itself.
struct SelfSignedPlace {
  std::string directory;
  std::vector<std::string> hosts;
  int validity_years;
};

struct MemberTls {
  std::shared_ptr<http::TlsCredentials> client;    // null: no client listener is https
  std::shared_ptr<http::TlsCredentials> peer;      // never null: any peer may become https
  std::shared_ptr<http::TlsCredentials> snapshot;  // as `peer`, of the snapshot thread
  std::vector<SelfSignedPlace> self_signed;        // of --auto-tls and --peer-auto-tls
};

// Error: InvalidArgument, one line: a file is bad, or an https listener has no certificate.
absl::StatusOr<MemberTls> LoadMemberTls(const Config& config);

// Makes anew those of our own certificates that would expire within a day; the credentials read
// them at their next handshake. To be called more often than that. Error: a file cannot be written.
absl::Status RenewSelfSigned(const MemberTls& tls);

}  // namespace keelson::server

#endif  // KEELSON_SERVER_MEMBER_TLS_H_
