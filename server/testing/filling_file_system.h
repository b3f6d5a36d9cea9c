// FillingFileSystem: the real one, which a test can say is full: no file is made then.
#ifndef KEELSON_SERVER_TESTING_FILLING_FILE_SYSTEM_H_
#define KEELSON_SERVER_TESTING_FILLING_FILE_SYSTEM_H_

#include <memory>
#include <string>
#include <vector>

#include "storage/file_system.h"

namespace keelson::server {

class FillingFileSystem final : public storage::FileSystem {
 public:
  void SetFull(bool full) { full_ = full; }
  // Files that were not made for want of room.
  int refused() const { return refused_; }

  absl::StatusOr<std::unique_ptr<storage::File>> Open(const std::string& path,
                                                      storage::OpenMode mode) override {
    if (full_ && mode == storage::OpenMode::kCreateNew) {
      ++refused_;
      return absl::ResourceExhaustedError("the disk is full");
    }
    return real_.Open(path, mode);
  }
  absl::Status Rename(const std::string& from, const std::string& to) override {
    return real_.Rename(from, to);
  }
  absl::Status Remove(const std::string& path) override { return real_.Remove(path); }
  absl::Status RemoveTree(const std::string& path) override { return real_.RemoveTree(path); }
  absl::Status SyncDirectory(const std::string& path) override { return real_.SyncDirectory(path); }
  absl::Status CreateDirectory(const std::string& path) override {
    return real_.CreateDirectory(path);
  }
  absl::StatusOr<std::vector<std::string>> List(const std::string& path) override {
    return real_.List(path);
  }
  absl::StatusOr<uint64_t> FreeBytes(const std::string& path) override {
    return full_ ? absl::StatusOr<uint64_t>(0) : real_.FreeBytes(path);
  }
  absl::StatusOr<std::unique_ptr<storage::DirectoryLock>> Lock(const std::string& path) override {
    return real_.Lock(path);
  }

 private:
  storage::FileSystem& real_ = storage::PosixFileSystem();
  bool full_ = false;
  int refused_ = 0;
};

}  // namespace keelson::server

#endif  // KEELSON_SERVER_TESTING_FILLING_FILE_SYSTEM_H_
