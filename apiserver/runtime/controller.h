// Controller: reconcilers around one work queue: informers' handlers add keys, workers reconcile
// each key until the world is as it should be. Level-triggered: a reconciler looks at what is,
// never at what happened.
#ifndef KEELSON_APISERVER_RUNTIME_CONTROLLER_H_
#define KEELSON_APISERVER_RUNTIME_CONTROLLER_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "apiserver/runtime/api_client.h"
#include "apiserver/runtime/event_recorder.h"
#include "apiserver/runtime/informer.h"
#include "apiserver/runtime/work_queue.h"
#include "base/clock.h"

namespace keelson::runtime {

// What every controller is given.
struct ControllerContext {
  ApiClient* client = nullptr;
  InformerFactory* informers = nullptr;
  EventRecorder* events = nullptr;
  const Clock* clock = nullptr;
};

class Controller {
 public:
  virtual ~Controller() = default;
  // Its constructor has added handlers to informers; they are synced now.
  virtual void Start() = 0;
  // Returns when no worker runs any more.
  virtual void Stop() = 0;
  // For metrics. Thread-safe.
  struct Counts {
    std::string name;
    size_t waiting = 0;  // keys in line
    uint64_t reconciled = 0;
    uint64_t failed = 0;  // of those
  };
  virtual Counts counts() const = 0;
};

// A controller of one queue and some workers. A failed reconcile is logged and comes again after a
// pause.
class QueueController : public Controller {
 public:
  QueueController(std::string name, const Clock* clock, int workers);
  ~QueueController() override;
  void Start() override;
  void Stop() override;
  Counts counts() const override;

 protected:
  // "namespace/name". Called by several workers at once, never for the same key.
  virtual absl::Status Reconcile(const std::string& key) = 0;
  WorkQueue& queue() { return queue_; }

 private:
  class Impl;
  WorkQueue queue_;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace keelson::runtime

#endif  // KEELSON_APISERVER_RUNTIME_CONTROLLER_H_
