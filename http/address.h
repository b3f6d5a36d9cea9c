// Endpoints as people write them, "127.0.0.1:2379", "[::1]:2379"; the option to share them.
#ifndef KEELSON_HTTP_ADDRESS_H_
#define KEELSON_HTTP_ADDRESS_H_

#include <sys/socket.h>

#include <string>

#include "asio/detail/socket_option.hpp"
#include "asio/ip/tcp.hpp"

namespace keelson::http {

// An IPv4 address that arrived on an IPv6 socket ("::ffff:1.2.3.4") is shown as the IPv4 it is.
std::string FormatEndpoint(const asio::ip::tcp::endpoint& endpoint);

// Of a listener: other processes may listen on its port, too, if they say the same.
using ReusePort = asio::detail::socket_option::boolean<SOL_SOCKET, SO_REUSEPORT>;

}  // namespace keelson::http

#endif  // KEELSON_HTTP_ADDRESS_H_
