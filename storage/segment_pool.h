// SegmentPool: makes the raft log's next segment in advance, so that Append finds it ready:
// zero-filled (writes into it change no file system metadata, so a sync costs one disk write) or
// recycled from one the log no longer needs, with its header written and its name durable.
//
//   <sequence, 16 hex digits>.seg    a segment of the log, or the one made ready for it
//   <sequence>.spare                 a former segment, waiting to be recycled
//   <sequence>.tmp                   a segment in the making
//
// A full disk: a segment is begun only where there is room for the whole and some more, and tried
// again until there is. So the log always has what is left of its segment and the one made ready.
//
// Threads: Take and Recycle on the log's writer thread; the work on a low-priority thread of its
// own, or within Take and Recycle when there is none.
#ifndef KEELSON_STORAGE_SEGMENT_POOL_H_
#define KEELSON_STORAGE_SEGMENT_POOL_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "storage/file_system.h"
#include "storage/log_format.h"

namespace keelson::storage {

// An open segment file. Immutable but for the bytes in it.
struct Segment {
  Segment(const SegmentHeader& h, std::string p, std::unique_ptr<File> f, uint64_t b)
      : header(h), salt(h.salt), path(std::move(p)), file(std::move(f)), bytes(b) {}
  const SegmentHeader header;
  const RecordSalt salt;
  const std::string path;
  const std::unique_ptr<File> file;
  const uint64_t bytes;  // zero-filled or recycled length; records may pass it
};

std::string SegmentPath(const std::string& directory, uint64_t sequence);
// nullopt: not the name of a segment.
std::optional<uint64_t> ParseSegmentName(const std::string& name);

class SegmentPool {
 public:
  // `options` must outlive it; file_system and random are set in it.
  SegmentPool(const RaftLogOptions& options, const LogIdentity& identity);
  SegmentPool(const SegmentPool&) = delete;
  SegmentPool& operator=(const SegmentPool&) = delete;
  ~SegmentPool();

  // Makes a segment now; it begins with `records`, which gets the salt chosen.
  template <typename Records>
  absl::StatusOr<std::shared_ptr<Segment>> MakeFirst(uint64_t sequence, Records records) {
    const SegmentHeader header = NewHeader(sequence);
    return Make(header, records(RecordSalt(header.salt)));
  }

  // Begins to make the segment `sequence`; one at a time.
  void Prepare(uint64_t sequence);
  // The segment asked for; waits until it is ready. ResourceExhausted: the disk is full; it goes on
  // being tried, ask again.
  absl::StatusOr<std::shared_ptr<Segment>> Take(uint64_t sequence);
  // The log has let go of this segment. Called in order of the sequences.
  void Recycle(std::shared_ptr<Segment> segment);
  // Length of the files held here.
  uint64_t Bytes() const;

 private:
  static constexpr size_t kSparesMax = 2;
  static constexpr absl::Duration kFullRetry = absl::Milliseconds(200);

  struct Spare {
    std::string path;
    uint64_t bytes;
  };

  SegmentHeader NewHeader(uint64_t sequence);
  absl::StatusOr<std::shared_ptr<Segment>> Make(const SegmentHeader& header,
                                                std::string_view records);
  absl::StatusOr<std::shared_ptr<Segment>> Reuse(const SegmentHeader& header, const Spare& spare);
  absl::Status CheckRoom() const;
  absl::Status ZeroFill(File& file);
  // Rests for a while. False: we are closing.
  bool Pace();
  absl::StatusOr<std::shared_ptr<Segment>> MakeNext(uint64_t sequence);
  void Retire(std::shared_ptr<Segment> segment);
  void Run();
  bool HasWork() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool Ready() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return next_ != nullptr || !next_status_.ok();
  }
  bool Stopping() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return stop_; }
  bool Hurried() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return hurry_ || stop_; }

  const RaftLogOptions& options_;
  const LogIdentity identity_;
  std::thread thread_;

  // Owned by whoever does the work.
  bool retire_failed_ = false;

  mutable absl::Mutex mutex_;
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;
  bool hurry_ ABSL_GUARDED_BY(mutex_) = false;  // Take waits
  std::optional<uint64_t> wanted_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<Segment> next_ ABSL_GUARDED_BY(mutex_);
  absl::Status next_status_ ABSL_GUARDED_BY(mutex_);
  std::deque<std::shared_ptr<Segment>> retired_ ABSL_GUARDED_BY(mutex_);
  std::deque<Spare> spares_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace keelson::storage

#endif  // KEELSON_STORAGE_SEGMENT_POOL_H_
