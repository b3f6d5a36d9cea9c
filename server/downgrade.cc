#include "server/downgrade.h"

#include <array>
#include <cstdint>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "server/errors.h"

namespace keelson::server {
namespace {

// Two or three numbers, without signs, blanks or leading zeroes, as semantic versions have them.
bool Parse(std::string_view text, std::array<uint32_t, 3>& parts) {
  const std::vector<std::string> words = absl::StrSplit(std::string(text), '.');
  if (words.size() != 2 && words.size() != 3) return false;
  parts = {};
  for (size_t i = 0; i < words.size(); ++i) {
    const bool digits = words[i].find_first_not_of("0123456789") == std::string::npos;
    const bool padded = words[i].size() > 1 && words[i].front() == '0';
    if (!digits || padded || !absl::SimpleAtoi(words[i], &parts[i])) return false;
  }
  return true;
}

}  // namespace

absl::StatusOr<std::string> CheckDowngradeTarget(std::string_view version,
                                                 std::string_view cluster_version) {
  std::array<uint32_t, 3> target, present;
  if (!Parse(version, target)) return ErrWrongDowngradeFormat();
  if (!Parse(cluster_version, present) || target[0] != present[0] || target[1] + 1 != present[1]) {
    return ErrInvalidDowngradeTarget();
  }
  return absl::StrCat(target[0], ".", target[1], ".0");
}

std::string MajorMinor(std::string_view version) {
  return std::string(version.substr(0, version.rfind('.')));
}

}  // namespace keelson::server
