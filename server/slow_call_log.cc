#include "server/slow_call_log.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/str_cat.h"

namespace keelson::server {
namespace {

struct Stage {
  const char* name;
  absl::Duration took;
  bool is_work = false;  // it is this member that carries out what was asked
};
using Stages = std::array<Stage, 5>;

// When this member began to carry out what was asked.
absl::Duration WorkBegan(const rpc::EndedCall& call, absl::Duration end) {
  const rpc::CallTimes& times = call.times;
  if (times.applying != absl::ZeroDuration()) return times.applying;
  if (times.granted != absl::ZeroDuration()) return times.granted;
  // A read that needs nobody else; or what has come to nothing while it waited for the others.
  return call.code == absl::StatusCode::kOk ? times.begun : end;
}

// Where the time went, in order.
Stages StagesOf(const rpc::EndedCall& call) {
  const rpc::CallTimes& times = call.times;
  const absl::Duration end = times.finished == absl::ZeroDuration() ? times.closed : times.finished;
  const bool command = times.applying != absl::ZeroDuration();
  const bool granted = times.granted != absl::ZeroDuration();
  const absl::Duration work_began = WorkBegan(call, end);
  const absl::Duration work_ended = command ? times.applied : end;
  return {{{"waiting for room", times.begun - times.arrived},
           {granted ? "agreement on the read index" : "agreement among raft nodes",
            work_began - times.begun},
           {command ? "applying" : "carrying out", work_ended - work_began, true},
           {"answering", end - work_ended},
           {"sending", times.closed - end}}};
}

std::string Took(absl::Duration time) {
  return absl::FormatDuration(absl::Trunc(time, absl::Microseconds(1)));
}

}  // namespace

void SlowCallLog::OnEnded(const rpc::EndedCall& call) {
  const absl::Duration whole = call.times.closed - call.times.arrived;
  const Stages stages = StagesOf(call);
  const bool slow_work = std::any_of(stages.begin(), stages.end(), [this](const Stage& stage) {
    return stage.is_work && stage.took >= thresholds_.work;
  });
  if (whole < thresholds_.whole && !slow_work) return;
  if (call.times.closed - second_began_ >= absl::Seconds(1)) {
    second_began_ = call.times.closed;
    lines_ = 0;
  }
  if (++lines_ > kLinesPerSecond) {
    ++left_out_;
    return;
  }
  const Stage& longest = *std::max_element(
      stages.begin(), stages.end(), [](const Stage& a, const Stage& b) { return a.took < b.took; });
  std::string line = absl::StrCat(
      slow_work ? "apply request took too long: " : "request took too long: ",
      std::string(call.method), " from ", call.peer, " took ", Took(whole), ", most of it ",
      longest.name, "; request ", call.request_bytes, " bytes, answer ", call.answer_bytes,
      " bytes, code ", static_cast<int>(call.code), "; trace:");
  for (const Stage& stage : stages) {
    if (stage.took > absl::ZeroDuration()) {
      absl::StrAppend(&line, " [", stage.name, " ", Took(stage.took), "]");
    }
  }
  if (left_out_ > 0) absl::StrAppend(&line, "; left out before: ", std::exchange(left_out_, 0));
  write_(line);
}

}  // namespace keelson::server
