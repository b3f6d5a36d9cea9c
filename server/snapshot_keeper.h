// SnapshotKeeper: a member's states as whole things: checkpoints of its own, shared by all who are
// sent one at the same time and removed when they have served; states that arrived from peers; and
// the change from one state to another. Whatever waits for a disk runs on the worker.
//
// Bounds: one checkpoint is kept for sending, and given up when nobody asked for it for a while, or
// when it is too old, whoever still reads it: it holds disk space and the head of the raft log. A
// state that arrived and was not installed soon is removed.
//
// Thread: the core executor's, but for what says otherwise. The worker must have ended before the
// keeper does.
#ifndef KEELSON_SERVER_SNAPSHOT_KEEPER_H_
#define KEELSON_SERVER_SNAPSHOT_KEEPER_H_

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "server/executor.h"
#include "server/snapshots.h"
#include "storage/checkpoint.h"
#include "storage/replaceable_store.h"
#include "storage/store.h"
#include "storage/store_directory.h"

namespace keelson::server {

// The name of a checkpoint's state: raft::Snapshot::data.
//   name := bytes:le64 crc:le32      of the stream, of its header
std::string SnapshotName(const storage::SnapshotDescription& description);

class SnapshotKeeper final : public Snapshots {
 public:
  using CheckpointPtr = std::shared_ptr<const storage::Checkpoint>;
  struct Options {
    storage::StoreOptions store;  // how states that arrived are opened; the directory is theirs
    storage::StateMedium* medium = &storage::RocksStates();
    absl::Duration idle_max = absl::Seconds(10);
    absl::Duration age_max = absl::Hours(1);
    absl::Duration received_age_max = absl::Minutes(2);
  };
  struct Environment {
    Executor* core;
    Executor* worker;  // one task after the other; in a test it may be the same as `core`
    const Clock* clock;
    storage::ReplaceableStore* store;
    storage::StoreDirectory* directory;  // used on the worker only
    // Brings a message and the state of a checkpoint to the message's receiver.
    std::function<void(const raft::Message&, CheckpointPtr, SendDone)> send;
  };

  SnapshotKeeper(Options options, const Environment& environment);
  SnapshotKeeper(const SnapshotKeeper&) = delete;
  SnapshotKeeper& operator=(const SnapshotKeeper&) = delete;
  ~SnapshotKeeper() override;

  // Timers end, and nothing new begins.
  void Stop();

  // --- Snapshots
  absl::StatusOr<raft::Snapshot> Take(LogIndex first) override;
  std::optional<LogIndex> NeededFrom() const override;
  void Send(const raft::Message& message, SendDone done) override;
  void Install(const raft::Snapshot& snapshot, InstallDone done) override;
  void Flush(absl::AnyInvocable<void(absl::Status)> done) override;

  // --- for those who read or bring states

  // A checkpoint of the present state for a reader of its own.
  void MakeCheckpoint(absl::AnyInvocable<void(absl::StatusOr<CheckpointPtr>)> done);
  // A directory for a state that begins to arrive. Worker.
  std::string NewIncoming() { return directory_->NewIncoming(); }
  // Removes a state that will not arrive, or is not wanted any more. Worker.
  void RemoveIncoming(const std::string& directory);
  // The state `name` is in `directory`, whole and durable; the keeper removes it if it is not
  // installed soon. Its message is to be stepped after this.
  void OnReceived(const std::string& name, std::string directory);

 private:
  static constexpr absl::Duration kInstallRetry = absl::Seconds(1);
  // So many times in a row it did not arrive whole: it may be damaged itself, and is made anew.
  static constexpr int kSendFailuresMax = 5;
  // From one checkpoint that failed to the next; twice as long each time.
  static constexpr absl::Duration kMakeRetryMin = absl::Milliseconds(100);
  static constexpr absl::Duration kMakeRetryMax = absl::Seconds(10);

  struct Kept {
    CheckpointPtr checkpoint;
    raft::Snapshot snapshot;
    absl::Duration made, used;
    int failures = 0;  // to send it, since it last arrived
  };
  struct Received {
    std::string directory;
    absl::Duration when;
  };
  using Records = std::vector<std::pair<std::string, std::string>>;

  void OnMade(absl::StatusOr<CheckpointPtr> made);
  // The state `name` was sent.
  void OnSent(const SharedBytes& name, raft::SnapshotResult result);
  void PauseMaking();
  void GiveUpKept();
  void Discard(std::string directory);
  void Sweep();
  Records OwnRecords() const;
  // On the worker: the state in `directory` made this member's, open.
  static absl::StatusOr<std::shared_ptr<storage::Store>> Adopt(storage::StateMedium& medium,
                                                               const storage::StoreOptions& options,
                                                               const raft::EntryId& id,
                                                               const Records& own);
  struct Installation {
    storage::StoreOptions options;  // of the state that arrived
    raft::EntryId id;
    Records own;
    InstallDone done;
  };
  // Begins an attempt at `installation_`; one that finds no room is followed by another.
  void TryInstall();
  void FinishInstall(absl::StatusOr<std::shared_ptr<storage::Store>> store,
                     const std::string& former);
  void Replace(std::shared_ptr<storage::Store> store, const std::string& former);

  const Options options_;
  Executor* const core_;
  Executor* const worker_;
  const Clock* const clock_;
  storage::ReplaceableStore* const store_;
  storage::StoreDirectory* const directory_;
  const std::function<void(const raft::Message&, CheckpointPtr, SendDone)> send_;
  std::shared_ptr<int> alive_;
  std::unique_ptr<Timer> sweep_;
  bool stopped_ = false;

  std::optional<Kept> kept_;
  std::optional<LogIndex> making_from_;  // one is being made, of this entry or a later one
  absl::Duration make_pause_;            // after the last one failed; zero: one has arrived
  absl::Duration make_again_ = -absl::InfiniteDuration();  // not before that
  std::map<std::string, Received> received_;               // by name
  std::optional<Installation> installation_;               // under way
  std::unique_ptr<Timer> install_retry_;
};

}  // namespace keelson::server

#endif  // KEELSON_SERVER_SNAPSHOT_KEEPER_H_
