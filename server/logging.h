// Sets spdlog up as the flags say: JSON lines with etcd's keys (level, ts, caller, msg) or plain
// text.
#ifndef KEELSON_SERVER_LOGGING_H_
#define KEELSON_SERVER_LOGGING_H_

#include "absl/status/status.h"
#include "server/config.h"

namespace keelson::server {

// Error: an output cannot be opened.
absl::Status StartLogging(const Config& config);

}  // namespace keelson::server

#endif  // KEELSON_SERVER_LOGGING_H_
