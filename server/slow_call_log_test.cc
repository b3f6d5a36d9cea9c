#include "server/slow_call_log.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace keelson::server {
namespace {

using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::SizeIs;

constexpr absl::Duration kStart = absl::Seconds(1000);

// Milliseconds after the call's arrival.
rpc::CallTimes Command(int begun, int applying, int applied, int finished, int closed) {
  return {.arrived = kStart,
          .begun = kStart + absl::Milliseconds(begun),
          .applying = kStart + absl::Milliseconds(applying),
          .applied = kStart + absl::Milliseconds(applied),
          .finished = kStart + absl::Milliseconds(finished),
          .closed = kStart + absl::Milliseconds(closed)};
}
rpc::CallTimes Read(int begun, int granted, int finished, int closed) {
  return {.arrived = kStart,
          .begun = kStart + absl::Milliseconds(begun),
          .granted = kStart + absl::Milliseconds(granted),
          .finished = kStart + absl::Milliseconds(finished),
          .closed = kStart + absl::Milliseconds(closed)};
}

class SlowCallLogTest : public testing::Test {
 protected:
  void End(const rpc::CallTimes& times, absl::StatusCode code = absl::StatusCode::kOk) {
    log_.OnEnded({"/etcdserverpb.KV/Put", "10.0.0.1:77", 12, 34, code, times});
  }
  std::vector<std::string> lines_;
  SlowCallLog log_{{}, [this](const std::string& line) { lines_.push_back(line); }};
};

TEST_F(SlowCallLogTest, NothingIsSaidOfCallsThatAreQuickEnough) {
  End(Command(1, 280, 290, 295, 299));
  End(Read(1, 200, 299, 299));
  EXPECT_THAT(lines_, SizeIs(0));
}

TEST_F(SlowCallLogTest, TheLineNamesTheStageThatTookTheTimeAndAllOfThem) {
  End(Command(20, 420, 425, 426, 430));
  EXPECT_THAT(
      lines_,
      ElementsAre("request took too long: /etcdserverpb.KV/Put from 10.0.0.1:77 took 430ms, "
                  "most of it agreement among raft nodes; request 12 bytes, answer 34 "
                  "bytes, code 0; trace: [waiting for room 20ms] [agreement among raft "
                  "nodes 400ms] [applying 5ms] [answering 1ms] [sending 4ms]"));
}

TEST_F(SlowCallLogTest, SlowWorkIsSaidByItsOwnThreshold) {
  End(Command(0, 10, 115, 115, 116));
  End(Read(0, 10, 120, 121));
  EXPECT_THAT(lines_, ElementsAre(HasSubstr("apply request took too long"),
                                  HasSubstr("most of it carrying out")));
}

TEST_F(SlowCallLogTest, EveryStageCanBeTheOneThatTookTheTime) {
  End(Command(400, 410, 420, 421, 422));
  End(Read(0, 400, 410, 411));
  End(Read(0, 1, 2, 400));
  EXPECT_THAT(lines_, ElementsAre(HasSubstr("most of it waiting for room"),
                                  HasSubstr("most of it agreement on the read index"),
                                  HasSubstr("most of it sending")));
}

TEST_F(SlowCallLogTest, WhatCameToNothingWaitedForTheOthersUnlessItHadTheirAgreement) {
  rpc::CallTimes times = Read(0, 10, 0, 400);
  times.finished = absl::ZeroDuration();
  End(times, absl::StatusCode::kDeadlineExceeded);
  times.granted = absl::ZeroDuration();
  End(times, absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(lines_, ElementsAre(HasSubstr("most of it carrying out"),
                                  HasSubstr("most of it agreement among raft nodes")));
}

TEST_F(SlowCallLogTest, AFloodOfSlowCallsIsAFewLinesASecondAndANumber) {
  for (int i = 0; i < 100; ++i) End(Read(0, 400, 410, 411));
  EXPECT_THAT(lines_, SizeIs(SlowCallLog::kLinesPerSecond));
  End(Read(0, 1400, 1410, 1411));
  EXPECT_THAT(lines_.back(), EndsWith("; left out before: 90"));
  End(Read(0, 1400, 1410, 1412));
  EXPECT_THAT(lines_.back(), Not(HasSubstr("left out")));
}

}  // namespace
}  // namespace keelson::server
