#include "apiserver/http/request_metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <iterator>

#include "apiserver/api/kind.h"

namespace keelson::apiserver {
namespace {

// Resident memory, in bytes.
double Resident() {
  std::ifstream statm("/proc/self/statm");
  double all = 0;
  double resident = 0;
  statm >> all >> resident;
  return resident * static_cast<double>(sysconf(_SC_PAGESIZE));
}

bool IsVerb(std::string_view verb) {
  constexpr std::string_view kVerbs[] = {"create", "delete", "deletecollection", "get",
                                         "list",   "patch",  "update",           "watch"};
  return std::find(std::begin(kVerbs), std::end(kVerbs), verb) != std::end(kVerbs);
}

}  // namespace

class RequestMetrics::Impl {
 public:
  void Record(const RequestInfo& info, int code, absl::Duration took) {
    // What clients make up must not become labels.
    const api::Kind* kind = info.is_resource
                                ? api::FindKindByResource(info.group, info.version, info.resource)
                                : nullptr;
    const bool known = kind != nullptr && IsVerb(info.verb);
    const std::string resource = known ? info.resource : "";
    const bool known_part = known && kind->FindSubresource(info.subresource) != nullptr;
    const std::string subresource = known_part ? info.subresource : "";
    const std::string group = known ? info.group : "";
    const std::string version = known ? info.version : "";
    const std::string verb = known ? info.verb : "other";
    requests_
        .Add({{"verb", verb},
              {"group", group},
              {"version", version},
              {"resource", resource},
              {"subresource", subresource},
              {"code", std::to_string(code)}})
        .Increment();
    if (verb == "watch") return;
    durations_
        .Add({{"verb", verb}, {"group", group}, {"version", version}, {"resource", resource}},
             prometheus::Histogram::BucketBoundaries{0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1,
                                                     0.2, 0.5, 1, 2, 5, 10, 30, 60})
        .Observe(absl::ToDoubleSeconds(took));
  }
  void SetOpenWatches(size_t count) { watches_.Set(static_cast<double>(count)); }
  std::string Text() {
    resident_.Set(Resident());
    return prometheus::TextSerializer().Serialize(registry_.Collect());
  }

 private:
  prometheus::Registry registry_;
  prometheus::Family<prometheus::Counter>& requests_ = prometheus::BuildCounter()
                                                           .Name("apiserver_request_total")
                                                           .Help("Requests answered.")
                                                           .Register(registry_);
  prometheus::Family<prometheus::Histogram>& durations_ =
      prometheus::BuildHistogram()
          .Name("apiserver_request_duration_seconds")
          .Help("From the end of a request to its answer.")
          .Register(registry_);
  prometheus::Gauge& watches_ = prometheus::BuildGauge()
                                    .Name("apiserver_longrunning_requests")
                                    .Help("Watches that are open.")
                                    .Register(registry_)
                                    .Add({{"verb", "watch"}});
  prometheus::Gauge& resident_ = prometheus::BuildGauge()
                                     .Name("process_resident_memory_bytes")
                                     .Help("Resident memory size in bytes.")
                                     .Register(registry_)
                                     .Add({});
};

RequestMetrics::RequestMetrics() : impl_(std::make_unique<Impl>()) {}
RequestMetrics::~RequestMetrics() = default;
void RequestMetrics::Record(const RequestInfo& info, int code, absl::Duration took) {
  impl_->Record(info, code, took);
}
void RequestMetrics::SetOpenWatches(size_t count) { impl_->SetOpenWatches(count); }
std::string RequestMetrics::Text() const { return impl_->Text(); }

}  // namespace keelson::apiserver
