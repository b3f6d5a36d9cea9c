// Reclaimer: the thread on which a Store gives space back: it rewrites the files that hold what
// compactions have removed (the answer to etcd's defragmentation; nothing waits for it), and it
// brings RocksDB back after a disk was full. Where the owner has a place for such work, it is done
// there instead, and Stop is called on that thread. Internal to storage/.
//
// Threads: any.
#ifndef KEELSON_STORAGE_RECLAIMER_H_
#define KEELSON_STORAGE_RECLAIMER_H_

#include <functional>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "storage/background_work.h"
#include "storage/rocks.h"

namespace keelson::storage {

class Reclaimer {
 public:
  using Done = std::function<void(absl::Status)>;

  // `on_resumed` is called where the work is done when RocksDB takes writes again after Resume.
  // `background` null: the work has a thread of its own.
  Reclaimer(BackgroundWork* background, std::function<void()> on_resumed)
      : background_(background), on_resumed_(std::move(on_resumed)) {}
  Reclaimer(const Reclaimer&) = delete;
  Reclaimer& operator=(const Reclaimer&) = delete;
  ~Reclaimer() { Stop(); }

  // Nothing is done before. `rocks` stays until Stop.
  void Start(Rocks* rocks);
  // Ends what is under way; what waits, and what comes later, is told Cancelled.
  void Stop();

  // Writes out what is in memory and rewrites files until nothing removed is left in them. Calls
  // that come while it waits to begin share one run. `done`, which may be empty, is called on the
  // thread; ResourceExhausted: the disk is full.
  void Reclaim(Done done);
  // RocksDB refuses writes because the disk was full: tries until it takes them again.
  void Resume();

 private:
  static constexpr absl::Duration kResumeRetry = absl::Seconds(1);

  void Run();
  // On the owner's thread, once for each time that it was asked for.
  void RunAsked();
  // One thing of what there is to do. False: it is to be tried again, but not at once.
  bool DoNext();
  absl::Status Flush();
  absl::Status Rewrite();
  void Wake() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void AskForTurn(absl::Duration delay) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool HasWork() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return stop_ || resume_ || !waiting_.empty();
  }
  bool Stopping() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return stop_; }

  BackgroundWork* const background_;
  const std::function<void()> on_resumed_;
  Rocks* rocks_ = nullptr;  // set by Start, before the thread
  absl::Mutex mutex_;
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;
  bool resume_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<Done> waiting_ ABSL_GUARDED_BY(mutex_);
  bool asked_ ABSL_GUARDED_BY(mutex_) = false;  // for a turn that has not begun
  // Of the turns that were asked for; gone with Stop.
  std::shared_ptr<int> alive_ ABSL_GUARDED_BY(mutex_) = std::make_shared<int>();
  std::thread thread_;  // begins with the first task, under mutex_; ends in Stop
};

}  // namespace keelson::storage

#endif  // KEELSON_STORAGE_RECLAIMER_H_
