// SlowCallLog: one line for each client's call that took too long, with the stage that took the
// time. Where all are slow, a few lines a second say so as well as all of them would.
//
// Thread: the executor's.
#ifndef KEELSON_SERVER_SLOW_CALL_LOG_H_
#define KEELSON_SERVER_SLOW_CALL_LOG_H_

#include <algorithm>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>

#include "absl/time/time.h"
#include "server/rpc/served_call.h"

namespace keelson::server {

struct SlowCallThresholds {
  absl::Duration whole = absl::Milliseconds(300);  // --warning-unary-request-duration
  absl::Duration work = absl::Milliseconds(100);   // --warning-apply-duration
};

class SlowCallLog {
 public:
  static constexpr int kLinesPerSecond = 10;

  // `write` writes a line.
  SlowCallLog(SlowCallThresholds thresholds, std::function<void(const std::string&)> write)
      : thresholds_(thresholds), write_(std::move(write)) {}

  // The shortest call that may have to be logged.
  absl::Duration shortest() const { return std::min(thresholds_.whole, thresholds_.work); }
  void OnEnded(const rpc::EndedCall& call);

 private:
  const SlowCallThresholds thresholds_;
  const std::function<void(const std::string&)> write_;
  absl::Duration second_began_ = -absl::InfiniteDuration();
  int lines_ = 0;          // since then
  uint64_t left_out_ = 0;  // since the last line
};

}  // namespace keelson::server

#endif  // KEELSON_SERVER_SLOW_CALL_LOG_H_
