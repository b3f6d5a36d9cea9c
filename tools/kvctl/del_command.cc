#include "absl/time/clock.h"
#include "tools/kvctl/command.h"
#include "tools/kvctl/go_text.h"
#include "tools/kvctl/kv_flags.h"

namespace keelson::kvctl {
namespace {

class DelCommand final : public Command {
 public:
  CommandHelp help() const override {
    return {.name = "del",
            .summary = "Removes the specified key or range of keys [key, range_end)",
            .usage = "[options] <key> [range_end]",
            .description = "Prints how many keys were removed. With range_end, waits two seconds for second\n"
                           "thoughts unless --range is given.",
            .examples = "kvctl del greeting\n"
                        "kvctl del --prefix /app/ --prev-kv        everything below /app/, printing it\n"
                        "kvctl del a b --range                     the keys that begin with a\n"
                        "kvctl del \"\" --from-key                   everything"};
  }

  void AddFlags(Flags& flags) override { del_.AddTo(flags); }

  Exit Run(Session& session, Flags& flags, const Arguments& arguments) override {
    const std::vector<std::string> keys = arguments.all();
    etcdserverpb::DeleteRangeRequest request;
    KVCTL_RETURN_IF_FAILED(del_.ToRequest(keys, &request));
    if (keys.size() > 1 && !del_.range) {
      session.err() << "Warning: Keys between " << GoQuote(keys[0]) << " and " << GoQuote(keys[1])
                    << " will be deleted. Please interrupt the command within next 2 seconds to "
                       "cancel. You can provide `--range` flag to avoid the delay.\n";
      session.err().flush();
      absl::SleepFor(absl::Seconds(2));
    }
    KVCTL_RETURN_IF_FAILED(session.Open(flags));
    const auto response = session.client().kv().DeleteRange(request, session.call_options());
    if (!response.ok()) return session.CallFailed(response.status());
    return session.printer().Del(*response);
  }

 private:
  DelFlags del_;
};

}  // namespace

void AddDelCommand(Commands& commands) { commands.push_back(std::make_unique<DelCommand>()); }

}  // namespace keelson::kvctl
