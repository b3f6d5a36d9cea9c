// RunProgram: a program run to its end, on our own streams.
#ifndef KEELSON_TOOLS_KVCTL_SUBPROCESS_H_
#define KEELSON_TOOLS_KVCTL_SUBPROCESS_H_

#include <string>
#include <vector>

#include "absl/status/status.h"

namespace keelson::kvctl {

// `environment` ("NAME=value") is added to ours. Not OK, in the words of Go's os/exec, when the program
// cannot be started ("executable file not found in $PATH") or fails ("exit status 1").
// REQUIRES: a first argument, the program.
absl::Status RunProgram(const std::vector<std::string>& arguments,
                        const std::vector<std::string>& environment);
// As RunProgram; `exit_status` is the program's own if it has ended by itself, and 1 for any other
// failure.
absl::Status RunProgram(const std::vector<std::string>& arguments,
                        const std::vector<std::string>& environment, int* exit_status);

}  // namespace keelson::kvctl

#endif  // KEELSON_TOOLS_KVCTL_SUBPROCESS_H_
