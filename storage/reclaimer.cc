#include "storage/reclaimer.h"

#include <pthread.h>

#include <utility>

#include "base/failpoint.h"
#include "base/status_macros.h"

namespace keelson::storage {

void Reclaimer::Start(Rocks* rocks) {
  absl::MutexLock lock(&mutex_);
  rocks_ = rocks;
  Wake();
}

void Reclaimer::Stop() {
  std::vector<Done> waiting;
  bool started;
  {
    absl::MutexLock lock(&mutex_);
    stop_ = true;
    waiting.swap(waiting_);
    alive_.reset();
    started = thread_.joinable();
  }
  if (started) {
    rocks_->db->DisableManualCompaction();
    thread_.join();
  }
  for (const Done& done : waiting) done(absl::CancelledError("the store is closing"));
}

void Reclaimer::Reclaim(Done done) {
  if (!done) done = [](const absl::Status&) {};
  {
    absl::MutexLock lock(&mutex_);
    if (!stop_) {
      waiting_.push_back(std::move(done));
      return Wake();
    }
  }
  done(absl::CancelledError("the store is closing"));
}

void Reclaimer::Resume() {
  absl::MutexLock lock(&mutex_);
  resume_ = true;
  Wake();
}

void Reclaimer::Wake() {
  if (stop_ || rocks_ == nullptr || !HasWork()) return;
  if (background_ != nullptr) return AskForTurn(absl::ZeroDuration());
  if (thread_.joinable()) return;
  thread_ = std::thread([this] { Run(); });
  pthread_setname_np(thread_.native_handle(), "reclaim");
}

void Reclaimer::AskForTurn(absl::Duration delay) {
  if (std::exchange(asked_, true)) return;
  background_->After(delay, [this, alive = std::weak_ptr<int>(alive_)] {
    if (!alive.expired()) RunAsked();
  });
}

void Reclaimer::RunAsked() {
  {
    absl::MutexLock lock(&mutex_);
    asked_ = false;
    if (!HasWork()) return;
  }
  const bool done = DoNext();
  absl::MutexLock lock(&mutex_);
  if (!stop_ && HasWork()) AskForTurn(done ? absl::ZeroDuration() : kResumeRetry);
}

void Reclaimer::Run() {
  while (true) {
    {
      absl::MutexLock lock(&mutex_);
      mutex_.Await(absl::Condition(this, &Reclaimer::HasWork));
      if (stop_) return;
    }
    if (DoNext()) continue;
    absl::MutexLock lock(&mutex_);
    mutex_.AwaitWithTimeout(absl::Condition(this, &Reclaimer::Stopping), kResumeRetry);
  }
}

bool Reclaimer::DoNext() {
  std::vector<Done> waiting;
  bool resume;
  {
    absl::MutexLock lock(&mutex_);
    resume = std::exchange(resume_, false);
    if (!resume) waiting.swap(waiting_);
  }
  if (resume) {
    // RocksDB writes out what it holds in memory; as long as there is no room it fails again. It
    // tells of an error before it takes note of it itself, and then has nothing to resume from:
    // only a flush shows that all is well.
    if (rocks_->db->Resume().ok() && Flush().ok()) {
      on_resumed_();
      return true;
    }
    absl::MutexLock lock(&mutex_);
    resume_ = true;
    return false;
  }
  const absl::Status status = Rewrite();
  for (const Done& done : waiting) done(status);
  return true;
}

absl::Status Reclaimer::Flush() {
  return FromRocks(rocks_->db->Flush(rocksdb::FlushOptions(), rocks_->families()), "cannot flush");
}

// Files of `rev` without removed versions are not rewritten but handed from level to level:
// revisions only ascend, so that they overlap nothing. Those of the key index overlap and are
// merged whole.
absl::Status Reclaimer::Rewrite() {
  if (const auto error = KV_FAILPOINT_VALUE(defragdbFail)) return absl::InternalError(*error);
  KV_FAILPOINT(defragBeforeCopy);
  KV_RETURN_IF_ERROR(Flush());
  rocksdb::CompactRangeOptions options;
  options.exclusive_manual_compaction = false;
  options.allow_write_stall = false;
  for (rocksdb::ColumnFamilyHandle* family : rocks_->families()) {
    KV_RETURN_IF_ERROR(FromRocks(rocks_->db->CompactRange(options, family, nullptr, nullptr),
                                 "cannot rewrite the state store's files"));
  }
  return absl::OkStatus();
}

}  // namespace keelson::storage
