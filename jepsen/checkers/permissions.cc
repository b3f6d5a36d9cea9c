#include "jepsen/checkers/permissions.h"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <utility>

namespace keelson::checkers {
namespace {

// [first, end); no end: all after it.
struct Interval {
  std::string first;
  std::optional<std::string> end;
};

Interval IntervalOf(const std::string& key, const std::string& end) {
  if (end.empty()) return {key, key + '\0'};
  if (end == std::string(1, '\0')) return {key, std::nullopt};
  return {key, end};
}

bool MayUse(const std::vector<Grant>& grants, const Access::Part& part) {
  std::vector<Interval> granted;
  for (const Grant& grant : grants) {
    if (part.write ? grant.write : grant.read) {
      granted.push_back(IntervalOf(grant.key, grant.end));
    }
  }
  std::sort(granted.begin(), granted.end(),
            [](const Interval& a, const Interval& b) { return a.first < b.first; });
  const Interval wanted = IntervalOf(part.key, part.end);
  std::string covered = wanted.first;  // all before it
  for (const Interval& interval : granted) {
    if (interval.first > covered) return false;
    if (!interval.end) return true;
    covered = std::max(covered, *interval.end);
    if (wanted.end && covered >= *wanted.end) return true;
  }
  return false;
}

bool Allows(const Permissions& permissions, const Access& access) {
  if (!permissions.enabled) return true;
  const auto found = permissions.grants.find(access.user);
  if (found == permissions.grants.end()) return false;
  return std::all_of(access.parts.begin(), access.parts.end(),
                     [&found](const Access::Part& part) { return MayUse(found->second, part); });
}

std::string Describe(const Access& access) {
  std::string text = "client " + std::to_string(access.client) + " as \"" + access.user + "\" at " +
                     std::to_string(access.invoked) + ".." + std::to_string(access.returned) + ":";
  for (const Access::Part& part : access.parts) {
    text += std::string(part.write ? " write " : " read ") + part.key;
    if (!part.end.empty()) text += ".." + part.end;
  }
  return text;
}

}  // namespace

Verdict CheckPermissions(const std::vector<Permissions>& permissions,
                         const std::vector<Access>& accesses) {
  for (const Access& access : accesses) {
    bool justified = false;
    for (size_t i = 0; i < permissions.size() && !justified; ++i) {
      if (permissions[i].since > access.returned) break;
      const bool over = i + 1 < permissions.size() && permissions[i + 1].since < access.invoked;
      if (over && !access.may_be_old) continue;
      justified = Allows(permissions[i], access) == access.allowed;
    }
    if (!justified) {
      return Verdict::Broken(std::string(access.allowed ? "allowed" : "refused") +
                             " against the permissions: " + Describe(access));
    }
  }
  return {};
}

}  // namespace keelson::checkers
