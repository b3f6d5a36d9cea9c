// gzip, the one message encoding that gRPC clients of every language have.
#ifndef KEELSON_SERVER_RPC_COMPRESSION_H_
#define KEELSON_SERVER_RPC_COMPRESSION_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "base/shared_bytes.h"

namespace keelson::rpc {

std::string Gzip(const ByteChain& bytes);

// Never holds more than bytes_max plus a block. Error: Internal (not gzip, or damaged, or bytes
// behind its end), ResourceExhausted (would be larger than bytes_max).
absl::StatusOr<std::string> Gunzip(std::string_view compressed, uint64_t bytes_max);

}  // namespace keelson::rpc

#endif  // KEELSON_SERVER_RPC_COMPRESSION_H_
