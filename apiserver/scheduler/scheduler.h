// Scheduler: keeps a cluster and a queue up to date from the API server, decides for one pod after
// the other, and has the decisions written: bindings, conditions, volumes, evictions.
//
// One thread owns all state and decides; informers' threads put what changed into its inbox;
// requests are made by a pool of threads, many at a time, and their outcomes come back through the
// inbox. A pod counts as being on its node from the decision on; when the binding fails it is
// forgotten and tried again.
#ifndef KEELSON_APISERVER_SCHEDULER_SCHEDULER_H_
#define KEELSON_APISERVER_SCHEDULER_SCHEDULER_H_

#include <cstdint>
#include <memory>
#include <string>

#include "apiserver/runtime/api_client.h"
#include "apiserver/runtime/event_recorder.h"
#include "base/clock.h"

namespace keelson::scheduler {

struct SchedulerOptions {
  std::string name = "default-scheduler";  // of the profile: pods' schedulerName
  int request_threads = 24;
  // Bindings that wait for a thread; no more decisions are made until there are fewer.
  size_t bindings_waiting_max = 256;
  uint64_t seed = 0;
};

class Scheduler {
 public:
  // What it is given outlives it.
  Scheduler(runtime::ApiClient* client, runtime::EventRecorder* events, const Clock* clock,
            SchedulerOptions options);
  // Stops.
  ~Scheduler();
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  // Begins as soon as it knows the cluster.
  void Start();
  // Returns when no thread of it runs any more. What was being written may be written.
  void Stop();
  // It knows the cluster and decides.
  bool ready() const;
  // In Prometheus' text form.
  std::string Metrics() const;

 private:
  class Impl;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace keelson::scheduler

#endif  // KEELSON_APISERVER_SCHEDULER_SCHEDULER_H_
