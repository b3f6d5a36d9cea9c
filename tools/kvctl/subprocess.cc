#include "tools/kvctl/subprocess.h"

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "tools/kvctl/go_text.h"

extern char** environ;

namespace keelson::kvctl {

absl::Status RunProgram(const std::vector<std::string>& arguments,
                        const std::vector<std::string>& environment) {
  int ignored;  // the status says it
  return RunProgram(arguments, environment, &ignored);
}

absl::Status RunProgram(const std::vector<std::string>& arguments,
                        const std::vector<std::string>& environment, int* exit_status) {
  *exit_status = 1;
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  std::vector<char*> variables;
  for (const std::string& variable : environment) {
    variables.push_back(const_cast<char*>(variable.c_str()));
  }
  for (char** variable = environ; *variable != nullptr; ++variable) variables.push_back(*variable);
  variables.push_back(nullptr);

  pid_t child;
  const int error =
      posix_spawnp(&child, argv[0], nullptr, nullptr, argv.data(), variables.data());
  if (error != 0) {
    const std::string why = error == ENOENT ? "executable file not found in $PATH"
                                            : std::string(strerror(error));
    return absl::NotFoundError(absl::StrCat("exec: ", GoQuote(arguments[0]), ": ", why));
  }
  int status;
  while (waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return absl::ErrnoToStatus(errno, "waiting for the program");
  }
  if (WIFSIGNALED(status)) {
    return absl::AbortedError(absl::StrCat("signal: ", strsignal(WTERMSIG(status))));
  }
  *exit_status = WEXITSTATUS(status);
  if (WEXITSTATUS(status) != 0) {
    return absl::AbortedError(absl::StrCat("exit status ", WEXITSTATUS(status)));
  }
  return absl::OkStatus();
}

}  // namespace keelson::kvctl
