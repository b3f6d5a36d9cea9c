#include "server/offline.h"

#include <fcntl.h>
#include <unistd.h>

#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "base/clock.h"
#include "base/status_macros.h"
#include "storage/store_directory.h"

namespace keelson::server {
namespace {

constexpr absl::Duration kLockRetry = absl::Milliseconds(100);

// Whether another process has the database in `directory`; asked before it is opened, for opening
// puts files in order.
bool IsInUse(const std::string& directory) {
  const int fd = ::open((directory + "/LOCK").c_str(), O_RDWR | O_CLOEXEC);
  if (fd < 0) return false;
  struct flock lock = {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  const bool held = ::fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
  ::close(fd);
  return held;
}

absl::StatusOr<std::unique_ptr<storage::Store>> OpenIdle(const std::string& data_dir,
                                                         const LockWait& wait) {
  const std::string member_dir = data_dir + "/member";
  std::error_code error;  // what cannot be looked at is not there, for the message's purpose
  // Opening would make what is missing.
  const auto absent = [&](const std::string& path) {
    return absl::NotFoundError(
        absl::StrCat(data_dir, " is not the data directory of a member: ", path, " is missing"));
  };
  if (!std::filesystem::is_directory(member_dir, error)) return absent(member_dir);
  storage::StoreOptions options;
  options.reclaim_by_itself = false;
  const RealClock clock;
  const absl::Duration deadline = clock.Now() + wait.timeout;
  for (bool told = false;; absl::SleepFor(kLockRetry)) {
    // Each time anew: whoever has the directory may install a snapshot.
    KV_ASSIGN_OR_RETURN(const storage::StoreDirectory states,
                        storage::StoreDirectory::Open(member_dir));
    options.directory = states.current();
    if (!std::filesystem::is_directory(options.directory, error)) return absent(options.directory);
    if (!IsInUse(options.directory)) return storage::Store::Open(options);
    if (clock.Now() >= deadline) {
      return absl::UnavailableError(absl::StrCat(data_dir, " is in use by another process"));
    }
    if (!told) wait.on_wait();
    told = true;
  }
}

}  // namespace

absl::StatusOr<storage::Store::KvHash> HashDataDirectory(const std::string& data_dir,
                                                         Revision revision, const LockWait& wait) {
  KV_ASSIGN_OR_RETURN(const std::unique_ptr<storage::Store> store, OpenIdle(data_dir, wait));
  return store->HashKv(revision);
}

absl::Status DefragmentDataDirectory(const std::string& data_dir, const LockWait& wait) {
  KV_ASSIGN_OR_RETURN(const std::unique_ptr<storage::Store> store, OpenIdle(data_dir, wait));
  absl::Notification done;
  absl::Status result;
  store->Reclaim([&](absl::Status status) {
    result = std::move(status);
    done.Notify();
  });
  done.WaitForNotification();
  return result;
}

}  // namespace keelson::server
