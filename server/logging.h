// Sets spdlog up as the flags say: JSON lines with etcd's keys (level, ts, msg), or the same three
// between tabs.
#ifndef KEELSON_SERVER_LOGGING_H_
#define KEELSON_SERVER_LOGGING_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "server/config.h"

namespace keelson::server {

// `first` are the first lines, warnings. Error: an output cannot be opened.
absl::Status StartLogging(const Config& config, const std::vector<std::string>& first);

}  // namespace keelson::server

#endif  // KEELSON_SERVER_LOGGING_H_
