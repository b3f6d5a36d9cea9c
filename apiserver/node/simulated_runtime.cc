#include "apiserver/node/simulated_runtime.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "apiserver/api/object.h"
#include "apiserver/api/quantity.h"
#include "apiserver/node/simulated_command.h"
#include "base/concat.h"

namespace keelson::node {
namespace {

using api::Json;

constexpr int kKilled = 137;  // by a signal that cannot be caught
constexpr size_t kLogLinesMax = 10'000;
constexpr absl::Duration kLogIntervalMin = absl::Milliseconds(1);
constexpr int64_t kNanosPerMilli = 1'000'000;  // of cpu

const std::string* Annotation(const Json& pod, const std::string& name,
                              const std::string& container) {
  const Json& annotations = api::AnnotationsOf(pod);
  const std::string key = "keelson.io/sim." + name;
  const Json* found = container.empty() ? nullptr : api::Member(annotations, key + "." + container);
  if (found == nullptr) found = api::Member(annotations, key);
  return found != nullptr && found->is_string() ? &found->get_ref<const std::string&>() : nullptr;
}

bool FlagOf(const Json& pod, const std::string& name, const std::string& container) {
  const std::string* text = Annotation(pod, name, container);
  return text != nullptr && *text == "true";
}

std::optional<absl::Duration> DurationOf(const Json& pod, const std::string& name,
                                         const std::string& container) {
  const std::string* text = Annotation(pod, name, container);
  absl::Duration duration;
  if (text == nullptr || !absl::ParseDuration(*text, &duration)) return std::nullopt;
  return std::max(duration, absl::ZeroDuration());
}

std::optional<int64_t> QuantityOf(const Json& pod, const std::string& name,
                                  const std::string& container, bool milli) {
  const std::string* text = Annotation(pod, name, container);
  if (text == nullptr) return std::nullopt;
  const std::optional<api::Quantity> quantity = api::Quantity::Parse(*text);
  if (!quantity || quantity->IsNegative()) return std::nullopt;
  return milli ? quantity->Milli() : quantity->Value();
}

const Json& SpecOf(const Json& pod, const std::string& container) {
  static const Json none = Json::object();
  for (const char* list : {"spec.containers", "spec.initContainers", "spec.ephemeralContainers"}) {
    for (const Json& spec : api::ArrayAt(pod, list)) {
      if (api::TextAt(spec, "name") == container) return spec;
    }
  }
  return none;
}

bool IsOfJob(const Json& pod) {
  return api::Member(api::LabelsOf(pod), "batch.kubernetes.io/job-name") != nullptr ||
         api::Member(api::LabelsOf(pod), "job-name") != nullptr;
}

}  // namespace

struct SimulatedRuntime::Sandbox {
  SandboxConfig config;
  std::vector<std::string> containers;
};

struct SimulatedRuntime::Container {
  std::string id;
  std::string sandbox;
  ContainerConfig config;
  runtime::Object pod;
  absl::Time started = absl::InfiniteFuture();
  absl::Time finished = absl::InfiniteFuture();
  absl::Time stop_by = absl::InfiniteFuture();
  bool running = false;
  int64_t cpu_milli = 0;
  int64_t memory_bytes = 0;
  std::vector<std::string> output;
  std::vector<Done> on_stopped;
};

SimulatedRuntime::SimulatedRuntime(EventLoop* loop, uint64_t seed) : loop_(loop), random_(seed) {}
SimulatedRuntime::~SimulatedRuntime() = default;

void SimulatedRuntime::OnExit(std::function<void(const ContainerExit&)> listener) {
  on_exit_ = std::move(listener);
}

void SimulatedRuntime::After(absl::Duration delay, std::function<void()> act) {
  loop_->After(delay, [alive = std::weak_ptr<int>(alive_), act = std::move(act)] {
    if (!alive.expired()) act();
  });
}

absl::Duration SimulatedRuntime::Between(absl::Duration least, absl::Duration most) {
  const auto span = static_cast<uint64_t>(absl::ToInt64Microseconds(most - least));
  return least + absl::Microseconds(static_cast<int64_t>(random_.Below(span + 1)));
}

std::string SimulatedRuntime::MakeId() {
  return absl::StrFormat("%016x%016x%016x%016x", random_.Next(), random_.Next(), random_.Next(),
                         random_.Next());
}

SimulatedRuntime::Container* SimulatedRuntime::Find(const std::string& id) {
  const auto found = containers_.find(id);
  return found == containers_.end() ? nullptr : found->second.get();
}
const SimulatedRuntime::Container* SimulatedRuntime::Find(const std::string& id) const {
  const auto found = containers_.find(id);
  return found == containers_.end() ? nullptr : found->second.get();
}

void SimulatedRuntime::RunSandbox(SandboxConfig config, DoneId done) {
  const std::string id = MakeId();
  sandboxes_[id] = std::make_unique<Sandbox>(Sandbox{std::move(config), {}});
  After(Between(absl::Milliseconds(5), absl::Milliseconds(25)),
        [id, done = std::move(done)] { done(id); });
}

void SimulatedRuntime::UpdatePod(const std::string& sandbox, runtime::Object pod) {
  const auto found = sandboxes_.find(sandbox);
  if (found == sandboxes_.end()) return;
  for (const std::string& id : found->second->containers) containers_[id]->pod = pod;
  found->second->config.pod = std::move(pod);
}

void SimulatedRuntime::StopSandbox(const std::string& sandbox, Done done) {
  if (const auto found = sandboxes_.find(sandbox); found != sandboxes_.end()) {
    const std::vector<std::string> containers = found->second->containers;
    for (const std::string& id : containers) Exit(id, kKilled, false);
  }
  After(absl::ZeroDuration(), [done = std::move(done)] { done(absl::OkStatus()); });
}

void SimulatedRuntime::RemoveSandbox(const std::string& sandbox, Done done) {
  if (const auto found = sandboxes_.find(sandbox); found != sandboxes_.end()) {
    for (const std::string& id : found->second->containers) containers_.erase(id);
    sandboxes_.erase(found);
  }
  After(absl::ZeroDuration(), [done = std::move(done)] { done(absl::OkStatus()); });
}

std::optional<std::string> SimulatedRuntime::FindImage(const std::string& image) const {
  if (!images_.contains(image)) return std::nullopt;
  return Concat(image.substr(0, image.find('@')),
                "@sha256:", absl::StrFormat("%064x", std::hash<std::string>()(image)));
}

std::vector<Image> SimulatedRuntime::ListImages() const {
  std::vector<Image> images;
  images.reserve(images_.size());
  for (const auto& [name, bytes] : images_) images.push_back({{name}, bytes});
  return images;
}

void SimulatedRuntime::PullImage(const std::string& image, const std::string& sandbox,
                                 DoneId done) {
  const auto in = sandboxes_.find(sandbox);
  const Json pod = in == sandboxes_.end() ? Json::object() : *in->second->config.pod;
  const bool there = images_.contains(image);
  // A tag that is there already is only looked up.
  const absl::Duration takes =
      there ? absl::Milliseconds(20)
            : DurationOf(pod, "pull-time", "")
                  .value_or(Between(absl::Milliseconds(200), absl::Milliseconds(1200)));
  const bool fails = FlagOf(pod, "fail-pull", "");
  const int64_t bytes = int64_t{5'000'000} + static_cast<int64_t>(random_.Below(200'000'000));
  After(takes, [this, image, fails, bytes, done = std::move(done)] {
    if (fails) {
      return done(
          absl::UnknownError(Concat("failed to pull and unpack image \"", image, "\": not found")));
    }
    images_.try_emplace(image, bytes);
    done(*FindImage(image));
  });
}

void SimulatedRuntime::CreateContainer(const std::string& sandbox, ContainerConfig config,
                                       DoneId done) {
  const auto in = sandboxes_.find(sandbox);
  if (in == sandboxes_.end()) {
    After(absl::ZeroDuration(), [sandbox, done = std::move(done)] {
      done(absl::NotFoundError(Concat("sandbox ", sandbox, " not found")));
    });
    return;
  }
  auto container = std::make_unique<Container>();
  container->id = MakeId();
  container->sandbox = sandbox;
  container->pod = in->second->config.pod;
  container->config = std::move(config);
  const std::string& name = container->config.name;
  const Json& pod = *container->pod;
  const Json& requests = api::MapAt(SpecOf(pod, name), "resources.requests");
  const auto part = [&](const char* resource) {  // of what it asked for
    const Json* asked = api::Member(requests, resource);
    const int64_t milli = asked == nullptr ? 0 : api::Quantity::Of(*asked).Milli();
    return milli / 100 * static_cast<int64_t>(10 + random_.Below(50));
  };
  container->cpu_milli = QuantityOf(pod, "cpu", name, true).value_or(part("cpu"));
  container->memory_bytes = QuantityOf(pod, "memory", name, false).value_or(part("memory") / 1000);
  const std::string id = container->id;
  in->second->containers.push_back(id);
  containers_[id] = std::move(container);
  After(absl::ZeroDuration(), [id, done = std::move(done)] { done(id); });
}

SimulatedRuntime::End SimulatedRuntime::EndOf(const Container& container) {
  const Json& pod = *container.pod;
  const std::string& name = container.config.name;
  End end;
  const std::optional<SimulatedCommand> command = Interpret(SpecOf(pod, name));
  if (command) {
    end.after = command->takes + Between(absl::Milliseconds(1), absl::Milliseconds(20));
    end.code = command->exit_code;
  } else if (container.config.ends_by_itself) {
    end.after = Between(absl::Milliseconds(10), absl::Milliseconds(50));
  } else if (IsOfJob(pod)) {
    end.after = Between(absl::Milliseconds(500), absl::Milliseconds(1500));
  }
  if (const auto after = DurationOf(pod, "exit-after", name)) end.after = *after;
  if (const auto code = QuantityOf(pod, "exit-code", name, false)) {
    end.code = static_cast<int>(std::clamp<int64_t>(*code, 0, 255));
  }
  end.out_of_memory = FlagOf(pod, "oom", name);
  return end;
}

void SimulatedRuntime::StartContainer(const std::string& id, Done done) {
  Container* container = Find(id);
  if (container == nullptr) {
    After(absl::ZeroDuration(), [id, done = std::move(done)] {
      done(absl::NotFoundError(Concat("container ", id, " not found")));
    });
    return;
  }
  const absl::Duration takes =
      DurationOf(*container->pod, "start-time", container->config.name)
          .value_or(Between(absl::Milliseconds(10), absl::Milliseconds(60)));
  After(takes, [this, id, done = std::move(done)] {
    Container* starting = Find(id);
    if (starting == nullptr || starting->finished != absl::InfiniteFuture()) {
      return done(absl::NotFoundError(Concat("container ", id, " was removed")));
    }
    starting->running = true;
    starting->started = loop_->Now();
    if (const auto command = Interpret(SpecOf(*starting->pod, starting->config.name))) {
      starting->output = command->output;
    }
    const End end = EndOf(*starting);
    done(absl::OkStatus());
    if (end.after == absl::InfiniteDuration()) return;
    After(end.after,
          [this, id, end] { Exit(id, end.out_of_memory ? kKilled : end.code, end.out_of_memory); });
  });
}

void SimulatedRuntime::Exit(const std::string& id, int code, bool out_of_memory) {
  Container* container = Find(id);
  if (container == nullptr || container->finished != absl::InfiniteFuture()) return;
  container->finished = loop_->Now();
  const bool ran = std::exchange(container->running, false);
  std::vector<Done> stopped = std::move(container->on_stopped);
  if (ran && on_exit_) {
    on_exit_({.container_id = id,
              .exit_code = code,
              .reason = out_of_memory ? "OOMKilled"
                        : code == 0   ? "Completed"
                                      : "Error",
              .finished = container->finished});
  }
  for (const Done& done : stopped) done(absl::OkStatus());
}

void SimulatedRuntime::StopContainer(const std::string& id, absl::Duration grace, Done done) {
  Container* container = Find(id);
  if (container == nullptr || container->finished != absl::InfiniteFuture()) {
    After(absl::ZeroDuration(), [done = std::move(done)] { done(absl::OkStatus()); });
    return;
  }
  const std::string& name = container->config.name;
  const bool ignores = FlagOf(*container->pod, "ignore-stop", name);
  const absl::Duration takes =
      ignores ? absl::InfiniteDuration()
              : DurationOf(*container->pod, "stop-time", name)
                    .value_or(Between(absl::Milliseconds(5), absl::Milliseconds(50)));
  container->on_stopped.push_back(std::move(done));
  if (takes <= grace && container->stop_by == absl::InfiniteFuture()) {
    After(takes, [this, id] { Exit(id, 0, false); });
  }
  const absl::Time by = loop_->Now() + grace;
  if (by >= container->stop_by) return;
  container->stop_by = by;
  After(grace, [this, id] { Exit(id, kKilled, false); });
}

void SimulatedRuntime::RemoveContainer(const std::string& id, Done done) {
  if (Container* container = Find(id); container != nullptr) {
    Exit(id, kKilled, false);
    if (const auto in = sandboxes_.find(container->sandbox); in != sandboxes_.end()) {
      std::erase(in->second->containers, id);
    }
    containers_.erase(id);
  }
  After(absl::ZeroDuration(), [done = std::move(done)] { done(absl::OkStatus()); });
}

void SimulatedRuntime::Probe(const std::string& id, ProbeKind kind, const Json&,
                             std::function<void(ProbeResult)> done) {
  const auto answer = [this, id, kind]() -> ProbeResult {
    const Container* container = Find(id);
    if (container == nullptr || !container->running) return {false, "the container does not run"};
    const Json& pod = *container->pod;
    const std::string& name = container->config.name;
    const absl::Duration age = loop_->Now() - container->started;
    const auto ready_after = DurationOf(pod, "ready-after", name);
    if (kind != ProbeKind::kLiveness && ready_after && age < *ready_after) {
      return {false, "HTTP probe failed with statuscode: 503"};
    }
    const std::string* failing = Annotation(pod, "fail-probe", name);
    if (failing == nullptr) return {true};
    const std::string_view this_one = kind == ProbeKind::kStartup    ? "startup"
                                      : kind == ProbeKind::kLiveness ? "liveness"
                                                                     : "readiness";
    const auto after = DurationOf(pod, "fail-probe-after", name);
    if (after && age < *after) return {true};
    const std::vector<std::string> all = absl::StrSplit(*failing, ',');
    if (std::find(all.begin(), all.end(), this_one) == all.end()) return {true};
    return {false, "HTTP probe failed with statuscode: 500"};
  };
  After(absl::ZeroDuration(), [answer, done = std::move(done)] { done(answer()); });
}

std::optional<ContainerStats> SimulatedRuntime::Stats(const std::string& id) const {
  const Container* container = Find(id);
  if (container == nullptr || !container->running) return std::nullopt;
  const int64_t nano_cores = container->cpu_milli * kNanosPerMilli;
  const double seconds = absl::ToDoubleSeconds(loop_->Now() - container->started);
  return ContainerStats{nano_cores, static_cast<int64_t>(static_cast<double>(nano_cores) * seconds),
                        container->memory_bytes};
}

absl::StatusOr<Log> SimulatedRuntime::ReadLog(const std::string& id,
                                              const LogOptions& options) const {
  const Container* container = Find(id);
  if (container == nullptr) return absl::NotFoundError(Concat("container ", id, " not found"));
  Log log;
  log.complete = container->finished != absl::InfiniteFuture();
  if (container->started == absl::InfiniteFuture()) return log;
  const absl::Duration interval =
      std::max(DurationOf(*container->pod, "log-interval", container->config.name)
                   .value_or(absl::Seconds(10)),
               kLogIntervalMin);
  log.until = std::min(loop_->Now(), container->finished);
  const int64_t ticks = (log.until - container->started) / interval;
  std::vector<std::pair<absl::Time, std::string>> lines;
  lines.emplace_back(container->started, Concat(container->config.name, " started"));
  for (const std::string& line : container->output) lines.emplace_back(container->started, line);
  const int64_t first = std::max<int64_t>(1, ticks - static_cast<int64_t>(kLogLinesMax));
  for (int64_t i = first; i <= ticks; ++i) {
    lines.emplace_back(container->started + i * interval, Concat("line ", i));
  }
  size_t begin = 0;
  while (begin < lines.size() && lines[begin].first <= options.after) ++begin;
  if (options.since) {
    while (begin < lines.size() && lines[begin].first < *options.since) ++begin;
  }
  if (options.tail_lines && *options.tail_lines >= 0) {
    const auto tail = static_cast<size_t>(*options.tail_lines);
    if (lines.size() - begin > tail) begin = lines.size() - tail;
  }
  for (size_t i = begin; i < lines.size(); ++i) {
    if (options.timestamps) {
      Append(&log.text,
             absl::FormatTime("%Y-%m-%dT%H:%M:%E9SZ", lines[i].first, absl::UTCTimeZone()), " ");
    }
    Append(&log.text, lines[i].second, "\n");
  }
  if (options.bytes_max && *options.bytes_max >= 0 &&
      log.text.size() > static_cast<size_t>(*options.bytes_max)) {
    log.text.resize(static_cast<size_t>(*options.bytes_max));
  }
  return log;
}

}  // namespace keelson::node
