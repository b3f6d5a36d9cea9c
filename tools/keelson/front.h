// Front: one address for several servers. Every connection goes to the server that has the fewest
// of those that serve, or to the next one when that one cannot be reached; bytes are passed both
// ways as they come, TLS included. Servers are asked all the time whether they serve; one that has
// not answered for a while loses its connections, so that clients come again and reach another.
//
// Thread: its loop's, all of it.
#ifndef KEELSON_TOOLS_KEELSON_FRONT_H_
#define KEELSON_TOOLS_KEELSON_FRONT_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "asio/io_context.hpp"

namespace keelson::program {

struct FrontOptions {
  std::string host = "127.0.0.1";
  uint16_t port = 0;              // 0 picks one
  std::vector<uint16_t> servers;  // ports on the same host
  size_t connections_max = 10'000;
  absl::Duration connect_timeout = absl::Seconds(2);
  absl::Duration check_interval = absl::Seconds(1);
  absl::Duration check_timeout = absl::Seconds(2);
  int failures_max = 3;  // checks in a row, until a server's connections are closed
};

class Front {
 public:
  // Asks a server, once, whether it serves; calls `answer` once, on the loop, within the timeout or
  // later.
  using Answer = std::function<void(bool serves)>;
  using Check = std::function<void(uint16_t server, Answer answer)>;

  Front(asio::io_context* loop, FrontOptions options, Check check);
  // Closes everything. The loop must not run at the same time.
  ~Front();
  Front(const Front&) = delete;
  Front& operator=(const Front&) = delete;

  // Accepts from now on. Unavailable: the address is taken.
  absl::Status Listen();
  uint16_t port() const;
  size_t connections() const;

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

// Checks by GET /readyz over TLS; the server's certificate must be of that authority.
// InvalidArgument: the file cannot be read.
absl::StatusOr<Front::Check> MakeReadyCheck(asio::io_context* loop, const std::string& host,
                                            const std::string& authority_file,
                                            absl::Duration timeout);

}  // namespace keelson::program

#endif  // KEELSON_TOOLS_KEELSON_FRONT_H_
