// InlineLogWriter: writes the log on the executor, one group a turn. A test can hold it, as a slow
// disk does.
#ifndef KEELSON_SERVER_TESTING_INLINE_LOG_WRITER_H_
#define KEELSON_SERVER_TESTING_INLINE_LOG_WRITER_H_

#include <utility>
#include <vector>

#include "base/check.h"
#include "server/log_writer.h"

namespace keelson::server {

class InlineLogWriter final : public LogWriter {
 public:
  // Both outlive the writer; what is posted to the executor does not outlive it either.
  InlineLogWriter(storage::RaftLog* log, Executor* executor) : log_(log), executor_(executor) {}

  void Write(storage::LogAppend append, Task done) override {
    appends_.push_back(std::move(append));
    done_.push_back(std::move(done));
    if (appends_.size() == 1) Schedule();
  }

  void TruncatePrefix(LogIndex first_kept) override {
    executor_->Post([this, first_kept] {
      const absl::Status status = log_->TruncatePrefix(first_kept);
      KV_CHECK(status.ok()) << status;
    });
  }

  void Hold() { held_ = true; }
  void Release() {
    held_ = false;
    if (!appends_.empty()) Schedule();
  }

 private:
  void Schedule() {
    executor_->Post([this] {
      if (held_ || appends_.empty()) return;
      const absl::Status status = log_->Append(std::exchange(appends_, {}));
      KV_CHECK(status.ok()) << status;
      for (Task& task : std::exchange(done_, {})) task();
    });
  }

  storage::RaftLog* const log_;
  Executor* const executor_;
  std::vector<storage::LogAppend> appends_;
  std::vector<Task> done_;  // one for each of appends_
  bool held_ = false;
};

}  // namespace keelson::server

#endif  // KEELSON_SERVER_TESTING_INLINE_LOG_WRITER_H_
