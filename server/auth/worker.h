// Worker: a thread for what takes long and needs nothing but the processor: hashing and comparing
// passwords, signing tokens. What is asked beyond its limit is refused. At its end what has not
// begun is dropped, and what has begun may run on (bcrypt cannot be interrupted, and at its highest
// cost takes hours) but touches nothing of ours any more.
#ifndef KEELSON_SERVER_AUTH_WORKER_H_
#define KEELSON_SERVER_AUTH_WORKER_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "server/executor.h"

namespace keelson::server {

// Thread: the executor's, but for the work itself, which owns what it uses.
class Worker {
 public:
  using Result = absl::StatusOr<std::string>;
  using Work = absl::AnyInvocable<Result()>;
  using Done = absl::AnyInvocable<void(Result)>;
  // Cleared by who does not want the result any more. (An atomic, because the thread looks at it
  // before it begins; nothing else goes with it.)
  using Wanted = std::shared_ptr<const std::atomic<bool>>;

  virtual ~Worker() = default;
  // Runs `work` away from the executor, and `done` with its result on the executor; Cancelled when
  // it was not wanted any more. False: there is too much to do already, and neither runs.
  virtual bool Run(Wanted wanted, Work work, Done done) = 0;
};

class ThreadedWorker final : public Worker {
 public:
  // `executor` outlives the worker.
  ThreadedWorker(Executor* executor, size_t queue_max);
  ~ThreadedWorker() override;

  bool Run(Wanted wanted, Work work, Done done) override;

 private:
  struct Shared;
  static void Loop(const std::shared_ptr<Shared>& shared);
  void OnResult(uint64_t number, Result result);

  const size_t queue_max_;
  std::shared_ptr<ThreadedWorker*> self_;  // for what is posted, which may run after us
  uint64_t last_number_ = 0;
  absl::flat_hash_map<uint64_t, Done> waiting_;
  const std::shared_ptr<Shared> shared_;  // with the thread, which may outlive us
};

}  // namespace keelson::server

#endif  // KEELSON_SERVER_AUTH_WORKER_H_
