#include "absl/strings/str_cat.h"
#include "tools/kvctl/command.h"
#include "tools/kvctl/go_text.h"

namespace keelson::kvctl {
namespace {

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
  commands.push_back(std::make_unique<MemberListCommand>());
}

}  // namespace keelson::kvctl
