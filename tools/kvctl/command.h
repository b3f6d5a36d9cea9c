// Command: one thing kvctl can do, with what its help says; and the choice among them.
#ifndef KEELSON_TOOLS_KVCTL_COMMAND_H_
#define KEELSON_TOOLS_KVCTL_COMMAND_H_

#include <memory>
#include <string>
#include <vector>

#include "tools/kvctl/exit.h"
#include "tools/kvctl/flags.h"
#include "tools/kvctl/session.h"

namespace keelson::kvctl {

struct CommandHelp {
  std::string name = {};     // "get", "lease grant"
  std::string summary = {};  // one line
  std::string usage = {};    // what comes after the name: "[options] <key> [range_end]"
  std::string description = {};
  std::string examples = {};  // shell lines, with what they do
};

class Command {
 public:
  virtual ~Command() = default;
  virtual CommandHelp help() const = 0;
  virtual void AddFlags(Flags& flags) {}
  // `flags` has the command's flags and the global ones, parsed; session.Open wants it.
  virtual Exit Run(Session& session, Flags& flags, const Arguments& arguments) = 0;
};

using Commands = std::vector<std::unique_ptr<Command>>;

// All of them, sorted by name.
Commands AllCommands();

// The words after the program's name, until they name a command.
struct Choice {
  Command* command = nullptr;
  std::string group = {};  // when the words stop at a group
  Exit exit = {};          // when they name nothing
};

// Takes the words that name the command out of `arguments`.
Choice ChooseCommand(const Commands& commands, std::vector<std::string>& arguments);

// Runs the program: `arguments` without its own name. Prints the error, if any; returns what main
// is to return.
int RunKvctl(std::vector<std::string> arguments, Session& session);

// Each group of commands is in a file of its own.
void AddAlarmCommands(Commands& commands);
void AddAuthCommands(Commands& commands);
void AddCheckCommands(Commands& commands);
void AddCompactionCommand(Commands& commands);
void AddCompletionCommands(Commands& commands);
void AddDelCommand(Commands& commands);
void AddDowngradeCommands(Commands& commands);
void AddElectCommand(Commands& commands);
void AddEndpointCommands(Commands& commands);
void AddGetCommand(Commands& commands);
void AddLeaseCommands(Commands& commands);
void AddLoadCommand(Commands& commands);
void AddLockCommand(Commands& commands);
void AddMakeMirrorCommand(Commands& commands);
void AddMemberCommands(Commands& commands);
void AddMoveLeaderCommand(Commands& commands);
void AddOfflineCommands(Commands& commands);
void AddPutCommand(Commands& commands);
void AddRoleCommands(Commands& commands);
void AddSnapshotCommands(Commands& commands);
void AddTxnCommand(Commands& commands);
void AddUserCommands(Commands& commands);
void AddVersionCommand(Commands& commands);
void AddWatchCommand(Commands& commands);

// defrag --data-dir.
Exit DefragmentOffline(Session& session, const std::string& data_dir, absl::Duration timeout);

}  // namespace keelson::kvctl

#endif  // KEELSON_TOOLS_KVCTL_COMMAND_H_
