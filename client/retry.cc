#include "client/retry.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "base/planted_bug.h"
#include "client/errors.h"

namespace keelson::client {
namespace {

constexpr absl::string_view kLearner = "etcdserver: rpc not supported for learner";

// gRPC's words (1.51) for a call that found no connection. A connection that broke under a call reads
// otherwise ("Socket closed", "Connection reset by peer"), so these are safe to take for "never sent".
bool FoundNoConnection(absl::string_view message) {
  return absl::StartsWith(message, "failed to connect to all addresses") ||
         absl::StartsWith(message, "DNS resolution failed") ||
         absl::StartsWith(message, "empty address list") ||
         absl::StartsWith(message, "no children in weighted_target");
}

bool IsStaleToken(absl::string_view message) {
  return message == "etcdserver: invalid auth token" ||
         message == "etcdserver: revision of auth store is old" ||
         message == "etcdserver: user name is empty";
}

}  // namespace

Verdict JudgeFailure(CallKind kind, absl::StatusCode code, absl::string_view message,
                     bool several_endpoints) {
  if (IsStaleToken(message)) return Verdict::kRefreshToken;
  if (message == kLearner) return several_endpoints ? Verdict::kTryElsewhere : Verdict::kGiveUp;
  if (code != absl::StatusCode::kUnavailable) return Verdict::kGiveUp;
  if (kind == CallKind::kRead || KV_PLANTED("client-repeats-writes")) return Verdict::kTryElsewhere;
  // The check for a leader stands before everything else that a member does with a request.
  if (message == kNoLeader || FoundNoConnection(message)) return Verdict::kTryElsewhere;
  return Verdict::kGiveUp;
}

Verdict JudgeStreamEnd(absl::StatusCode code, absl::string_view message) {
  if (IsStaleToken(message)) return Verdict::kRefreshToken;
  switch (code) {
    // A server that ends a stream without an error is on its way out.
    case absl::StatusCode::kOk:
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kInternal:
    case absl::StatusCode::kCancelled:
      return Verdict::kTryElsewhere;
    default:
      return message == kLearner ? Verdict::kTryElsewhere : Verdict::kGiveUp;
  }
}

absl::Duration RetryDelay(int attempt, int endpoints, double jitter) {
  if (attempt < endpoints) return absl::ZeroDuration();
  const int doublings = std::min((attempt - endpoints) / std::max(endpoints, 1), 4);
  return absl::Milliseconds(25) * (1 << doublings) * (1 + jitter / 10);
}

}  // namespace keelson::client
