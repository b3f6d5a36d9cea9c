#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "tools/kvctl/command.h"
#include "tools/kvctl/member_id.h"

namespace keelson::kvctl {
namespace {

class MoveLeaderCommand final : public Command {
 public:
  CommandHelp help() const override {
    return {.name = "move-leader",
            .summary = "Transfers leadership to another etcd cluster member.",
            .usage = "[options] <transferee-member-id>",
            .description = "The leader must be among --endpoints.",
            .examples = "kvctl --endpoints=host1:2379,host2:2379 move-leader 9b430cd0c95adee2"};
  }

  Exit Run(Session& session, Flags& flags, const Arguments& arguments) override {
    const std::vector<std::string> words = arguments.all();
    if (words.size() != 1) return BadArguments("move-leader command needs 1 argument");
    const absl::StatusOr<uint64_t> target = ParseMemberId(words[0]);
    if (!target.ok()) return BadArguments(std::string(target.status().message()));
    KVCTL_RETURN_IF_FAILED(session.Open(flags));
    client::Maintenance& maintenance = session.client().maintenance();
    for (const std::string& endpoint : session.globals().endpoints) {
      const auto status = maintenance.Status(endpoint, session.call_options());
      if (!status.ok()) return session.CallFailed(status.status());
      if (status->leader() != status->header().member_id()) continue;
      const auto moved = maintenance.MoveLeader(endpoint, *target, session.call_options());
      if (!moved.ok()) return session.CallFailed(moved.status());
      return session.printer().MoveLeader(status->leader(), *target, *moved);
    }
    return BadArguments(absl::StrCat("no leader endpoint given at [",
                                     absl::StrJoin(session.globals().endpoints, " "), "]"));
  }
};

}  // namespace

void AddMoveLeaderCommand(Commands& commands) {
  commands.push_back(std::make_unique<MoveLeaderCommand>());
}

}  // namespace keelson::kvctl
