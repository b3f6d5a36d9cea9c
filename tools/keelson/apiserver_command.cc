// keelson apiserver: one API server over the store.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "tools/keelson/commands.h"

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
  bool anonymous = true;
};

int RunApiserver(const Flags& flags) {
  std::fprintf(stderr, "keelson apiserver: cannot listen on %s: there is no server in this build\n",
               flags.listen.c_str());
  return 1;
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
  command.callback([flags, exit_status] { *exit_status = RunApiserver(*flags); });
}

}  // namespace keelson::program
