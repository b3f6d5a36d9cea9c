#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "tools/kvctl/command.h"
#include "tools/kvctl/completion.h"

namespace keelson::kvctl {
namespace {

class CompletionCommand final : public Command {
 public:
  CompletionCommand(std::string shell, std::string example)
      : shell_(std::move(shell)), example_(std::move(example)) {}

  CommandHelp help() const override {
    return {.name = absl::StrCat("completion ", shell_),
            .summary = absl::StrCat("Generates the autocompletion script for ", shell_),
            .usage = "",
            .description = "Commands, flags, and the values of flags that have few.",
            .examples = example_};
  }

  Exit Run(Session& session, Flags&, const Arguments& arguments) override {
    if (!arguments.all().empty()) return Failed("completion command does not accept argument");
    session.out() << CompletionScript(shell_);
    return Ok();
  }

 private:
  const std::string shell_;
  const std::string example_;
};

class OptionsCommand final : public Command {
 public:
  CommandHelp help() const override {
    return {.name = "options",
            .summary = "Prints the options that every command has",
            .usage = "",
            .description = "",
            .examples = "kvctl options"};
  }

  Exit Run(Session& session, Flags&, const Arguments&) override {
    GlobalFlags globals;
    Flags flags;
    globals.AddTo(flags);
    session.out() << "The following options can be passed to any command:\n\n" << flags.Help();
    return Ok();
  }
};

}  // namespace

void AddCompletionCommands(Commands& commands) {
  const auto add = [&](const char* shell, const char* example) {
    commands.push_back(std::make_unique<CompletionCommand>(shell, example));
  };
  add("bash", "source <(kvctl completion bash)");
  add("fish", "kvctl completion fish > ~/.config/fish/completions/kvctl.fish");
  add("powershell", "kvctl completion powershell | Out-String | Invoke-Expression");
  add("zsh", "kvctl completion zsh > \"${fpath[1]}/_kvctl\"");
  commands.push_back(std::make_unique<OptionsCommand>());
}

}  // namespace keelson::kvctl
