#include "tools/kvbench/options.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <optional>
#include <string_view>
#include <utility>

#include "CLI/CLI.hpp"
#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/status_macros.h"

namespace keelson::kvbench {
namespace {

constexpr uint32_t kConnectionsMax = 10000;
constexpr uint32_t kOutstandingMax = 1000000;
constexpr uint64_t kTotalMax = 1'000'000'000;
constexpr uint32_t kKeySizeMax = 64 << 10;
constexpr uint32_t kValueSizeMax = 64 << 20;
constexpr uint32_t kStampBytes = 8;  // of a watched value: when it was put
constexpr absl::Duration kDurationDefault = absl::Seconds(5);
constexpr absl::Duration kDurationMax = absl::Hours(1);

// Text flags as they were given; "" where they were not.
struct Given {
  std::string endpoints = "127.0.0.1:2379";
  std::string target = "all";
  std::string duration, warmup = "500ms", timeout = "10s";
  std::string key_order = "random";
  std::string consistency = "l";
  std::string server_pids;
  uint32_t connections = 0;
};

absl::Status Bad(std::string_view flag, std::string_view value, std::string_view why) {
  std::string text;
  text.append(flag).append(" ").append(value).append(": ").append(why);
  return absl::InvalidArgumentError(text);
}

template <typename T>
std::optional<T> ParseNumber(std::string_view text) {
  T value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

absl::StatusOr<Endpoint> ParseEndpoint(std::string_view text) {
  constexpr std::string_view kFlag = "--endpoints";
  std::string_view rest = text;
  for (const std::string_view scheme : {"https://", "http://"}) {
    if (rest.starts_with(scheme)) rest.remove_prefix(scheme.size());
  }
  if (rest.ends_with('/')) rest.remove_suffix(1);
  const size_t colon = rest.rfind(':');
  if (colon == std::string_view::npos) return Bad(kFlag, text, "is not HOST:PORT");
  std::string_view host = rest.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  const auto port = ParseNumber<uint16_t>(rest.substr(colon + 1));
  if (host.empty() || !port || *port == 0) return Bad(kFlag, text, "is not HOST:PORT");
  return Endpoint{std::string(host), *port};
}

// "500ms", "1m30s", or a number of seconds.
absl::StatusOr<absl::Duration> ParseTime(std::string_view flag, const std::string& text,
                                         absl::Duration min) {
  absl::Duration time;
  if (const auto seconds = ParseNumber<double>(text)) {
    time = absl::Seconds(*seconds);
  } else if (!absl::ParseDuration(text, &time)) {
    return Bad(flag, text, "is not a time such as 500ms or 10s");
  }
  if (time < min || time > kDurationMax) return Bad(flag, text, "is not within range (1h at most)");
  return time;
}

absl::Status CheckSizes(Options* options) {
  uint64_t digits = 1;
  for (uint64_t n = options->key_space - 1; n >= 10; n /= 10) ++digits;
  if (options->key_size < digits) {
    return Bad("--key-size", std::to_string(options->key_size),
               "is too short for so many distinct keys (--key-space)");
  }
  if (options->operation == Operation::kWatch && options->value_size < kStampBytes) {
    return Bad("--value-size", std::to_string(options->value_size),
               "is too short for the time of the put (8 bytes)");
  }
  return absl::OkStatus();
}

absl::Status Finish(const Given& given, Options* options) {
  for (const absl::string_view text : absl::StrSplit(given.endpoints, ',')) {
    KV_ASSIGN_OR_RETURN(Endpoint endpoint, ParseEndpoint({text.data(), text.size()}));
    if (absl::StartsWith(text, "https://")) options->tls.on = true;
    options->endpoints.push_back(std::move(endpoint));
  }
  Tls& tls = options->tls;
  if (tls.cert.empty() != tls.key.empty()) {
    return absl::InvalidArgumentError("--cert and --key must be given together");
  }
  if (!tls.ca.empty() || !tls.cert.empty()) tls.on = true;
  if (!given.server_pids.empty()) {
    for (const absl::string_view text : absl::StrSplit(given.server_pids, ',')) {
      const auto pid = ParseNumber<int>({text.data(), text.size()});
      if (!pid || *pid <= 0)
        return Bad("--server-pids", given.server_pids, "is not a list of pids");
      options->server_pids.push_back(*pid);
    }
  }
  options->target = given.target == "leader" ? Target::kLeader : Target::kAll;
  options->key_order = given.key_order == "sequential" ? KeyOrder::kSequential : KeyOrder::kRandom;
  options->consistency =
      given.consistency == "s" ? Consistency::kSerializable : Consistency::kLinearizable;

  const auto shortest = absl::Milliseconds(10);
  KV_ASSIGN_OR_RETURN(options->warmup, ParseTime("--warmup", given.warmup, absl::ZeroDuration()));
  KV_ASSIGN_OR_RETURN(options->timeout, ParseTime("--timeout", given.timeout, shortest));
  if (!given.duration.empty()) {
    KV_ASSIGN_OR_RETURN(options->duration, ParseTime("--duration", given.duration, shortest));
  } else {
    options->duration = options->total > 0 ? kDurationMax : kDurationDefault;
  }

  const bool watch = options->operation == Operation::kWatch;
  const uint32_t users = watch ? options->streams : options->outstanding;
  if (given.connections > users) {
    return Bad("--connections", std::to_string(given.connections),
               watch ? "is more than --streams" : "is more than --outstanding");
  }
  const auto spread = options->target == Target::kAll ? options->endpoints.size() : 1;
  options->connections =
      given.connections != 0 ? given.connections : std::min(users, static_cast<uint32_t>(spread));
  return CheckSizes(options);
}

void AddCommonFlags(CLI::App* app, Given* given, Options* options) {
  app->add_option("--endpoints", given->endpoints, "HOST:PORT,... of an etcd v3 service")
      ->capture_default_str();
  app->add_option("--cacert", options->tls.ca,
                  "TLS: the authorities that may vouch for the servers");
  app->add_option("--cert", options->tls.cert,
                  "TLS: our certificate, for servers that ask for one");
  app->add_option("--key", options->tls.key, "TLS: the key of our certificate");
  app->add_option("--target", given->target, "where connections go: all endpoints, or the leader")
      ->check(CLI::IsMember({"all", "leader"}))
      ->capture_default_str();
  app->add_option("--connections", given->connections,
                  "connections (default: one to each endpoint in use)")
      ->check(CLI::Range(1u, kConnectionsMax));
  app->add_option("--outstanding", options->outstanding, "requests out at any time, in total")
      ->check(CLI::Range(1u, kOutstandingMax))
      ->capture_default_str();
  app->add_option("--total", options->total, "end after so many measured requests")
      ->check(CLI::Range(uint64_t{1}, kTotalMax));
  app->add_option("--duration", given->duration,
                  "end after so long (default: 5s; with --total, 1h)");
  app->add_option("--warmup", given->warmup, "load without measuring first, for so long")
      ->capture_default_str();
  app->add_option("--timeout", given->timeout, "fail after so long without any answer")
      ->capture_default_str();
  app->add_option("--key-size", options->key_size, "bytes")
      ->check(CLI::Range(1u, kKeySizeMax))
      ->capture_default_str();
  app->add_option("--seed", options->seed, "of keys and values")->capture_default_str();
  app->add_option("--rate", options->rate, "requests a second (default: as fast as answers come)")
      ->check(CLI::Range(0.001, 1e9));
  app->add_option("--server-pids", given->server_pids,
                  "PID,... to account for (default: those listening on local endpoints)");
  app->add_flag("--json", options->json, "print one JSON object");
}

void AddKeySpace(CLI::App* app, Given* given, Options* options) {
  app->add_option("--key-space", options->key_space, "distinct keys")
      ->check(CLI::Range(uint64_t{1}, kTotalMax))
      ->capture_default_str();
  app->add_option("--key-order", given->key_order, "random or sequential")
      ->check(CLI::IsMember({"random", "sequential"}))
      ->capture_default_str();
}

void AddValueSize(CLI::App* app, Options* options) {
  app->add_option("--value-size", options->value_size, "bytes")
      ->check(CLI::Range(0u, kValueSizeMax))
      ->capture_default_str();
}

}  // namespace

std::string Endpoint::text() const {
  const bool bracket = host.find(':') != std::string::npos;
  return (bracket ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

std::string_view Name(Operation operation) {
  switch (operation) {
    case Operation::kPut:
      return "put";
    case Operation::kGet:
      return "get";
    case Operation::kWatch:
      return "watch";
  }
  return "?";
}

absl::StatusOr<CommandLine> ParseCommandLine(const std::vector<std::string>& arguments) {
  CLI::App app("kvbench: a load generator for kvd, etcd, and whatever else speaks etcd v3.");
  app.get_formatter()->column_width(28);
  app.require_subcommand(1);
  app.option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);  // as Go's flags
  Given given;
  CommandLine line;
  Options& options = line.options;

  CLI::App* put = app.add_subcommand("put", "write keys");
  AddCommonFlags(put, &given, &options);
  AddKeySpace(put, &given, &options);
  AddValueSize(put, &options);
  CLI::App* get = app.add_subcommand("get", "read single keys");
  AddCommonFlags(get, &given, &options);
  AddKeySpace(get, &given, &options);
  get->add_option("--consistency", given.consistency, "l: linearizable, s: serializable")
      ->check(CLI::IsMember({"l", "s"}))
      ->capture_default_str();
  CLI::App* watch = app.add_subcommand("watch", "write one key and time its way to all watchers");
  AddCommonFlags(watch, &given, &options);
  AddValueSize(watch, &options);
  watch->add_option("--streams", options.streams, "watch streams, spread over the connections")
      ->check(CLI::Range(1u, 100000u))
      ->capture_default_str();
  watch->add_option("--watchers", options.watchers, "watchers a stream")
      ->check(CLI::Range(1u, 100000u))
      ->capture_default_str();

  if (!arguments.empty() && !arguments[0].starts_with('-') && arguments[0] != "put" &&
      arguments[0] != "get" && arguments[0] != "watch") {
    return absl::InvalidArgumentError("no operation " + arguments[0] + " (put, get, watch)");
  }
  std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());  // as CLI11 wants it
  try {
    app.parse(reversed);
  } catch (const CLI::CallForHelp&) {
    const std::vector<CLI::App*> chosen = app.get_subcommands();
    line.help = (chosen.empty() ? &app : chosen[0])->help();
    return line;
  } catch (const CLI::ParseError& error) {
    std::string text = error.what();
    std::replace(text.begin(), text.end(), '\n', ' ');
    return absl::InvalidArgumentError(text);
  }
  options.operation = put->parsed()   ? Operation::kPut
                      : get->parsed() ? Operation::kGet
                                      : Operation::kWatch;
  if (options.operation == Operation::kWatch) options.key_space = 1;
  KV_RETURN_IF_ERROR(Finish(given, &options));
  return line;
}

}  // namespace keelson::kvbench
