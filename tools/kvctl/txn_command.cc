#include <istream>

#include "absl/strings/ascii.h"
#include "tools/kvctl/command.h"
#include "tools/kvctl/txn_language.h"

namespace keelson::kvctl {
namespace {

class TxnCommand final : public Command {
 public:
  CommandHelp help() const override {
    return {.name = "txn",
            .summary = "Txn processes all the requests in one transaction",
            .usage = "[options]",
            .description =
                "Reads from the standard input lines of comparisons, an empty line, the requests for when all\n"
                "of them hold, an empty line, the requests for when one does not, an empty line. Either all\n"
                "requests of a branch happen, at one revision, or none.\n"
                "\n"
                "comparison   target(\"key\") op \"value\"\n"
                "target       version, create, mod (revisions; 0 if the key is missing), value, lease\n"
                "op           = != < >\n"
                "request      get, put, del, with their options",
            .examples = "kvctl txn -i                              asks for the parts\n"
                        "\n"
                        "kvctl txn <<'END'                         create a key unless it is there\n"
                        "create(\"leader\") = \"0\"\n"
                        "\n"
                        "put leader me\n"
                        "\n"
                        "get leader\n"
                        "\n"
                        "END"};
  }

  void AddFlags(Flags& flags) override {
    flags.Bool("interactive", 'i', &interactive_, "input transaction in interactive mode");
  }

  Exit Run(Session& session, Flags& flags, const Arguments& arguments) override {
    if (!arguments.all().empty()) return BadArguments("txn command does not accept argument");
    KVCTL_RETURN_IF_FAILED(session.Open(flags));
    etcdserverpb::TxnRequest request;
    std::istream& in = session.in();
    KVCTL_RETURN_IF_FAILED(ReadBlock(session, "compares:", [&](const std::string& line) {
      return ParseCompare(line, request.add_compare());
    }));
    KVCTL_RETURN_IF_FAILED(
        ReadBlock(session, "success requests (get, put, del):", [&](const std::string& line) {
          return ParseRequest(line, in, request.add_success());
        }));
    KVCTL_RETURN_IF_FAILED(
        ReadBlock(session, "failure requests (get, put, del):", [&](const std::string& line) {
          return ParseRequest(line, in, request.add_failure());
        }));
    const auto response = session.client().kv().Txn(request, session.call_options());
    if (!response.ok()) return session.CallFailed(response.status());
    return session.printer().Txn(*response);
  }

 private:
  // Hands each line up to an empty one to `take`.
  template <typename Take>
  Exit ReadBlock(Session& session, const char* prompt, const Take& take) {
    if (interactive_) {
      session.out() << prompt << "\n";
      session.out().flush();
    }
    std::string line;
    while (std::getline(session.in(), line) && !session.in().eof()) {
      const std::string stripped(absl::StripAsciiWhitespace(line));
      if (stripped.empty()) return Ok();
      KVCTL_RETURN_IF_FAILED(take(stripped));
    }
    return InvalidInput("EOF");
  }

  bool interactive_ = false;
};

}  // namespace

void AddTxnCommand(Commands& commands) { commands.push_back(std::make_unique<TxnCommand>()); }

}  // namespace keelson::kvctl
