#include "server/logging.h"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace keelson::server {
namespace {

class JsonFormatter final : public spdlog::formatter {
 public:
  void format(const spdlog::details::log_msg& msg, spdlog::memory_buf_t& out) override {
    const nlohmann::ordered_json line = {
        {"level", Level(msg.level)},
        {"ts", absl::FormatTime("%Y-%m-%d%ET%H:%M:%E6S%Ez", absl::FromChrono(msg.time),
                                absl::LocalTimeZone())},
        {"msg", std::string_view(msg.payload.data(), msg.payload.size())}};
    const std::string text =
        line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
    out.append(text.data(), text.data() + text.size());
  }
  std::unique_ptr<formatter> clone() const override { return std::make_unique<JsonFormatter>(); }

 private:
  static const char* Level(spdlog::level::level_enum level) {
    switch (level) {
      case spdlog::level::trace:
      case spdlog::level::debug:
        return "debug";
      case spdlog::level::info:
        return "info";
      case spdlog::level::warn:
        return "warn";
      case spdlog::level::err:
        return "error";
      default:
        return "fatal";
    }
  }
};

spdlog::level::level_enum ParseLevel(const std::string& name) {
  if (name == "debug") return spdlog::level::debug;
  if (name == "info") return spdlog::level::info;
  if (name == "warn") return spdlog::level::warn;
  return spdlog::level::err;
}

}  // namespace

absl::Status StartLogging(const Config& config) {
  std::vector<spdlog::sink_ptr> sinks;
  for (const std::string& output : config.log_outputs) {
    if (output == "default" || output == "stderr") {
      sinks.push_back(std::make_shared<spdlog::sinks::stderr_sink_st>());
    } else if (output == "stdout") {
      sinks.push_back(std::make_shared<spdlog::sinks::stdout_sink_st>());
    } else {
      try {
        sinks.push_back(std::make_shared<spdlog::sinks::basic_file_sink_st>(output));
      } catch (const spdlog::spdlog_ex& error) {
        return absl::PermissionDeniedError(
            absl::StrCat("cannot open log output ", output, ": ", error.what()));
      }
    }
  }
  auto logger = std::make_shared<spdlog::logger>("kvd", sinks.begin(), sinks.end());
  if (config.log_format == "json") logger->set_formatter(std::make_unique<JsonFormatter>());
  logger->set_level(ParseLevel(config.log_level));
  logger->flush_on(spdlog::level::info);
  spdlog::set_default_logger(std::move(logger));
  return absl::OkStatus();
}

}  // namespace keelson::server
