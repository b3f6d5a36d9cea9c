// Files that are there whole or not at all, and a lock that ends with its process.
#ifndef KEELSON_TOOLS_KEELSON_DURABLE_FILE_H_
#define KEELSON_TOOLS_KEELSON_DURABLE_FILE_H_

#include <sys/types.h>

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace keelson::program {

// NotFound: there is no such file.
absl::StatusOr<std::string> ReadWhole(const std::string& path);
// In place of what is there: whoever reads finds the old content or the new one. With kDisk so does
// who starts after the machine has crashed.
enum class Survives { kProcess, kDisk };
absl::Status WriteWhole(const std::string& path, std::string_view content, mode_t mode,
                        Survives survives = Survives::kDisk);
absl::Status MakeDirectory(const std::string& path, mode_t mode);

// One process at a time has it; the file holds that process's pid.
class ProcessLock {
 public:
  // nullptr: another process has it.
  static absl::StatusOr<std::unique_ptr<ProcessLock>> Take(const std::string& path);
  // The pid of who has it; 0: nobody.
  static pid_t Holder(const std::string& path);
  // Writes the pid of the calling process, which may be a child of who took it.
  absl::Status Claim();
  ~ProcessLock();
  ProcessLock(const ProcessLock&) = delete;
  ProcessLock& operator=(const ProcessLock&) = delete;

 private:
  explicit ProcessLock(int fd) : fd_(fd) {}
  const int fd_;
};

}  // namespace keelson::program

#endif  // KEELSON_TOOLS_KEELSON_DURABLE_FILE_H_
