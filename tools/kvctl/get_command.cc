#include "tools/kvctl/command.h"
#include "tools/kvctl/kv_flags.h"

namespace keelson::kvctl {
namespace {

class GetCommand final : public Command {
 public:
  CommandHelp help() const override {
    return {.name = "get",
            .summary = "Gets the key or a range of keys",
            .usage = "[options] <key> [range_end]",
            .description = "Prints each key and its value, a line each. With range_end, the keys from key up\n"
                           "to but without range_end.",
            .examples = "kvctl get greeting                        one key\n"
                        "kvctl get --prefix /app/ --keys-only      the names of all keys below /app/\n"
                        "kvctl get greeting --print-value-only     the value alone, for scripts\n"
                        "kvctl get greeting --rev 42 -w json       what it was at revision 42\n"
                        "kvctl get \"\" --from-key --limit 10        the first ten keys of the store"};
  }

  void AddFlags(Flags& flags) override { get_.AddTo(flags); }

  Exit Run(Session& session, Flags& flags, const Arguments& arguments) override {
    etcdserverpb::RangeRequest request;
    KVCTL_RETURN_IF_FAILED(get_.ToRequest(arguments.all(), &request));
    KVCTL_RETURN_IF_FAILED(session.Open(flags));
    const auto response = session.client().kv().Range(request, session.call_options());
    if (!response.ok()) return session.CallFailed(response.status());
    const std::string& format = session.printer().format();
    if (get_.count_only && format != "fields") {
      return BadArguments("--count-only is only for `--write-out=fields`");
    }
    if (get_.print_value_only) {
      if (format != "simple") {
        return BadArguments("print-value-only is only for `--write-out=simple`");
      }
      session.printer().set_values_only();
    }
    return session.printer().Get(*response);
  }

 private:
  GetFlags get_;
};

}  // namespace

void AddGetCommand(Commands& commands) { commands.push_back(std::make_unique<GetCommand>()); }

}  // namespace keelson::kvctl
