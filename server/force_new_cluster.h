// --force-new-cluster: one member goes on as the only one, with all that it has. Everything in its
// log is applied, also what it does not know to be committed: it may have been acknowledged, and
// there is nobody left to ask. The ids stay, the other members' are used up. etcd drops what it
// does not know to be committed.
#ifndef KEELSON_SERVER_FORCE_NEW_CLUSTER_H_
#define KEELSON_SERVER_FORCE_NEW_CLUSTER_H_

#include "absl/status/status.h"
#include "base/types.h"
#include "storage/raft_log.h"
#include "storage/store.h"

namespace keelson::server {

// A crash in the middle leaves the member as it was, or further in its log; doing it again brings
// it to the end. REQUIRES: the log holds what follows store.applied().
absl::Status ForceNewCluster(NodeId self, storage::Store& store, storage::RaftLog& log);

}  // namespace keelson::server

#endif  // KEELSON_SERVER_FORCE_NEW_CLUSTER_H_
