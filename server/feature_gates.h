// FeatureGates: etcd's --feature-gates, "A=true,B=false". All of etcd's gates are known, so that
// command lines written for it are taken; which of them do something here is said in --help.
#ifndef KEELSON_SERVER_FEATURE_GATES_H_
#define KEELSON_SERVER_FEATURE_GATES_H_

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace keelson::server {

inline constexpr std::string_view kInitialCorruptCheck = "InitialCorruptCheck";

// As Go's strconv.ParseBool.
std::optional<bool> ParseGoBool(std::string_view text);

class FeatureGates {
 public:
  // InvalidArgument: an unknown gate, or a value that is not a bool as Go writes it.
  static absl::StatusOr<FeatureGates> Parse(const std::string& text);

  // REQUIRES: `gate` is one of etcd's.
  bool enabled(std::string_view gate) const;
  // Named in the text, be it on or off.
  bool given(std::string_view gate) const { return given_.contains(gate); }
  // Those named in the text that do nothing here.
  std::vector<std::string> without_effect() const;

 private:
  std::map<std::string, bool, std::less<>> given_;  // AllAlpha and AllBeta too
};

}  // namespace keelson::server

#endif  // KEELSON_SERVER_FEATURE_GATES_H_
