// RotatingFile: a log file that is ended at a size and begun anew, with the ended ones kept by
// number and age beside it, and perhaps compressed. The names are those of etcd's:
//
//   ended   := stem "-" YYYY-MM-DDThh-mm-ss.mmm suffix [".gz"]
//   example    /var/log/kvd.log  ->  /var/log/kvd-2026-11-26T10-31-59.123.log
//
// Thread: one at a time. Removing and compressing ended files is slow and has a thread of its own.
#ifndef KEELSON_SERVER_ROTATING_FILE_H_
#define KEELSON_SERVER_ROTATING_FILE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "server/config.h"

namespace keelson::server {

class RotatingFile {
 public:
  // Goes on with a file that is there. `now` is asked for the names and ages of ended files. Error:
  // PermissionDenied, the file cannot be opened.
  static absl::StatusOr<std::unique_ptr<RotatingFile>> Open(
      std::string path, const LogRotation& rotation, std::function<absl::Time()> now = absl::Now);
  // Waits for the thread.
  ~RotatingFile();
  RotatingFile(const RotatingFile&) = delete;
  RotatingFile& operator=(const RotatingFile&) = delete;

  // Appends the line, to a new file if it would become too large. What cannot be written is lost:
  // there is nobody to tell. A file that cannot be ended is gone on with.
  void Write(std::string_view line);
  // Ended files are as they are to be. For tests.
  void AwaitTidied();

 private:
  RotatingFile(std::string path, const LogRotation& rotation, std::function<absl::Time()> now)
      : path_(std::move(path)), rotation_(rotation), now_(std::move(now)) {}
  absl::Status OpenFile();
  void Rotate();

  const std::string path_;
  const LogRotation rotation_;
  const std::function<absl::Time()> now_;
  int fd_ = -1;
  uint64_t size_ = 0;
  std::thread tidying_;
};

}  // namespace keelson::server

#endif  // KEELSON_SERVER_ROTATING_FILE_H_
