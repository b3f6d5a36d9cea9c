// Restore: the file of a snapshot made the data directory of a member of a new cluster, and what
// such a file says of itself. Everything that is wrong with the file is one line of error.
#ifndef KEELSON_SERVER_RESTORE_H_
#define KEELSON_SERVER_RESTORE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/types.h"
#include "server/config.h"
#include "storage/store.h"

namespace keelson::server {

struct RestoreOptions {
  std::string file;
  // Of the new member: name, data_dir, wal_dir, initial_cluster, initial_cluster_token and
  // initial_advertise_peer_urls; as kvd would be told.
  Config config;
  // The revision goes up by so much, and all before is compacted, so that whoever watched the old
  // cluster is told; 0: it stays, and its watchers wait for revisions they have seen already.
  int64_t bump_revision = 1000000000;
  bool skip_hash_check = false;  // the file has no SHA-256 at its end, or a wrong one
};

// DataLoss: the file is damaged or no snapshot. AlreadyExists: there is a member in the data
// directory. InvalidArgument: the member is not in its own cluster. Nothing is left of a failed
// one.
absl::Status Restore(const RestoreOptions& options);

struct SnapshotSummary {
  uint32_t hash = 0;  // CRC-32C of the stream
  Revision revision;
  int64_t keys = 0;
  uint64_t bytes = 0;  // of the file
};
// Reads and checks all of `file`; unpacks it into a temporary directory beside it to count its
// keys.
absl::StatusOr<SnapshotSummary> Summarize(const std::string& file);

// etcd's HashKV at `revision` (0: newest) of the keys in `file`, which is unpacked for it as above.
absl::StatusOr<storage::Store::KvHash> HashSnapshot(const std::string& file, Revision revision);

}  // namespace keelson::server

#endif  // KEELSON_SERVER_RESTORE_H_
