// MethodStatistics: what is counted of the calls of one method: gRPC's own and those of the JSON
// gateway alike. Plain numbers, for a server has one thread.
//
// CallMeter: one call's part in it.
#ifndef KEELSON_SERVER_RPC_METHOD_STATISTICS_H_
#define KEELSON_SERVER_RPC_METHOD_STATISTICS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/duration_histogram.h"

namespace keelson::rpc {

struct MethodStatistics {
  static constexpr size_t kCodes = 17;

  std::string service;    // "etcdserverpb.KV"
  std::string method;     // "Range"
  const char* type;       // "unary", "server_stream" or "bidi_stream"
  uint64_t started = 0;   // calls
  uint64_t received = 0;  // messages
  uint64_t sent = 0;
  uint64_t received_bytes = 0;  // of messages
  uint64_t sent_bytes = 0;
  std::array<uint64_t, kCodes> handled = {};    // calls that ended, by code
  std::unique_ptr<DurationHistogram> handling;  // how long they took; null: not measured
};

class CallMeter {
 public:
  CallMeter(MethodStatistics* statistics, const Clock* clock)
      : statistics_(statistics),
        clock_(clock),
        began_(statistics->handling == nullptr ? absl::ZeroDuration() : clock->Now()) {
    ++statistics->started;
  }

  void Received(size_t bytes) {
    ++statistics_->received;
    statistics_->received_bytes += bytes;
  }
  void Sent(size_t bytes) {
    ++statistics_->sent;
    statistics_->sent_bytes += bytes;
  }
  // Only the first end counts.
  void Ended(absl::StatusCode code) {
    if (std::exchange(ended_, true)) return;
    const auto number = static_cast<size_t>(code);
    ++statistics_->handled[number < MethodStatistics::kCodes ? number : 2];
    if (statistics_->handling != nullptr) statistics_->handling->Observe(clock_->Now() - began_);
  }

 private:
  MethodStatistics* const statistics_;
  const Clock* const clock_;
  const absl::Duration began_;  // valid when the time is measured
  bool ended_ = false;
};

}  // namespace keelson::rpc

#endif  // KEELSON_SERVER_RPC_METHOD_STATISTICS_H_
