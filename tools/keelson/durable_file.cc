#include "tools/keelson/durable_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "base/concat.h"

namespace keelson::program {
namespace {

absl::Status Failed(std::string_view what, const std::string& path) {
  const int error = errno;
  const std::string text = Concat("cannot ", what, " ", path, ": ", std::strerror(error));
  return error == ENOENT ? absl::NotFoundError(text) : absl::InternalError(text);
}

bool WriteAll(int fd, std::string_view content) {
  while (!content.empty()) {
    const ssize_t n = ::write(fd, content.data(), content.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return false;
    content.remove_prefix(static_cast<size_t>(n));
  }
  return true;
}

}  // namespace

absl::StatusOr<std::string> ReadWhole(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return Failed("read", path);
  std::string content;
  char part[16 * 1024];
  for (;;) {
    const ssize_t n = ::read(fd, part, sizeof(part));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      const absl::Status status = n == 0 ? absl::OkStatus() : Failed("read", path);
      ::close(fd);
      if (!status.ok()) return status;
      return content;
    }
    content.append(part, static_cast<size_t>(n));
  }
}

absl::Status WriteWhole(const std::string& path, std::string_view content, mode_t mode,
                        Survives survives) {
  std::string temporary = path + ".XXXXXX";
  const int fd = ::mkostemp(temporary.data(), O_CLOEXEC);
  if (fd < 0) return Failed("write", path);
  const bool written = ::fchmod(fd, mode) == 0 && WriteAll(fd, content) &&
                       (survives == Survives::kProcess || ::fsync(fd) == 0);
  absl::Status status = written ? absl::OkStatus() : Failed("write", temporary);
  ::close(fd);
  if (status.ok() && ::rename(temporary.c_str(), path.c_str()) != 0) {
    status = Failed("write", path);
  }
  if (!status.ok()) {
    ::unlink(temporary.c_str());
    return status;
  }
  if (survives == Survives::kProcess) return absl::OkStatus();
  const std::string parent = std::filesystem::path(path).parent_path();
  const int directory = ::open(parent.empty() ? "." : parent.c_str(), O_RDONLY | O_CLOEXEC);
  if (directory >= 0) {
    ::fsync(directory);
    ::close(directory);
  }
  return absl::OkStatus();
}

absl::Status MakeDirectory(const std::string& path, mode_t mode) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) {
    return absl::InternalError(Concat("cannot make ", path, ": ", error.message()));
  }
  return ::chmod(path.c_str(), mode) == 0 ? absl::OkStatus() : Failed("make", path);
}

absl::StatusOr<std::unique_ptr<ProcessLock>> ProcessLock::Take(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return Failed("open", path);
  if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    const bool taken = errno == EWOULDBLOCK;
    const absl::Status status = taken ? absl::OkStatus() : Failed("lock", path);
    ::close(fd);
    if (!taken) return status;
    return std::unique_ptr<ProcessLock>();
  }
  return std::unique_ptr<ProcessLock>(new ProcessLock(fd));
}

pid_t ProcessLock::Holder(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  pid_t holder = 0;
  if (::flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
    char text[32] = {};
    if (::pread(fd, text, sizeof(text) - 1, 0) > 0) holder = std::atoi(text);
  }
  ::close(fd);
  return holder;
}

absl::Status ProcessLock::Claim() {
  // Of one width, in one write: whoever reads meanwhile finds a pid.
  char text[12];
  const int size = std::snprintf(text, sizeof(text), "%-10d\n", static_cast<int>(::getpid()));
  return ::pwrite(fd_, text, static_cast<size_t>(size), 0) == size ? absl::OkStatus()
                                                                   : Failed("write", "the lock");
}

ProcessLock::~ProcessLock() { ::close(fd_); }

}  // namespace keelson::program
