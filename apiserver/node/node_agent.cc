#include "apiserver/node/node_agent.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_format.h"
#include "apiserver/api/errors.h"
#include "apiserver/api/object.h"
#include "apiserver/api/time.h"
#include "apiserver/runtime/log.h"
#include "base/concat.h"

namespace keelson::node {
namespace {

using api::Json;
using runtime::ApiClient;
using runtime::PatchType;
using runtime::Resource;
using Urgency = AsyncApi::Urgency;

constexpr absl::Duration kPauseFirst = absl::Milliseconds(500);
constexpr absl::Duration kPauseMax = absl::Seconds(10);
constexpr absl::Duration kLeaseRetry = absl::Seconds(2);
constexpr int kLeaseSeconds = 40;
constexpr size_t kImagesShown = 50;
constexpr char kLeaseNamespace[] = "kube-node-lease";

const Resource& Nodes() {
  static const Resource nodes{"", "v1", "nodes"};
  return nodes;
}
const Resource& Pods() {
  static const Resource pods{"", "v1", "pods"};
  return pods;
}
const Resource& Leases() {
  static const Resource leases{"coordination.k8s.io", "v1", "leases"};
  return leases;
}

absl::Duration Longer(absl::Duration pause) {
  return std::clamp(pause * 2, kPauseFirst, kPauseMax);
}

// The same for a name each time, as if it were written on the machine.
std::string MachineId(const std::string& name) {
  const uint64_t hash = std::hash<std::string>()(name);
  return absl::StrFormat("%016x%016x", hash, hash * 0x9e3779b97f4a7c15);
}

}  // namespace

NodeAgent::NodeAgent(NodeAgentOptions options, EventLoop* loop, AsyncApi* api,
                     runtime::EventRecorder* events, std::unique_ptr<ContainerRuntime> containers)
    : options_(std::move(options)),
      loop_(loop),
      api_(api),
      events_(events),
      containers_(std::move(containers)),
      ready_since_(loop->Now()) {
  containers_->OnExit([this](const ContainerExit& exit) {
    for (const auto& [uid, entry] : pods_) {
      const std::shared_ptr<PodWorker> worker = entry->worker;
      if (worker->OnExit(exit)) return;
    }
  });
}

NodeAgent::~NodeAgent() = default;

void NodeAgent::Make(Urgency urgency, AsyncApi::Call call, AsyncApi::Done done) {
  api_->Make(
      urgency, std::move(call),
      [alive = std::weak_ptr<int>(alive_), done = std::move(done)](absl::StatusOr<Json> answer) {
        if (!alive.expired()) done(std::move(answer));
      });
}

void NodeAgent::After(absl::Duration delay, std::function<void()> act) {
  loop_->After(delay, [alive = std::weak_ptr<int>(alive_), act = std::move(act)] {
    if (!alive.expired()) act();
  });
}

void NodeAgent::Start(absl::Duration delay) {
  After(delay, [this] { Register(); });
}

Json NodeAgent::NodeObject() const {
  Json labels = {{"kubernetes.io/hostname", options_.name},
                 {"kubernetes.io/os", "linux"},
                 {"kubernetes.io/arch", "amd64"},
                 {"beta.kubernetes.io/os", "linux"},
                 {"beta.kubernetes.io/arch", "amd64"}};
  for (const auto& [key, value] : options_.labels) labels[key] = value;
  return {
      {"apiVersion", "v1"},
      {"kind", "Node"},
      {"metadata", {{"name", options_.name}, {"labels", std::move(labels)}}},
      {"spec", {{"podCIDR", options_.pod_cidr}, {"podCIDRs", Json::array({options_.pod_cidr})}}},
      {"status", NodeStatus()}};
}

Json NodeAgent::NodeStatus() const {
  const std::string now = api::FormatTime(loop_->Now());
  const std::string since = api::FormatTime(ready_since_);
  const auto condition = [&](const char* type, const char* status, const char* reason,
                             const char* message) -> Json {
    return {{"type", type},       {"status", status},         {"reason", reason},
            {"message", message}, {"lastHeartbeatTime", now}, {"lastTransitionTime", since}};
  };
  const Json resources = {{"cpu", options_.cpu},
                          {"memory", options_.memory},
                          {"ephemeral-storage", "1Ti"},
                          {"pods", std::to_string(options_.pods_max)}};
  Json images = Json::array();
  std::vector<Image> there = containers_->ListImages();
  std::stable_sort(there.begin(), there.end(),
                   [](const Image& a, const Image& b) { return a.bytes > b.bytes; });
  if (there.size() > kImagesShown) there.resize(kImagesShown);
  for (const Image& image : there) {
    images.push_back({{"names", image.names}, {"sizeBytes", image.bytes}});
  }
  const std::string machine = MachineId(options_.name);
  Json status = {{"capacity", resources},
                 {"allocatable", resources},
                 {"conditions",
                  {condition("MemoryPressure", "False", "KubeletHasSufficientMemory",
                             "kubelet has sufficient memory available"),
                   condition("DiskPressure", "False", "KubeletHasNoDiskPressure",
                             "kubelet has no disk pressure"),
                   condition("PIDPressure", "False", "KubeletHasSufficientPID",
                             "kubelet has sufficient PID available"),
                   condition("Ready", "True", "KubeletReady", "kubelet is posting ready status")}},
                 {"addresses",
                  {{{"type", "InternalIP"}, {"address", options_.host_ip}},
                   {{"type", "Hostname"}, {"address", options_.name}}}},
                 {"images", std::move(images)},
                 {"nodeInfo",
                  {{"machineID", machine},
                   {"systemUUID", machine},
                   {"bootID", machine},
                   {"kernelVersion", "simulated"},
                   {"osImage", "Keelson"},
                   {"containerRuntimeVersion", containers_->version()},
                   {"kubeletVersion", "v1.33.1"},
                   {"kubeProxyVersion", "v1.33.1"},
                   {"operatingSystem", "linux"},
                   {"architecture", "amd64"}}}};
  if (options_.port != 0) status["daemonEndpoints"]["kubeletEndpoint"]["Port"] = options_.port;
  return status;
}

void NodeAgent::Register() {
  Make(
      Urgency::kUrgent,
      [node = NodeObject()](ApiClient* client) -> absl::StatusOr<Json> {
        auto created = client->Create(Nodes(), "", node);
        if (!api::IsAlreadyExists(created.status())) return created;
        return client->Get(Nodes(), "", api::NameOf(node));
      },
      [this](absl::StatusOr<Json> node) {
        if (node.ok()) return OnRegistered(*node);
        register_pause_ = Longer(register_pause_);
        runtime::LogWarning(Concat("node ", options_.name,
                                   " cannot register: ", std::string(node.status().message())));
        After(register_pause_, [this] { Register(); });
      });
}

void NodeAgent::OnRegistered(const Json& node) {
  registered_ = true;
  uid_ = api::UidOf(node);
  ips_ = IpPool::Parse(api::TextAt(node, "spec.podCIDR"));
  if (!ips_) ips_ = IpPool::Parse(options_.pod_cidr);
  WriteNodeStatus();
  RenewLease();
  After(options_.lease_period, [this] { KeepNodeStatus(); });
  for (runtime::Object& pod : std::exchange(early_pods_, {})) OnPod(std::move(pod));
}

void NodeAgent::WriteNodeStatus() {
  images_written_ = containers_->ListImages().size();
  status_written_ = loop_->Now();
  Make(
      Urgency::kUrgent,
      [name = options_.name, status = NodeStatus()](ApiClient* client) {
        return client->PatchForMetadata(Nodes(), "", name, PatchType::kStrategicMerge,
                                        {{"status", status}}, "status");
      },
      [this](const absl::StatusOr<Json>& node) {
        if (node.ok()) return;
        status_written_ = absl::InfinitePast();  // again at the next look
        runtime::LogWarning(Concat("node ", options_.name, " cannot write its status: ",
                                   std::string(node.status().message())));
      });
}

void NodeAgent::KeepNodeStatus() {
  if (loop_->Now() - status_written_ >= options_.status_period ||
      containers_->ListImages().size() != images_written_) {
    WriteNodeStatus();
  }
  After(options_.lease_period, [this] { KeepNodeStatus(); });
}

void NodeAgent::RenewLease() {
  Json lease = lease_ ? std::move(*lease_)
                      : Json{{"apiVersion", "coordination.k8s.io/v1"},
                             {"kind", "Lease"},
                             {"metadata",
                              {{"name", options_.name},
                               {"namespace", kLeaseNamespace},
                               {"ownerReferences",
                                {{{"apiVersion", "v1"},
                                  {"kind", "Node"},
                                  {"name", options_.name},
                                  {"uid", uid_}}}}}}};
  const bool known = std::exchange(lease_, std::nullopt).has_value();
  Json& spec = api::Make(lease, "spec");
  spec["holderIdentity"] = options_.name;
  spec["leaseDurationSeconds"] = kLeaseSeconds;
  spec["renewTime"] = api::FormatMicroTime(loop_->Now());
  Make(
      Urgency::kUrgent,
      [lease = std::move(lease), known](ApiClient* client) -> absl::StatusOr<Json> {
        if (known) return client->Update(Leases(), lease);
        auto created = client->Create(Leases(), kLeaseNamespace, lease);
        if (!api::IsAlreadyExists(created.status())) return created;
        return client->Patch(Leases(), kLeaseNamespace, api::NameOf(lease), PatchType::kMerge,
                             {{"spec", lease["spec"]}});
      },
      [this](absl::StatusOr<Json> renewed) { OnLease(std::move(renewed)); });
}

void NodeAgent::OnLease(absl::StatusOr<Json> lease) {
  if (lease.ok()) {
    lease_ = *std::move(lease);
    After(options_.lease_period, [this] { RenewLease(); });
    return;
  }
  runtime::LogWarning(Concat("node ", options_.name,
                             " cannot renew its lease: ", std::string(lease.status().message())));
  After(kLeaseRetry, [this] { RenewLease(); });
}

void NodeAgent::OnPod(runtime::Object pod) {
  if (!registered_) {
    early_pods_.push_back(std::move(pod));
    return;
  }
  const std::string uid = api::UidOf(*pod);
  if (const auto found = pods_.find(uid); found != pods_.end()) {
    CheckWritten(uid, found->second.get(), *pod);
    const std::shared_ptr<PodWorker> worker = found->second->worker;
    worker->OnPod(std::move(pod));
    return;
  }
  auto entry = std::make_unique<PodEntry>();
  entry->worker = std::make_shared<PodWorker>(this, std::move(pod));
  const std::shared_ptr<PodWorker> worker = entry->worker;
  pods_[uid] = std::move(entry);
  worker->Start();
}

void NodeAgent::OnPodGone(const Json& pod) {
  const std::string uid = api::UidOf(pod);
  std::erase_if(early_pods_, [&](const runtime::Object& one) { return api::UidOf(*one) == uid; });
  const auto found = pods_.find(uid);
  if (found == pods_.end()) return;
  const std::shared_ptr<PodWorker> worker = found->second->worker;
  worker->OnGone();
}

const PodWorker* NodeAgent::FindPod(const std::string& uid) const {
  const auto found = pods_.find(uid);
  return found == pods_.end() ? nullptr : found->second->worker.get();
}

std::string NodeAgent::TakeIp(const std::string& wanted) { return ips_ ? ips_->Take(wanted) : ""; }
void NodeAgent::ReturnIp(const std::string& ip) {
  if (ips_) ips_->Return(ip);
}

void NodeAgent::OnPodChanged(const std::string& uid) {
  const auto found = pods_.find(uid);
  if (found == pods_.end()) return;
  const PodWorker& worker = *found->second->worker;
  PlanWrite(uid, found->second.get(),
            worker.starting() || worker.ending() ? options_.pod_passing_delay
                                                 : options_.pod_status_delay);
}

void NodeAgent::Tell(const Json& pod, Weight weight, std::string_view reason,
                     std::string_view message, const std::string& container) {
  if (events_ == nullptr) return;
  const Json about = {{"apiVersion", "v1"},
                      {"kind", "Pod"},
                      {"metadata",
                       {{"name", api::NameOf(pod)},
                        {"namespace", api::NamespaceOf(pod)},
                        {"uid", api::UidOf(pod)}}}};
  const std::string path = container.empty() ? "" : Concat("spec.containers{", container, "}");
  if (weight == Weight::kNormal) {
    events_->Normal(about, reason, message, path);
  } else {
    events_->Warning(about, reason, message, path);
  }
}

void NodeAgent::PlanWrite(const std::string& uid, PodEntry* entry, absl::Duration delay) {
  const absl::Time when = loop_->Now() + delay;
  if (when >= entry->planned) return;
  entry->planned = when;
  const auto is_planned = [this, uid, when] {
    const auto found = pods_.find(uid);
    return found != pods_.end() && found->second->planned == when;
  };
  After(delay, [this, uid, is_planned] {
    if (!is_planned()) return;
    api_->WhenFree([this, uid, is_planned, alive = std::weak_ptr<int>(alive_)] {
      if (!alive.expired() && is_planned()) WritePod(uid);
    });
  });
}

// While a node is silent its pods are said not to be ready; once it is heard again it says what
// they are.
void NodeAgent::CheckWritten(const std::string& uid, PodEntry* entry, const Json& pod) {
  if (entry->busy || entry->version == 0 || api::ResourceVersionOf(pod) <= entry->version) return;
  if (api::ConditionIsTrue(pod, "Ready") == entry->ready) return;
  entry->written = 0;
  PlanWrite(uid, entry, options_.pod_status_delay);
}

void NodeAgent::WritePod(const std::string& uid) {
  const auto found = pods_.find(uid);
  if (found == pods_.end()) return;
  PodEntry* entry = found->second.get();
  entry->planned = absl::InfiniteFuture();
  if (entry->busy) return;  // its end plans the next one
  PodWorker& worker = *entry->worker;
  if (worker.gone()) {
    if (worker.finished()) pods_.erase(found);
    return;
  }
  const Json status = worker.Status();
  const size_t hash =
      std::hash<std::string>()(status.dump(-1, ' ', false, Json::error_handler_t::replace));
  if (!worker.restored() && hash != entry->written) {
    WriteStatus(uid, entry, status, hash);
  } else if (worker.finished()) {
    DeletePod(uid, entry);
  }
}

void NodeAgent::WriteStatus(const std::string& uid, PodEntry* entry, const Json& status,
                            size_t hash) {
  entry->busy = true;
  const Json& pod = entry->worker->pod();
  Make(
      Urgency::kLater,
      [name_space = api::NamespaceOf(pod), name = api::NameOf(pod),
       patch = Json{{"metadata", {{"uid", uid}}}, {"status", status}}](ApiClient* client) {
        return client->PatchForMetadata(Pods(), name_space, name, PatchType::kStrategicMerge, patch,
                                        "status");
      },
      [this, uid, hash, ready = api::ConditionIsTrue(Json{{"status", status}}, "Ready")](
          const absl::StatusOr<Json>& answer) {
        const auto found = pods_.find(uid);
        if (found == pods_.end()) return;
        PodEntry* written = found->second.get();
        written->busy = false;
        if (!answer.ok()) return OnWriteFailed(uid, written, answer.status());
        written->pause = absl::ZeroDuration();
        written->written = hash;
        written->version = api::ResourceVersionOf(*answer);
        written->worker->OnWritten(written->version);
        written->ready = ready;
        WritePod(uid);  // it may have changed meanwhile, or have to be deleted now
      });
}

void NodeAgent::DeletePod(const std::string& uid, PodEntry* entry) {
  entry->busy = true;
  const Json& pod = entry->worker->pod();
  Make(
      Urgency::kLater,
      [name_space = api::NamespaceOf(pod), name = api::NameOf(pod),
       uid](ApiClient* client) -> absl::StatusOr<Json> {
        const absl::Status status = client->Delete(Pods(), name_space, name,
                                                   {{"apiVersion", "v1"},
                                                    {"kind", "DeleteOptions"},
                                                    {"gracePeriodSeconds", 0},
                                                    {"preconditions", {{"uid", uid}}}});
        if (status.ok()) return Json::object();
        return status;
      },
      [this, uid](const absl::StatusOr<Json>& answer) {
        const auto found = pods_.find(uid);
        if (found == pods_.end()) return;
        PodEntry* deleted = found->second.get();
        deleted->busy = false;
        if (!answer.ok()) return OnWriteFailed(uid, deleted, answer.status());
        if (deleted->worker->gone()) pods_.erase(found);  // else its end will be told
      });
}

void NodeAgent::OnWriteFailed(const std::string& uid, PodEntry* entry, const absl::Status& status) {
  if (api::IsNotFound(status)) {
    // That will be told, or was.
    if (entry->worker->gone() && entry->worker->finished()) pods_.erase(uid);
    return;
  }
  entry->pause = Longer(entry->pause);
  runtime::LogWarning(Concat("node ", options_.name, " cannot write pod ",
                             api::KeyOf(entry->worker->pod()), ": ",
                             std::string(status.message())));
  PlanWrite(uid, entry, entry->pause);
}

void NodeAgent::AppendResourceMetrics(std::string* text) const {
  const int64_t now = absl::ToUnixMillis(loop_->Now());
  for (const auto& [uid, entry] : pods_) {
    const Json& pod = entry->worker->pod();
    const std::string of_pod = Concat("namespace=\"", api::NamespaceOf(pod), "\",pod=\"",
                                      api::NameOf(pod), "\",node=\"", options_.name, "\"");
    for (const auto& [name, id] : entry->worker->Running()) {
      const std::optional<ContainerStats> stats = containers_->Stats(id);
      if (!stats) continue;
      const std::string labels = Concat("{container=\"", name, "\",", of_pod, "} ");
      Append(text, "container_cpu_usage_seconds_total", labels,
             std::to_string(static_cast<double>(stats->cpu_usage_nanoseconds) / 1e9), " ", now,
             "\ncontainer_memory_working_set_bytes", labels, stats->memory_bytes, " ", now, "\n");
    }
  }
}

}  // namespace keelson::node
