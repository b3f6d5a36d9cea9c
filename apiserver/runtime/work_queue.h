// WorkQueue: keys that need to be looked at, each at most once in the queue and by one worker at a
// time; a key that is added while a worker has it comes again after that. Failures come again after
// a pause that doubles from 5 ms to 1000 s, as client-go's. Thread-safe.
#ifndef KEELSON_APISERVER_RUNTIME_WORK_QUEUE_H_
#define KEELSON_APISERVER_RUNTIME_WORK_QUEUE_H_

#include <memory>
#include <optional>
#include <string>

#include "absl/time/time.h"
#include "base/clock.h"

namespace keelson::runtime {

class WorkQueue {
 public:
  struct Options {
    absl::Duration backoff_first = absl::Milliseconds(5);
    absl::Duration backoff_max = absl::Seconds(1000);
  };
  explicit WorkQueue(const Clock* clock) : WorkQueue(clock, Options{}) {}
  WorkQueue(const Clock* clock, Options options);
  ~WorkQueue();

  void Add(std::string key);
  void AddAfter(std::string key, absl::Duration delay);
  // After the pause that the failures of this key have come to.
  void AddRateLimited(std::string key);
  // The key succeeded: the next failure begins with the shortest pause.
  void Forget(const std::string& key);
  int failures(const std::string& key) const;

  // Blocks until there is one. nullopt: shut down, and nothing is left. Follow with Done.
  std::optional<std::string> Get();
  // The key is not given out again for `rest`, whoever adds it.
  void Done(const std::string& key, absl::Duration rest = absl::ZeroDuration());
  void ShutDown();
  size_t size() const;

 private:
  class Impl;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace keelson::runtime

#endif  // KEELSON_APISERVER_RUNTIME_WORK_QUEUE_H_
