// What is done to a data directory that no member runs on. A running member has a lock on it, which
// is waited for. The state is the one that was last written back; what stands in the raft log
// behind it is applied by the next start, and not seen here.
#ifndef KEELSON_SERVER_OFFLINE_H_
#define KEELSON_SERVER_OFFLINE_H_

#include <memory>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/types.h"
#include "storage/store.h"

namespace keelson::server {

struct LockWait {
  absl::Duration timeout = absl::Seconds(10);
  absl::FunctionRef<void()> on_wait;  // called once, when there is something to wait for
};

// NotFound: no member's data directory. Unavailable: a process has had it for all that time.
// DataLoss: damaged.
absl::StatusOr<storage::Store::KvHash> HashDataDirectory(const std::string& data_dir,
                                                         Revision revision, const LockWait& wait);
// Rewrites the files that hold what compactions have removed. ResourceExhausted: the disk is full.
absl::Status DefragmentDataDirectory(const std::string& data_dir, const LockWait& wait);

}  // namespace keelson::server

#endif  // KEELSON_SERVER_OFFLINE_H_
