#include "apiserver/api/kinds/container_handlers.h"

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>
#include <string>

#include "apiserver/api/kinds/field_checks.h"
#include "apiserver/api/object.h"
#include "base/concat.h"

namespace keelson::api {
namespace {

void ValidateHttpGet(const Json& get, std::string_view path, FieldErrors& errors) {
  CheckRequired(TextAt(get, "path"), Child(path, "path"), errors);
  CheckPortOrName(Find(get, "port"), Child(path, "port"), errors);
  const Json* scheme = Find(get, "scheme");
  const Json none = "";
  CheckOptionalOneOf(scheme != nullptr ? scheme : &none, {"HTTP", "HTTPS"}, Child(path, "scheme"),
                     errors);
  for (const Json& header : ArrayAt(get, "httpHeaders")) {
    const std::string& name = TextAt(header, "name");
    const auto allowed = [](char c) {
      return c == '-' || std::isalnum(static_cast<unsigned char>(c)) != 0;
    };
    if (name.empty() || !std::all_of(name.begin(), name.end(), allowed)) {
      errors.Invalid(Child(path, "httpHeaders"), name,
                     "a valid HTTP header must consist of alphanumeric characters or '-' (e.g. "
                     "'X-Header-Name', regex used for validation is '[-A-Za-z0-9]+')");
    }
  }
}

void ValidateSleep(const Json& sleep, const Json& pod_spec, std::string_view path,
                   FieldErrors& errors) {
  if (Find(pod_spec, "terminationGracePeriodSeconds") == nullptr) return;
  const int64_t grace = NumberAt(pod_spec, "terminationGracePeriodSeconds");
  const int64_t seconds = NumberAt(sleep, "seconds");
  if (seconds < 0 || seconds > grace) {
    errors.Invalid(
        path, seconds,
        Concat("must be non-negative and less than terminationGracePeriodSeconds (", grace, ")"));
  }
}

// grpc is for probes alone, sleep for hooks alone.
void ValidateHandler(const Json& handler, std::string_view last_kind, const Json& pod_spec,
                     std::string_view path, FieldErrors& errors) {
  bool found = false;
  for (std::string_view kind : {std::string_view("exec"), std::string_view("httpGet"),
                                std::string_view("tcpSocket"), last_kind}) {
    const Json* how = Find(handler, kind);
    if (how == nullptr) continue;
    const std::string at = Child(path, kind);
    if (found) {
      errors.Forbidden(at, "may not specify more than 1 handler type");
      continue;
    }
    found = true;
    if (kind == "exec") {
      if (ArrayAt(*how, "command").empty()) errors.Required(Child(at, "command"));
    } else if (kind == "httpGet") {
      ValidateHttpGet(*how, at, errors);
    } else if (kind == "sleep") {
      ValidateSleep(*how, pod_spec, at, errors);
    } else {
      CheckPortOrName(Find(*how, "port"), Child(at, "port"), errors);
    }
  }
  if (!found) errors.Required(path, "must specify a handler type");
}

void ValidateProbe(const Json& container, std::string_view name, const Json& pod_spec,
                   std::string_view container_path, FieldErrors& errors) {
  const Json* probe = Find(container, name);
  if (probe == nullptr) return;
  const std::string path = Child(container_path, name);
  ValidateHandler(*probe, "grpc", pod_spec, path, errors);
  for (std::string_view field : {"initialDelaySeconds", "timeoutSeconds", "periodSeconds",
                                 "successThreshold", "failureThreshold"}) {
    CheckNotNegativeAt(*probe, field, path, errors);
  }
  constexpr std::string_view kGrace = "terminationGracePeriodSeconds";
  if (const Json* grace = Find(*probe, kGrace)) {
    if (NumberAt(*probe, kGrace) <= 0) {
      errors.Invalid(Child(path, kGrace), *grace, "must be greater than 0");
    }
    if (name == "readinessProbe") {
      errors.Invalid(Child(path, kGrace), *grace, "must not be set for readinessProbes");
    }
  }
  const int64_t successes = NumberAt(*probe, "successThreshold");
  if (name != "readinessProbe" && successes != 1) {
    errors.Invalid(Child(path, "successThreshold"), successes, "must be 1");
  }
}

bool IsLinuxSignal(std::string_view signal) {
  static constexpr std::string_view kSignals[] = {
      "SIGABRT",  "SIGALRM",   "SIGBUS",   "SIGCHLD", "SIGCLD",  "SIGCONT", "SIGFPE",  "SIGHUP",
      "SIGILL",   "SIGINT",    "SIGIO",    "SIGIOT",  "SIGKILL", "SIGPIPE", "SIGPOLL", "SIGPROF",
      "SIGPWR",   "SIGQUIT",   "SIGSEGV",  "SIGSTOP", "SIGSYS",  "SIGTERM", "SIGTRAP", "SIGTSTP",
      "SIGTTIN",  "SIGTTOU",   "SIGURG",   "SIGUSR1", "SIGUSR2", "SIGXCPU", "SIGXFSZ", "SIGVTALRM",
      "SIGWINCH", "SIGSTKFLT", "SIGRTMIN", "SIGRTMAX"};
  if (std::find(std::begin(kSignals), std::end(kSignals), signal) != std::end(kSignals))
    return true;
  for (int i = 1; i <= 15; ++i) {
    if (signal == Concat("SIGRTMIN+", i) || (i <= 14 && signal == Concat("SIGRTMAX-", i))) {
      return true;
    }
  }
  return false;
}

void ValidateStopSignal(std::string_view signal, std::string_view os, std::string_view path,
                        FieldErrors& errors) {
  if (os.empty()) {
    errors.Forbidden(path, "may not be set for containers with empty `spec.os.name`");
  } else if (os == "windows") {
    CheckOneOf(signal, {"SIGKILL", "SIGTERM"}, path, errors);
  } else if (!IsLinuxSignal(signal)) {
    errors.Invalid(path, signal, "must be a signal of Linux");
  }
}

}  // namespace

void ValidateHandlers(const Json& container, const Json& pod_spec, std::string_view path,
                      FieldErrors& errors) {
  for (std::string_view hook : {"postStart", "preStop"}) {
    if (const Json* handler = Find(MapAt(container, "lifecycle"), hook)) {
      ValidateHandler(*handler, "sleep", pod_spec, Child(Child(path, "lifecycle"), hook), errors);
    }
  }
  if (Find(container, "lifecycle.stopSignal") != nullptr) {
    ValidateStopSignal(TextAt(container, "lifecycle.stopSignal"), TextAt(pod_spec, "os.name"),
                       Child(path, "lifecycle.stopSignal"), errors);
  }
  for (std::string_view probe : {"livenessProbe", "readinessProbe", "startupProbe"}) {
    ValidateProbe(container, probe, pod_spec, path, errors);
  }
}

}  // namespace keelson::api
