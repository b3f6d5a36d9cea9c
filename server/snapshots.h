// Snapshots: what the node needs of whole states: one to send to a member that was away for longer
// than the log reaches, and one that arrived put in the place of its own. raft::Snapshot::data is
// the state's name; the state itself travels beside the message.
//
// Thread: the executor's. Nothing here waits for a disk or a peer.
#ifndef KEELSON_SERVER_SNAPSHOTS_H_
#define KEELSON_SERVER_SNAPSHOTS_H_

#include <optional>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/types.h"
#include "raft/raw_node.h"
#include "raft/types.h"

namespace keelson::server {

class Snapshots {
 public:
  virtual ~Snapshots() = default;

  // The state at an applied entry at or after `first`. Unavailable: one is being made; ask again.
  virtual absl::StatusOr<raft::Snapshot> Take(LogIndex first) = 0;
  // Entries from here on are needed by members that get a state of Take, for as long as that may
  // hold up the log; nullopt: none.
  virtual std::optional<LogIndex> NeededFrom() const = 0;

  // Carries `message`, an InstallSnapshot, with its state to its receiver. `done` runs once, later.
  using SendDone = absl::AnyInvocable<void(raft::SnapshotResult)>;
  virtual void Send(const raft::Message& message, SendDone done) = 0;

  // Puts the state that arrived with `snapshot` in the place of the store's. When `done` runs with
  // Ok the store is the new one, and so it is after a crash. Otherwise the member cannot go on. A
  // full disk is no failure: `done` runs when there was room.
  using InstallDone = absl::AnyInvocable<void(absl::Status)>;
  virtual void Install(const raft::Snapshot& snapshot, InstallDone done) = 0;

  // Writes what the store has applied to disk; `done` may see an error that a later try does not.
  virtual void Flush(absl::AnyInvocable<void(absl::Status)> done) = 0;
};

}  // namespace keelson::server

#endif  // KEELSON_SERVER_SNAPSHOTS_H_
