// Member: a whole member of a cluster in production: opens the stores in the data directory, joins
// MemberCore to real threads, sockets and time, and serves until told to stop.
#ifndef KEELSON_SERVER_MEMBER_H_
#define KEELSON_SERVER_MEMBER_H_

#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/config.h"

namespace keelson::server {

class Member {
 public:
  // Makes or opens the data directory, binds all ports. Error: one line that says what is in the
  // way; nothing that was there is changed then.
  static absl::StatusOr<std::unique_ptr<Member>> Open(const Config& config);
  ~Member();

  // Serves on the calling thread until SIGTERM, SIGINT (then Ok) or until a store fails (its
  // error).
  absl::Status Run();

 private:
  class Impl;
  explicit Member(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace keelson::server

#endif  // KEELSON_SERVER_MEMBER_H_
