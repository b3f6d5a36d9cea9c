#include "jepsen/checkers/ownership.h"

#include <algorithm>
#include <set>

namespace keelson::checkers {
namespace {

std::string Name(const Ownership& ownership) {
  return "client " + std::to_string(ownership.client) + " with token " +
         std::to_string(ownership.token) + " (" + std::to_string(ownership.granted) + ".." +
         std::to_string(ownership.until) + ")";
}

}  // namespace

Verdict CheckOwnership(const std::vector<Ownership>& history) {
  std::vector<Ownership> sorted;
  std::set<int64_t> tokens;
  for (const Ownership& ownership : history) {
    if (!tokens.insert(ownership.token).second) {
      return Verdict::Broken("a token was granted twice: " + Name(ownership));
    }
    sorted.push_back(ownership);
  }
  std::sort(sorted.begin(), sorted.end(),
            [](const Ownership& a, const Ownership& b) { return a.granted < b.granted; });
  const Ownership* longest = nullptr;  // of those before, the one that lasted longest
  int64_t highest = 0;
  for (const Ownership& now : sorted) {
    // Who knows of its grant after it may be over owned nothing that anybody could see.
    if (now.until <= now.granted) continue;
    if (longest != nullptr && longest->until > now.granted) {
      return Verdict::Broken("two owners at one time: " + Name(*longest) + " and " + Name(now));
    }
    if (longest == nullptr || now.until > longest->until) longest = &now;
    if (now.token < highest) {
      return Verdict::Broken("granted out of the line's order: " + Name(now) + " after token " +
                             std::to_string(highest));
    }
    highest = now.token;
  }
  return {};
}

Verdict CheckFenced(const std::vector<GuardedUpdate>& updates) {
  std::vector<GuardedUpdate> sorted = updates;
  std::sort(sorted.begin(), sorted.end(),
            [](const GuardedUpdate& a, const GuardedUpdate& b) { return a.revision < b.revision; });
  for (size_t i = 1; i < sorted.size(); ++i) {
    const GuardedUpdate& before = sorted[i - 1];
    const GuardedUpdate& now = sorted[i];
    const std::string names =
        "client " + std::to_string(now.client) + " at revision " + std::to_string(now.revision) +
        " after client " + std::to_string(before.client) + " at " + std::to_string(before.revision);
    if (now.revision == before.revision) return Verdict::Broken("one revision twice: " + names);
    if (now.token < before.token) return Verdict::Broken("a fenced token went back: " + names);
    if (now.read != before.written) {
      return Verdict::Broken("an update was lost: " + names + " read " + std::to_string(now.read) +
                             " and not " + std::to_string(before.written));
    }
  }
  return {};
}

Verdict CheckObservations(const std::vector<Observation>& observations,
                          const std::vector<int64_t>& winners) {
  const std::set<int64_t> known(winners.begin(), winners.end());
  for (const Observation& observation : observations) {
    const std::string name = "observer " + std::to_string(observation.client);
    int64_t last = 0;
    for (const int64_t token : observation.tokens) {
      if (!known.contains(token)) {
        return Verdict::Broken(name + " saw a leader that was none: token " +
                               std::to_string(token));
      }
      if (token < last) {
        return Verdict::Broken(name + " saw leaders out of order: token " + std::to_string(token) +
                               " after " + std::to_string(last));
      }
      last = token;
    }
  }
  return {};
}

}  // namespace keelson::checkers
