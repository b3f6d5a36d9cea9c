// FlushListener: what RocksDB's own threads have to tell a Store. Internal to storage/.
#ifndef KEELSON_STORAGE_FLUSH_LISTENER_H_
#define KEELSON_STORAGE_FLUSH_LISTENER_H_

#include <atomic>
#include <functional>
#include <utility>

#include "base/thread_urgency.h"
#include "rocksdb/listener.h"

namespace keelson::storage {

// Tells that the durable position may have moved, and that the disk was full for RocksDB's own
// work. Where there are few processors, that work would take the time of those who answer clients:
// its threads are less urgent, compactions least of all, but are never left without any time.
class FlushListener final : public rocksdb::EventListener {
 public:
  explicit FlushListener(std::function<void()> on_disk_full)
      : on_disk_full_(std::move(on_disk_full)) {}
  void OnBackgroundError(rocksdb::BackgroundErrorReason, rocksdb::Status* status) override {
    if (status->IsNoSpace()) on_disk_full_();
  }
  void OnFlushBegin(rocksdb::DB*, const rocksdb::FlushJobInfo&) override {
    MakeThread(ThreadUrgency::kBackground);
  }
  void OnCompactionBegin(rocksdb::DB*, const rocksdb::CompactionJobInfo&) override {
    MakeThread(ThreadUrgency::kLeastBackground);
  }
  void OnFlushCompleted(rocksdb::DB*, const rocksdb::FlushJobInfo&) override {
    flushed_.store(true, std::memory_order_release);
  }
  bool TakeFlushed() { return flushed_.exchange(false, std::memory_order_acq_rel); }

 private:
  // Once for a thread: each has the same kind of work for ever.
  static void MakeThread(ThreadUrgency urgency) {
    static thread_local bool is_made = false;
    if (!std::exchange(is_made, true)) SetThreadUrgency(urgency);
  }

  const std::function<void()> on_disk_full_;
  // Set by RocksDB's threads, taken by whoever asks for the durable position; stands alone.
  std::atomic<bool> flushed_{true};
};

}  // namespace keelson::storage

#endif  // KEELSON_STORAGE_FLUSH_LISTENER_H_
