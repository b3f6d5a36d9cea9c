#include "client/free_port.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <set>

#include "base/check.h"

namespace keelson::client {

int FreePort() {
  static auto* const given = new std::set<int>;
  for (;;) {
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    KV_CHECK_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address), size), 0);
    KV_CHECK_EQ(getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size), 0);
    close(fd);
    const int port = ntohs(address.sin_port);
    if (given->insert(port).second) return port;
  }
}

}  // namespace keelson::client
