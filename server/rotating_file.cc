#include "server/rotating_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace keelson::server {
namespace {

namespace fs = std::filesystem;

constexpr const char* kTimeFormat = "%Y-%m-%dT%H-%M-%E3S";
constexpr std::string_view kCompressed = ".gz";

absl::TimeZone Zone(const LogRotation& rotation) {
  return rotation.local_time ? absl::LocalTimeZone() : absl::UTCTimeZone();
}

struct Ended {
  fs::path path;
  absl::Time when;
};

// Newest first.
std::vector<Ended> FindEnded(const fs::path& path, const LogRotation& rotation) {
  std::vector<Ended> found;
  const std::string prefix = path.stem().string() + "-";
  const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    std::string name = it->path().filename().string();
    if (name.ends_with(kCompressed)) name.resize(name.size() - kCompressed.size());
    const std::string suffix = path.extension().string();
    if (!name.starts_with(prefix) || !name.ends_with(suffix) ||
        name.size() <= prefix.size() + suffix.size()) {
      continue;
    }
    const std::string time =
        name.substr(prefix.size(), name.size() - prefix.size() - suffix.size());
    absl::Time when;
    std::string ignored;
    if (absl::ParseTime("%Y-%m-%dT%H-%M-%E*S", time, Zone(rotation), &when, &ignored)) {
      found.push_back({it->path(), when});
    }
  }
  std::sort(found.begin(), found.end(),
            [](const Ended& a, const Ended& b) { return a.when > b.when; });
  return found;
}

// Written under another name first, so that half of it is never taken for the whole.
void Compress(const fs::path& path) {
  const std::string target = path.string() + std::string(kCompressed);
  const std::string temporary = target + ".new";
  std::ifstream from(path, std::ios::binary);
  const gzFile to = gzopen(temporary.c_str(), "wb");
  if (!from || to == nullptr) {
    if (to != nullptr) gzclose(to);
    return;
  }
  std::vector<char> buffer(1 << 16);
  bool good = true;
  while (good && from) {
    from.read(buffer.data(), static_cast<std::streamsize>(buffer.size()));
    const auto size = static_cast<unsigned>(from.gcount());
    good = size == 0 || gzwrite(to, buffer.data(), size) == static_cast<int>(size);
  }
  good = gzclose(to) == Z_OK && good && from.eof();
  std::error_code ignored;
  if (good) {
    fs::rename(temporary, target, ignored);
    fs::remove(path, ignored);
  } else {
    fs::remove(temporary, ignored);
  }
}

void Tidy(const fs::path& path, const LogRotation& rotation, absl::Time now) {
  std::vector<Ended> ended = FindEnded(path, rotation);
  const absl::Time oldest = rotation.age_days_max == 0
                                ? absl::InfinitePast()
                                : now - absl::Hours(24) * rotation.age_days_max;
  const size_t count_max =
      rotation.backups_max == 0 ? ended.size() : static_cast<size_t>(rotation.backups_max);
  for (size_t i = 0; i < ended.size(); ++i) {
    std::error_code ignored;
    if (i >= count_max || ended[i].when < oldest) {
      fs::remove(ended[i].path, ignored);
    } else if (rotation.compress && ended[i].path.extension() != kCompressed) {
      Compress(ended[i].path);
    }
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<RotatingFile>> RotatingFile::Open(std::string path,
                                                                 const LogRotation& rotation,
                                                                 std::function<absl::Time()> now) {
  std::unique_ptr<RotatingFile> file(new RotatingFile(std::move(path), rotation, std::move(now)));
  KV_RETURN_IF_ERROR(file->OpenFile());
  return file;
}

RotatingFile::~RotatingFile() {
  AwaitTidied();
  if (fd_ >= 0) ::close(fd_);
}

absl::Status RotatingFile::OpenFile() {
  const int fd = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  struct stat info {};
  if (fd < 0 || ::fstat(fd, &info) != 0) {
    const std::string reason = std::strerror(errno);
    if (fd >= 0) ::close(fd);
    return absl::PermissionDeniedError(
        absl::StrCat("cannot open log output ", path_, ": ", reason));
  }
  if (fd_ >= 0) ::close(fd_);
  fd_ = fd;
  size_ = static_cast<uint64_t>(info.st_size);
  return absl::OkStatus();
}

void RotatingFile::Write(std::string_view line) {
  if (size_ > 0 && size_ + line.size() > rotation_.megabytes_max << 20) Rotate();
  while (!line.empty()) {
    const ssize_t written = ::write(fd_, line.data(), line.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;
    size_ += static_cast<uint64_t>(written);
    line.remove_prefix(static_cast<size_t>(written));
  }
}

void RotatingFile::Rotate() {
  const absl::Time now = now_();
  const fs::path path(path_);
  const fs::path ended =
      path.parent_path() / absl::StrCat(path.stem().string(), "-",
                                        absl::FormatTime(kTimeFormat, now, Zone(rotation_)),
                                        path.extension().string());
  // A second one of the same millisecond would take the place of the first.
  std::error_code error;
  if (fs::exists(ended, error)) return;
  fs::rename(path, ended, error);
  if (error || !OpenFile().ok()) return;
  AwaitTidied();
  tidying_ = std::thread([path, rotation = rotation_, now] { Tidy(path, rotation, now); });
}

void RotatingFile::AwaitTidied() {
  if (tidying_.joinable()) tidying_.join();
}

}  // namespace keelson::server
