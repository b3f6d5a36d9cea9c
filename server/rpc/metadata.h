// The text forms of the gRPC protocol (grpc/doc/PROTOCOL-HTTP2.md): timeouts, binary metadata,
// status messages.
#ifndef KEELSON_SERVER_RPC_METADATA_H_
#define KEELSON_SERVER_RPC_METADATA_H_

#include <optional>
#include <string>
#include <string_view>

#include "absl/time/time.h"

namespace keelson::rpc {

// TimeoutValue := 1..8 digits, TimeoutUnit := H | M | S | m | u | n. nullopt: not of this form.
std::optional<absl::Duration> ParseTimeout(std::string_view text);

// A "-bin" value: base64, with or without padding; of several joined by commas, the first. nullopt:
// not base64.
std::optional<std::string> DecodeBinaryValue(std::string_view text);

// grpc-message: bytes outside ' '..'~', and '%', become %XX.
std::string PercentEncode(std::string_view text);

}  // namespace keelson::rpc

#endif  // KEELSON_SERVER_RPC_METADATA_H_
