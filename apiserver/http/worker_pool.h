// WorkerPool: threads that do what may wait for the store. Bounded: what does not fit is refused at
// once, so that a slow store makes clients wait and not the server grow. A thread begins when there
// is a task for it: an idle server holds the memory of few.
//
// Thread-safe.
#ifndef KEELSON_APISERVER_HTTP_WORKER_POOL_H_
#define KEELSON_APISERVER_HTTP_WORKER_POOL_H_

#include <cstddef>
#include <deque>
#include <thread>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/functional/function_ref.h"
#include "absl/synchronization/mutex.h"

namespace keelson::apiserver {

class WorkerPool {
 public:
  using Task = absl::AnyInvocable<void()>;

  WorkerPool(int threads_max, size_t waiting_max);
  ~WorkerPool() { End(); }
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  // False: full, or ended; the task is not taken.
  bool TryRun(Task task);
  // Drops what waits, and returns when what runs is done. Tasks may use what is ended after this.
  void End();

 private:
  void Work();

  const size_t threads_max_;
  const size_t waiting_max_;
  absl::Mutex mutex_;
  std::deque<Task> waiting_ ABSL_GUARDED_BY(mutex_);
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  size_t idle_ ABSL_GUARDED_BY(mutex_) = 0;  // threads without a task
  std::vector<std::thread> threads_ ABSL_GUARDED_BY(mutex_);
};

// Calls work(0) to work(count - 1), each once, on this thread and on those of the pool that are
// free meanwhile, `helpers_max` of them at most. Begins no more once one has given false, and
// returns when all that began have returned. REQUIRES: `work` does not throw.
void WorkOnAll(WorkerPool& pool, size_t helpers_max, size_t count,
               absl::FunctionRef<bool(size_t)> work);

}  // namespace keelson::apiserver

#endif  // KEELSON_APISERVER_HTTP_WORKER_POOL_H_
