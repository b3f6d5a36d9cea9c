#include "client/retry.h"

#include <gtest/gtest.h>

namespace keelson::client {
namespace {

using absl::StatusCode;

Verdict OfRead(StatusCode code, const char* message) {
  return JudgeFailure(CallKind::kRead, code, message, true);
}
Verdict OfWrite(StatusCode code, const char* message) {
  return JudgeFailure(CallKind::kWrite, code, message, true);
}

TEST(RetryTest, ReadsAreRepeatedWheneverTheServerIsUnavailable) {
  EXPECT_EQ(OfRead(StatusCode::kUnavailable, "Socket closed"), Verdict::kTryElsewhere);
  EXPECT_EQ(OfRead(StatusCode::kUnavailable, "etcdserver: leader changed"), Verdict::kTryElsewhere);
  EXPECT_EQ(OfRead(StatusCode::kOutOfRange, "etcdserver: mvcc: required revision has been compacted"),
            Verdict::kGiveUp);
  EXPECT_EQ(OfRead(StatusCode::kDeadlineExceeded, "Deadline Exceeded"), Verdict::kGiveUp);
}

TEST(RetryTest, WritesThatMayHaveBeenProposedAreNotRepeated) {
  for (const char* message :
       {"Socket closed", "Connection reset by peer", "keepalive watchdog timeout",
        "etcdserver: request timed out", "etcdserver: leader changed", "etcdserver: server stopped",
        "etcdserver: request timed out, possibly due to previous leader failure", "GOAWAY received"}) {
    EXPECT_EQ(OfWrite(StatusCode::kUnavailable, message), Verdict::kGiveUp) << message;
  }
  EXPECT_EQ(OfWrite(StatusCode::kResourceExhausted, "etcdserver: too many requests"),
            Verdict::kGiveUp);
}

TEST(RetryTest, WritesThatWereNotSentOrWereRefusedAtTheDoorAreRepeated) {
  for (const char* message :
       {"failed to connect to all addresses; last error: UNKNOWN: ipv4:127.0.0.1:1: Failed to "
        "connect to remote host: Connection refused",
        "DNS resolution failed for nosuch:1: ...", "etcdserver: no leader"}) {
    EXPECT_EQ(OfWrite(StatusCode::kUnavailable, message), Verdict::kTryElsewhere) << message;
  }
}

TEST(RetryTest, ALearnersRefusalIsFinalWhenThereIsNobodyElse) {
  const char* const learner = "etcdserver: rpc not supported for learner";
  EXPECT_EQ(OfWrite(StatusCode::kUnavailable, learner), Verdict::kTryElsewhere);
  EXPECT_EQ(JudgeFailure(CallKind::kRead, StatusCode::kUnavailable, learner, false),
            Verdict::kGiveUp);
}

TEST(RetryTest, AStaleTokenIsRefreshed) {
  EXPECT_EQ(OfWrite(StatusCode::kUnauthenticated, "etcdserver: invalid auth token"),
            Verdict::kRefreshToken);
  EXPECT_EQ(OfRead(StatusCode::kInvalidArgument, "etcdserver: revision of auth store is old"),
            Verdict::kRefreshToken);
  EXPECT_EQ(OfRead(StatusCode::kPermissionDenied, "etcdserver: permission denied"),
            Verdict::kGiveUp);
}

TEST(RetryTest, StreamsGoOnUnlessRefused) {
  EXPECT_EQ(JudgeStreamEnd(StatusCode::kOk, ""), Verdict::kTryElsewhere);
  EXPECT_EQ(JudgeStreamEnd(StatusCode::kUnavailable, "etcdserver: no leader"),
            Verdict::kTryElsewhere);
  EXPECT_EQ(JudgeStreamEnd(StatusCode::kPermissionDenied, "etcdserver: permission denied"),
            Verdict::kGiveUp);
}

TEST(RetryTest, EveryEndpointIsTriedOnceBeforeAnyPause) {
  EXPECT_EQ(RetryDelay(1, 3, 0.5), absl::ZeroDuration());
  EXPECT_EQ(RetryDelay(2, 3, 0.5), absl::ZeroDuration());
  EXPECT_EQ(RetryDelay(3, 3, 0), absl::Milliseconds(25));
  EXPECT_EQ(RetryDelay(1, 1, 0), absl::Milliseconds(25));
  EXPECT_EQ(RetryDelay(2, 1, 0), absl::Milliseconds(50));
  EXPECT_EQ(RetryDelay(100, 1, 0), absl::Milliseconds(400));
  EXPECT_GT(RetryDelay(1, 1, 1), absl::Milliseconds(25));
}

}  // namespace
}  // namespace keelson::client
