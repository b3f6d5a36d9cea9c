#include "tools/kvctl/member_id.h"

#include "absl/strings/str_cat.h"
#include "tools/kvctl/go_text.h"

namespace keelson::kvctl {

absl::StatusOr<uint64_t> ParseMemberId(const std::string& text) {
  const auto refuse = [&text](const char* why) {
    return absl::InvalidArgumentError(
        absl::StrCat("strconv.ParseUint: parsing ", GoQuote(text), ": ", why));
  };
  if (text.empty() || text.find_first_not_of("0123456789abcdefABCDEF") != std::string::npos) {
    return refuse("invalid syntax");
  }
  const size_t significant = text.find_first_not_of('0');
  if (significant == std::string::npos) return uint64_t{0};
  if (text.size() - significant > 16) return refuse("value out of range");
  return std::stoull(text.substr(significant), nullptr, 16);
}

}  // namespace keelson::kvctl
