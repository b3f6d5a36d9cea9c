#include "server/log_writer.h"

#include <pthread.h>

#include <algorithm>
#include <utility>

#include "base/failpoint.h"
#include "base/status_macros.h"
#include "base/thread_urgency.h"

namespace keelson::server {

ThreadedLogWriter::ThreadedLogWriter(storage::RaftLog* log, Executor* executor,
                                     FailureHandler on_failure, FullHandler on_full)
    : log_(log),
      executor_(executor),
      on_failure_(std::move(on_failure)),
      on_full_(std::move(on_full)),
      thread_([this] { Run(); }) {
  pthread_setname_np(thread_.native_handle(), "log");
}

ThreadedLogWriter::~ThreadedLogWriter() {
  {
    std::lock_guard lock(mu_);
    stop_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void ThreadedLogWriter::Write(storage::LogAppend append, Task done) {
  bool was_empty;
  {
    std::lock_guard lock(mu_);
    was_empty = appends_.empty();
    appends_.push_back(std::move(append));
    done_.push_back(std::move(done));
  }
  if (was_empty) wake_.notify_one();
}

void ThreadedLogWriter::TruncatePrefix(LogIndex first_kept) {
  {
    std::lock_guard lock(mu_);
    first_kept_ = std::max(first_kept_, first_kept);
  }
  wake_.notify_one();
}

// Of what is queued a truncation may be the very thing that makes room, so it does not wait for it.
absl::Status ThreadedLogWriter::Append(const std::vector<storage::LogAppend>& group) {
  bool full = false;
  while (true) {
    KV_FAILPOINT(raftBeforeSave);
    absl::Status status = log_->Append(group);
    KV_FAILPOINT(raftAfterSave);
    if (absl::IsResourceExhausted(status) != full) {
      full = !full;
      executor_->Post([on_full = on_full_, full] { on_full(full); });
    }
    if (!full) return status;
    KV_RETURN_IF_ERROR(TruncateWritten());
    std::unique_lock lock(mu_);
    if (wake_.wait_for(lock, kFullRetry, [this] { return stop_; })) {
      return absl::CancelledError("stopped while the disk was full");
    }
  }
}

absl::Status ThreadedLogWriter::TruncateWritten() {
  LogIndex first_kept;
  {
    std::lock_guard lock(mu_);
    if (!MayTruncate()) return absl::OkStatus();
    first_kept = std::exchange(first_kept_, LogIndex());
  }
  const absl::Status status = log_->TruncatePrefix(first_kept);
  KV_FAILPOINT(raftAfterWALRelease);
  return status;
}

void ThreadedLogWriter::Run() {
  SetThreadUrgency(ThreadUrgency::kAnswering);
  std::vector<storage::LogAppend> group;
  std::vector<Task> done;
  while (true) {
    {
      std::unique_lock lock(mu_);
      wake_.wait(lock, [this] { return stop_ || !appends_.empty() || MayTruncate(); });
      if (stop_ && appends_.empty()) return;
      group.swap(appends_);
      done.swap(done_);
    }
    absl::Status status = group.empty() ? absl::OkStatus() : Append(group);
    if (absl::IsCancelled(status)) return;
    if (status.ok()) status = TruncateWritten();
    if (!status.ok()) {
      executor_->Post(
          [on_failure = on_failure_, status = std::move(status)] { on_failure(status); });
      return;
    }
    if (group.empty()) continue;
    executor_->Post([done = std::move(done)]() mutable {
      for (Task& task : done) task();
    });
    group.clear();
    done.clear();
  }
}

}  // namespace keelson::server
