#include "storage/segment_pool.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "base/check.h"
#include "base/planted_bug.h"
#include "base/status_macros.h"
#include "base/thread_urgency.h"

namespace keelson::storage {
namespace {

constexpr absl::string_view kSegmentSuffix = ".seg";
constexpr absl::string_view kSpareSuffix = ".spare";
constexpr absl::string_view kTemporarySuffix = ".tmp";

// Zeroes go to disk in pieces with a pause between them, so that the log's own syncs are not kept
// waiting behind 64 MiB of them.
constexpr uint64_t kZeroPieceBytes = 256 << 10;
constexpr absl::Duration kZeroPause = absl::Milliseconds(2);

std::string PathOf(const std::string& directory, uint64_t sequence, absl::string_view suffix) {
  return absl::StrCat(directory, "/", absl::Hex(sequence, absl::kZeroPad16), suffix);
}

// Below the others, but not so far that an append that waits for a segment starves with us.
void LowerThreadPriority() {
  SetThreadUrgency(ThreadUrgency::kBackground);
#if defined(__linux__)
  constexpr int kIoWhoProcess = 1, kIoBestEffort = 2, kIoClassShift = 13, kIoLowest = 7;
  (void)::syscall(SYS_ioprio_set, kIoWhoProcess, 0, (kIoBestEffort << kIoClassShift) | kIoLowest);
#endif
}

}  // namespace

std::string SegmentPath(const std::string& directory, uint64_t sequence) {
  return PathOf(directory, sequence, kSegmentSuffix);
}

std::optional<uint64_t> ParseSegmentName(const std::string& name) {
  if (name.size() != 16 + kSegmentSuffix.size() || !absl::EndsWith(name, kSegmentSuffix)) {
    return std::nullopt;
  }
  uint64_t sequence = 0;
  for (const char c : std::string_view(name).substr(0, 16)) {
    const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
    if (digit < 0) return std::nullopt;
    sequence = sequence << 4 | static_cast<uint64_t>(digit);
  }
  return sequence;
}

SegmentPool::SegmentPool(const RaftLogOptions& options, const LogIdentity& identity)
    : options_(options), identity_(identity) {
  // What an earlier process left. A file that cannot be removed now costs space, nothing else.
  auto names = options_.file_system->List(options_.directory);
  if (names.ok()) {
    for (const std::string& name : *names) {
      if (absl::EndsWith(name, kTemporarySuffix) || absl::EndsWith(name, kSpareSuffix)) {
        options_.file_system->Remove(absl::StrCat(options_.directory, "/", name)).IgnoreError();
      }
    }
  }
  if (options_.background_thread) thread_ = std::thread([this] { Run(); });
}

SegmentPool::~SegmentPool() {
  {
    absl::MutexLock lock(&mutex_);
    stop_ = true;
  }
  if (thread_.joinable()) thread_.join();
}

SegmentHeader SegmentPool::NewHeader(uint64_t sequence) {
  return {.identity = identity_, .sequence = sequence, .salt = options_.random->Next()};
}

void SegmentPool::Prepare(uint64_t sequence) {
  if (!options_.background_thread) return;  // Take makes it
  absl::MutexLock lock(&mutex_);
  KV_CHECK(next_ == nullptr && !wanted_.has_value());
  wanted_ = sequence;
  next_status_ = absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<Segment>> SegmentPool::Take(uint64_t sequence) {
  if (!options_.background_thread) return MakeNext(sequence);
  absl::MutexLock lock(&mutex_);
  hurry_ = true;
  mutex_.Await(absl::Condition(this, &SegmentPool::Ready));
  hurry_ = false;
  KV_RETURN_IF_ERROR(next_status_);
  KV_CHECK_EQ(next_->header.sequence, sequence);
  return std::move(next_);
}

void SegmentPool::Recycle(std::shared_ptr<Segment> segment) {
  if (!options_.background_thread) {
    Retire(std::move(segment));
    return;
  }
  absl::MutexLock lock(&mutex_);
  retired_.push_back(std::move(segment));
}

uint64_t SegmentPool::Bytes() const {
  absl::MutexLock lock(&mutex_);
  uint64_t bytes = next_ == nullptr ? 0 : next_->bytes;
  for (const Spare& spare : spares_) bytes += spare.bytes;
  for (const auto& segment : retired_) bytes += segment->bytes;
  return bytes;
}

absl::StatusOr<std::shared_ptr<Segment>> SegmentPool::Make(const SegmentHeader& header,
                                                           std::string_view records) {
  KV_RETURN_IF_ERROR(CheckRoom());
  FileSystem& files = *options_.file_system;
  const std::string temporary = PathOf(options_.directory, header.sequence, kTemporarySuffix);
  const std::string path = SegmentPath(options_.directory, header.sequence);
  auto file = files.Open(temporary, OpenMode::kCreateNew);
  if (absl::IsAlreadyExists(file.status())) {  // of an attempt that failed
    KV_RETURN_IF_ERROR(files.Remove(temporary));
    file = files.Open(temporary, OpenMode::kCreateNew);
  }
  KV_RETURN_IF_ERROR(file.status());
  if (const absl::Status status = ZeroFill(**file); !status.ok()) {
    files.Remove(temporary).IgnoreError();  // the room it takes is wanted by others
    return status;
  }
  KV_RETURN_IF_ERROR((*file)->Write(0, {EncodeSegmentHeader(header), records}));
  KV_RETURN_IF_ERROR((*file)->Sync());
  KV_RETURN_IF_ERROR(files.Rename(temporary, path));
  if (!KV_PLANTED("log-segment-name-unsynced")) {
    KV_RETURN_IF_ERROR(files.SyncDirectory(options_.directory));
  }
  return std::make_shared<Segment>(header, path, *std::move(file), options_.segment_bytes);
}

// Another quarter of a segment stays free, so that the attempt itself does not fill the disk.
absl::Status SegmentPool::CheckRoom() const {
  const auto free = options_.file_system->FreeBytes(options_.directory);
  // A file system that cannot tell shows it when it is written to.
  if (!free.ok() || *free >= options_.segment_bytes + options_.segment_bytes / 4) {
    return absl::OkStatus();
  }
  return absl::ResourceExhaustedError(
      absl::StrCat("no room for another segment in ", options_.directory));
}

absl::Status SegmentPool::ZeroFill(File& file) {
  const std::string zeroes(std::min(kZeroPieceBytes, options_.segment_bytes), '\0');
  for (uint64_t at = 0; at < options_.segment_bytes; at += zeroes.size()) {
    const uint64_t count = std::min<uint64_t>(zeroes.size(), options_.segment_bytes - at);
    KV_RETURN_IF_ERROR(file.Write(at, {std::string_view(zeroes).substr(0, count)}));
    KV_RETURN_IF_ERROR(file.Sync());
    if (at + count < options_.segment_bytes && !Pace()) return absl::CancelledError("closing");
  }
  return absl::OkStatus();
}

bool SegmentPool::Pace() {
  if (!options_.background_thread || std::this_thread::get_id() != thread_.get_id()) return true;
  absl::MutexLock lock(&mutex_);
  mutex_.AwaitWithTimeout(absl::Condition(this, &SegmentPool::Hurried), kZeroPause);
  return !stop_;
}

absl::StatusOr<std::shared_ptr<Segment>> SegmentPool::Reuse(const SegmentHeader& header,
                                                            const Spare& spare) {
  FileSystem& files = *options_.file_system;
  const std::string path = SegmentPath(options_.directory, header.sequence);
  // Its old name must be gone for good before its header changes: else a crash could bring back a
  // segment under a name that its header denies.
  KV_RETURN_IF_ERROR(files.SyncDirectory(options_.directory));
  KV_ASSIGN_OR_RETURN(auto file, files.Open(spare.path, OpenMode::kExisting));
  KV_RETURN_IF_ERROR(file->Write(0, {EncodeSegmentHeader(header)}));
  KV_RETURN_IF_ERROR(file->Sync());
  KV_RETURN_IF_ERROR(files.Rename(spare.path, path));
  KV_RETURN_IF_ERROR(files.SyncDirectory(options_.directory));
  return std::make_shared<Segment>(header, path, std::move(file), spare.bytes);
}

absl::StatusOr<std::shared_ptr<Segment>> SegmentPool::MakeNext(uint64_t sequence) {
  const SegmentHeader header = NewHeader(sequence);
  std::optional<Spare> spare;
  {
    absl::MutexLock lock(&mutex_);
    if (!spares_.empty()) {
      spare = spares_.front();
      spares_.pop_front();
    }
  }
  if (!spare.has_value()) return Make(header, {});
  auto reused = Reuse(header, *spare);
  if (absl::IsResourceExhausted(reused.status())) {
    absl::MutexLock lock(&mutex_);
    spares_.push_front(*spare);
  }
  return reused;
}

void SegmentPool::Retire(std::shared_ptr<Segment> segment) {
  FileSystem& files = *options_.file_system;
  // Segments go in order: one that stays behind when later ones went would be taken for damage at
  // the next opening. So when one cannot go, all stay, until that opening finds them again.
  if (retire_failed_) return;
  const Spare spare{PathOf(options_.directory, segment->header.sequence, kSpareSuffix),
                    segment->bytes};
  // A reader that still holds it must go on seeing its bytes; one that outgrew its size would grow
  // the pool.
  const auto size = segment->file->Size();
  bool reuse = segment.use_count() == 1 && size.ok() && *size == options_.segment_bytes;
  {
    absl::MutexLock lock(&mutex_);
    reuse = reuse && spares_.size() < kSparesMax;
  }
  if (!reuse) {
    retire_failed_ = !files.Remove(segment->path).ok();
    return;
  }
  retire_failed_ = !files.Rename(segment->path, spare.path).ok();
  if (retire_failed_) return;
  absl::MutexLock lock(&mutex_);
  spares_.push_back(spare);
}

bool SegmentPool::HasWork() const { return stop_ || wanted_.has_value() || !retired_.empty(); }

void SegmentPool::Run() {
  LowerThreadPriority();
  while (true) {
    std::shared_ptr<Segment> retired;
    std::optional<uint64_t> wanted;
    {
      absl::MutexLock lock(&mutex_);
      mutex_.Await(absl::Condition(this, &SegmentPool::HasWork));
      if (!retired_.empty()) {
        retired = std::move(retired_.front());
        retired_.pop_front();
      } else if (stop_) {
        return;
      } else {
        wanted.swap(wanted_);
      }
    }
    if (retired != nullptr) Retire(std::move(retired));
    if (wanted.has_value()) {
      auto made = MakeNext(*wanted);
      absl::MutexLock lock(&mutex_);
      next_status_ = made.status();
      if (made.ok()) next_ = *std::move(made);
      if (absl::IsResourceExhausted(next_status_)) {
        wanted_ = wanted;
        mutex_.AwaitWithTimeout(absl::Condition(this, &SegmentPool::Stopping), kFullRetry);
      }
    }
  }
}

}  // namespace keelson::storage
