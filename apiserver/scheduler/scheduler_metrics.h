// SchedulerMetrics: what the scheduler counts, under kube-scheduler's names. Thread-safe.
#ifndef KEELSON_APISERVER_SCHEDULER_SCHEDULER_METRICS_H_
#define KEELSON_APISERVER_SCHEDULER_SCHEDULER_METRICS_H_

#include <cstddef>
#include <memory>
#include <string>

#include "absl/time/time.h"

namespace keelson::scheduler {

class SchedulerMetrics {
 public:
  explicit SchedulerMetrics(const std::string& profile);
  ~SchedulerMetrics();

  enum class Result { kScheduled, kUnschedulable, kError };
  void OnAttempt(Result result, absl::Duration took);
  void OnDecision(absl::Duration took);
  void OnPreemption(size_t victims);
  void SetPending(size_t active, size_t backing_off, size_t unschedulable, size_t gated);
  void SetCluster(size_t nodes, size_t pods);
  std::string Text() const;

 private:
  struct Families;
  const std::unique_ptr<Families> families_;
};

}  // namespace keelson::scheduler

#endif  // KEELSON_APISERVER_SCHEDULER_SCHEDULER_METRICS_H_
