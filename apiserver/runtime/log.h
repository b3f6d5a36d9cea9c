// Lines for the log of a daemon: spdlog behind it, as in server/, without its headers.
// Thread-safe.
#ifndef KEELSON_APISERVER_RUNTIME_LOG_H_
#define KEELSON_APISERVER_RUNTIME_LOG_H_

#include <string_view>

#include "absl/status/status.h"

namespace keelson::runtime {

void LogDebug(std::string_view line);
void LogInfo(std::string_view line);
void LogWarning(std::string_view line);
void LogError(std::string_view line);

// Lines go to stderr: time, level and text between tabs. `level`: debug, info, warn or error;
// InvalidArgument for anything else.
absl::Status StartLogging(std::string_view level);

}  // namespace keelson::runtime

#endif  // KEELSON_APISERVER_RUNTIME_LOG_H_
