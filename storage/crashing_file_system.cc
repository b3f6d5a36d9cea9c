#include "storage/crashing_file_system.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/status_macros.h"

namespace keelson::storage {

class CrashingFileSystem::MemoryFile final : public File {
 public:
  MemoryFile(CrashingFileSystem& files, std::shared_ptr<Inode> inode)
      : files_(files), inode_(std::move(inode)) {}

  absl::Status Write(uint64_t offset, absl::Span<const std::string_view> pieces) override {
    absl::MutexLock lock(&files_.mutex_);
    KV_RETURN_IF_ERROR(files_.Alive());
    if (files_.fail_write_) {
      files_.fail_write_ = false;
      return absl::ResourceExhaustedError("injected: no space");
    }
    for (const std::string_view piece : pieces) {
      if (piece.empty()) continue;
      if (inode_->live.size() < offset + piece.size()) inode_->live.resize(offset + piece.size());
      std::memcpy(inode_->live.data() + offset, piece.data(), piece.size());
      for (uint64_t s = offset / kSector; s * kSector < offset + piece.size(); ++s) {
        inode_->dirty.insert(s);
      }
      offset += piece.size();
    }
    return absl::OkStatus();
  }

  absl::StatusOr<uint64_t> Read(uint64_t offset, uint64_t count, char* to) const override {
    absl::MutexLock lock(&files_.mutex_);
    KV_RETURN_IF_ERROR(files_.Alive());
    if (offset >= inode_->live.size()) return uint64_t{0};
    count = std::min<uint64_t>(count, inode_->live.size() - offset);
    std::memcpy(to, inode_->live.data() + offset, count);
    return count;
  }

  absl::Status Sync() override {
    absl::MutexLock lock(&files_.mutex_);
    KV_RETURN_IF_ERROR(files_.Alive());
    if (files_.fail_sync_) {
      files_.fail_sync_ = false;
      return absl::UnavailableError("injected: sync failed");
    }
    for (const uint64_t sector : inode_->dirty) files_.SaveSector(*inode_, sector);
    inode_->dirty.clear();
    return absl::OkStatus();
  }

  absl::StatusOr<uint64_t> Size() const override {
    absl::MutexLock lock(&files_.mutex_);
    KV_RETURN_IF_ERROR(files_.Alive());
    return inode_->live.size();
  }

 private:
  CrashingFileSystem& files_;
  const std::shared_ptr<Inode> inode_;
};

class CrashingFileSystem::MemoryLock final : public DirectoryLock {
 public:
  MemoryLock(CrashingFileSystem& files, std::string path) : files_(files), path_(std::move(path)) {}
  MemoryLock(const MemoryLock&) = delete;
  MemoryLock& operator=(const MemoryLock&) = delete;
  ~MemoryLock() override {
    absl::MutexLock lock(&files_.mutex_);
    files_.locks_.erase(path_);
  }

 private:
  CrashingFileSystem& files_;
  const std::string path_;
};

absl::Status CrashingFileSystem::Alive() const {
  return halted_ ? absl::UnavailableError("halted") : absl::OkStatus();
}

void CrashingFileSystem::SaveSector(Inode& inode, uint64_t sector) {
  const uint64_t begin = sector * kSector;
  const uint64_t end = std::min<uint64_t>(begin + kSector, inode.live.size());
  if (inode.durable.size() < end) inode.durable.resize(end);
  std::memcpy(inode.durable.data() + begin, inode.live.data() + begin, end - begin);
}

absl::StatusOr<std::unique_ptr<File>> CrashingFileSystem::Open(const std::string& path,
                                                               OpenMode mode) {
  absl::MutexLock lock(&mutex_);
  KV_RETURN_IF_ERROR(Alive());
  auto it = names_.find(path);
  if (mode == OpenMode::kExisting) {
    if (it == names_.end()) return absl::NotFoundError(path);
    return std::make_unique<MemoryFile>(*this, it->second);
  }
  if (it != names_.end()) return absl::AlreadyExistsError(path);
  auto inode = std::make_shared<Inode>();
  names_[path] = inode;
  NameChanged();
  return std::make_unique<MemoryFile>(*this, std::move(inode));
}

absl::Status CrashingFileSystem::Rename(const std::string& from, const std::string& to) {
  absl::MutexLock lock(&mutex_);
  KV_RETURN_IF_ERROR(Alive());
  auto it = names_.find(from);
  if (it == names_.end()) return absl::NotFoundError(from);
  std::shared_ptr<Inode> inode = it->second;
  names_.erase(it);
  names_[to] = std::move(inode);
  NameChanged();
  return absl::OkStatus();
}

absl::Status CrashingFileSystem::Remove(const std::string& path) {
  absl::MutexLock lock(&mutex_);
  KV_RETURN_IF_ERROR(Alive());
  if (names_.erase(path) == 0) return absl::NotFoundError(path);
  NameChanged();
  return absl::OkStatus();
}

absl::Status CrashingFileSystem::SyncDirectory(const std::string&) {
  absl::MutexLock lock(&mutex_);
  KV_RETURN_IF_ERROR(Alive());
  durable_names_ = names_;
  history_.clear();
  return absl::OkStatus();
}

absl::Status CrashingFileSystem::CreateDirectory(const std::string& path) {
  absl::MutexLock lock(&mutex_);
  KV_RETURN_IF_ERROR(Alive());
  directories_.insert(path);
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::string>> CrashingFileSystem::List(const std::string& path) {
  absl::MutexLock lock(&mutex_);
  KV_RETURN_IF_ERROR(Alive());
  if (!directories_.contains(path)) return absl::NotFoundError(path);
  std::vector<std::string> found;
  for (const auto& [name, inode] : names_) {
    if (name.compare(0, path.size() + 1, path + "/") == 0) {
      found.push_back(name.substr(path.size() + 1));
    }
  }
  return found;
}

absl::StatusOr<std::unique_ptr<DirectoryLock>> CrashingFileSystem::Lock(const std::string& path) {
  absl::MutexLock lock(&mutex_);
  KV_RETURN_IF_ERROR(Alive());
  if (!locks_.insert(path).second) return absl::UnavailableError(path + " is in use");
  return std::make_unique<MemoryLock>(*this, path);
}

void CrashingFileSystem::Halt() {
  absl::MutexLock lock(&mutex_);
  halted_ = true;
}

void CrashingFileSystem::Restart(Survivors survivors) {
  absl::MutexLock lock(&mutex_);
  halted_ = false;
  fail_sync_ = fail_write_ = false;
  if (survivors != Survivors::kNothing && !history_.empty()) {
    const bool all = survivors == Survivors::kAll;
    const uint64_t kept = all ? history_.size() : random_.Below(history_.size() + 1);
    if (kept > 0) durable_names_ = history_[kept - 1];
  }
  names_ = durable_names_;
  history_.clear();
  std::set<Inode*> done;  // an inode may have two names only in the history
  for (const auto& [name, inode] : names_) {
    if (!done.insert(inode.get()).second) continue;
    // Now all of the unsynced sectors, now none, mostly some.
    const uint64_t chance = survivors == Survivors::kNothing ? 0
                            : survivors == Survivors::kAll   ? 4
                                                             : random_.Below(5);
    for (const uint64_t sector : inode->dirty) {
      if (random_.Below(4) < chance) SaveSector(*inode, sector);
    }
    inode->dirty.clear();
    inode->live = inode->durable;
  }
}

void CrashingFileSystem::FailNextSync() {
  absl::MutexLock lock(&mutex_);
  fail_sync_ = true;
}

void CrashingFileSystem::FailNextWrite() {
  absl::MutexLock lock(&mutex_);
  fail_write_ = true;
}

std::string CrashingFileSystem::Content(const std::string& path) {
  absl::MutexLock lock(&mutex_);
  auto it = names_.find(path);
  KV_CHECK(it != names_.end()) << path;
  return it->second->live;
}

void CrashingFileSystem::Overwrite(const std::string& path, uint64_t offset,
                                   const std::string& bytes) {
  absl::MutexLock lock(&mutex_);
  auto it = names_.find(path);
  KV_CHECK(it != names_.end()) << path;
  for (std::string* content : {&it->second->live, &it->second->durable}) {
    if (offset >= content->size()) continue;
    content->replace(offset, std::min(bytes.size(), content->size() - offset), bytes, 0,
                     std::min(bytes.size(), content->size() - offset));
  }
}

}  // namespace keelson::storage
