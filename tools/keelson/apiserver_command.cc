// keelson apiserver: one API server over the store.
#include <CLI/CLI.hpp>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "apiserver/http/api_server.h"
#include "apiserver/runtime/log.h"
#include "client/client.h"
#include "tools/keelson/commands.h"
#include "tools/keelson/daemon_flags.h"

namespace keelson::program {
namespace {

struct Flags {
  std::vector<std::string> etcd_servers;
  std::string etcd_ca_file, etcd_cert_file, etcd_key_file;
  std::string listen = "127.0.0.1:6443";
  std::string advertise;
  std::string tls_cert, tls_key, client_ca;
  std::string service_account_key, service_account_issuer;
  std::string token_file;
  std::string log_level = "info";
  bool anonymous = true;
};

// "host:port" or "[host]:port". False: it is neither.
bool SplitAddress(const std::string& text, std::string* host, uint16_t* port) {
  const size_t colon = text.rfind(':');
  int number = 0;
  if (colon == std::string::npos || !absl::SimpleAtoi(text.substr(colon + 1), &number) ||
      number < 0 || number > UINT16_MAX) {
    return false;
  }
  *host = text.substr(0, colon);
  *port = static_cast<uint16_t>(number);
  return true;
}

int Fail(const std::string& why) {
  std::fprintf(stderr, "keelson apiserver: %s\n", why.c_str());
  return 1;
}

int RunApiserver(const Flags& flags) {
  apiserver::ApiServerOptions options;
  options.store.endpoints = flags.etcd_servers;
  if (!flags.etcd_ca_file.empty() || !flags.etcd_cert_file.empty()) {
    options.store.tls = client::TlsOptions{.ca_file = flags.etcd_ca_file,
                                           .cert_file = flags.etcd_cert_file,
                                           .key_file = flags.etcd_key_file};
  }
  if (!SplitAddress(flags.listen, &options.listen_host, &options.listen_port)) {
    return Fail("--listen wants HOST:PORT, not " + flags.listen);
  }
  if (!flags.advertise.empty() &&
      !SplitAddress(flags.advertise, &options.advertise_host, &options.advertise_port)) {
    return Fail("--advertise wants HOST:PORT, not " + flags.advertise);
  }
  options.cert_file = flags.tls_cert;
  options.key_file = flags.tls_key;
  options.client_ca_file = flags.client_ca;
  options.service_account_key_file = flags.service_account_key;
  if (!flags.service_account_issuer.empty()) {
    options.service_account_issuer = flags.service_account_issuer;
  }
  options.token_file = flags.token_file;
  options.anonymous = flags.anonymous;
  if (const absl::Status logging = runtime::StartLogging(flags.log_level); !logging.ok()) {
    return Fail(std::string(logging.message()));
  }
  client::SilenceTransportLog();
  const absl::Status ended = apiserver::RunApiServer(options);
  return ended.ok() ? 0 : Fail(std::string(ended.message()));
}

}  // namespace

void AddApiserverCommand(CLI::App& program, int* exit_status) {
  auto flags = std::make_shared<Flags>();
  CLI::App& command = *program.add_subcommand("apiserver", "Runs an API server over the store.");
  command.add_option("--etcd-servers", flags->etcd_servers, "Client URLs of the store")
      ->delimiter(',')
      ->required();
  command.add_option("--etcd-cafile", flags->etcd_ca_file, "Authority of the store's certificates");
  command.add_option("--etcd-certfile", flags->etcd_cert_file, "Certificate to show to the store");
  command.add_option("--etcd-keyfile", flags->etcd_key_file, "Its key");
  command.add_option("--listen", flags->listen, "Address to serve on")->capture_default_str();
  command.add_option(
      "--advertise", flags->advertise,
      "Address of the endpoint of the service kubernetes; that of --listen if empty");
  command.add_option("--tls-cert", flags->tls_cert, "Certificate of this server")->required();
  command.add_option("--tls-key", flags->tls_key, "Its key")->required();
  command.add_option("--client-ca", flags->client_ca, "Authority of the clients' certificates")
      ->required();
  command
      .add_option("--service-account-key", flags->service_account_key,
                  "Private key that signs the tokens of service accounts; the same for all servers")
      ->required();
  command.add_option("--service-account-issuer", flags->service_account_issuer,
                     "Issuer in those tokens");
  command.add_option("--token-file", flags->token_file,
                     "Bearer tokens: lines of token,user,uid,\"group,group\"");
  command.add_flag("--anonymous-auth,!--no-anonymous-auth", flags->anonymous,
                   "Whether requests without credentials are those of system:anonymous");
  AddLogFlag(command, &flags->log_level);
  command.callback([flags, exit_status] { *exit_status = RunApiserver(*flags); });
}

}  // namespace keelson::program
