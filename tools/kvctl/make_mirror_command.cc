#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/errors.h"
#include "tools/kvctl/command.h"
#include "tools/kvctl/mirror.h"

namespace keelson::kvctl {
namespace {

class MakeMirrorCommand final : public Command {
 public:
  CommandHelp help() const override {
    return {
        .name = "make-mirror",
        .summary = "Makes a mirror at the destination etcd cluster",
        .usage = "[options] <destination>",
        .description =
            "Copies the keys to the destination and goes on copying what changes, in order,\n"
            "until it is interrupted; prints the number of changes every 30 s. When it ends by\n"
            "an error, run it again. Keys that the destination has besides stay there.\n"
            "With --rev nothing is copied but the changes from that revision on.",
        .examples =
            "kvctl make-mirror host2:2379\n"
            "kvctl make-mirror host2:2379 --prefix /app/ --dest-prefix /copy/\n"
            "kvctl --endpoints=https://etcd1:2379 --cacert ca.pem make-mirror host2:2379 \\\n"
            "    --dest-user root:secret           from another cluster, into one with users"};
  }

  void AddFlags(Flags& flags) override {
    flags.String("prefix", 0, &mirror_.prefix, "key-value prefix to mirror");
    flags.String("dest-prefix", 0, &mirror_.dest_prefix, "put the keys below this prefix instead");
    flags.Bool("no-dest-prefix", 0, &no_dest_prefix_, "take the prefix off the keys");
    flags.Int("rev", &rev_, "mirror the changes from this revision on, and not what was before");
    flags.Int("max-txn-ops", &mirror_.ops_max, "changes in one transaction, at most");
    flags.String("dest-cert", 0, &tls_.cert_file, "our certificate for the destination");
    flags.String("dest-key", 0, &tls_.key_file, "the key of that certificate");
    flags.String("dest-cacert", 0, &tls_.ca_file,
                 "the authorities that may vouch for the destination");
    flags.Bool("dest-insecure-transport", 0, &insecure_, "clear text unless TLS files are given");
    flags.String("dest-user", 0, &user_, "name[:password] at the destination");
    flags.String("dest-password", 0, &password_, "the password, when --dest-user does not have it");
  }

  Exit Run(Session& session, Flags& flags, const Arguments& arguments) override {
    const std::vector<std::string> words = arguments.all();
    if (words.size() != 1) return BadArguments("make-mirror takes one destination argument");
    if (no_dest_prefix_ && !mirror_.dest_prefix.empty()) {
      return BadArguments(
          "`--dest-prefix` and `--no-dest-prefix` cannot be set at the same time, choose one");
    }
    if (mirror_.ops_max < 1) return BadArguments("--max-txn-ops must be greater than 0");
    if (rev_ < 0) return BadArguments("--rev must not be negative");
    if (mirror_.dest_prefix.empty() && !no_dest_prefix_) mirror_.dest_prefix = mirror_.prefix;
    KVCTL_RETURN_IF_FAILED(session.Open(flags));
    std::unique_ptr<client::Client> destination;
    KVCTL_RETURN_IF_FAILED(Dial(session, words[0], &destination));
    mirror_.call = session.call_options();
    Mirror mirror(session.client(), *destination, mirror_, [&](int64_t written) {
      session.out() << written << "\n" << std::flush;
    });
    int64_t from = rev_;
    if (from == 0) {
      const absl::StatusOr<int64_t> copied = mirror.CopyAll();
      if (!copied.ok()) return session.CallFailed(copied.status());
      from = *copied + 1;
    }
    const absl::Status status = mirror.Follow(from);
    if (!client::IsCompacted(status)) return session.CallFailed(status);
    return Failed(absl::StrCat(status.message(), "; run it again, without --rev"));
  }

 private:
  Exit Dial(const Session& session, const std::string& destination,
            std::unique_ptr<client::Client>* client) const {
    client::Options options = session.BaseOptions();
    options.endpoints = {destination};
    const bool tls =
        !insecure_ || !tls_.cert_file.empty() || !tls_.key_file.empty() || !tls_.ca_file.empty();
    if (tls) options.tls = tls_;
    KVCTL_RETURN_IF_FAILED(ReadUser(user_, password_, &options));
    return session.Connect(std::move(options), client);
  }

  MirrorOptions mirror_;
  bool no_dest_prefix_ = false;
  int64_t rev_ = 0;
  client::TlsOptions tls_;
  bool insecure_ = true;
  std::string user_;
  std::string password_;
};

}  // namespace

void AddMakeMirrorCommand(Commands& commands) {
  commands.push_back(std::make_unique<MakeMirrorCommand>());
}

}  // namespace keelson::kvctl
