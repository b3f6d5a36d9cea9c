#include "tools/kvctl/command.h"
#include "tools/kvctl/kv_flags.h"

namespace keelson::kvctl {
namespace {

class PutCommand final : public Command {
 public:
  CommandHelp help() const override {
    return {.name = "put",
            .summary = "Puts the given key into the store",
            .usage = "[options] <key> <value> (<value> can also be given from stdin)",
            .description = "A value that begins with '-' would be taken for an option; put '--' before it.\n"
                           "Without a value the standard input is the value, to its last byte.",
            .examples = "kvctl put greeting hello\n"
                        "kvctl put offset -- -5                    a value that looks like an option\n"
                        "kvctl put config < config.yaml            the content of a file\n"
                        "kvctl put lock me --lease=694d5765fc71500b   vanishes with the lease\n"
                        "kvctl put greeting hi --prev-kv           and print what was there"};
  }

  void AddFlags(Flags& flags) override { put_.AddTo(flags); }

  Exit Run(Session& session, Flags& flags, const Arguments& arguments) override {
    etcdserverpb::PutRequest request;
    KVCTL_RETURN_IF_FAILED(put_.ToRequest(arguments.all(), session.in(), &request));
    KVCTL_RETURN_IF_FAILED(session.Open(flags));
    const auto response = session.client().kv().Put(request, session.call_options());
    if (!response.ok()) return session.CallFailed(response.status());
    return session.printer().Put(*response);
  }

 private:
  PutFlags put_;
};

}  // namespace

void AddPutCommand(Commands& commands) { commands.push_back(std::make_unique<PutCommand>()); }

}  // namespace keelson::kvctl
