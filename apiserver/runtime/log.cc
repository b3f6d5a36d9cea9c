#include "apiserver/runtime/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <memory>

#include "base/concat.h"

namespace keelson::runtime {
namespace {

void Log(spdlog::level::level_enum level, std::string_view line) {
  spdlog::default_logger_raw()->log(level, spdlog::string_view_t(line.data(), line.size()));
}

}  // namespace

void LogDebug(std::string_view line) { Log(spdlog::level::debug, line); }
void LogInfo(std::string_view line) { Log(spdlog::level::info, line); }
void LogWarning(std::string_view line) { Log(spdlog::level::warn, line); }
void LogError(std::string_view line) { Log(spdlog::level::err, line); }

absl::Status StartLogging(std::string_view level) {
  spdlog::level::level_enum lowest;
  if (level == "debug") {
    lowest = spdlog::level::debug;
  } else if (level == "info") {
    lowest = spdlog::level::info;
  } else if (level == "warn") {
    lowest = spdlog::level::warn;
  } else if (level == "error") {
    lowest = spdlog::level::err;
  } else {
    return absl::InvalidArgumentError(
        Concat("\"", level, "\" is no log level: debug, info, warn or error"));
  }
  auto logger =
      std::make_shared<spdlog::logger>("", std::make_shared<spdlog::sinks::stderr_sink_mt>());
  logger->set_pattern("%Y-%m-%dT%H:%M:%S.%fZ\t%l\t%v", spdlog::pattern_time_type::utc);
  logger->set_level(lowest);
  logger->flush_on(spdlog::level::debug);
  spdlog::set_default_logger(std::move(logger));
  return absl::OkStatus();
}

}  // namespace keelson::runtime
