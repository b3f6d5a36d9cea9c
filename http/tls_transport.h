// The Transport of a TLS connection. Internal to http/.
#ifndef KEELSON_HTTP_TLS_TRANSPORT_H_
#define KEELSON_HTTP_TLS_TRANSPORT_H_

#include <memory>

#include "http/tls.h"
#include "http/transport.h"

namespace keelson::http {

// Takes over an accepted socket. The handshake happens in the first reads; a handshake that fails
// is told to `credentials`' log.
std::unique_ptr<Transport> MakeTlsTransport(TcpSocket socket,
                                            std::shared_ptr<TlsCredentials> credentials);

// The same of a socket that we connected to `host`.
std::unique_ptr<Transport> MakeTlsClientTransport(TcpSocket socket,
                                                  std::shared_ptr<TlsCredentials> credentials,
                                                  const std::string& host);

}  // namespace keelson::http

#endif  // KEELSON_HTTP_TLS_TRANSPORT_H_
