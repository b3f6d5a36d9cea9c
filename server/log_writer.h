// LogWriter: the stage that makes raft's writes durable, off the core loop, so that no tick or
// heartbeat waits for a disk. Whatever queues up while a write is under way goes out as the next
// group: one write, one sync, no timers.
#ifndef KEELSON_SERVER_LOG_WRITER_H_
#define KEELSON_SERVER_LOG_WRITER_H_

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "server/executor.h"
#include "storage/raft_log.h"

namespace keelson::server {

class LogWriter {
 public:
  virtual ~LogWriter() = default;
  // Queues `append` (which may be empty: a place in the order) and later runs `done` on the
  // executor, after all that was queued before is durable. After a failure no further `done` runs;
  // `on_failure` of the constructor did, once, on the executor.
  virtual void Write(storage::LogAppend append, Task done) = 0;
  // Gives up entries before `first_kept`, once the log reaches so far. REQUIRES: they are applied
  // durably, and what was queued reaches so far.
  virtual void TruncatePrefix(LogIndex first_kept) = 0;
};

// A thread of its own. Write() is called on the executor's thread.
class ThreadedLogWriter final : public LogWriter {
 public:
  using FailureHandler = std::function<void(absl::Status)>;
  // Told, on the executor, when a write waits for room on the disk (true) and when it no longer
  // does.
  using FullHandler = std::function<void(bool full)>;
  // `log` and `executor` outlive the writer; what it has posted may run after it is gone. The
  // destructor finishes what is queued, but waits for no room on a full disk.
  ThreadedLogWriter(storage::RaftLog* log, Executor* executor, FailureHandler on_failure,
                    FullHandler on_full);
  ~ThreadedLogWriter() override;

  void Write(storage::LogAppend append, Task done) override;
  void TruncatePrefix(LogIndex first_kept) override;

 private:
  static constexpr std::chrono::milliseconds kFullRetry{100};

  void Run();
  // Appends the group, waiting as long as the disk is full. Cancelled: told to stop meanwhile.
  absl::Status Append(const std::vector<storage::LogAppend>& group);
  // Gives up what was asked for, as far as the log has been written.
  absl::Status TruncateWritten();
  // Something is to be given up. Beyond the end it waits for a snapshot, whose place in the log is
  // among what is queued. REQUIRES: mu_.
  bool MayTruncate() const { return first_kept_ && first_kept_ <= log_->LastIndex() + 1; }

  storage::RaftLog* const log_;
  Executor* const executor_;
  const FailureHandler on_failure_;
  const FullHandler on_full_;

  // A condition variable of the standard library, so that the wake-up is one futex call.
  std::mutex mu_;
  std::condition_variable wake_;
  std::vector<storage::LogAppend> appends_;  // guarded by mu_
  std::vector<Task> done_;                   // guarded by mu_; one for each of appends_
  LogIndex first_kept_;                      // guarded by mu_; 0: nothing to truncate
  bool stop_ = false;                        // guarded by mu_

  std::thread thread_;
};

}  // namespace keelson::server

#endif  // KEELSON_SERVER_LOG_WRITER_H_
