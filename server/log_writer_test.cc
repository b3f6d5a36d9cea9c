#include "server/log_writer.h"

#include <atomic>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "absl/synchronization/notification.h"
#include "asio/executor_work_guard.hpp"
#include "asio/io_context.hpp"
#include "gtest/gtest.h"
#include "server/asio_executor.h"

namespace keelson::server {
namespace {

// A log that remembers what was appended, group by group, and can be held or made to fail.
class FakeLog final : public storage::RaftLog {
 public:
  absl::Status Append(absl::Span<const storage::LogAppend> group) override {
    entered.Notify();
    go_on.WaitForNotification();
    std::string text;
    for (const storage::LogAppend& append : group) {
      text += append.state ? std::to_string(append.state->term.value()) + " " : "- ";
    }
    if (full_appends > 0) {
      --full_appends;
      return absl::ResourceExhaustedError("full");
    }
    groups.push_back(text);
    last += 4 * group.size();
    return groups.size() == failing_group ? absl::DataLossError("disk") : absl::OkStatus();
  }
  absl::Status TruncatePrefix(LogIndex first_kept) override {
    groups.push_back("cut " + std::to_string(first_kept.value()));
    full_appends = 0;
    return absl::OkStatus();
  }
  const storage::LogIdentity& identity() const override { return identity_; }
  storage::LogState state() const override { return {}; }
  LogIndex FirstIndex() const override { return LogIndex(1); }
  LogIndex LastIndex() const override { return LogIndex(last); }
  std::optional<Term> TermAt(LogIndex) const override { return std::nullopt; }
  absl::StatusOr<std::vector<storage::LogRecord>> Read(LogIndex, LogIndex,
                                                       uint64_t) const override {
    return absl::OutOfRangeError("empty");
  }
  uint64_t SizeOnDisk() const override { return 0; }

  struct Latch {  // may be notified again
    void Notify() {
      const std::lock_guard lock(mu);
      if (!notification.HasBeenNotified()) notification.Notify();
    }
    void WaitForNotification() { notification.WaitForNotification(); }
    std::mutex mu;
    absl::Notification notification;
  };
  Latch entered, go_on;
  std::atomic<int> full_appends = 0;  // to refuse for want of room; a cut makes room
  std::atomic<uint64_t> last = 0;     // four entries an append
  size_t failing_group = 0;           // from 1; set before the first append
  std::vector<std::string> groups;    // read after the writer is gone

 private:
  const storage::LogIdentity identity_;
};

class LogWriterTest : public testing::Test {
 protected:
  void Start() {
    writer_ = std::make_unique<ThreadedLogWriter>(
        &log_, &executor_,
        [this](const absl::Status& status) {
          outcomes_ += std::string(status.message()) + " ";
          loop_.stop();
        },
        [this](bool full) { outcomes_ += full ? "full " : "room "; });
  }
  void Write(uint64_t term) {
    storage::LogAppend append;
    if (term != 0) append.state = storage::LogState{Term(term), NodeId(), LogIndex()};
    writer_->Write(std::move(append), [this, term] { outcomes_ += std::to_string(term) + " "; });
  }
  // Ends the loop once all that was written before is done.
  void WriteLast(uint64_t term) {
    storage::LogAppend append;
    append.state = storage::LogState{Term(term), NodeId(), LogIndex()};
    writer_->Write(std::move(append), [this, term] {
      outcomes_ += std::to_string(term) + " ";
      loop_.stop();
    });
  }
  void RunLoop() {
    const auto guard = asio::make_work_guard(loop_);
    loop_.run();
    loop_.restart();
  }

  FakeLog log_;
  asio::io_context loop_{1};
  AsioExecutor executor_{&loop_};
  std::string outcomes_;
  std::unique_ptr<ThreadedLogWriter> writer_;
};

TEST_F(LogWriterTest, WhatQueuesUpDuringAWriteIsTheNextGroup) {
  Start();
  Write(1);
  log_.entered.WaitForNotification();
  Write(2);
  Write(0);
  WriteLast(3);
  EXPECT_EQ(outcomes_, "");
  log_.go_on.Notify();
  RunLoop();
  writer_.reset();
  EXPECT_EQ(outcomes_, "1 2 0 3 ");
  EXPECT_EQ(log_.groups, (std::vector<std::string>{"1 ", "2 - 3 "}));
}

TEST_F(LogWriterTest, AfterAFailureNothingMoreIsDone) {
  log_.failing_group = 2;
  Start();
  Write(1);
  log_.entered.WaitForNotification();
  Write(2);
  log_.go_on.Notify();
  RunLoop();
  Write(3);
  writer_.reset();
  loop_.poll();
  EXPECT_EQ(outcomes_, "1 disk ");
  EXPECT_EQ(log_.groups.size(), 2u);
}

TEST_F(LogWriterTest, TheEndWaitsForWhatIsQueued) {
  Start();
  log_.go_on.Notify();
  for (uint64_t term = 1; term <= 9; ++term) Write(term);
  writer_.reset();
  std::string all;
  for (const std::string& group : log_.groups) all += group;
  EXPECT_EQ(all, "1 2 3 4 5 6 7 8 9 ");
  loop_.poll();
  EXPECT_EQ(outcomes_, all);
}

TEST_F(LogWriterTest, TheLogIsCutOnceItReachesSoFar) {
  Start();
  Write(1);
  log_.entered.WaitForNotification();
  Write(2);
  writer_->TruncatePrefix(LogIndex(5));
  writer_->TruncatePrefix(LogIndex(9));
  writer_->TruncatePrefix(LogIndex(7));
  WriteLast(3);
  log_.go_on.Notify();
  RunLoop();
  writer_.reset();
  EXPECT_EQ(outcomes_, "1 2 3 ");
  EXPECT_EQ(log_.groups, (std::vector<std::string>{"1 ", "2 3 ", "cut 9"}));
}

TEST_F(LogWriterTest, AFullDiskIsWaitedForAndTheGroupStaysTheSame) {
  log_.full_appends = 3;
  log_.go_on.Notify();
  Start();
  Write(1);
  WriteLast(2);
  RunLoop();
  writer_.reset();
  EXPECT_EQ(log_.full_appends, 0);
  EXPECT_EQ(outcomes_, "full room 1 2 ");
}

TEST_F(LogWriterTest, ALogThatWaitsForRoomIsCutAllTheSame) {
  log_.full_appends = 1 << 30;
  log_.last = 8;
  Start();
  Write(1);
  log_.entered.WaitForNotification();
  writer_->TruncatePrefix(LogIndex(9));
  WriteLast(2);
  log_.go_on.Notify();
  RunLoop();
  writer_.reset();
  EXPECT_EQ(outcomes_, "full room 1 2 ");
  EXPECT_EQ(log_.groups, (std::vector<std::string>{"cut 9", "1 ", "2 "}));
}

TEST_F(LogWriterTest, ALogThatWaitsForRoomIsNotCutBeyondItsEnd) {
  log_.full_appends = 1;
  log_.last = 2;
  Start();
  Write(1);
  log_.entered.WaitForNotification();
  writer_->TruncatePrefix(LogIndex(5));
  WriteLast(2);
  log_.go_on.Notify();
  RunLoop();
  writer_.reset();
  EXPECT_EQ(log_.groups, (std::vector<std::string>{"1 ", "cut 5", "2 "}));
}

TEST_F(LogWriterTest, TheEndDoesNotWaitForRoom) {
  log_.full_appends = 1 << 30;
  log_.go_on.Notify();
  Start();
  Write(1);
  log_.entered.WaitForNotification();
  writer_.reset();
  loop_.poll();
  EXPECT_EQ(log_.groups.size(), 0u);
  EXPECT_EQ(outcomes_.find('1'), std::string::npos) << "it was not written";
}

TEST_F(LogWriterTest, OneThatWroteNothingEnds) {
  Start();
  writer_.reset();
  EXPECT_TRUE(log_.groups.empty());
}

}  // namespace
}  // namespace keelson::server
