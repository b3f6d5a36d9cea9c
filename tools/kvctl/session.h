// Session: what a command works with: the global flags, the environment, the streams, and, once
// opened, the printer and the client. One per run of the program.
#ifndef KEELSON_TOOLS_KVCTL_SESSION_H_
#define KEELSON_TOOLS_KVCTL_SESSION_H_

#include <istream>
#include <map>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "client/client.h"
#include "tools/kvctl/exit.h"
#include "tools/kvctl/flags.h"
#include "tools/kvctl/printer.h"

namespace keelson::kvctl {

using Environment = std::map<std::string, std::string>;

struct GlobalFlags {
  std::vector<std::string> endpoints = {"127.0.0.1:2379"};
  absl::Duration dial_timeout = absl::Seconds(2);
  absl::Duration command_timeout = absl::Seconds(5);
  absl::Duration keepalive_time = absl::Seconds(2);
  absl::Duration keepalive_timeout = absl::Seconds(6);
  int64_t max_request_bytes = 0;  // 0: the library's
  int64_t max_recv_bytes = 0;
  std::string write_out = "simple";
  bool hex = false;
  bool debug = false;
  bool insecure_transport = true;
  bool insecure_discovery = true;
  bool insecure_skip_tls_verify = false;
  std::string cert;
  std::string key;
  std::string cacert;
  std::string user;
  std::string password;
  std::string auth_jwt_token;
  std::string discovery_srv;
  std::string discovery_srv_name;

  void AddTo(Flags& flags);
};

// What --user and --password (or flags of that kind) say, asking for a password that is missing.
Exit ReadUser(const std::string& user, const std::string& password, client::Options* options);

class Session {
 public:
  Session(Environment environment, std::istream& in, std::ostream& out, std::ostream& err)
      : environment_(std::move(environment)), in_(in), out_(out), err_(err) {}

  GlobalFlags& globals() { return globals_; }
  std::istream& in() { return in_; }
  std::ostream& out() { return out_; }
  std::ostream& err() { return err_; }
  // The variable's value, or "".
  std::string environment(const std::string& name) const;

  // Takes the flags that the command line leaves open from the environment, KVCTL_<FLAG> before
  // ETCDCTL_<FLAG>, then makes the printer and the client. Commands call it when their arguments
  // are found good, so that complaints come in etcdctl's order.
  Exit Open(Flags& flags);
  // The same without a client: for commands that ask no server.
  Exit OpenPrinter(Flags& flags);

  // Timeouts and sizes as the global flags have them: the beginning of any client's options.
  client::Options BaseOptions() const;
  // Makes a client, and authenticates where there is a user.
  Exit Connect(client::Options options, std::unique_ptr<client::Client>* client) const;

  Printer& printer() { return *printer_; }
  client::Client& client() { return *client_; }
  client::CallOptions call_options() const { return {.timeout = globals_.command_timeout}; }
  // What a call that failed comes to. Where the time ran out, a line on stderr says what held it
  // up.
  Exit CallFailed(const absl::Status& status, absl::string_view prefix = "",
                  absl::string_view suffix = "");
  void ExplainTimeout(const absl::Status& status) const;

 private:
  Exit ReadEnvironment(Flags& flags);
  Exit MakeClient(Flags& flags);
  Exit Discover(std::vector<std::string>* endpoints) const;

  const Environment environment_;
  std::istream& in_;
  std::ostream& out_;
  std::ostream& err_;
  GlobalFlags globals_;
  std::unique_ptr<Printer> printer_;
  std::unique_ptr<client::Client> client_;
};

}  // namespace keelson::kvctl

#endif  // KEELSON_TOOLS_KVCTL_SESSION_H_
