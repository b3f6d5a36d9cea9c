#include "server/logging.h"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <chrono>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/status_macros.h"
#include "server/rotating_file.h"

namespace keelson::server {
namespace {

// zap's names of levels.
const char* LevelName(spdlog::level::level_enum level) {
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

std::string FormatTime(std::chrono::system_clock::time_point time) {
  return absl::FormatTime("%Y-%m-%d%ET%H:%M:%E6S%Ez", absl::FromChrono(time),
                          absl::LocalTimeZone());
}

// time, level and message between tabs.
class ConsoleFormatter final : public spdlog::formatter {
 public:
  void format(const spdlog::details::log_msg& msg, spdlog::memory_buf_t& out) override {
    // One line an entry, whatever is in it.
    const std::string text =
        absl::StrCat(FormatTime(msg.time), "\t", LevelName(msg.level), "\t",
                     absl::StrReplaceAll({msg.payload.data(), msg.payload.size()},
                                         {{"\n", "\\n"}, {"\r", "\\r"}}),
                     "\n");
    out.append(text.data(), text.data() + text.size());
  }
  std::unique_ptr<formatter> clone() const override { return std::make_unique<ConsoleFormatter>(); }
};

class JsonFormatter final : public spdlog::formatter {
 public:
  void format(const spdlog::details::log_msg& msg, spdlog::memory_buf_t& out) override {
    const nlohmann::ordered_json line = {
        {"level", LevelName(msg.level)},
        {"ts", FormatTime(msg.time)},
        {"msg", std::string_view(msg.payload.data(), msg.payload.size())}};
    const std::string text =
        line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
    out.append(text.data(), text.data() + text.size());
  }
  std::unique_ptr<formatter> clone() const override { return std::make_unique<JsonFormatter>(); }
};

spdlog::level::level_enum ParseLevel(const std::string& name) {
  if (name == "debug") return spdlog::level::debug;
  if (name == "info") return spdlog::level::info;
  if (name == "warn") return spdlog::level::warn;
  if (name == "error") return spdlog::level::err;
  return spdlog::level::critical;
}

// systemd keeps what a service writes to stderr in its journal.
bool IsStderr(const std::string& output) {
  return output == "default" || output == "stderr" || output == "systemd/journal";
}

// A file that may begin anew as it grows.
class RotatingSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  explicit RotatingSink(std::unique_ptr<RotatingFile> file) : file_(std::move(file)) {}

 protected:
  void sink_it_(const spdlog::details::log_msg& msg) override {
    spdlog::memory_buf_t line;
    formatter_->format(msg, line);
    file_->Write({line.data(), line.size()});
  }
  void flush_() override {}  // nothing is held back

 private:
  const std::unique_ptr<RotatingFile> file_;
};

}  // namespace

absl::Status StartLogging(const Config& config, const std::vector<std::string>& first) {
  std::vector<spdlog::sink_ptr> sinks;
  for (const std::string& output : config.log_outputs) {
    if (IsStderr(output)) {
      sinks.push_back(std::make_shared<spdlog::sinks::stderr_sink_mt>());
    } else if (output == "stdout") {
      sinks.push_back(std::make_shared<spdlog::sinks::stdout_sink_mt>());
    } else if (config.log_rotation) {
      KV_ASSIGN_OR_RETURN(auto file, RotatingFile::Open(output, *config.log_rotation));
      sinks.push_back(std::make_shared<RotatingSink>(std::move(file)));
    } else {
      try {
        sinks.push_back(std::make_shared<spdlog::sinks::basic_file_sink_mt>(output));
      } catch (const spdlog::spdlog_ex& error) {
        return absl::PermissionDeniedError(
            absl::StrCat("cannot open log output ", output, ": ", error.what()));
      }
    }
  }
  auto logger = std::make_shared<spdlog::logger>("kvd", sinks.begin(), sinks.end());
  if (config.log_format == "json") {
    logger->set_formatter(std::make_unique<JsonFormatter>());
  } else {
    logger->set_formatter(std::make_unique<ConsoleFormatter>());
  }
  logger->set_level(ParseLevel(config.log_level));
  logger->flush_on(spdlog::level::info);
  spdlog::set_default_logger(std::move(logger));
  for (const std::string& line : first) spdlog::warn("{}", line);
  return absl::OkStatus();
}

}  // namespace keelson::server
