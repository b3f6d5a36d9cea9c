// InfoLog: what RocksDB has to say of itself, from warnings on, in a file. RocksDB's own one ends
// the process at the second line that it cannot write (7.8 asserts that nothing is written to a
// file after a failure), on a full disk for instance. A line that cannot be written is dropped
// here.
//
// The file is opened at the first line; one of an earlier process is kept beside it as PATH.old.
// Thread-safe.
#ifndef KEELSON_STORAGE_INFO_LOG_H_
#define KEELSON_STORAGE_INFO_LOG_H_

#include <cstdint>
#include <cstdio>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "rocksdb/env.h"

namespace keelson::storage {

class InfoLog final : public rocksdb::Logger {
 public:
  // No more than about `bytes_max` are written: what comes then is dropped.
  explicit InfoLog(std::string path, uint64_t bytes_max = 4 << 20);
  ~InfoLog() override;

  using Logger::Logv;
  void Logv(const char* format, va_list arguments) override;
  size_t GetLogFileSize() const override;

 private:
  void Open() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::string path_;
  const uint64_t bytes_max_;
  mutable absl::Mutex mutex_;
  bool opened_ ABSL_GUARDED_BY(mutex_) = false;  // or tried to
  std::FILE* file_ ABSL_GUARDED_BY(mutex_) = nullptr;
  uint64_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace keelson::storage

#endif  // KEELSON_STORAGE_INFO_LOG_H_
