#include "jepsen/checkers/lease.h"

#include <algorithm>
#include <string>

namespace keelson::checkers {

Verdict CheckLease(const LeaseHistory& history, const LeaseBounds& bounds) {
  const auto name = [&] { return "lease " + std::to_string(history.id); };
  const Time shortest = static_cast<Time>(static_cast<double>(history.ttl) / (1 + bounds.drift));
  const Time longest = static_cast<Time>(static_cast<double>(history.ttl) / (1 - bounds.drift));
  Time alive_until = 0;
  Time last_answer = 0;
  for (const LeaseHistory::Renewal& renewal : history.renewals) {
    // The leader renewed it after it was sent, and before it was answered.
    if (renewal.answered < history.known_gone) {
      alive_until = std::max(alive_until, renewal.sent + shortest);
    }
    last_answer = std::max(last_answer, renewal.answered);
    if (history.known_gone < renewal.sent) {
      return Verdict::Broken(name() + " was renewed at " + std::to_string(renewal.sent) +
                             " after it was gone at " + std::to_string(history.known_gone));
    }
  }
  if (history.known_gone < std::min(alive_until, history.revoke_called)) {
    return Verdict::Broken(name() + " was gone at " + std::to_string(history.known_gone) +
                           " and should have lived until " + std::to_string(alive_until));
  }
  const Time gone_by = std::max(bounds.healed, last_answer) + longest + bounds.slack;
  if (std::min(history.known_gone, history.watched_until) > gone_by) {
    return Verdict::Broken(
        name() + " should have been gone by " + std::to_string(gone_by) +
        (history.known_gone == kNever ? ", and never was" : ", and was at ") +
        (history.known_gone == kNever ? std::string() : std::to_string(history.known_gone)));
  }
  return {};
}

}  // namespace keelson::checkers
