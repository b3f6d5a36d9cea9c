// PeerCertificate: what a client proved of itself by a certificate, where a server asked for one.
#ifndef KEELSON_HTTP_PEER_CERTIFICATE_H_
#define KEELSON_HTTP_PEER_CERTIFICATE_H_

#include <string>
#include <vector>

namespace keelson::http {

struct PeerCertificate {
  // Of the subject of a certificate that was verified; else empty.
  std::string common_name;
  std::vector<std::string> organizations;
  std::string sha256;  // of the whole certificate, in hexadecimal
  // It was shown and did not verify: why. Only where certificates are asked for, not demanded.
  std::string refused;
};

}  // namespace keelson::http

#endif  // KEELSON_HTTP_PEER_CERTIFICATE_H_
