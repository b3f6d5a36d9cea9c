// Completion: what could come next on a command line of kvctl, for the shells. The scripts that
// `kvctl completion <shell>` prints are thin: they ask `kvctl __complete <words>`, whose last word
// is the one that is being typed, and which answers
//
//   candidate<TAB>what it is    a line for each; the second part may be missing
//   :files                      names of files fit here
//
// Pure.
#ifndef KEELSON_TOOLS_KVCTL_COMPLETION_H_
#define KEELSON_TOOLS_KVCTL_COMPLETION_H_

#include <string>
#include <vector>

#include "tools/kvctl/command.h"

namespace keelson::kvctl {

inline constexpr char kCompleteWord[] = "__complete";

// The answer. `words`: those after the program's name, up to the one that is being typed, which may
// be empty.
std::string Candidates(const Commands& commands, const std::vector<std::string>& words);

// The script of a shell: bash, zsh, fish or powershell. "" for others.
std::string CompletionScript(const std::string& shell);

}  // namespace keelson::kvctl

#endif  // KEELSON_TOOLS_KVCTL_COMPLETION_H_
