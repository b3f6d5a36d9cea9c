#include "storage/crashing_rocks.h"

#include <algorithm>
#include <deque>
#include <functional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/match.h"
#include "absl/synchronization/mutex.h"
#include "base/check.h"
#include "rocksdb/env.h"
#include "rocksdb/file_system.h"
#include "rocksdb/system_clock.h"

namespace keelson::storage {
namespace {

using rocksdb::FileOptions;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

// RocksDB joins paths carelessly.
std::string Clean(const std::string& path) {
  std::string clean;
  for (const char c : path) {
    if (c != '/' || clean.empty() || clean.back() != '/') clean.push_back(c);
  }
  if (clean.size() > 1 && clean.back() == '/') clean.pop_back();
  return clean;
}

// As RocksDB's own file system says it: space may come back, so that failure is worth a retry.
IOStatus ToRocks(const absl::Status& status) {
  if (status.ok()) return IOStatus::OK();
  const std::string text(status.message());
  if (absl::IsNotFound(status)) return IOStatus::PathNotFound(text);
  if (!absl::IsResourceExhausted(status)) return IOStatus::IOError(text);
  IOStatus no_space = IOStatus::NoSpace(text);
  no_space.SetRetryable(true);
  return no_space;
}

class SequentialFile final : public rocksdb::FSSequentialFile {
 public:
  explicit SequentialFile(std::unique_ptr<File> file) : file_(std::move(file)) {}
  IOStatus Read(size_t n, const IOOptions&, Slice* result, char* scratch,
                IODebugContext*) override {
    const auto got = file_->Read(offset_, n, scratch);
    if (!got.ok()) return ToRocks(got.status());
    offset_ += *got;
    *result = Slice(scratch, *got);
    return IOStatus::OK();
  }
  IOStatus Skip(uint64_t n) override {
    offset_ += n;
    return IOStatus::OK();
  }

 private:
  const std::unique_ptr<File> file_;
  uint64_t offset_ = 0;
};

class RandomAccessFile final : public rocksdb::FSRandomAccessFile {
 public:
  explicit RandomAccessFile(std::unique_ptr<File> file) : file_(std::move(file)) {}
  IOStatus Read(uint64_t offset, size_t n, const IOOptions&, Slice* result, char* scratch,
                IODebugContext*) const override {
    const auto got = file_->Read(offset, n, scratch);
    if (!got.ok()) return ToRocks(got.status());
    *result = Slice(scratch, *got);
    return IOStatus::OK();
  }

 private:
  const std::unique_ptr<File> file_;
};

class WritableFile final : public rocksdb::FSWritableFile {
 public:
  WritableFile(std::unique_ptr<File> file, uint64_t size) : file_(std::move(file)), size_(size) {}
  IOStatus Append(const Slice& data, const IOOptions&, IODebugContext*) override {
    const absl::Status status = file_->Write(size_, {std::string_view(data.data(), data.size())});
    if (status.ok()) size_ += data.size();
    return ToRocks(status);
  }
  IOStatus Append(const Slice& data, const IOOptions& options, const rocksdb::DataVerificationInfo&,
                  IODebugContext* context) override {
    return Append(data, options, context);
  }
  IOStatus Close(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }
  IOStatus Flush(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }
  IOStatus Sync(const IOOptions&, IODebugContext*) override { return ToRocks(file_->Sync()); }
  uint64_t GetFileSize(const IOOptions&, IODebugContext*) override { return size_; }

 private:
  const std::unique_ptr<File> file_;
  uint64_t size_;
};

class Directory final : public rocksdb::FSDirectory {
 public:
  Directory(CrashingFileSystem& files, std::string path) : files_(files), path_(std::move(path)) {}
  IOStatus Fsync(const IOOptions&, IODebugContext*) override {
    return ToRocks(files_.SyncDirectory(path_));
  }
  IOStatus Close(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }

 private:
  CrashingFileSystem& files_;
  const std::string path_;
};

class HeldLock final : public rocksdb::FileLock {
 public:
  explicit HeldLock(std::unique_ptr<DirectoryLock> lock) : lock_(std::move(lock)) {}

 private:
  const std::unique_ptr<DirectoryLock> lock_;
};

// RocksDB rests for a second after background work that failed, and tries again.
class SleeplessClock final : public rocksdb::SystemClockWrapper {
 public:
  explicit SleeplessClock(std::function<void()> on_rest)
      : SystemClockWrapper(rocksdb::SystemClock::Default()), on_rest_(std::move(on_rest)) {}
  const char* Name() const override { return "SleeplessClock"; }
  void SleepForMicroseconds(int) override { on_rest_(); }

 private:
  const std::function<void()> on_rest_;
};

// RocksDB's own log of what it does.
class NoLog final : public rocksdb::Logger {
 public:
  using Logger::Logv;
  void Logv(const char*, va_list) override {}
  size_t GetLogFileSize() const override { return 0; }
};

}  // namespace

class CrashingRocks::Files final : public rocksdb::FileSystem {
 public:
  explicit Files(CrashingFileSystem& files) : files_(files) {}
  const char* Name() const override { return "CrashingFileSystem"; }

  IOStatus NewSequentialFile(const std::string& path, const FileOptions&,
                             std::unique_ptr<rocksdb::FSSequentialFile>* result,
                             IODebugContext*) override {
    auto file = files_.Open(Clean(path), OpenMode::kExisting);
    if (file.ok()) *result = std::make_unique<SequentialFile>(*std::move(file));
    return ToRocks(file.status());
  }
  IOStatus NewRandomAccessFile(const std::string& path, const FileOptions&,
                               std::unique_ptr<rocksdb::FSRandomAccessFile>* result,
                               IODebugContext*) override {
    auto file = files_.Open(Clean(path), OpenMode::kExisting);
    if (file.ok()) *result = std::make_unique<RandomAccessFile>(*std::move(file));
    return ToRocks(file.status());
  }
  // In place of the one that is there.
  IOStatus NewWritableFile(const std::string& path, const FileOptions&,
                           std::unique_ptr<rocksdb::FSWritableFile>* result,
                           IODebugContext*) override {
    const absl::Status removed = files_.Remove(Clean(path));
    if (!removed.ok() && !absl::IsNotFound(removed)) return ToRocks(removed);
    auto file = files_.Open(Clean(path), OpenMode::kCreateNew);
    if (file.ok()) *result = std::make_unique<WritableFile>(*std::move(file), 0);
    return ToRocks(file.status());
  }
  IOStatus NewDirectory(const std::string& path, const IOOptions&,
                        std::unique_ptr<rocksdb::FSDirectory>* result, IODebugContext*) override {
    *result = std::make_unique<Directory>(files_, Clean(path));
    return IOStatus::OK();
  }
  IOStatus FileExists(const std::string& path, const IOOptions&, IODebugContext*) override {
    const auto file = files_.Open(Clean(path), OpenMode::kExisting);
    return absl::IsNotFound(file.status()) ? IOStatus::NotFound() : ToRocks(file.status());
  }
  IOStatus GetChildren(const std::string& path, const IOOptions&, std::vector<std::string>* result,
                       IODebugContext*) override {
    auto names = files_.List(Clean(path));
    if (names.ok()) *result = *std::move(names);
    return ToRocks(names.status());
  }
  IOStatus DeleteFile(const std::string& path, const IOOptions&, IODebugContext*) override {
    return ToRocks(files_.Remove(Clean(path)));
  }
  IOStatus CreateDir(const std::string& path, const IOOptions&, IODebugContext*) override {
    return ToRocks(files_.CreateDirectory(Clean(path)));
  }
  IOStatus CreateDirIfMissing(const std::string& path, const IOOptions&, IODebugContext*) override {
    return ToRocks(files_.CreateDirectory(Clean(path)));
  }
  IOStatus DeleteDir(const std::string& path, const IOOptions&, IODebugContext*) override {
    return ToRocks(files_.RemoveTree(Clean(path)));
  }
  IOStatus GetFileSize(const std::string& path, const IOOptions&, uint64_t* size,
                       IODebugContext*) override {
    const auto file = files_.Open(Clean(path), OpenMode::kExisting);
    if (!file.ok()) return ToRocks(file.status());
    const auto got = (*file)->Size();
    if (got.ok()) *size = *got;
    return ToRocks(got.status());
  }
  IOStatus GetFileModificationTime(const std::string&, const IOOptions&, uint64_t* time,
                                   IODebugContext*) override {
    *time = 0;
    return IOStatus::OK();
  }
  IOStatus RenameFile(const std::string& from, const std::string& to, const IOOptions&,
                      IODebugContext*) override {
    return ToRocks(files_.Rename(Clean(from), Clean(to)));
  }
  IOStatus LinkFile(const std::string& from, const std::string& to, const IOOptions&,
                    IODebugContext*) override {
    return ToRocks(files_.Link(Clean(from), Clean(to)));
  }
  IOStatus LockFile(const std::string& path, const IOOptions&, rocksdb::FileLock** lock,
                    IODebugContext*) override {
    auto held = files_.Lock(Clean(path));
    if (held.ok()) *lock = new HeldLock(*std::move(held));
    return ToRocks(held.status());
  }
  IOStatus UnlockFile(rocksdb::FileLock* lock, const IOOptions&, IODebugContext*) override {
    delete lock;
    return IOStatus::OK();
  }
  IOStatus GetTestDirectory(const IOOptions&, std::string* path, IODebugContext*) override {
    *path = "test";
    return IOStatus::OK();
  }
  IOStatus NewLogger(const std::string&, const IOOptions&, std::shared_ptr<rocksdb::Logger>* result,
                     IODebugContext*) override {
    *result = std::make_shared<NoLog>();
    return IOStatus::OK();
  }
  IOStatus GetAbsolutePath(const std::string& path, const IOOptions&, std::string* result,
                           IODebugContext*) override {
    *result = path;
    return IOStatus::OK();
  }
  IOStatus IsDirectory(const std::string& path, const IOOptions&, bool* is_directory,
                       IODebugContext*) override {
    *is_directory = files_.List(Clean(path)).ok();
    return IOStatus::OK();
  }

 private:
  CrashingFileSystem& files_;
};

// Only the files and the threads are ours; clock and the like are the machine's.
class CrashingRocks::Environment final : public rocksdb::EnvWrapper {
 public:
  explicit Environment(const std::shared_ptr<rocksdb::FileSystem>& files)
      : EnvWrapper(rocksdb::NewCompositeEnv(files)) {
    file_system_ = files;
    system_clock_ = std::make_shared<SleeplessClock>([this] { Rest(); });
    thread_ = std::thread([this] { RunJobs(); });
  }
  ~Environment() override {
    {
      absl::MutexLock lock(&mutex_);
      KV_CHECK(jobs_.empty()) << "a store outlives its environment";
      stop_ = true;
    }
    thread_.join();
  }

  void Schedule(void (*function)(void*), void* argument, Priority priority, void* tag,
                void (*unscheduled)(void*)) override {
    absl::MutexLock lock(&mutex_);
    jobs_.push_back({function, argument, priority, tag, unscheduled});
  }
  int UnSchedule(void* tag, Priority priority) override {
    std::deque<Job> dropped;
    {
      absl::MutexLock lock(&mutex_);
      std::deque<Job> kept;
      for (const Job& job : jobs_) {
        (job.tag == tag && job.priority == priority ? dropped : kept).push_back(job);
      }
      jobs_.swap(kept);
    }
    for (const Job& job : dropped) {
      if (job.unscheduled != nullptr) job.unscheduled(job.argument);
    }
    return static_cast<int>(dropped.size());
  }
  void StartThread(void (*function)(void*), void* argument) override {
    Schedule(function, argument, LOW, nullptr, nullptr);
  }
  void WaitForJoin() override {
    absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(this, &Environment::Idle));
  }
  unsigned int GetThreadPoolQueueLen(Priority) const override {
    absl::MutexLock lock(&mutex_);
    return static_cast<unsigned int>(jobs_.size());
  }
  // Of high and low priority RocksDB believes one thread each; of the lowest there is none.
  int GetBackgroundThreads(Priority priority) override { return priority == BOTTOM ? 0 : 1; }
  void SetBackgroundThreads(int, Priority) override {}
  void IncBackgroundThreadsIfNeeded(int, Priority) override {}
  int ReserveThreads(int, Priority) override { return 0; }
  int ReleaseThreads(int, Priority) override { return 0; }

  void Begin(Work work) {
    absl::MutexLock lock(&mutex_);
    if (running_++ > 0) return;
    resting_ = work == Work::kFlushes;
    retrying_ = work == Work::kRetries;
  }
  void End() {
    absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(this, &Environment::Idle));
    --running_;
  }

 private:
  struct Job {
    void (*function)(void*);
    void* argument;
    Priority priority;
    void* tag;
    void (*unscheduled)(void*);
  };

  // The first job that may run now.
  std::deque<Job>::const_iterator NextJob() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return std::find_if(jobs_.begin(), jobs_.end(), [this](const Job& job) {
      mutex_.AssertHeld();
      return !resting_ || job.priority != LOW;
    });
  }
  bool Idle() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return NextJob() == jobs_.end() && !busy_;
  }
  bool HasWork() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return stop_ || (running_ > 0 && NextJob() != jobs_.end());
  }
  void Rest() {
    absl::MutexLock lock(&mutex_);
    resting_ = resting_ || (current_ == LOW && !retrying_);
  }
  void RunJobs() {
    while (true) {
      Job job;
      {
        absl::MutexLock lock(&mutex_);
        busy_ = false;
        mutex_.Await(absl::Condition(this, &Environment::HasWork));
        if (stop_) return;
        const auto next = NextJob();
        job = *next;
        jobs_.erase(next);
        current_ = job.priority;
        busy_ = true;
      }
      job.function(job.argument);
    }
  }

  std::thread thread_;
  mutable absl::Mutex mutex_;
  std::deque<Job> jobs_ ABSL_GUARDED_BY(mutex_);
  int running_ ABSL_GUARDED_BY(mutex_) = 0;  // Begin without End
  bool busy_ ABSL_GUARDED_BY(mutex_) = false;
  Priority current_ ABSL_GUARDED_BY(mutex_) = LOW;  // of the last job
  // No compactions until the next Begin: none are to run, or one has failed and would be tried
  // again without end.
  bool resting_ ABSL_GUARDED_BY(mutex_) = false;
  bool retrying_ ABSL_GUARDED_BY(mutex_) = false;  // and yet they are
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;
};

CrashingRocks::CrashingRocks(CrashingFileSystem& files)
    : environment_(std::make_unique<Environment>(std::make_shared<Files>(files))) {}

CrashingRocks::~CrashingRocks() = default;

rocksdb::Env* CrashingRocks::env() { return environment_.get(); }

CrashingRocks::Running::Running(CrashingRocks& rocks, Work work) : rocks_(rocks) {
  rocks_.environment_->Begin(work);
}

CrashingRocks::Running::~Running() { rocks_.environment_->End(); }

}  // namespace keelson::storage
