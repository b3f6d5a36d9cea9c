// Flags that several daemons have: how they reach the API servers, who leads, what they tell of
// themselves.
#ifndef KEELSON_TOOLS_KEELSON_DAEMON_FLAGS_H_
#define KEELSON_TOOLS_KEELSON_DAEMON_FLAGS_H_

#include <string>

#include "apiserver/runtime/api_client.h"

namespace CLI {
class App;
}

namespace keelson::program {

// --server, --ca, --cert, --key; the servers know the daemon by the command's name. What is given here and below outlives the parsing of `command`.
void AddClientFlags(CLI::App& command, runtime::ApiClientOptions* api);
// --leader-elect, with `what_for` as its help, and --identity.
void AddLeaderFlags(CLI::App& command, const std::string& what_for, bool* leader_elect,
                    std::string* identity);
// --listen of a daemon that has nothing but its status to serve.
void AddStatusFlag(CLI::App& command, std::string* listen);
void AddLogFlag(CLI::App& command, std::string* level);

}  // namespace keelson::program

#endif  // KEELSON_TOOLS_KEELSON_DAEMON_FLAGS_H_
