// When a failed attempt may be repeated. Pure: no clock, no gRPC.
//
// A read may be repeated whenever its server was unavailable. A write may not: the server can have
// proposed it before the connection broke, and a second one would count twice. It is repeated only
// when the request certainly did not reach a proposal: no connection could be made, or the server
// refused it at the door. etcd's Go client has the same rule (client/v3/retry.go).
#ifndef KEELSON_CLIENT_RETRY_H_
#define KEELSON_CLIENT_RETRY_H_


#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace keelson::client {

enum class CallKind { kRead, kWrite };

enum class Verdict {
  kGiveUp,        // the answer is the caller's
  kTryElsewhere,  // another attempt, at another endpoint if there is one
  kRefreshToken,  // authenticate again, then another attempt; once
};

// What to do about a failed attempt. `several_endpoints`: there is another endpoint to go to, which
// matters for refusals that are about one member only.
Verdict JudgeFailure(CallKind kind, absl::StatusCode code, absl::string_view message,
                     bool several_endpoints);

// Whether a stream that ended so is to be opened again elsewhere. (A stream that reads is a read.)
Verdict JudgeStreamEnd(absl::StatusCode code, absl::string_view message);

// The pause before attempt number `attempt` (from 1, the first repetition): none while there is an
// endpoint not yet tried, then 25 ms, doubling up to 400 ms. `jitter` in [0, 1] adds up to a tenth.
absl::Duration RetryDelay(int attempt, int endpoints, double jitter);

}  // namespace keelson::client

#endif  // KEELSON_CLIENT_RETRY_H_
