#include "tests/differential/metrics_page.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cstdlib>
#include <string_view>
#include <vector>

#include "absl/strings/match.h"
#include "base/check.h"

namespace keelson::differential {

std::string FetchMetrics(int port) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  KV_CHECK_GE(fd, 0);
  const timeval limit = {.tv_sec = 20, .tv_usec = 0};  // ends a hang
  KV_CHECK_EQ(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit), 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  KV_CHECK_EQ(connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  // By HTTP/1.0 the end of the connection ends the page.
  constexpr std::string_view kRequest = "GET /metrics HTTP/1.0\r\n\r\n";
  KV_CHECK_EQ(send(fd, kRequest.data(), kRequest.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(kRequest.size()));
  std::string page;
  std::vector<char> buffer(65536);
  for (;;) {
    const ssize_t size = recv(fd, buffer.data(), buffer.size(), 0);
    KV_CHECK_GE(size, 0) << "no metrics from port " << port;
    if (size == 0) break;
    page.append(buffer.data(), static_cast<size_t>(size));
  }
  close(fd);
  KV_CHECK(absl::StartsWith(page, "HTTP/1.0 200 ") || absl::StartsWith(page, "HTTP/1.1 200 "))
      << page.substr(0, 200);
  return page;
}

std::optional<double> FindMetric(const std::string& page, const std::string& name) {
  const std::string line = "\n" + name + " ";
  const size_t at = page.find(line);
  if (at == std::string::npos) return std::nullopt;
  return std::strtod(page.c_str() + at + line.size(), nullptr);
}

}  // namespace keelson::differential
