#include "apiserver/http/resource_metrics.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "apiserver/api/errors.h"
#include "apiserver/api/field_selector.h"
#include "apiserver/api/kinds/kinds.h"
#include "apiserver/api/labels.h"
#include "apiserver/api/object.h"
#include "apiserver/api/table.h"
#include "apiserver/api/time.h"
#include "apiserver/http/kubelet_metrics.h"
#include "apiserver/http/negotiation.h"
#include "base/concat.h"
#include "base/status_macros.h"

namespace keelson::apiserver {

using api::Json;
using api::Kind;

namespace {

// Of one answer of all kubelets; and how old the one before may be to be compared with.
constexpr absl::Duration kFresh = absl::Seconds(10);
constexpr absl::Duration kComparable = absl::Minutes(1);
// Between two when there is none to compare with.
constexpr absl::Duration kBetween = absl::Seconds(1);
constexpr int kWaitingMax = 8;

struct Use {
  int64_t nano_cores = 0;
  int64_t memory_bytes = 0;
  absl::Duration window = absl::ZeroDuration();
  absl::Time at = absl::InfinitePast();

  void Add(const Use& other) {
    nano_cores += other.nano_cores;
    memory_bytes += other.memory_bytes;
    window = std::max(window, other.window);
    at = std::max(at, other.at);
  }
  Json ToJson() const {
    return {{"cpu", Concat(nano_cores, "n")}, {"memory", Concat(memory_bytes / 1024, "Ki")}};
  }
};

// What all kubelets said at two times.
struct Scrapes {
  std::shared_ptr<const KubeletMetrics> before;
  std::shared_ptr<const KubeletMetrics> now;

  // nullopt: it is not known, or it began anew between the two.
  std::optional<Use> Of(const std::string& container) const {
    const ContainerSample* newer = now->Find(container);
    const ContainerSample* older = before->Find(container);
    if (newer == nullptr || older == nullptr || newer->at <= older->at ||
        newer->cpu_seconds < older->cpu_seconds) {
      return std::nullopt;
    }
    const absl::Duration window = newer->at - older->at;
    const double cores = (newer->cpu_seconds - older->cpu_seconds) / absl::ToDoubleSeconds(window);
    return Use{.nano_cores = static_cast<int64_t>(cores * 1e9),
               .memory_bytes = newer->memory_bytes,
               .window = window,
               .at = newer->at};
  }
};

Json MetadataOf(const Json& object) {
  Json metadata = {{"name", api::NameOf(object)},
                   {"creationTimestamp", api::FormatTime(absl::Now())}};
  if (!api::NamespaceOf(object).empty()) metadata["namespace"] = api::NamespaceOf(object);
  if (!api::LabelsOf(object).empty()) metadata["labels"] = api::LabelsOf(object);
  return metadata;
}

Json Measured(const Kind& kind, const Json& object, const Use& use) {
  return {{"kind", kind.kind},
          {"apiVersion", kind.api_version()},
          {"metadata", MetadataOf(object)},
          {"timestamp", api::FormatTime(use.at)},
          {"window", absl::FormatDuration(absl::Trunc(use.window, absl::Milliseconds(1)))}};
}

// The sum, and each container's. nullopt: not of all that run is it known.
std::optional<Use> UseOfPod(const Json& pod, const Scrapes& scrapes, Json* containers) {
  Use sum;
  for (const Json& status : api::ArrayAt(pod, "status.containerStatuses")) {
    if (api::Find(status, "state.running") == nullptr) continue;
    const std::string& name = api::TextAt(status, "name");
    const std::optional<Use> use =
        scrapes.Of(KubeletMetrics::KeyOf(api::NamespaceOf(pod), api::NameOf(pod), name));
    if (!use) return std::nullopt;
    sum.Add(*use);
    if (containers != nullptr) containers->push_back({{"name", name}, {"usage", use->ToJson()}});
  }
  if (sum.at == absl::InfinitePast()) return std::nullopt;
  return sum;
}

std::vector<Json> MeasurePods(const Kind& kind,
                              const std::vector<std::shared_ptr<const Json>>& pods,
                              const Scrapes& scrapes) {
  std::vector<Json> items;
  for (const auto& pod : pods) {
    Json containers = Json::array();
    const std::optional<Use> use = UseOfPod(*pod, scrapes, &containers);
    if (!use) continue;
    items.push_back(Measured(kind, *pod, *use));
    items.back()["containers"] = std::move(containers);
  }
  return items;
}

// A node uses what its pods use.
std::vector<Json> MeasureNodes(const Kind& kind,
                               const std::vector<std::shared_ptr<const Json>>& nodes,
                               const std::vector<std::shared_ptr<const Json>>& pods,
                               const Scrapes& scrapes) {
  std::map<std::string, Use, std::less<>> by_node;
  for (const auto& pod : pods) {
    const std::optional<Use> use = UseOfPod(*pod, scrapes, nullptr);
    if (use) by_node[api::TextAt(*pod, "spec.nodeName")].Add(*use);
  }
  std::vector<Json> items;
  for (const auto& node : nodes) {
    if (!scrapes.now->Answered(KubeletAddressOf(*node))) continue;
    Use& use = by_node[api::NameOf(*node)];
    if (use.at == absl::InfinitePast()) {  // it runs nothing
      use.at = scrapes.now->taken();
      use.window = scrapes.now->taken() - scrapes.before->taken();
    }
    items.push_back(Measured(kind, *node, use));
    items.back()["usage"] = use.ToJson();
  }
  return items;
}

absl::StatusOr<ApiResponse> AnswerWith(const Kind& kind, const ApiRequest& request,
                                       std::vector<Json> items) {
  KV_ASSIGN_OR_RETURN(const Negotiated form, Negotiate(request.accept));
  const bool one = request.info.verb == "get";
  if (one && items.empty()) {
    const std::string& space = request.info.name_space;
    return api::NotFound({"metrics.k8s.io", kind.namespaced ? "podmetrics" : "nodemetrics"},
                         space.empty() ? request.info.name : Concat(space, "/", request.info.name));
  }
  if (form.form == Form::kTable) {
    return ApiResponse::Of(
        api::TableOfList(kind, items, Json::object(), {.version = form.version}));
  }
  if (one) return ApiResponse::Of(items[0]);
  return ApiResponse::Of(Json{{"kind", Concat(kind.kind, "List")},
                              {"apiVersion", kind.api_version()},
                              {"metadata", Json::object()},
                              {"items", std::move(items)}});
}

}  // namespace

// Has what kubelets say of late.
class ResourceMetrics::Scraper {
 public:
  absl::StatusOr<Scrapes> Take(const std::set<std::string>& kubelets) {
    {
      absl::MutexLock lock(&mutex_);
      if (waiting_ >= kWaitingMax) {
        return api::TooManyRequests("too many are waiting for metrics", 1);
      }
      ++waiting_;
      const auto idle = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return !scraping_; };
      mutex_.Await(absl::Condition(&idle));
      --waiting_;
      if (last_.now != nullptr && absl::Now() - last_.now->taken() < kFresh) return last_;
      scraping_ = true;
    }
    const Scrapes scrapes = Scrape(kubelets);
    absl::MutexLock lock(&mutex_);
    scraping_ = false;
    last_ = scrapes;
    return scrapes;
  }

 private:
  Scrapes Scrape(const std::set<std::string>& kubelets) {
    Scrapes scrapes;
    {
      absl::MutexLock lock(&mutex_);
      scrapes.before = last_.now;
    }
    if (scrapes.before == nullptr || absl::Now() - scrapes.before->taken() > kComparable) {
      scrapes.before = KubeletMetrics::Read(kubelets);
      absl::SleepFor(kBetween);  // the counters' own time
    }
    scrapes.now = KubeletMetrics::Read(kubelets);
    return scrapes;
  }

  absl::Mutex mutex_;
  int waiting_ ABSL_GUARDED_BY(mutex_) = 0;
  bool scraping_ ABSL_GUARDED_BY(mutex_) = false;
  Scrapes last_ ABSL_GUARDED_BY(mutex_);
};

ResourceMetrics::ResourceMetrics(registry::Registry* registry)
    : registry_(registry), scraper_(std::make_unique<Scraper>()) {}
ResourceMetrics::~ResourceMetrics() = default;

absl::StatusOr<ApiResponse> ResourceMetrics::Serve(const Kind& kind, const ApiRequest& request) {
  const RequestInfo& info = request.info;
  KV_ASSIGN_OR_RETURN(const api::LabelSelector labels,
                      api::LabelSelector::Parse(info.Parameter("labelSelector")));
  KV_ASSIGN_OR_RETURN(const api::FieldSelector fields,
                      api::FieldSelector::Parse(kind, info.Parameter("fieldSelector")));
  const auto chosen = [&](const Json& object) {
    if (info.verb == "get") return api::NameOf(object) == info.name;
    return labels.Matches(api::LabelsOf(object)) && fields.Matches(object);
  };
  const auto nodes = registry_->CachedList(api::NodeKind(), "");
  std::set<std::string> kubelets;
  for (const auto& node : nodes) {
    if (std::string address = KubeletAddressOf(*node); !address.empty()) {
      kubelets.insert(std::move(address));
    }
  }
  KV_ASSIGN_OR_RETURN(const Scrapes scrapes, scraper_->Take(kubelets));
  auto pods = registry_->CachedList(api::PodKind(), info.name_space);
  if (kind.namespaced) {
    std::erase_if(pods, [&](const auto& pod) { return !chosen(*pod); });
    return AnswerWith(kind, request, MeasurePods(kind, pods, scrapes));
  }
  auto wanted = nodes;
  std::erase_if(wanted, [&](const auto& node) { return !chosen(*node); });
  return AnswerWith(kind, request, MeasureNodes(kind, wanted, pods, scrapes));
}

}  // namespace keelson::apiserver
