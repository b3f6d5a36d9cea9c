#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tools/kvctl/command.h"

namespace keelson::kvctl {
namespace {

using etcdserverpb::DowngradeRequest;

class DowngradeCommand : public Command {
 public:
  DowngradeCommand(std::string word, DowngradeRequest::DowngradeAction action)
      : word_(std::move(word)), action_(action) {}

 protected:
  Exit Ask(Session& session, Flags& flags, const std::string& version) {
    KVCTL_RETURN_IF_FAILED(session.Open(flags));
    DowngradeRequest request;
    request.set_action(action_);
    request.set_version(version);
    const auto response = session.client().maintenance().Downgrade(request, session.call_options());
    if (!response.ok()) return session.CallFailed(response.status());
    return session.printer().Downgrade(word_, *response);
  }

  const std::string word_;

 private:
  const DowngradeRequest::DowngradeAction action_;
};

class DowngradeToCommand : public DowngradeCommand {
 public:
  using DowngradeCommand::DowngradeCommand;

  Exit Run(Session& session, Flags& flags, const Arguments& arguments) final {
    const std::vector<std::string> words = arguments.all();
    if (words.empty()) return BadArguments("TARGET_VERSION not provided");
    if (words.size() > 1) return BadArguments("too many arguments");
    return Ask(session, flags, words[0]);
  }
};

class ValidateCommand final : public DowngradeToCommand {
 public:
  ValidateCommand() : DowngradeToCommand("validate", DowngradeRequest::VALIDATE) {}
  CommandHelp help() const override {
    return {.name = "downgrade validate",
            .summary = "Says whether the cluster could be downgraded to a version",
            .usage = "<target-version>",
            .description = "Only one minor version down is possible. Changes nothing.",
            .examples = "kvctl downgrade validate 3.6"};
  }
};

class EnableCommand final : public DowngradeToCommand {
 public:
  EnableCommand() : DowngradeToCommand("enable", DowngradeRequest::ENABLE) {}
  CommandHelp help() const override {
    return {.name = "downgrade enable",
            .summary = "Begins a downgrade of the cluster to a version",
            .usage = "<target-version>",
            .description =
                "Tells the members that older ones will take their places, one after the other.\n"
                "`kvctl endpoint status -w table` shows whether a downgrade is under way. Ends\n"
                "by itself when all members run the older version, or by `downgrade cancel`.",
            .examples =
                "kvctl downgrade validate 3.6 && kvctl downgrade enable 3.6\n"
                "kvctl endpoint status --cluster -w table"};
  }
};

class CancelCommand final : public DowngradeCommand {
 public:
  CancelCommand() : DowngradeCommand("cancel", DowngradeRequest::CANCEL) {}
  CommandHelp help() const override {
    return {.name = "downgrade cancel",
            .summary = "Gives up the downgrade that is under way",
            .usage = "",
            .description = "Succeeds also when there is none.",
            .examples = "kvctl downgrade cancel"};
  }
  Exit Run(Session& session, Flags& flags, const Arguments& arguments) override {
    if (!arguments.all().empty()) return BadArguments("too many arguments");
    return Ask(session, flags, "");
  }
};

}  // namespace

void AddDowngradeCommands(Commands& commands) {
  commands.push_back(std::make_unique<CancelCommand>());
  commands.push_back(std::make_unique<EnableCommand>());
  commands.push_back(std::make_unique<ValidateCommand>());
}

}  // namespace keelson::kvctl
