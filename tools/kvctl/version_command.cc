#include "tools/kvctl/command.h"

namespace keelson::kvctl {
namespace {

class VersionCommand final : public Command {
 public:
  CommandHelp help() const override {
    return {.name = "version",
            .summary = "Prints the version of kvctl",
            .usage = "",
            .description = "",
            .examples = "kvctl version"};
  }

  Exit Run(Session& session, Flags&, const Arguments&) override {
    session.out() << "kvctl version: " KEELSON_VERSION "\nAPI version: 3.7\n";
    return Ok();
  }
};

}  // namespace

void AddVersionCommand(Commands& commands) {
  commands.push_back(std::make_unique<VersionCommand>());
}

}  // namespace keelson::kvctl
