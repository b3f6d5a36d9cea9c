#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "client/ops.h"
#include "tools/kvctl/command.h"

namespace keelson::kvctl {
namespace {

// A role's one argument is its name.
Exit TakeRoleName(const Arguments& arguments, const char* command, std::string* role) {
  const std::vector<std::string> words = arguments.all();
  if (words.size() != 1) {
    return BadArguments(
        absl::StrCat("role ", command, " command requires role name as its argument"));
  }
  *role = words[0];
  return Ok();
}

// The key and the end of a range of permissions, from the arguments and flags.
struct PermissionRange {
  bool prefix = false;
  bool from_key = false;
  std::string key;
  std::string range_end;

  void AddTo(Flags& flags) {
    flags.Bool("prefix", 0, &prefix, "all keys that begin so");
    flags.Bool("from-key", 0, &from_key, "all keys from this one on");
  }

  // `words`: the key, and the end if there is one.
  Exit Take(const std::vector<std::string>& words) {
    const std::string everything(client::kFromKey);
    key = words[0];
    if (prefix && from_key && (key.empty() || words.size() == 1)) {
      return BadArguments("--from-key and --prefix flags are mutually exclusive");
    }
    if (key.empty()) {  // the first key there is; with either flag, and all behind it
      key = everything;
      if (prefix || from_key) range_end = everything;
      return Ok();
    }
    if (words.size() > 1) {
      if (prefix) return BadArguments("unexpected endkey argument with --prefix flag");
      if (from_key) return BadArguments("unexpected endkey argument with --from-key flag");
      range_end = words[1];
      return Ok();
    }
    if (prefix) range_end = client::PrefixEnd(key);
    if (from_key) range_end = everything;
    return Ok();
  }
};

class AddCommand final : public Command {
 public:
  CommandHelp help() const override {
    return {.name = "role add",
            .summary = "Adds a new role",
            .usage = "<role name>",
            .description = "",
            .examples = "kvctl role add dev"};
  }

  Exit Run(Session& session, Flags& flags, const Arguments& arguments) override {
    std::string role;
    KVCTL_RETURN_IF_FAILED(TakeRoleName(arguments, "add", &role));
    KVCTL_RETURN_IF_FAILED(session.Open(flags));
    const auto response = session.client().auth().RoleAdd(role, session.call_options());
    if (!response.ok()) return session.CallFailed(response.status());
    return session.printer().RoleAdd(role, *response);
  }
};

class DeleteCommand final : public Command {
 public:
  CommandHelp help() const override {
    return {.name = "role delete",
            .summary = "Deletes a role",
            .usage = "<role name>",
            .description = "Takes it from all users who have it.",
            .examples = "kvctl role delete dev"};
  }

  Exit Run(Session& session, Flags& flags, const Arguments& arguments) override {
    std::string role;
    KVCTL_RETURN_IF_FAILED(TakeRoleName(arguments, "delete", &role));
    KVCTL_RETURN_IF_FAILED(session.Open(flags));
    const auto response = session.client().auth().RoleDelete(role, session.call_options());
    if (!response.ok()) return session.CallFailed(response.status());
    return session.printer().RoleDelete(role, *response);
  }
};

class GetCommand final : public Command {
 public:
  CommandHelp help() const override {
    return {.name = "role get",
            .summary = "Gets detailed information of a role",
            .usage = "<role name>",
            .description = "",
            .examples = "kvctl role get dev"};
  }

  Exit Run(Session& session, Flags& flags, const Arguments& arguments) override {
    std::string role;
    KVCTL_RETURN_IF_FAILED(TakeRoleName(arguments, "get", &role));
    KVCTL_RETURN_IF_FAILED(session.Open(flags));
    const auto response = session.client().auth().RoleGet(role, session.call_options());
    if (!response.ok()) return session.CallFailed(response.status());
    return session.printer().RoleGet(role, *response);
  }
};

class ListCommand final : public Command {
 public:
  CommandHelp help() const override {
    return {.name = "role list",
            .summary = "Lists all roles",
            .usage = "",
            .description = "",
            .examples = "kvctl role list"};
  }

  Exit Run(Session& session, Flags& flags, const Arguments& arguments) override {
    if (!arguments.all().empty()) return BadArguments("role list command requires no arguments");
    KVCTL_RETURN_IF_FAILED(session.Open(flags));
    const auto response = session.client().auth().RoleList(session.call_options());
    if (!response.ok()) return session.CallFailed(response.status());
    return session.printer().RoleList(*response);
  }
};

class GrantPermissionCommand final : public Command {
 public:
  CommandHelp help() const override {
    return {
        .name = "role grant-permission",
        .summary = "Grants a key to a role",
        .usage = "[options] <role name> <permission type> <key> [endkey]",
        .description =
            "The type is read, write or readwrite. Granted again, the same range changes its type.",
        .examples = "kvctl role grant-permission dev readwrite --prefix /app/"};
  }

  void AddFlags(Flags& flags) override { range_.AddTo(flags); }

  Exit Run(Session& session, Flags& flags, const Arguments& arguments) override {
    const std::vector<std::string> words = arguments.all();
    if (words.size() < 3) {
      return BadArguments(
          "role grant command requires role name, permission type, and key [endkey] as its "
          "argument");
    }
    authpb::Permission permission;
    authpb::Permission::Type type;
    if (!authpb::Permission::Type_Parse(absl::AsciiStrToUpper(words[1]), &type)) {
      return BadArguments(absl::StrCat("invalid permission type: ", words[1]));
    }
    KVCTL_RETURN_IF_FAILED(range_.Take({words.begin() + 2, words.end()}));
    permission.set_permtype(type);
    permission.set_key(range_.key);
    permission.set_range_end(range_.range_end);
    KVCTL_RETURN_IF_FAILED(session.Open(flags));
    const auto response =
        session.client().auth().RoleGrantPermission(words[0], permission, session.call_options());
    if (!response.ok()) return session.CallFailed(response.status());
    return session.printer().RoleGrantPermission(words[0], *response);
  }

 private:
  PermissionRange range_;
};

class RevokePermissionCommand final : public Command {
 public:
  CommandHelp help() const override {
    return {.name = "role revoke-permission",
            .summary = "Revokes a key from a role",
            .usage = "[options] <role name> <key> [endkey]",
            .description = "Of exactly the key or range that was granted.",
            .examples = "kvctl role revoke-permission dev --prefix /app/"};
  }

  void AddFlags(Flags& flags) override { range_.AddTo(flags); }

  Exit Run(Session& session, Flags& flags, const Arguments& arguments) override {
    const std::vector<std::string> words = arguments.all();
    if (words.size() < 2) {
      return BadArguments(
          "role revoke-permission command requires role name and key [endkey] as its argument");
    }
    KVCTL_RETURN_IF_FAILED(range_.Take({words.begin() + 1, words.end()}));
    KVCTL_RETURN_IF_FAILED(session.Open(flags));
    const auto response = session.client().auth().RoleRevokePermission(
        words[0], range_.key, range_.range_end, session.call_options());
    if (!response.ok()) return session.CallFailed(response.status());
    return session.printer().RoleRevokePermission(words[0], words[1], range_.range_end, *response);
  }

 private:
  PermissionRange range_;
};

}  // namespace

void AddRoleCommands(Commands& commands) {
  commands.push_back(std::make_unique<AddCommand>());
  commands.push_back(std::make_unique<DeleteCommand>());
  commands.push_back(std::make_unique<GetCommand>());
  commands.push_back(std::make_unique<GrantPermissionCommand>());
  commands.push_back(std::make_unique<ListCommand>());
  commands.push_back(std::make_unique<RevokePermissionCommand>());
}

}  // namespace keelson::kvctl
