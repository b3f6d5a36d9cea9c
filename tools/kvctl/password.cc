#include "tools/kvctl/password.h"

#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <iostream>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace keelson::kvctl {

absl::StatusOr<std::string> AskPassword(absl::string_view prompt) {
  termios shown;
  if (tcgetattr(STDIN_FILENO, &shown) != 0) {
    // Go's words for ENOTTY begin with a small letter.
    return absl::InvalidArgumentError(errno == ENOTTY ? "inappropriate ioctl for device"
                                                      : std::strerror(errno));
  }
  std::cout << prompt << std::flush;
  termios hidden = shown;
  hidden.c_lflag &= ~static_cast<tcflag_t>(ECHO);
  tcsetattr(STDIN_FILENO, TCSANOW, &hidden);
  std::string typed;
  std::getline(std::cin, typed);
  tcsetattr(STDIN_FILENO, TCSANOW, &shown);
  std::cout << "\n" << std::flush;
  return typed;
}

absl::StatusOr<std::string> AskNewPassword(const std::string& user) {
  const auto ask = [](const std::string& prompt) -> absl::StatusOr<std::string> {
    absl::StatusOr<std::string> typed = AskPassword(prompt);
    if (typed.ok()) return typed;
    return absl::InvalidArgumentError(
        absl::StrCat("failed to ask password: ", typed.status().message()));
  };
  KV_ASSIGN_OR_RETURN(std::string password, ask(absl::StrCat("Password of ", user, ": ")));
  if (password.empty()) return absl::InvalidArgumentError("empty password");
  KV_ASSIGN_OR_RETURN(const std::string again,
                      ask(absl::StrCat("Type password of ", user, " again for confirmation: ")));
  if (password != again) return absl::InvalidArgumentError("given passwords are different");
  return password;
}

std::string ReadPasswordWord(std::istream& in) {
  std::string line;
  std::getline(in, line);
  const size_t begin = line.find_first_not_of(" \t\r");
  if (begin == std::string::npos) return "";
  return line.substr(begin, line.find_first_of(" \t\r", begin) - begin);
}

}  // namespace keelson::kvctl
