#include "server/feature_gates.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/check.h"

namespace keelson::server {
namespace {

enum class Stage : uint8_t { kAlpha, kBeta };

struct Gate {
  std::string_view name;
  Stage stage;
  bool enabled;  // unless told otherwise
};

// etcd 3.7's.
constexpr Gate kGates[] = {
    {"StopGRPCServiceOnDefrag", Stage::kAlpha, false},
    {"TxnModeWriteWithSharedBuffer", Stage::kBeta, true},
    {kInitialCorruptCheck, Stage::kAlpha, false},
    {"CompactHashCheck", Stage::kAlpha, false},
    {"LeaseCheckpoint", Stage::kAlpha, false},
    {"LeaseCheckpointPersist", Stage::kAlpha, false},
    {"SetMemberLocalAddr", Stage::kAlpha, false},
    {"FastLeaseKeepAlive", Stage::kBeta, true},
    {"PriorityRequest", Stage::kAlpha, false},
};
constexpr std::string_view kAllAlpha = "AllAlpha";
constexpr std::string_view kAllBeta = "AllBeta";

const Gate* Find(std::string_view name) {
  const auto* gate = std::find_if(std::begin(kGates), std::end(kGates),
                                  [name](const Gate& known) { return known.name == name; });
  return gate == std::end(kGates) ? nullptr : gate;
}

}  // namespace

std::optional<bool> ParseGoBool(std::string_view text) {
  for (const char* yes : {"1", "t", "T", "TRUE", "true", "True"}) {
    if (text == yes) return true;
  }
  for (const char* no : {"0", "f", "F", "FALSE", "false", "False"}) {
    if (text == no) return false;
  }
  return std::nullopt;
}

absl::StatusOr<FeatureGates> FeatureGates::Parse(const std::string& text) {
  FeatureGates gates;
  const auto refuse = [&text](const std::string& reason) {
    return absl::InvalidArgumentError(
        absl::StrCat("invalid value \"", text, "\" for flag --feature-gates: ", reason));
  };
  for (std::string part : std::vector<std::string>(absl::StrSplit(text, ','))) {
    absl::StripAsciiWhitespace(&part);
    if (part.empty()) continue;
    const size_t equals = part.find('=');
    std::string name = part.substr(0, equals);
    absl::StripAsciiWhitespace(&name);
    if (equals == std::string::npos) return refuse("missing bool value for " + name);
    std::string value = part.substr(equals + 1);
    absl::StripAsciiWhitespace(&value);
    const std::optional<bool> enabled = ParseGoBool(value);
    if (!enabled) return refuse("invalid value of " + name + "=" + value);
    if (Find(name) == nullptr && name != kAllAlpha && name != kAllBeta) {
      return refuse("unrecognized feature gate: " + name);
    }
    gates.given_.insert_or_assign(std::move(name), *enabled);
  }
  if (gates.enabled("LeaseCheckpointPersist") && !gates.enabled("LeaseCheckpoint")) {
    return refuse("LeaseCheckpointPersist requires LeaseCheckpoint");
  }
  return gates;
}

std::vector<std::string> FeatureGates::without_effect() const {
  std::vector<std::string> names;
  for (const auto& [name, enabled] : given_) {
    if (name != kInitialCorruptCheck && name != kAllAlpha && name != kAllBeta) {
      names.push_back(name);
    }
  }
  return names;
}

bool FeatureGates::enabled(std::string_view gate) const {
  const Gate* const known = Find(gate);
  KV_CHECK(known != nullptr) << "no such feature gate";
  if (const auto own = given_.find(gate); own != given_.end()) return own->second;
  const auto all = given_.find(known->stage == Stage::kAlpha ? kAllAlpha : kAllBeta);
  return all == given_.end() ? known->enabled : all->second;
}

}  // namespace keelson::server
