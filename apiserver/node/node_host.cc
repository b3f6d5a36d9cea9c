#include "apiserver/node/node_host.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/synchronization/notification.h"
#include "apiserver/api/object.h"
#include "apiserver/api/time.h"
#include "apiserver/runtime/informer.h"
#include "apiserver/runtime/packed_object.h"
#include "base/concat.h"

namespace keelson::node {
namespace {

using api::Json;
using runtime::Object;
using runtime::Page;

// Nodes begin one after the other, so that a thousand of them do not knock all at once; so their
// leases stay spread out.
constexpr absl::Duration kStartSpread = absl::Seconds(9);
constexpr absl::Duration kStartStep = absl::Milliseconds(3);

template <size_t n>
void Keep(Json* map, const std::array<std::string_view, n>& names) {
  if (map == nullptr || !map->is_object()) return;
  for (auto at = map->begin(); at != map->end();) {
    const bool named = std::find(names.begin(), names.end(), at.key()) != names.end();
    at = named ? std::next(at) : map->erase(at);
  }
}

void ForEach(Json& object, std::string_view path, void (*change)(Json& one)) {
  Json* list = api::Find(object, path);
  if (list == nullptr || !list->is_array()) return;
  for (Json& one : *list) change(one);
}

// "tailLines=5&timestamps=true" as far as logs go. nullopt: a malformed number or time.
struct LogQuery {
  LogOptions options;
  bool previous = false;
  bool follow = false;
};
std::optional<LogQuery> ParseLogQuery(std::string_view query, absl::Time now) {
  LogQuery parsed;
  const std::vector<std::string> parts = absl::StrSplit(std::string(query), '&', absl::SkipEmpty());
  for (const std::string& part : parts) {
    const size_t equals = part.find('=');
    const std::string name = part.substr(0, equals);
    const std::string value = equals == part.npos ? "" : part.substr(equals + 1);
    int64_t number = 0;
    const bool is_number = absl::SimpleAtoi(value, &number) && number >= 0;
    if (name == "timestamps") parsed.options.timestamps = value == "true";
    if (name == "previous") parsed.previous = value == "true";
    if (name == "follow") parsed.follow = value == "true";
    if (name == "sinceTime") {
      parsed.options.since = api::ParseTime(value);
      if (!parsed.options.since) return std::nullopt;
    }
    if (name != "tailLines" && name != "limitBytes" && name != "sinceSeconds") continue;
    if (!is_number) return std::nullopt;
    if (name == "tailLines") parsed.options.tail_lines = number;
    if (name == "limitBytes") parsed.options.bytes_max = number;
    if (name == "sinceSeconds") parsed.options.since = now - absl::Seconds(number);
  }
  return parsed;
}

// By its node it is known whose it is; only then it is looked into.
Json PackPod(const Json& pod) {
  Json packed = runtime::Pack(pod);
  packed["spec"]["nodeName"] = api::TextAt(pod, "spec.nodeName");
  return packed;
}

}  // namespace

void TrimForSimulation(Json& pod) {
  Json* metadata = api::Find(pod, "metadata");
  Keep(metadata, std::to_array<std::string_view>({"name", "namespace", "uid", "resourceVersion",
                                                  "labels", "annotations", "deletionTimestamp",
                                                  "deletionGracePeriodSeconds"}));
  Keep(api::Find(pod, "spec"),
       std::to_array<std::string_view>({"nodeName", "hostNetwork", "restartPolicy",
                                        "terminationGracePeriodSeconds", "activeDeadlineSeconds",
                                        "readinessGates", "containers", "initContainers",
                                        "ephemeralContainers"}));
  for (const char* list : {"spec.containers", "spec.initContainers", "spec.ephemeralContainers"}) {
    ForEach(pod, list, [](Json& container) {
      Keep(&container, std::to_array<std::string_view>(
                           {"name", "image", "imagePullPolicy", "command", "args", "resources",
                            "startupProbe", "livenessProbe", "readinessProbe", "restartPolicy"}));
    });
  }
  Keep(api::Find(pod, "status"),
       std::to_array<std::string_view>({"phase", "conditions", "startTime", "podIP",
                                        "containerStatuses", "initContainerStatuses"}));
  for (const char* list : {"status.containerStatuses", "status.initContainerStatuses"}) {
    ForEach(pod, list, [](Json& status) {
      Keep(&status, std::to_array<std::string_view>({"name", "restartCount", "state"}));
    });
  }
}

class NodeHost::Impl {
 public:
  Impl(runtime::ApiClient* client, runtime::EventRecorder* events, NodeHostOptions options)
      : api_(client, &loop_, options.request_threads), pods_(client, WatchOptions(options)) {
    for (NodeAgentOptions& node : options.nodes) {
      const std::string name = node.name;
      runtime::EventRecorder* recorder = nullptr;
      if (events != nullptr) {
        recorders_.push_back(events->As("kubelet", name));
        recorder = recorders_.back().get();
      }
      agents_[name] = std::make_unique<NodeAgent>(std::move(node), &loop_, &api_, recorder,
                                                  options.make_runtime(&loop_, name));
    }
    pods_.AddHandler({[this](const Object& pod) { Dispatch(pod); },
                      [this](const Object& before, const Object& now) {
                        if (before != now) Dispatch(now);
                      },
                      [this](const Object& last) { DispatchGone(last); }});
  }

  ~Impl() { Stop(); }

  void Start() {
    loop_.Post([this] {
      absl::Duration delay = absl::ZeroDuration();
      for (const auto& [name, agent] : agents_) {
        agent->Start(delay);
        delay = std::min(delay + kStartStep, kStartSpread);
      }
    });
    pods_.Start();
  }

  void Stop() {
    pods_.Stop();
    api_.Stop();
    loop_.Stop();
    agents_.clear();
  }

  bool ready() {
    return Ask<bool>([this] {
      return std::all_of(agents_.begin(), agents_.end(),
                         [](const auto& agent) { return agent.second->registered(); });
    });
  }

  Page Logs(std::string_view path, std::string_view query) {
    const std::vector<std::string> parts = absl::StrSplit(std::string(path), '/');
    if (parts.size() != 5) return {404, "text/plain; charset=utf-8", "404 page not found\n"};
    const std::optional<LogQuery> parsed = ParseLogQuery(query, absl::Now());
    if (!parsed) return {400, "text/plain; charset=utf-8", "malformed number or time\n"};
    return Ask<Page>([&] { return ReadLog(parts[2], parts[3], parts[4], *parsed); });
  }

  std::string Metrics() {
    return Ask<std::string>([this] {
      size_t registered = 0;
      size_t pods = 0;
      for (const auto& [name, agent] : agents_) {
        registered += agent->registered() ? 1 : 0;
        pods += agent->pod_count();
      }
      return Concat("# HELP kubelet_node_registered Nodes of this process that are registered.\n",
                    "# TYPE kubelet_node_registered gauge\nkubelet_node_registered ", registered,
                    "\n# HELP kubelet_active_pods Pods on these nodes.\n",
                    "# TYPE kubelet_active_pods gauge\nkubelet_active_pods ", pods, "\n");
    });
  }

  std::string ResourceMetrics() {
    return Ask<std::string>([this] {
      std::string text;
      for (const auto& [name, agent] : agents_) agent->AppendResourceMetrics(&text);
      return text;
    });
  }

 private:
  static runtime::InformerOptions WatchOptions(const NodeHostOptions& options) {
    runtime::InformerOptions watch{.resource = {"", "v1", "pods"}};
    watch.trim = options.trim;
    watch.pack = &PackPod;
    // A selector can name one node or all.
    watch.selectors.field_selector = options.nodes.size() == 1
                                         ? Concat("spec.nodeName=", options.nodes[0].name)
                                         : "spec.nodeName!=";
    return watch;
  }

  NodeAgent* AgentOf(const Json& pod) {
    const auto found = agents_.find(api::TextAt(pod, "spec.nodeName"));
    return found == agents_.end() ? nullptr : found->second.get();
  }

  void Dispatch(const Object& pod) {
    if (AgentOf(*pod) == nullptr) return;  // agents never change
    loop_.Post([this, pod] {
      Object unpacked = runtime::Unpack(pod);
      NodeAgent* agent = AgentOf(*pod);
      names_[api::KeyOf(*pod)] = {agent, api::UidOf(*unpacked)};
      agent->OnPod(std::move(unpacked));
    });
  }
  void DispatchGone(const Object& last) {
    if (AgentOf(*last) == nullptr) return;
    loop_.Post([this, last] {
      const Object unpacked = runtime::Unpack(last);
      const auto found = names_.find(api::KeyOf(*last));
      if (found != names_.end() && found->second.second == api::UidOf(*unpacked)) {
        names_.erase(found);
      }
      AgentOf(*last)->OnPodGone(*unpacked);
    });
  }

  Page ReadLog(const std::string& name_space, const std::string& pod, const std::string& container,
               const LogQuery& query) {
    const auto found = names_.find(Concat(name_space, "/", pod));
    const PodWorker* worker =
        found == names_.end() ? nullptr : found->second.first->FindPod(found->second.second);
    if (worker == nullptr) {
      return {404, "text/plain; charset=utf-8", Concat("pods \"", pod, "\" not found\n")};
    }
    const std::optional<std::string> id = worker->ContainerId(
        container, query.previous ? PodWorker::Run::kPrevious : PodWorker::Run::kPresent);
    if (!id) {
      return {400, "text/plain; charset=utf-8",
              Concat(query.previous ? "previous terminated " : "", "container \"", container,
                     "\" in pod \"", pod, "\" ",
                     query.previous ? "not found\n" : "is waiting to start: ContainerCreating\n")};
    }
    const NodeAgent* agent = found->second.first;
    auto log = agent->container_runtime().ReadLog(*id, query.options);
    if (!log.ok()) {
      return {404, "text/plain; charset=utf-8", Concat(std::string(log.status().message()), "\n")};
    }
    Page page{200, "text/plain; charset=utf-8", std::move(log->text)};
    if (query.follow && !log->complete) {
      LogOptions rest = query.options;
      rest.tail_lines.reset();
      rest.after = log->until;
      if (rest.bytes_max) *rest.bytes_max -= static_cast<int64_t>(page.body.size());
      page.more = [this, agent, id = *id, rest]() mutable {
        return Ask<std::optional<std::string>>([&] { return ReadOn(*agent, id, &rest); });
      };
    }
    return page;
  }

  // What has come since, until the container has ended, has gone, or enough was read.
  static std::optional<std::string> ReadOn(const NodeAgent& agent, const std::string& container,
                                           LogOptions* rest) {
    if (rest->bytes_max && *rest->bytes_max <= 0) return std::nullopt;
    auto log = agent.container_runtime().ReadLog(container, *rest);
    if (!log.ok() || (log->complete && log->text.empty())) return std::nullopt;
    rest->after = log->until;
    if (rest->bytes_max) *rest->bytes_max -= static_cast<int64_t>(log->text.size());
    return std::move(log->text);
  }

  // What the loop says.
  template <typename Result>
  Result Ask(const std::function<Result()>& question) {
    Result result{};
    absl::Notification answered;
    loop_.Post([&] {
      result = question();
      answered.Notify();
    });
    answered.WaitForNotification();
    return result;
  }

  ThreadLoop loop_;
  PooledApi api_;
  std::vector<std::unique_ptr<runtime::EventRecorder>> recorders_;
  std::map<std::string, std::unique_ptr<NodeAgent>> agents_;  // the map: constant while it runs
  // "namespace/name" of pods. The loop's.
  absl::flat_hash_map<std::string, std::pair<NodeAgent*, std::string>> names_;
  runtime::Informer pods_;
};

NodeHost::NodeHost(runtime::ApiClient* client, runtime::EventRecorder* events,
                   NodeHostOptions options)
    : impl_(std::make_unique<Impl>(client, events, std::move(options))) {}
NodeHost::~NodeHost() = default;
void NodeHost::Start() { impl_->Start(); }
void NodeHost::Stop() { impl_->Stop(); }
bool NodeHost::ready() const { return impl_->ready(); }
Page NodeHost::Logs(std::string_view path, std::string_view query) const {
  return impl_->Logs(path, query);
}
std::string NodeHost::Metrics() const { return impl_->Metrics(); }
std::string NodeHost::ResourceMetrics() const { return impl_->ResourceMetrics(); }

}  // namespace keelson::node
