#include "client/errors.h"
#include "tools/kvctl/command.h"

namespace keelson::kvctl {
namespace {

constexpr char kNoRootRole[] = "etcdserver: root user does not have root role";
constexpr char kRoleExists[] = "etcdserver: role name already exists";

class EnableCommand final : public Command {
 public:
  CommandHelp help() const override {
    return {.name = "auth enable",
            .summary = "Enables authentication",
            .usage = "",
            .description =
                "From then on every call needs a user who may make it. There must be a user\n"
                "root; it is given the role root.",
            .examples =
                "kvctl user add root\n"
                "kvctl auth enable"};
  }

  Exit Run(Session& session, Flags& flags, const Arguments& arguments) override {
    if (!arguments.all().empty()) {
      return BadArguments("auth enable command does not accept any arguments");
    }
    KVCTL_RETURN_IF_FAILED(session.Open(flags));
    client::Auth& auth = session.client().auth();
    const client::CallOptions options = session.call_options();
    absl::Status status = auth.Enable(options).status();
    if (status.message() == kNoRootRole) {
      status = auth.RoleAdd("root", options).status();
      if (status.ok() || status.message() == kRoleExists) {
        status = auth.UserGrantRole("root", "root", options).status();
      }
      if (status.ok()) status = auth.Enable(options).status();
    }
    if (!status.ok()) return session.CallFailed(status);
    session.out() << "Authentication Enabled\n";
    return Ok();
  }
};

class DisableCommand final : public Command {
 public:
  CommandHelp help() const override {
    return {.name = "auth disable",
            .summary = "Disables authentication",
            .usage = "",
            .description = "Users and roles stay.",
            .examples = "kvctl --user root auth disable"};
  }

  Exit Run(Session& session, Flags& flags, const Arguments& arguments) override {
    if (!arguments.all().empty()) {
      return BadArguments("auth disable command does not accept any arguments");
    }
    KVCTL_RETURN_IF_FAILED(session.Open(flags));
    const auto response = session.client().auth().Disable(session.call_options());
    if (!response.ok()) return session.CallFailed(response.status());
    session.out() << "Authentication Disabled\n";
    return Ok();
  }
};

class StatusCommand final : public Command {
 public:
  CommandHelp help() const override {
    return {.name = "auth status",
            .summary = "Returns authentication status",
            .usage = "",
            .description =
                "Whether authentication is on, and how often users, roles and permissions have\n"
                "changed.",
            .examples = "kvctl auth status"};
  }

  Exit Run(Session& session, Flags& flags, const Arguments& arguments) override {
    if (!arguments.all().empty()) {
      return BadArguments("auth status command does not accept any arguments");
    }
    KVCTL_RETURN_IF_FAILED(session.Open(flags));
    const auto response = session.client().auth().Status(session.call_options());
    if (!response.ok()) return session.CallFailed(response.status());
    return session.printer().AuthStatus(*response);
  }
};

}  // namespace

void AddAuthCommands(Commands& commands) {
  commands.push_back(std::make_unique<DisableCommand>());
  commands.push_back(std::make_unique<EnableCommand>());
  commands.push_back(std::make_unique<StatusCommand>());
}

}  // namespace keelson::kvctl
