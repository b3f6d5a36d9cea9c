#include "apiserver/scheduler/scheduler_metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <map>

namespace keelson::scheduler {
namespace {

using prometheus::Counter;
using prometheus::Gauge;
using prometheus::Histogram;

Histogram::BucketBoundaries Doubling(double first, int count) {
  Histogram::BucketBoundaries bounds;
  for (int i = 0; i < count; ++i, first *= 2) bounds.push_back(first);
  return bounds;
}

}  // namespace

struct SchedulerMetrics::Families {
  explicit Families(const std::string& profile);

  Gauge& Pending(const char* queue) { return pending.Add({{"queue", queue}}); }
  Gauge& Cached(const char* type) { return cached.Add({{"type", type}}); }

  prometheus::Registry registry;
  std::map<std::string, std::string> labels;
  prometheus::Family<Counter>& attempts;
  prometheus::Family<Histogram>& attempt_seconds;
  Histogram& decision_seconds;
  prometheus::Family<Gauge>& pending;
  prometheus::Family<Gauge>& cached;
  Counter& preemptions;
  Histogram& victims;
};

SchedulerMetrics::Families::Families(const std::string& profile)
    : labels{{"profile", profile}},
      attempts(prometheus::BuildCounter()
                   .Name("scheduler_schedule_attempts_total")
                   .Help("Attempts to schedule pods, by their result.")
                   .Register(registry)),
      attempt_seconds(prometheus::BuildHistogram()
                          .Name("scheduler_scheduling_attempt_duration_seconds")
                          .Help("From the decision's begin to the binding's answer.")
                          .Register(registry)),
      decision_seconds(prometheus::BuildHistogram()
                           .Name("scheduler_scheduling_algorithm_duration_seconds")
                           .Help("Time that decisions take.")
                           .Register(registry)
                           .Add({}, Doubling(0.00001, 18))),
      pending(prometheus::BuildGauge()
                  .Name("scheduler_pending_pods")
                  .Help("Pods that wait for a node, by the queue they are in.")
                  .Register(registry)),
      cached(prometheus::BuildGauge()
                 .Name("scheduler_cache_size")
                 .Help("Nodes and pods that the scheduler knows.")
                 .Register(registry)),
      preemptions(prometheus::BuildCounter()
                      .Name("scheduler_preemption_attempts_total")
                      .Help("Preemptions that were decided.")
                      .Register(registry)
                      .Add({})),
      victims(prometheus::BuildHistogram()
                  .Name("scheduler_preemption_victims")
                  .Help("Pods that were evicted for one.")
                  .Register(registry)
                  .Add({}, Doubling(1, 7))) {}

SchedulerMetrics::SchedulerMetrics(const std::string& profile)
    : families_(std::make_unique<Families>(profile)) {}
SchedulerMetrics::~SchedulerMetrics() = default;

void SchedulerMetrics::OnAttempt(Result result, absl::Duration took) {
  std::map<std::string, std::string> labels = families_->labels;
  labels["result"] = result == Result::kScheduled       ? "scheduled"
                     : result == Result::kUnschedulable ? "unschedulable"
                                                        : "error";
  families_->attempts.Add(labels).Increment();
  families_->attempt_seconds.Add(labels, Doubling(0.001, 15)).Observe(absl::ToDoubleSeconds(took));
}

void SchedulerMetrics::OnDecision(absl::Duration took) {
  families_->decision_seconds.Observe(absl::ToDoubleSeconds(took));
}

void SchedulerMetrics::OnPreemption(size_t victims) {
  families_->preemptions.Increment();
  families_->victims.Observe(static_cast<double>(victims));
}

void SchedulerMetrics::SetPending(size_t active, size_t backing_off, size_t unschedulable,
                                  size_t gated) {
  families_->Pending("active").Set(static_cast<double>(active));
  families_->Pending("backoff").Set(static_cast<double>(backing_off));
  families_->Pending("unschedulable").Set(static_cast<double>(unschedulable));
  families_->Pending("gated").Set(static_cast<double>(gated));
}

void SchedulerMetrics::SetCluster(size_t nodes, size_t pods) {
  families_->Cached("nodes").Set(static_cast<double>(nodes));
  families_->Cached("pods").Set(static_cast<double>(pods));
}

std::string SchedulerMetrics::Text() const {
  return prometheus::TextSerializer().Serialize(families_->registry.Collect());
}

}  // namespace keelson::scheduler
