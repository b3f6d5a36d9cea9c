// echo_server: a small gRPC server for tests with other languages' clients and for load
// measurements. Prints its port on the first line and serves until it is killed or told to quit by
// EOF on stdin.
#include <unistd.h>

#include <cstdio>
#include <memory>
#include <string>
#include <utility>

#include "asio/io_context.hpp"
#include "asio/posix/stream_descriptor.hpp"
#include "server/rpc/echo_service.h"

int main(int argc, char** argv) {
  asio::io_context loop(1);
  keelson::RealClock clock;
  keelson::rpc::RpcServer server(&loop, &clock, {});
  keelson::rpc::RegisterEchoService(&loop, &server);
  const auto port = static_cast<uint16_t>(argc > 1 ? std::stoi(argv[1]) : 0);
  if (const absl::Status status = server.Listen("127.0.0.1", port); !status.ok()) {
    std::fprintf(stderr, "%s\n", std::string(status.message()).c_str());
    return 1;
  }
  std::printf("%d\n", server.port());
  std::fflush(stdout);
  asio::posix::stream_descriptor input(loop, ::dup(STDIN_FILENO));
  char byte = 0;
  input.async_read_some(asio::buffer(&byte, 1), [&](const asio::error_code& error, size_t) {
    if (error) server.Shutdown(absl::ZeroDuration(), [&] { loop.stop(); });
  });
  loop.run();
  return 0;
}
