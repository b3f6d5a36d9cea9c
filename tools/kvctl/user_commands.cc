#include "absl/strings/str_cat.h"
#include "tools/kvctl/command.h"
#include "tools/kvctl/password.h"

namespace keelson::kvctl {
namespace {

// A new password: typed twice on the terminal, or a word of the standard input.
Exit TakeNewPassword(Session& session, const std::string& user, bool interactive,
                     std::string* password) {
  if (!interactive) {
    *password = ReadPasswordWord(session.in());
    return Ok();
  }
  session.out().flush();
  absl::StatusOr<std::string> typed = AskNewPassword(user);
  if (!typed.ok()) return BadArguments(std::string(typed.status().message()));
  *password = *std::move(typed);
  return Ok();
}

class AddCommand final : public Command {
 public:
  CommandHelp help() const override {
    return {.name = "user add",
            .summary = "Adds a new user",
            .usage = "[options] <user name or user:password>",
            .description =
                "Asks for the password, unless it comes with the name, by --new-user-password or,\n"
                "with --interactive=false, on the standard input.",
            .examples =
                "kvctl user add alice\n"
                "echo secret | kvctl user add alice --interactive=false"};
  }

  void AddFlags(Flags& flags) override {
    flags.Bool("interactive", 0, &interactive_,
               "ask for the password on the terminal; false: read it from stdin");
    flags.String("new-user-password", 0, &new_password_, "the password");
    flags.Bool("no-password", 0, &no_password_,
               "a user without password, who comes in by certificate only");
  }

  Exit Run(Session& session, Flags& flags, const Arguments& arguments) override {
    const std::vector<std::string> words = arguments.all();
    if (words.size() != 1)
      return BadArguments("user add command requires user name as its argument");
    std::string user = words[0];
    std::string password;
    if (!no_password_) {
      const size_t colon = user.find(':');
      if (!new_password_.empty()) {
        password = new_password_;
      } else if (colon != std::string::npos) {
        password = user.substr(colon + 1);
        user.resize(colon);
        if (user.empty()) return BadArguments("empty user name is not allowed");
      } else {
        KVCTL_RETURN_IF_FAILED(TakeNewPassword(session, user, interactive_, &password));
      }
    }
    KVCTL_RETURN_IF_FAILED(session.Open(flags));
    client::Auth& auth = session.client().auth();
    const auto response = no_password_ ? auth.UserAddWithoutPassword(user, session.call_options())
                                       : auth.UserAdd(user, password, session.call_options());
    if (!response.ok()) return session.CallFailed(response.status());
    return session.printer().UserAdd(user, *response);
  }

 private:
  bool interactive_ = true;
  std::string new_password_;
  bool no_password_ = false;
};

class DeleteCommand final : public Command {
 public:
  CommandHelp help() const override {
    return {.name = "user delete",
            .summary = "Deletes a user",
            .usage = "<user name>",
            .description = "",
            .examples = "kvctl user delete alice"};
  }

  Exit Run(Session& session, Flags& flags, const Arguments& arguments) override {
    const std::vector<std::string> words = arguments.all();
    if (words.size() != 1) {
      return BadArguments("user delete command requires user name as its argument");
    }
    KVCTL_RETURN_IF_FAILED(session.Open(flags));
    const auto response = session.client().auth().UserDelete(words[0], session.call_options());
    if (!response.ok()) return session.CallFailed(response.status());
    return session.printer().UserDelete(words[0], *response);
  }
};

class GetCommand final : public Command {
 public:
  CommandHelp help() const override {
    return {.name = "user get",
            .summary = "Gets detailed information of a user",
            .usage = "[options] <user name>",
            .description = "",
            .examples = "kvctl user get alice --detail"};
  }

  void AddFlags(Flags& flags) override {
    flags.Bool("detail", 0, &detail_, "show the permissions of the user's roles");
  }

  Exit Run(Session& session, Flags& flags, const Arguments& arguments) override {
    const std::vector<std::string> words = arguments.all();
    if (words.size() != 1)
      return BadArguments("user get command requires user name as its argument");
    KVCTL_RETURN_IF_FAILED(session.Open(flags));
    client::Auth& auth = session.client().auth();
    const auto response = auth.UserGet(words[0], session.call_options());
    if (!response.ok()) return session.CallFailed(response.status());
    if (!detail_) return session.printer().UserGet(words[0], *response);
    session.out() << "User: " << words[0] << "\n";
    for (const std::string& role : response->roles()) {
      session.out() << "\n";
      const auto permissions = auth.RoleGet(role, session.call_options());
      if (!permissions.ok()) return session.CallFailed(permissions.status());
      KVCTL_RETURN_IF_FAILED(session.printer().RoleGet(role, *permissions));
    }
    return Ok();
  }

 private:
  bool detail_ = false;
};

class ListCommand final : public Command {
 public:
  CommandHelp help() const override {
    return {.name = "user list",
            .summary = "Lists all users",
            .usage = "",
            .description = "",
            .examples = "kvctl user list"};
  }

  Exit Run(Session& session, Flags& flags, const Arguments& arguments) override {
    if (!arguments.all().empty()) return BadArguments("user list command requires no arguments");
    KVCTL_RETURN_IF_FAILED(session.Open(flags));
    const auto response = session.client().auth().UserList(session.call_options());
    if (!response.ok()) return session.CallFailed(response.status());
    return session.printer().UserList(*response);
  }
};

class PasswdCommand final : public Command {
 public:
  CommandHelp help() const override {
    return {.name = "user passwd",
            .summary = "Changes password of user",
            .usage = "[options] <user name>",
            .description = "Whoever is logged in with the old one has to log in anew.",
            .examples =
                "kvctl user passwd alice\n"
                "echo secret | kvctl user passwd alice --interactive=false"};
  }

  void AddFlags(Flags& flags) override {
    flags.Bool("interactive", 0, &interactive_,
               "ask for the password on the terminal; false: read it from stdin");
  }

  Exit Run(Session& session, Flags& flags, const Arguments& arguments) override {
    const std::vector<std::string> words = arguments.all();
    if (words.size() != 1) {
      return BadArguments("user passwd command requires user name as its argument");
    }
    std::string password;
    KVCTL_RETURN_IF_FAILED(TakeNewPassword(session, words[0], interactive_, &password));
    KVCTL_RETURN_IF_FAILED(session.Open(flags));
    const auto response =
        session.client().auth().UserChangePassword(words[0], password, session.call_options());
    if (!response.ok()) return session.CallFailed(response.status());
    return session.printer().UserChangePassword(*response);
  }

 private:
  bool interactive_ = true;
};

class GrantRoleCommand final : public Command {
 public:
  CommandHelp help() const override {
    return {.name = "user grant-role",
            .summary = "Grants a role to a user",
            .usage = "<user name> <role name>",
            .description = "",
            .examples = "kvctl user grant-role alice dev"};
  }

  Exit Run(Session& session, Flags& flags, const Arguments& arguments) override {
    const std::vector<std::string> words = arguments.all();
    if (words.size() != 2) {
      return BadArguments("user grant command requires user name and role name as its argument");
    }
    KVCTL_RETURN_IF_FAILED(session.Open(flags));
    const auto response =
        session.client().auth().UserGrantRole(words[0], words[1], session.call_options());
    if (!response.ok()) return session.CallFailed(response.status());
    return session.printer().UserGrantRole(words[0], words[1], *response);
  }
};

class RevokeRoleCommand final : public Command {
 public:
  CommandHelp help() const override {
    return {.name = "user revoke-role",
            .summary = "Revokes a role from a user",
            .usage = "<user name> <role name>",
            .description = "",
            .examples = "kvctl user revoke-role alice dev"};
  }

  Exit Run(Session& session, Flags& flags, const Arguments& arguments) override {
    const std::vector<std::string> words = arguments.all();
    if (words.size() != 2) {
      return BadArguments("user revoke-role requires user name and role name as its argument");
    }
    KVCTL_RETURN_IF_FAILED(session.Open(flags));
    const auto response =
        session.client().auth().UserRevokeRole(words[0], words[1], session.call_options());
    if (!response.ok()) return session.CallFailed(response.status());
    return session.printer().UserRevokeRole(words[0], words[1], *response);
  }
};

}  // namespace

void AddUserCommands(Commands& commands) {
  commands.push_back(std::make_unique<AddCommand>());
  commands.push_back(std::make_unique<DeleteCommand>());
  commands.push_back(std::make_unique<GetCommand>());
  commands.push_back(std::make_unique<GrantRoleCommand>());
  commands.push_back(std::make_unique<ListCommand>());
  commands.push_back(std::make_unique<PasswdCommand>());
  commands.push_back(std::make_unique<RevokeRoleCommand>());
}

}  // namespace keelson::kvctl
