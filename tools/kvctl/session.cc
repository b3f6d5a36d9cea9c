#include "tools/kvctl/session.h"

#include <algorithm>
#include <limits>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "client/errors.h"
#include "tools/kvctl/password.h"
#include "tools/kvctl/srv_lookup.h"

namespace keelson::kvctl {
namespace {

std::string VariableName(absl::string_view prefix, const std::string& flag) {
  return absl::StrCat(prefix, absl::AsciiStrToUpper(absl::StrReplaceAll(flag, {{"-", "_"}})));
}

// Variables that are no flags. (ETCDCTL_API chose between two command lines once.)
bool IsKnownVariable(absl::string_view name) {
  return name == "ETCDCTL_API" || name == "ETCDCTL_WATCH_KEY" ||
         name == "ETCDCTL_WATCH_RANGE_END" || name == "KVCTL_WATCH_KEY" ||
         name == "KVCTL_WATCH_RANGE_END";
}

}  // namespace

void GlobalFlags::AddTo(Flags& flags) {
  flags.StringList("endpoints", &endpoints, "the servers, host:port or URL, separated by commas");
  flags.Duration("dial-timeout", &dial_timeout, "how long one attempt to connect may take");
  flags.Duration("command-timeout", &command_timeout, "how long a short command may take");
  flags.Duration("keepalive-time", &keepalive_time, "idle time after which a connection is probed");
  flags.Duration("keepalive-timeout", &keepalive_timeout,
                 "time without an answer after which it is given up");
  flags.Int("max-request-bytes", &max_request_bytes, "largest request to send; 0 is 2 MiB");
  flags.Int("max-recv-bytes", &max_recv_bytes, "largest answer to accept; 0 is 2 GiB");
  flags.String("write-out", 'w', &write_out,
               "the output format (fields, json, protobuf, simple, table)");
  flags.Bool("hex", 0, &hex, "print keys and values as hexadecimal escapes");
  flags.Bool("debug", 0, &debug, "print the settings used and the transport's log on stderr");
  flags.Bool("insecure-transport", 0, &insecure_transport, "clear text unless TLS files are given");
  flags.Bool("insecure-skip-tls-verify", 0, &insecure_skip_tls_verify,
             "believe any server certificate; for tests only");
  flags.String("cert", 0, &cert, "our certificate, for servers that ask for one");
  flags.String("key", 0, &key, "the key of our certificate");
  flags.String("cacert", 0, &cacert, "the authorities that may vouch for the server");
  flags.String("user", 0, &user, "name[:password]; asks for the password when it is missing");
  flags.String("password", 0, &password, "the password, when --user does not have it");
  flags.String("auth-jwt-token", 0, &auth_jwt_token, "a token to use instead of a user");
  flags.Bool("insecure-discovery", 0, &insecure_discovery,
             "accept clear-text servers from discovery");
  flags.String("discovery-srv", 'd', &discovery_srv,
               "domain whose DNS records (SRV) name the servers");
  flags.String("discovery-srv-name", 0, &discovery_srv_name,
               "name of the service in the records of discovery-srv, behind etcd-client-");
}

std::string Session::environment(const std::string& name) const {
  const auto found = environment_.find(name);
  return found == environment_.end() ? "" : found->second;
}

Exit Session::ReadEnvironment(Flags& flags) {
  GlobalFlags unused;
  Flags globals;
  unused.AddTo(globals);
  std::vector<std::string> known;
  for (const std::string& flag : globals.names()) {
    const std::string ours = VariableName("KVCTL_", flag);
    const std::string etcds = VariableName("ETCDCTL_", flag);
    known.insert(known.end(), {ours, etcds});
    if (flags.given(flag)) {
      // etcdctl refuses to choose between its variable and the flag. Ours is a mere default.
      if (environment(etcds).empty()) continue;
      return Failed(absl::StrCat("conflicting environment variable \"", etcds,
                                 "\" is shadowed by corresponding command-line flag (either unset "
                                 "environment variable or disable flag)"));
    }
    const std::string name = environment(ours).empty() ? etcds : ours;
    const std::string value = environment(name);
    if (value.empty()) continue;
    if (const absl::Status status = flags.SetFromEnvironment(flag, value); !status.ok()) {
      return Failed(absl::StrCat("environment variable ", name, ": ", status.message()));
    }
  }
  for (const auto& [name, value] : environment_) {
    if (!absl::StartsWith(name, "ETCDCTL_") && !absl::StartsWith(name, "KVCTL_")) continue;
    if (IsKnownVariable(name) || std::count(known.begin(), known.end(), name) > 0) continue;
    err_ << "unrecognized environment variable " << name << "=" << value << "\n";
  }
  return Ok();
}

Exit Session::Open(Flags& flags) {
  KVCTL_RETURN_IF_FAILED(OpenPrinter(flags));
  return MakeClient(flags);
}

Exit Session::OpenPrinter(Flags& flags) {
  KVCTL_RETURN_IF_FAILED(ReadEnvironment(flags));
  printer_ = Printer::Create(globals_.write_out, {.hex = globals_.hex}, out_, err_);
  return printer_ != nullptr ? Ok() : BadFeature("unsupported output format");
}

Exit Session::MakeClient(Flags& flags) {
  for (const auto& [name, value] :
       {std::pair<const char*, const std::string*>{"cert", &globals_.cert},
        {"key", &globals_.key},
        {"cacert", &globals_.cacert}}) {
    if (flags.given(name) && value->empty()) {
      return BadArguments(absl::StrCat("empty string is passed to --", name, " option"));
    }
  }
  if (!globals_.debug) client::SilenceTransportLog();

  client::Options options = BaseOptions();
  options.endpoints = globals_.endpoints;
  if (!globals_.discovery_srv.empty()) KVCTL_RETURN_IF_FAILED(Discover(&options.endpoints));
  if (!globals_.cert.empty() || !globals_.key.empty() || !globals_.cacert.empty() ||
      globals_.insecure_skip_tls_verify || !globals_.insecure_transport) {
    options.tls =
        client::TlsOptions{.ca_file = globals_.cacert,
                           .cert_file = globals_.cert,
                           .key_file = globals_.key,
                           // With etcdctl's meaning: what DNS says is not believed.
                           .server_name = globals_.insecure_discovery ? "" : globals_.discovery_srv,
                           .skip_verification = globals_.insecure_skip_tls_verify};
  }
  options.token = globals_.auth_jwt_token;
  KVCTL_RETURN_IF_FAILED(ReadUser(globals_.user, globals_.password, &options));
  return Connect(std::move(options), &client_);
}

// Where DNS names nobody who may be asked, `endpoints` stay.
Exit Session::Discover(std::vector<std::string>* endpoints) const {
  auto servers = LookUpServers(globals_.discovery_srv, globals_.discovery_srv_name);
  if (!servers.ok()) return Failed(servers.status());
  std::vector<std::string> secure;
  for (std::string& url : *servers) {
    if (!globals_.insecure_discovery && absl::StartsWith(url, "http://")) {
      err_ << "ignoring discovered insecure endpoint \"" << url << "\"\n";
    } else {
      secure.push_back(std::move(url));
    }
  }
  if (!secure.empty()) *endpoints = std::move(secure);
  return Ok();
}

Exit ReadUser(const std::string& user, const std::string& password, client::Options* options) {
  const size_t colon = user.find(':');
  options->user = user.substr(0, colon);
  if (!password.empty()) {
    options->user = user;
    options->password = password;
  } else if (colon != std::string::npos) {
    options->password = user.substr(colon + 1);
  } else if (!user.empty()) {
    absl::StatusOr<std::string> typed = AskPassword("Password: ");
    if (!typed.ok()) return Failed(typed.status());
    options->password = *std::move(typed);
  }
  return Ok();
}

client::Options Session::BaseOptions() const {
  client::Options options;
  options.balance = client::Balance::kSticky;
  options.dial_timeout = globals_.dial_timeout;
  options.request_timeout = globals_.command_timeout;
  options.keepalive_time = globals_.keepalive_time;
  options.keepalive_timeout = globals_.keepalive_timeout;
  const auto bounded = [](int64_t bytes) {
    return static_cast<int>(std::min<int64_t>(bytes, std::numeric_limits<int>::max()));
  };
  if (globals_.max_request_bytes > 0) options.send_bytes_max = bounded(globals_.max_request_bytes);
  if (globals_.max_recv_bytes > 0) options.receive_bytes_max = bounded(globals_.max_recv_bytes);
  return options;
}

Exit Session::Connect(client::Options options, std::unique_ptr<client::Client>* client) const {
  auto made = client::Client::Create(std::move(options));
  if (!made.ok()) {
    const bool none = made.status().message() == client::kNoEndpoints;
    return {none ? ExitCode::kBadConnection : ExitCode::kBadArguments,
            std::string(made.status().message())};
  }
  *client = *std::move(made);
  // As etcdctl, whose client authenticates when it is made.
  if (absl::Status status = (*client)->LogIn(); !status.ok()) {
    ExplainTimeout(status);
    return {ExitCode::kBadConnection, std::string(status.message())};
  }
  return Ok();
}

void Session::ExplainTimeout(const absl::Status& status) const {
  const std::string why = client::LastFailure(status);
  if (!why.empty()) err_ << "kvctl: " << why << "\n";
}

Exit Session::CallFailed(const absl::Status& status, absl::string_view prefix,
                         absl::string_view suffix) {
  ExplainTimeout(status);
  return Failed(absl::StrCat(prefix, status.message(), suffix));
}

}  // namespace keelson::kvctl
