// GrpcRuntime: the Runtime of production: gRPC channels, the machine's monotonic clock, and a
// thread that serves a gRPC completion queue. (The callback API of gRPC 1.51 can stall for up to
// 100 ms on an idle process, and the synchronous one costs a thread per stream.)
#ifndef KEELSON_CLIENT_GRPC_RUNTIME_H_
#define KEELSON_CLIENT_GRPC_RUNTIME_H_

#include <memory>

#include "absl/status/statusor.h"
#include "client/options.h"
#include "client/runtime.h"

namespace keelson::client {

// InvalidArgument: a certificate or a key that cannot be used.
absl::StatusOr<std::unique_ptr<Runtime>> MakeGrpcRuntime(const Options& options);

}  // namespace keelson::client

#endif  // KEELSON_CLIENT_GRPC_RUNTIME_H_
