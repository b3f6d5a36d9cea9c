#include "server/snapshot_keeper.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/coding.h"
#include "base/failpoint.h"
#include "base/planted_bug.h"
#include "base/status_macros.h"
#include "server/cluster_records.h"
#include "server/raft_codec.h"

namespace keelson::server {
namespace {

constexpr absl::Duration kSweep = absl::Seconds(5);

absl::StatusOr<raft::Snapshot> SnapshotOf(const storage::Checkpoint& checkpoint) {
  const storage::SnapshotDescription& description = checkpoint.description();
  const auto record = checkpoint.FindClusterRecord(kConfStateKey);
  const auto conf = record ? DecodeConfState(*record) : std::nullopt;
  if (!conf) return absl::DataLossError("the state store has no membership");
  return raft::Snapshot{.id = {description.term, description.applied},
                        .conf = *conf,
                        .data = SharedBytes(SnapshotName(description))};
}

}  // namespace

std::string SnapshotName(const storage::SnapshotDescription& description) {
  const std::string header = storage::EncodeSnapshotHeader(description);
  std::string name;
  AppendLittle64(name, storage::SnapshotStreamBytes(description));
  name += header.substr(header.size() - 4);
  return name;
}

SnapshotKeeper::SnapshotKeeper(Options options, const Environment& environment)
    : options_(std::move(options)),
      core_(environment.core),
      worker_(environment.worker),
      clock_(environment.clock),
      store_(environment.store),
      directory_(environment.directory),
      send_(environment.send),
      alive_(std::make_shared<int>()),
      sweep_(core_->NewTimer()),
      install_retry_(core_->NewTimer()) {
  sweep_->Arm(kSweep, [this] { Sweep(); });
}

SnapshotKeeper::~SnapshotKeeper() = default;

void SnapshotKeeper::Stop() {
  stopped_ = true;
  sweep_->Cancel();
  install_retry_->Cancel();
  kept_.reset();
}

// ----------------------------------------------------------------------------------- checkpoints

void SnapshotKeeper::MakeCheckpoint(absl::AnyInvocable<void(absl::StatusOr<CheckpointPtr>)> done) {
  worker_->Post([this, store = store_->now(), done = std::move(done),
                 alive = std::weak_ptr<int>(alive_)]() mutable {
    auto made = storage::Checkpoint::Make(*store, directory_->NewCheckpoint(), *options_.medium);
    core_->Post([made = std::move(made), done = std::move(done), alive]() mutable {
      if (!alive.expired()) done(std::move(made));
    });
  });
}

absl::StatusOr<raft::Snapshot> SnapshotKeeper::Take(LogIndex first) {
  if (kept_ && kept_->snapshot.id.index >= first) {
    kept_->used = clock_->Now();
    return kept_->snapshot;
  }
  if (!making_from_ && !stopped_ && clock_->Now() >= make_again_) {
    making_from_ = store_->applied();
    MakeCheckpoint([this](absl::StatusOr<CheckpointPtr> made) { OnMade(std::move(made)); });
  }
  return absl::UnavailableError("a checkpoint is being made");
}

void SnapshotKeeper::OnMade(absl::StatusOr<CheckpointPtr> made) {
  making_from_.reset();
  if (stopped_) return;
  if (!made.ok()) {
    // It is asked for again.
    return PauseMaking();
  }
  auto snapshot = SnapshotOf(**made);
  if (KV_PLANTED("snapshot-named-for-later") && snapshot.ok()) {
    snapshot->id = {store_->applied_term(), store_->applied()};
  }
  // Before the first entry there is nothing that the log does not have.
  if (!snapshot.ok() || !snapshot->id.index) return;
  GiveUpKept();
  const absl::Duration now = clock_->Now();
  kept_ = Kept{*std::move(made), *std::move(snapshot), now, now, 0};
}

// A disk in trouble has other work, too.
void SnapshotKeeper::PauseMaking() {
  make_pause_ = std::clamp(2 * make_pause_, kMakeRetryMin, kMakeRetryMax);
  make_again_ = clock_->Now() + make_pause_;
}

void SnapshotKeeper::OnSent(const SharedBytes& name, raft::SnapshotResult result) {
  if (result == raft::SnapshotResult::kDelivered) make_pause_ = absl::ZeroDuration();
  if (!kept_ || !(kept_->snapshot.data == name)) return;
  kept_->failures = result == raft::SnapshotResult::kDelivered ? 0 : kept_->failures + 1;
  if (kept_->failures < kSendFailuresMax) return;
  GiveUpKept();
  PauseMaking();
}

std::optional<LogIndex> SnapshotKeeper::NeededFrom() const {
  if (kept_) return kept_->snapshot.id.index + 1;
  // While one is made the log must not run away from it.
  if (making_from_) return *making_from_ + 1;
  return std::nullopt;
}

// Its files may be the last names of much data: removing them waits for the disk.
void SnapshotKeeper::GiveUpKept() {
  if (!kept_) return;
  worker_->Post([checkpoint = std::move(kept_->checkpoint)] {});
  kept_.reset();
}

void SnapshotKeeper::Sweep() {
  const absl::Duration now = clock_->Now();
  if (kept_) {
    // Whoever is being sent it, at least, uses it.
    if (kept_->checkpoint.use_count() > 1) kept_->used = now;
    if (now - kept_->used >= options_.idle_max || now - kept_->made >= options_.age_max) {
      GiveUpKept();
    }
  }
  for (auto it = received_.begin(); it != received_.end();) {
    if (now - it->second.when < options_.received_age_max) {
      ++it;
      continue;
    }
    Discard(std::move(it->second.directory));
    it = received_.erase(it);
  }
  sweep_->Arm(kSweep, [this] { Sweep(); });
}

void SnapshotKeeper::Flush(absl::AnyInvocable<void(absl::Status)> done) {
  worker_->Post([this, store = store_->now(), done = std::move(done),
                 alive = std::weak_ptr<int>(alive_)]() mutable {
    absl::Status status = store->Flush();
    core_->Post([status = std::move(status), done = std::move(done), alive]() mutable {
      if (!alive.expired()) done(std::move(status));
    });
  });
}

// --------------------------------------------------------------------------------------- transfer

void SnapshotKeeper::Send(const raft::Message& message, SendDone done) {
  const auto& snapshot = *std::get<raft::InstallSnapshot>(message.body).snapshot;
  if (stopped_ || !kept_ || !(kept_->snapshot.data == snapshot.data)) {
    core_->Post([done = std::move(done)]() mutable { done(raft::SnapshotResult::kFailed); });
    return;
  }
  kept_->used = clock_->Now();
  send_(message, kept_->checkpoint,
        [this, name = snapshot.data, done = std::move(done),
         alive = std::weak_ptr<int>(alive_)](raft::SnapshotResult result) mutable {
          if (!alive.expired()) OnSent(name, result);
          done(result);
        });
}

void SnapshotKeeper::RemoveIncoming(const std::string& directory) {
  // What cannot be removed is a leftover that the next start removes.
  directory_->Remove(directory).IgnoreError();
}

void SnapshotKeeper::Discard(std::string directory) {
  worker_->Post([this, directory = std::move(directory), alive = std::weak_ptr<int>(alive_)] {
    if (!alive.expired()) RemoveIncoming(directory);
  });
}

void SnapshotKeeper::OnReceived(const std::string& name, std::string directory) {
  KV_FAILPOINT(raftBeforeSaveSnap);
  if (KV_PLANTED("second-snapshot-removes-first")) {
    for (auto& [other, former] : received_) {
      if (other != name && !former.directory.empty()) Discard(former.directory);
    }
  }
  Received& received = received_[name];
  if (!received.directory.empty()) Discard(std::move(received.directory));
  received = {std::move(directory), clock_->Now()};
  KV_FAILPOINT(raftAfterSaveSnap);
}

// ---------------------------------------------------------------------------------------- install

SnapshotKeeper::Records SnapshotKeeper::OwnRecords() const {
  Records records;
  for (const char* const key : kOwnKeys) {
    auto value = store_->FindRecord(storage::Table::kCluster, key);
    if (value) records.emplace_back(key, *std::move(value));
  }
  return records;
}

absl::StatusOr<std::shared_ptr<storage::Store>> SnapshotKeeper::Adopt(
    storage::StateMedium& medium, const storage::StoreOptions& options, const raft::EntryId& id,
    const Records& own) {
  KV_ASSIGN_OR_RETURN(std::unique_ptr<storage::Store> store, medium.Open(options));
  if (store->applied() != id.index || store->applied_term() != id.term) {
    return absl::DataLossError(absl::StrCat(
        "the state that arrived is at entry ", store->applied().value(), " of term ",
        store->applied_term().value(), ", and not at ", id.index.value(), " of ", id.term.value()));
  }
  store->BeginOwn();
  for (const char* const key : kOwnKeys) store->DeleteRecord(storage::Table::kCluster, key);
  if (!KV_PLANTED("snapshot-own-records-lost")) {
    for (const auto& [key, value] : own) store->PutRecord(storage::Table::kCluster, key, value);
  }
  store->EndEntry();
  KV_RETURN_IF_ERROR(store->CommitBatch());
  if (!KV_PLANTED("snapshot-installed-unflushed")) KV_RETURN_IF_ERROR(store->Flush());
  return std::shared_ptr<storage::Store>(std::move(store));
}

void SnapshotKeeper::Install(const raft::Snapshot& snapshot, InstallDone done) {
  const auto found = received_.find(std::string(snapshot.data.view()));
  if (found == received_.end()) {
    core_->Post([done = std::move(done), alive = std::weak_ptr<int>(alive_)]() mutable {
      if (!alive.expired()) done(absl::DataLossError("a snapshot to install has not arrived"));
    });
    return;
  }
  storage::StoreOptions options = options_.store;
  options.directory = std::move(found->second.directory);
  received_.erase(found);
  GiveUpKept();  // of a state that is over
  installation_ = Installation{std::move(options), snapshot.id, OwnRecords(), std::move(done)};
  TryInstall();
}

void SnapshotKeeper::TryInstall() {
  worker_->Post([this, options = installation_->options, id = installation_->id,
                 own = installation_->own, alive = std::weak_ptr<int>(alive_)]() mutable {
    const std::string former = directory_->current();
    KV_FAILPOINT(applyBeforeOpenSnapshot);
    auto store = Adopt(*options_.medium, options, id, own);
    KV_FAILPOINT(applyAfterOpenSnapshot);
    if (store.ok()) {
      const absl::Status status = directory_->Install(options.directory, {id.term, id.index});
      if (!status.ok()) store = status;
    }
    core_->Post([this, former, store = std::move(store), alive]() mutable {
      if (!alive.expired()) FinishInstall(std::move(store), former);
    });
  });
}

// Raft has decided for the state, so a full disk is waited for: the old state serves reads
// meanwhile.
void SnapshotKeeper::FinishInstall(absl::StatusOr<std::shared_ptr<storage::Store>> store,
                                   const std::string& former) {
  const absl::Status status = store.status();
  if (absl::IsResourceExhausted(status) || absl::IsUnavailable(status)) {
    if (!stopped_) install_retry_->Arm(kInstallRetry, [this] { TryInstall(); });
    return;
  }
  InstallDone done = std::move(std::exchange(installation_, std::nullopt)->done);
  if (status.ok()) Replace(*std::move(store), former);
  done(status);
}

// The old one's end waits for the disk.
void SnapshotKeeper::Replace(std::shared_ptr<storage::Store> store, const std::string& former) {
  worker_->Post([this, former, old = store_->Replace(std::move(store)),
                 alive = std::weak_ptr<int>(alive_)]() mutable {
    old.reset();
    if (!alive.expired()) RemoveIncoming(former);
  });
}

}  // namespace keelson::server
