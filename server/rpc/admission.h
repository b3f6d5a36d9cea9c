// Admission: asked about every gRPC call before its handler is. What it refuses, or has not let in
// yet, no handler sees.
//
// Thread: the server's.
#ifndef KEELSON_SERVER_RPC_ADMISSION_H_
#define KEELSON_SERVER_RPC_ADMISSION_H_

#include <functional>
#include <memory>
#include <optional>

#include "absl/status/status.h"
#include "server/rpc/call.h"

namespace keelson::rpc {

class Admission {
 public:
  virtual ~Admission() = default;
  // Ok: in. An error: the call ends with it. nullopt: it cannot be told yet; Await.
  virtual std::optional<absl::Status> Check(const Call& call) = 0;
  // Runs `done`, once, with what Check could not tell.
  virtual void Await(std::shared_ptr<const Call> call, std::function<void(absl::Status)> done) = 0;
};

// The handler, behind `admission`, which outlives it.
UnaryHandler Admitted(Admission* admission, UnaryHandler handler);
ServerStreamHandler Admitted(Admission* admission, ServerStreamHandler handler);
BidiHandler Admitted(Admission* admission, BidiHandler handler);

}  // namespace keelson::rpc

#endif  // KEELSON_SERVER_RPC_ADMISSION_H_
