#include "server/log_writer.h"

#include <pthread.h>

#include <utility>

namespace keelson::server {

ThreadedLogWriter::ThreadedLogWriter(storage::RaftLog* log, Executor* executor,
                                     FailureHandler on_failure)
    : log_(log),
      executor_(executor),
      on_failure_(std::move(on_failure)),
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

void ThreadedLogWriter::Run() {
  std::vector<storage::LogAppend> group;
  std::vector<Task> done;
  while (true) {
    {
      std::unique_lock lock(mu_);
      wake_.wait(lock, [this] { return stop_ || !appends_.empty(); });
      if (appends_.empty()) return;
      group.swap(appends_);
      done.swap(done_);
    }
    absl::Status status = log_->Append(group);
    if (!status.ok()) {
      executor_->Post([this, status = std::move(status)] { on_failure_(status); });
      return;
    }
    executor_->Post([done = std::move(done)]() mutable {
      for (Task& task : done) task();
    });
    group.clear();
    done.clear();
  }
}

}  // namespace keelson::server
