// keelson front: one address for several API servers.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "asio/signal_set.hpp"
#include "tools/keelson/commands.h"
#include "tools/keelson/front.h"

namespace keelson::program {
namespace {

struct Flags {
  std::string listen = "127.0.0.1:6443";
  std::vector<uint16_t> servers;
  std::string ca_file;
};

absl::Status RunFront(const Flags& flags) {
  const size_t colon = flags.listen.rfind(':');
  int port = 0;
  if (colon == std::string::npos ||
      !CLI::detail::lexical_cast(flags.listen.substr(colon + 1), port) || port < 0 ||
      port > 65535) {
    return absl::InvalidArgumentError("--listen is not HOST:PORT");
  }
  FrontOptions options;
  options.host = flags.listen.substr(0, colon);
  options.port = static_cast<uint16_t>(port);
  options.servers = flags.servers;
  asio::io_context loop(1);
  auto check = MakeReadyCheck(&loop, options.host, flags.ca_file, options.check_timeout);
  if (!check.ok()) return check.status();
  Front front(&loop, options, *std::move(check));
  if (const absl::Status status = front.Listen(); !status.ok()) return status;
  std::fprintf(stderr, "serving %s:%d\n", options.host.c_str(), front.port());
  asio::signal_set signals(loop, SIGTERM, SIGINT);
  signals.async_wait([&loop](const asio::error_code&, int) { loop.stop(); });
  loop.run();
  return absl::OkStatus();
}

}  // namespace

void AddFrontCommand(CLI::App& program, int* exit_status) {
  auto flags = std::make_shared<Flags>();
  CLI::App& command = *program.add_subcommand(
      "front", "Passes connections on to those of several API servers that serve.");
  command.add_option("--listen", flags->listen, "Address to serve on")->capture_default_str();
  command.add_option("--servers", flags->servers, "Ports of the servers, on the same host")
      ->delimiter(',')
      ->required();
  command.add_option("--ca-file", flags->ca_file, "Authority of the servers' certificates")
      ->required();
  command.callback([flags, exit_status] {
    const absl::Status status = RunFront(*flags);
    if (status.ok()) return;
    std::fprintf(stderr, "keelson front: %s\n", std::string(status.message()).c_str());
    *exit_status = 1;
  });
}

}  // namespace keelson::program
