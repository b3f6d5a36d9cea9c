// A member's id on the command line: hexadecimal, as everybody writes it.
#ifndef KEELSON_TOOLS_KVCTL_MEMBER_ID_H_
#define KEELSON_TOOLS_KVCTL_MEMBER_ID_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

namespace keelson::kvctl {

// In the words of Go's strconv: `strconv.ParseUint: parsing "zz": invalid syntax`.
absl::StatusOr<uint64_t> ParseMemberId(const std::string& text);

}  // namespace keelson::kvctl

#endif  // KEELSON_TOOLS_KVCTL_MEMBER_ID_H_
