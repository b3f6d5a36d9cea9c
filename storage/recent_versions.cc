#include "storage/recent_versions.h"

#include <utility>

#include "base/check.h"

namespace keelson::storage {

void RecentVersions::Add(VersionId id, SharedBytes record) {
  absl::MutexLock lock(&mutex_);
  if (starts_.empty()) first_main_ = id.main;
  const Revision next = first_main_ + static_cast<int64_t>(starts_.size());
  if (id.main == next) {
    starts_.push_back(dropped_ + records_.size());
  } else {
    KV_CHECK_EQ(id.main + 1, next) << "main revisions are not consecutive";
  }
  KV_CHECK_EQ(static_cast<uint64_t>(id.sub), dropped_ + records_.size() - starts_.back());
  bytes_ += record.size() + kOverheadBytes;
  records_.push_back(std::move(record));
}

void RecentVersions::Committed(Revision revision) {
  absl::MutexLock lock(&mutex_);
  committed_ = revision;
  Evict();
}

void RecentVersions::Evict() {
  while (bytes_ > bytes_max_ && !starts_.empty() && first_main_ <= committed_) {
    const uint64_t end = starts_.size() > 1 ? starts_[1] : dropped_ + records_.size();
    while (dropped_ < end) {
      bytes_ -= records_.front().size() + kOverheadBytes;
      records_.pop_front();
      ++dropped_;
    }
    starts_.pop_front();
    ++first_main_;
  }
}

bool RecentVersions::Locate(Revision main, uint64_t& begin, uint64_t& end) const {
  if (starts_.empty() || main < first_main_) return false;
  const auto at = static_cast<uint64_t>(main - first_main_);
  if (at >= starts_.size()) return false;
  begin = starts_[at] - dropped_;
  end = at + 1 < starts_.size() ? starts_[at + 1] - dropped_ : records_.size();
  return true;
}

std::optional<SharedBytes> RecentVersions::Find(VersionId id) const {
  absl::ReaderMutexLock lock(&mutex_);
  uint64_t begin, end;
  if (!Locate(id.main, begin, end)) return std::nullopt;
  begin += static_cast<uint64_t>(id.sub);
  if (begin >= end) return std::nullopt;
  return records_[begin];
}

std::optional<std::vector<SharedBytes>> RecentVersions::FindAll(Revision main) const {
  absl::ReaderMutexLock lock(&mutex_);
  uint64_t begin, end;
  if (!Locate(main, begin, end)) return std::nullopt;
  return std::vector<SharedBytes>(records_.begin() + static_cast<int64_t>(begin),
                                  records_.begin() + static_cast<int64_t>(end));
}

}  // namespace keelson::storage
