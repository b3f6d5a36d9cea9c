#include <memory>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "tools/kvctl/command.h"
#include "tools/kvctl/go_text.h"
#include "tools/kvctl/member_id.h"

namespace keelson::kvctl {
namespace {

// The id of the member that a command is about.
Exit ParseId(const Arguments& arguments, uint64_t* id) {
  const std::vector<std::string> words = arguments.all();
  if (words.size() != 1) return BadArguments("member ID is not provided");
  const absl::StatusOr<uint64_t> parsed = ParseMemberId(words[0]);
  if (!parsed.ok()) {
    return BadArguments(absl::StrCat("bad member ID arg (", parsed.status().message(),
                                     "), expecting ID in Hex"));
  }
  *id = *parsed;
  return Ok();
}

// What etcd's client says of peer URLs before it sends them.
Exit CheckPeerUrls(const std::vector<std::string>& urls) {
  for (const std::string& url : urls) {
    const size_t scheme_end = url.find("://");
    const std::string scheme = url.substr(0, scheme_end);
    if (scheme_end == std::string::npos || (scheme != "http" && scheme != "https" &&
                                            scheme != "unix" && scheme != "unixs")) {
      return Failed(absl::StrCat("URL scheme must be http, https, unix, or unixs: ", url));
    }
    const std::string rest = url.substr(scheme_end + 3);
    if (scheme[0] == 'u') continue;
    if (rest.find(':') == std::string::npos) {
      return Failed(absl::StrCat("URL address does not have the form \"host:port\": ", url));
    }
    if (rest.find('/') != std::string::npos) {
      return Failed(absl::StrCat("URL must not contain a path: ", url));
    }
  }
  return Ok();
}

class MemberAddCommand final : public Command {
 public:
  CommandHelp help() const override {
    return {.name = "member add",
            .summary = "Adds a member into the cluster",
            .usage = "[options] <memberName>",
            .description = "The simple format ends with the variables that the new member is started with.",
            .examples = "kvctl member add m4 --peer-urls=http://10.0.0.4:2380 --learner"};
  }

  void AddFlags(Flags& flags) override {
    flags.String("peer-urls", 0, &peer_urls_, "comma separated peer URLs for the new member.");
    flags.Bool("learner", 0, &learner_, "indicates if the new member is raft learner");
  }

  Exit Run(Session& session, Flags& flags, const Arguments& arguments) override {
    const std::vector<std::string> words = arguments.all();
    if (words.empty()) return BadArguments("member name not provided");
    if (words.size() > 1) {
      std::string error = "too many arguments";
      for (const std::string& word : words) {
        if (!absl::StartsWith(absl::AsciiStrToLower(word), "http")) continue;
        absl::StrAppend(&error, ", did you mean --peer-urls=", word);
      }
      return BadArguments(error);
    }
    if (peer_urls_.empty()) return BadArguments("member peer urls not provided");
    etcdserverpb::MemberAddRequest request;
    const std::vector<std::string> urls = absl::StrSplit(peer_urls_, ',');
    for (const std::string& url : urls) request.add_peerurls(url);
    request.set_islearner(learner_);
    KVCTL_RETURN_IF_FAILED(session.Open(flags));
    KVCTL_RETURN_IF_FAILED(CheckPeerUrls(urls));
    const auto response = session.client().cluster().MemberAdd(request, session.call_options());
    if (!response.ok()) return session.CallFailed(response.status());
    KVCTL_RETURN_IF_FAILED(session.printer().MemberAdd(*response));
    if (session.printer().format() == "simple") PrintVariables(session, words[0], *response);
    return Ok();
  }

 private:
  void PrintVariables(Session& session, const std::string& name,
                      const etcdserverpb::MemberAddResponse& response) const {
    std::vector<std::string> cluster;
    for (const etcdserverpb::Member& member : response.members()) {
      const std::string& its = member.id() == response.member().id() ? name : member.name();
      for (const std::string& url : member.peerurls()) {
        cluster.push_back(absl::StrCat(its, "=", url));
      }
    }
    session.out() << "\nETCD_NAME=" << GoQuote(name)
                  << "\nETCD_INITIAL_CLUSTER=" << GoQuote(absl::StrJoin(cluster, ","))
                  << "\nETCD_INITIAL_ADVERTISE_PEER_URLS=" << GoQuote(peer_urls_)
                  << "\nETCD_INITIAL_CLUSTER_STATE=\"existing\"\n";
  }

  std::string peer_urls_;
  bool learner_ = false;
};

class MemberRemoveCommand final : public Command {
 public:
  CommandHelp help() const override {
    return {.name = "member remove",
            .summary = "Removes a member from the cluster",
            .usage = "[options] <memberID>",
            .description = "The member stops, and its id never comes back.",
            .examples = "kvctl member remove 9b430cd0c95adee2"};
  }

  Exit Run(Session& session, Flags& flags, const Arguments& arguments) override {
    uint64_t id;
    KVCTL_RETURN_IF_FAILED(ParseId(arguments, &id));
    KVCTL_RETURN_IF_FAILED(session.Open(flags));
    const auto response = session.client().cluster().MemberRemove(id, session.call_options());
    if (!response.ok()) return session.CallFailed(response.status());
    return session.printer().MemberRemove(id, *response);
  }
};

class MemberUpdateCommand final : public Command {
 public:
  CommandHelp help() const override {
    return {.name = "member update",
            .summary = "Updates a member in the cluster",
            .usage = "[options] <memberID>",
            .description = "Tells the others where the member is reached, before it moves there.",
            .examples = "kvctl member update 9b430cd0c95adee2 --peer-urls=http://10.0.0.9:2380"};
  }

  void AddFlags(Flags& flags) override {
    flags.String("peer-urls", 0, &peer_urls_, "comma separated peer URLs for the updated member.");
  }

  Exit Run(Session& session, Flags& flags, const Arguments& arguments) override {
    uint64_t id;
    KVCTL_RETURN_IF_FAILED(ParseId(arguments, &id));
    if (peer_urls_.empty()) return BadArguments("member peer urls not provided");
    etcdserverpb::MemberUpdateRequest request;
    request.set_id(id);
    const std::vector<std::string> urls = absl::StrSplit(peer_urls_, ',');
    for (const std::string& url : urls) request.add_peerurls(url);
    KVCTL_RETURN_IF_FAILED(session.Open(flags));
    KVCTL_RETURN_IF_FAILED(CheckPeerUrls(urls));
    const auto response = session.client().cluster().MemberUpdate(request, session.call_options());
    if (!response.ok()) return session.CallFailed(response.status());
    return session.printer().MemberUpdate(id, *response);
  }

 private:
  std::string peer_urls_;
};

class MemberPromoteCommand final : public Command {
 public:
  CommandHelp help() const override {
    return {.name = "member promote",
            .summary = "Promotes a non-voting member in the cluster",
            .usage = "[options] <memberID>",
            .description = "Makes a voter of a learner that has what the leader has.",
            .examples = "kvctl member promote 9b430cd0c95adee2"};
  }

  Exit Run(Session& session, Flags& flags, const Arguments& arguments) override {
    uint64_t id;
    KVCTL_RETURN_IF_FAILED(ParseId(arguments, &id));
    KVCTL_RETURN_IF_FAILED(session.Open(flags));
    const auto response = session.client().cluster().MemberPromote(id, session.call_options());
    if (!response.ok()) return session.CallFailed(response.status());
    return session.printer().MemberPromote(id, *response);
  }
};

class MemberListCommand final : public Command {
 public:
  CommandHelp help() const override {
    return {.name = "member list",
            .summary = "Lists all members in the cluster",
            .usage = "[options]",
            .description = "The simple format is a line per member: ID, status, name, peer addresses, client\n"
                           "addresses, is learner.",
            .examples = "kvctl member list -w table\n"
                        "kvctl member list -w json --hex           with the ids as everybody writes them"};
  }

  void AddFlags(Flags& flags) override {
    flags.String("consistency", 0, &consistency_, "Linearizable(l) or Serializable(s)");
  }

  Exit Run(Session& session, Flags& flags, const Arguments&) override {
    etcdserverpb::MemberListRequest request;
    if (consistency_ != "l" && consistency_ != "s") {
      return BadFeature(absl::StrCat("unknown consistency flag ", GoQuote(consistency_)));
    }
    request.set_linearizable(consistency_ == "l");
    KVCTL_RETURN_IF_FAILED(session.Open(flags));
    const auto response = session.client().cluster().MemberList(request, session.call_options());
    if (!response.ok()) return session.CallFailed(response.status());
    return session.printer().MemberList(*response);
  }

 private:
  std::string consistency_ = "l";
};

}  // namespace

void AddMemberCommands(Commands& commands) {
  commands.push_back(std::make_unique<MemberAddCommand>());
  commands.push_back(std::make_unique<MemberListCommand>());
  commands.push_back(std::make_unique<MemberPromoteCommand>());
  commands.push_back(std::make_unique<MemberRemoveCommand>());
  commands.push_back(std::make_unique<MemberUpdateCommand>());
}

}  // namespace keelson::kvctl
