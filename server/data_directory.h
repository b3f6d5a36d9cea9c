// The data directory: <data-dir>/member/log holds the raft log; the state lies beside it, where
// storage::StoreDirectory says. The first start writes who this member is into both; every other
// start checks that the flags mean the same member, and ends what a crash interrupted: a snapshot
// installed behind which the log was not reset yet.
#ifndef KEELSON_SERVER_DATA_DIRECTORY_H_
#define KEELSON_SERVER_DATA_DIRECTORY_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "http/tls.h"
#include "server/config.h"
#include "storage/raft_log.h"
#include "storage/replaceable_store.h"
#include "storage/store_directory.h"

namespace keelson::server {

struct DataDirectory {
  storage::LogIdentity identity;
  std::unique_ptr<storage::RaftLog> log;
  std::unique_ptr<storage::StoreDirectory> states;
  storage::StoreOptions store_options;  // of a state in any of them; the directory is left empty
  std::unique_ptr<storage::ReplaceableStore> store;
  std::vector<std::string> paths;  // of the directories written to
};

// The first start of a member that joins asks the running cluster (server/join.h); with
// --force-new-cluster a later start makes this member the only one.
// FailedPrecondition: it is of another member or cluster, this member was removed from it, half of
// it is missing, or the cluster to join does not know this member. PermissionDenied, Unavailable:
// it cannot be written, or another process has it.
// `tls` is for asking other members, and used during the call.
absl::StatusOr<DataDirectory> OpenDataDirectory(const Config& config, http::TlsCredentials& tls);

// A snapshot is installed in two steps: its state takes the place of the old one, then the log is
// reset behind it. Does the second if a crash came between them. `installed`: where the snapshot
// that `store` came from was taken.
absl::Status ResetLogBehindSnapshot(const storage::LogPosition& installed,
                                    const storage::Store& store, storage::RaftLog& log);

// Where the raft log is.
std::string LogDirectory(const Config& config);

// Makes `store`, which has not applied an entry, the first state of the cluster of `bootstrap` at
// the member that the flags name. REQUIRES: a group of changes is under way.
void PutBootstrap(const Config& config, const Bootstrap& bootstrap, storage::Store& store);

}  // namespace keelson::server

#endif  // KEELSON_SERVER_DATA_DIRECTORY_H_
