// Passwords as kvctl comes by them: typed on a terminal, or read from the standard input.
#ifndef KEELSON_TOOLS_KVCTL_PASSWORD_H_
#define KEELSON_TOOLS_KVCTL_PASSWORD_H_

#include <istream>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace keelson::kvctl {

// Asks on the terminal, without showing what is typed. Error: the standard input is none.
absl::StatusOr<std::string> AskPassword(absl::string_view prompt);
// The same twice, for one that is new.
absl::StatusOr<std::string> AskNewPassword(const std::string& user);
// The first word of the next line, as Go's Scanf reads it; "" when there is none.
std::string ReadPasswordWord(std::istream& in);

}  // namespace keelson::kvctl

#endif  // KEELSON_TOOLS_KVCTL_PASSWORD_H_
