// The Transport of an accepted TLS connection. Internal to http/.
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

}  // namespace keelson::http

#endif  // KEELSON_HTTP_TLS_TRANSPORT_H_
