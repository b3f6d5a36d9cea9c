// The data directory: <data-dir>/member/log holds the raft log, <data-dir>/member/store the state.
// The first start writes who this member is into both; every other start checks that the flags mean
// the same member.
#ifndef KEELSON_SERVER_DATA_DIRECTORY_H_
#define KEELSON_SERVER_DATA_DIRECTORY_H_

#include <memory>

#include "absl/status/statusor.h"
#include "server/config.h"
#include "storage/raft_log.h"
#include "storage/store.h"

namespace keelson::server {

struct DataDirectory {
  storage::LogIdentity identity;
  std::unique_ptr<storage::RaftLog> log;
  std::unique_ptr<storage::Store> store;
};

// FailedPrecondition: it is of another member or cluster, or half of it is missing.
// PermissionDenied, Unavailable: it cannot be written, or another process has it.
absl::StatusOr<DataDirectory> OpenDataDirectory(const Config& config);

}  // namespace keelson::server

#endif  // KEELSON_SERVER_DATA_DIRECTORY_H_
