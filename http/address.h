// Endpoints as people write them: "127.0.0.1:2379", "[::1]:2379".
#ifndef KEELSON_HTTP_ADDRESS_H_
#define KEELSON_HTTP_ADDRESS_H_

#include <string>

#include "asio/ip/tcp.hpp"

namespace keelson::http {

// An IPv4 address that arrived on an IPv6 socket ("::ffff:1.2.3.4") is shown as the IPv4 it is.
std::string FormatEndpoint(const asio::ip::tcp::endpoint& endpoint);

}  // namespace keelson::http

#endif  // KEELSON_HTTP_ADDRESS_H_
