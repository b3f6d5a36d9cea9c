#include "tools/kvctl/command.h"
#include "tools/kvctl/go_text.h"

namespace keelson::kvctl {
namespace {

class CompactionCommand final : public Command {
 public:
  CommandHelp help() const override {
    return {.name = "compaction",
            .summary = "Compacts the event history in etcd",
            .usage = "[options] <revision>",
            .description = "Forgets what was overwritten or deleted before the revision. What is there now\n"
                           "stays; reads and watches of older revisions fail from now on.",
            .examples = "kvctl compaction 1000\n"
                        "kvctl compaction 1000 --physical          answer only when the space is free"};
  }

  void AddFlags(Flags& flags) override {
    flags.Bool("physical", 0, &physical_, "wait until all old revisions are physically removed");
  }

  Exit Run(Session& session, Flags& flags, const Arguments& arguments) override {
    const std::vector<std::string> words = arguments.all();
    if (words.size() != 1) return BadArguments("compaction command needs 1 argument");
    const absl::StatusOr<int64_t> revision = ParseGoInt(words[0], 10);
    if (!revision.ok()) return Failed(revision.status());
    KVCTL_RETURN_IF_FAILED(session.Open(flags));
    etcdserverpb::CompactionRequest request;
    request.set_revision(*revision);
    request.set_physical(physical_);
    // Removing may take long, and an unanswered request would leave the user in doubt.
    client::CallOptions options = session.call_options();
    if (physical_ && !flags.given("command-timeout")) options.timeout = absl::InfiniteDuration();
    const auto response = session.client().kv().Compact(request, options);
    if (!response.ok()) return session.CallFailed(response.status());
    session.out() << "compacted revision " << *revision << "\n";
    return Ok();
  }

 private:
  bool physical_ = false;
};

}  // namespace

void AddCompactionCommand(Commands& commands) {
  commands.push_back(std::make_unique<CompactionCommand>());
}

}  // namespace keelson::kvctl
