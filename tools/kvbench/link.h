// Link: a connection to one member, and the gRPC that runs over it.
//
// UnaryCall: one gRPC call of one message each way, checked: HTTP status, framing, grpc-status. An
// object is used for one call after the other.
//
// Thread: the loop.
#ifndef KEELSON_TOOLS_KVBENCH_LINK_H_
#define KEELSON_TOOLS_KVBENCH_LINK_H_

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "asio/io_context.hpp"
#include "base/clock.h"
#include "http/client_connection.h"
#include "tools/kvbench/options.h"

namespace keelson::kvbench {

struct Link {
  Endpoint endpoint;
  absl::Status status;  // why it takes no calls any more
  // Header fields of the calls made over it; they outlive the connection.
  std::unique_ptr<http::PreparedHeaders> put, get, watch, member_status;
  std::unique_ptr<http::ClientConnection> connection;
};
using Links = std::vector<std::unique_ptr<Link>>;

// Collects the status of a gRPC call from the fields of its answer.
class AnswerStatus {
 public:
  void Clear();
  void OnField(std::string_view name, std::string_view value);
  // The status of a call whose stream ended so. OK only for grpc-status 0.
  absl::Status Get(http::ClientStreamEnd end) const;

 private:
  int http_status_ = 0;
  int grpc_status_ = -1;  // -1: none came
  std::string message_;
};

class UnaryCall : public http::ClientStreamHandler {
 public:
  // Sends `request`, a message with its prefix. False when the connection takes no more.
  bool Start(Link* link, const http::PreparedHeaders& headers, std::string_view request);

 protected:
  // The call ended; `answer` is the message, valid during the call, when `status` is OK.
  virtual void OnAnswer(const absl::Status& status, std::string_view answer) = 0;

 private:
  void OnField(http::FieldBlock block, std::string_view name, std::string_view value) final {
    status_.OnField(name, value);
  }
  void OnData(std::string_view bytes) final { body_.append(bytes); }
  void OnClose(http::ClientStreamEnd end) final;

  AnswerStatus status_;
  std::string body_;
};

// In clear where it is null.
using TlsCredentials = std::shared_ptr<http::TlsCredentials>;

// Error: InvalidArgument, with the file that is wrong.
absl::StatusOr<TlsCredentials> LoadTls(const Tls& tls);

// Opens `count` connections, spread over the endpoints in turn; runs the loop meanwhile. Error:
// Unavailable, which endpoint and why, when one of them fails or takes longer than `timeout`.
absl::StatusOr<Links> Connect(asio::io_context* loop, const std::vector<Endpoint>& endpoints,
                              size_t count, absl::Duration timeout, const TlsCredentials& tls);

// Asks all endpoints who leads; runs the loop meanwhile. Error: Unavailable, when none of them is
// the leader of whom it knows.
absl::StatusOr<Endpoint> FindLeader(asio::io_context* loop, const std::vector<Endpoint>& endpoints,
                                    absl::Duration timeout, const TlsCredentials& tls);

// Runs the loop until done() or for `timeout`; false in that case.
template <typename Done>
bool RunLoop(asio::io_context* loop, absl::Duration timeout, Done done) {
  const RealClock clock;
  const absl::Duration deadline = clock.Now() + timeout;
  loop->restart();
  while (!done()) {
    const absl::Duration left = deadline - clock.Now();
    if (left <= absl::ZeroDuration()) return false;
    if (loop->run_one_for(absl::ToChronoMilliseconds(left) + std::chrono::milliseconds(1)) == 0) {
      loop->restart();  // it ran out of work
    }
  }
  return true;
}

}  // namespace keelson::kvbench

#endif  // KEELSON_TOOLS_KVBENCH_LINK_H_
