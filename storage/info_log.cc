#include "storage/info_log.h"

#include <array>
#include <utility>

#include "absl/time/clock.h"

namespace keelson::storage {

InfoLog::InfoLog(std::string path, uint64_t bytes_max)
    : Logger(rocksdb::WARN_LEVEL), path_(std::move(path)), bytes_max_(bytes_max) {}

InfoLog::~InfoLog() {
  absl::MutexLock lock(&mutex_);
  if (file_ != nullptr) std::fclose(file_);
}

void InfoLog::Open() {
  opened_ = true;
  std::rename(path_.c_str(), (path_ + ".old").c_str());  // if there is one
  file_ = std::fopen(path_.c_str(), "we");
}

void InfoLog::Logv(const char* format, va_list arguments) {
  std::array<char, 2000> text = {};
  if (std::vsnprintf(text.data(), text.size(), format, arguments) < 0) return;
  std::string line =
      absl::FormatTime(absl::RFC3339_full, absl::Now(), absl::UTCTimeZone()) + " " + text.data();
  if (line.back() != '\n') line.push_back('\n');
  absl::MutexLock lock(&mutex_);
  if (!opened_) Open();
  if (file_ == nullptr || bytes_ + line.size() > bytes_max_) return;
  if (std::fwrite(line.data(), 1, line.size(), file_) != line.size() || std::fflush(file_) != 0) {
    std::clearerr(file_);
    return;
  }
  bytes_ += line.size();
}

size_t InfoLog::GetLogFileSize() const {
  absl::MutexLock lock(&mutex_);
  return bytes_;
}

}  // namespace keelson::storage
