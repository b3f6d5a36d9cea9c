#include "server/data_directory.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/coding.h"
#include "base/status_macros.h"
#include "server/cluster_records.h"
#include "server/force_new_cluster.h"
#include "server/join.h"
#include "server/membership.h"
#include "server/raft_codec.h"

namespace keelson::server {
namespace {

namespace fs = std::filesystem;

std::string Big64(uint64_t v) {
  std::string bytes;
  AppendBig64(bytes, v);
  return bytes;
}

absl::Status MakeDirectory(const std::string& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) {
    return absl::PermissionDeniedError(
        absl::StrCat("cannot create directory ", path, ": ", error.message()));
  }
  if (::access(path.c_str(), R_OK | W_OK | X_OK) != 0) {
    return absl::PermissionDeniedError(
        absl::StrCat("cannot write to directory ", path, ": ",
                     std::error_code(errno, std::generic_category()).message()));
  }
  return absl::OkStatus();
}

// The state that a member begins with.
struct FirstState {
  Bootstrap bootstrap;
  NodeId own;
  // Of a member that joins it is empty: what it is, it learns with the first snapshot.
  raft::ConfState conf;
  storage::LogIdentity identity() const { return {bootstrap.cluster_id, own}; }
};

FirstState FirstStateOfNew(const Config& config, const Bootstrap& bootstrap) {
  FirstState first{bootstrap, OwnId(config, bootstrap), {}};
  for (const auto& member : bootstrap.members) first.conf.voters.emplace_back(member.id());
  return first;
}

absl::StatusOr<FirstState> MakeFirstState(const Config& config, http::TlsCredentials& tls) {
  KV_RETURN_IF_ERROR(CheckInitialCluster(config));
  if (config.initial_cluster_new) {
    const Bootstrap made = MakeBootstrap(config.initial_cluster, config.initial_cluster_token);
    KV_RETURN_IF_ERROR(CheckNotBootstrapped(config, made, tls));
    return FirstStateOfNew(config, made);
  }
  KV_ASSIGN_OR_RETURN(Bootstrap bootstrap, FindCluster(config, tls));
  const NodeId own = OwnId(config, bootstrap);
  return FirstState{std::move(bootstrap), own, {}};
}

void PutFirstState(const Config& config, const FirstState& first, storage::Store& store) {
  for (const etcdserverpb::Member& member : first.bootstrap.members) StoreMember(store, member);
  store.PutRecord(storage::Table::kCluster, kConfStateKey, EncodeConfState(first.conf));
  store.PutRecord(storage::Table::kCluster, kClusterIdKey, Big64(first.bootstrap.cluster_id));
  store.PutRecord(storage::Table::kCluster, kMemberIdKey, Big64(first.own.value()));
  store.PutRecord(storage::Table::kCluster, kNameKey, config.name);
  store.PutRecord(storage::Table::kCluster, kTokenKey, config.initial_cluster_token);
}

// The name and the token that are given must be what the data says: etcd looks at them on the first
// start only, and would serve a directory of another member or cluster under a wrong name. Where
// the members are reached is in the data, and may have changed since the flags were written.
absl::Status CheckIdentity(const Config& config, const storage::LogIdentity& identity,
                           const storage::Store& store) {
  const auto refuse = [&](const std::string& owns, const std::string& wants) {
    return absl::FailedPreconditionError(absl::StrCat(
        "data directory ", config.data_dir, " belongs to member ",
        absl::Hex(identity.member_id.value()), " of cluster ", absl::Hex(identity.cluster_id),
        " with ", owns, ", but the flags say ", wants));
  };
  const std::string name = store.FindRecord(storage::Table::kCluster, kNameKey).value_or("");
  if (config.name_given && name != config.name) {
    return refuse(absl::StrCat("--name ", name), config.name);
  }
  const std::string token = store.FindRecord(storage::Table::kCluster, kTokenKey).value_or("");
  if (config.initial_cluster_token_given && token != config.initial_cluster_token) {
    return refuse(absl::StrCat("--initial-cluster-token ", token), config.initial_cluster_token);
  }
  if (WasRemoved(store, identity.member_id)) {
    return absl::FailedPreconditionError(
        absl::StrCat("the member has been permanently removed from the cluster; data directory ",
                     config.data_dir, " must be removed before a new member can use it"));
  }
  return absl::OkStatus();
}

// raft takes these for granted; a log that lost its tail or its head must not get that far.
absl::Status CheckLogCoversStore(const storage::RaftLog& log, const storage::Store& store) {
  if (log.FirstIndex() > store.applied() + 1 || log.LastIndex() < store.applied() ||
      log.LastIndex() < log.state().commit) {
    return absl::DataLossError(absl::StrCat(
        "the raft log holds ", log.FirstIndex().value(), " to ", log.LastIndex().value(),
        " with commit ", log.state().commit.value(), ", but the store has applied ",
        store.applied().value(), ": entries that were acknowledged are missing"));
  }
  return absl::OkStatus();
}

// What a member is given at its first start, before the first entry.
absl::Status WriteFirstState(const Config& config, const FirstState& first, storage::Store& store) {
  store.BeginEntry(LogIndex(0), Term(0));
  PutFirstState(config, first, store);
  store.EndEntry();
  KV_RETURN_IF_ERROR(store.CommitBatch());
  return store.Flush();
}

// The membership of the state, in states that were made before it was recorded.
absl::Status RecordMembership(storage::Store& store) {
  const auto record = store.FindRecord(storage::Table::kCluster, kConfStateKey);
  if (record && !DecodeConfState(*record)) {
    return absl::DataLossError("state store: malformed membership");
  }
  if (record) return absl::OkStatus();
  store.BeginOwn();
  store.PutRecord(storage::Table::kCluster, kConfStateKey, EncodeConfState(StoredConfState(store)));
  store.EndEntry();
  return store.CommitBatch();
}

}  // namespace

void PutBootstrap(const Config& config, const Bootstrap& bootstrap, storage::Store& store) {
  PutFirstState(config, FirstStateOfNew(config, bootstrap), store);
}

absl::Status ResetLogBehindSnapshot(const storage::LogPosition& installed,
                                    const storage::Store& store, storage::RaftLog& log) {
  if (!installed.index) return absl::OkStatus();
  // The old log cannot look like one that was reset: raft installs no snapshot whose last entry the
  // log has.
  const std::optional<Term> term = log.TermAt(installed.index);
  if (log.LastIndex() >= installed.index && (!term || *term == installed.term)) {
    return absl::OkStatus();
  }
  if (store.applied() != installed.index || store.applied_term() != installed.term) {
    return absl::OkStatus();  // not that: entries are missing, which CheckLogCoversStore tells
  }
  storage::LogState state = log.state();
  if (state.term < installed.term) state = {.term = installed.term, .vote = {}, .commit = {}};
  state.commit = installed.index;
  return log.Reset(installed, state);
}

std::string LogDirectory(const Config& config) {
  return config.wal_dir.empty() ? config.data_dir + "/member/log" : config.wal_dir;
}

absl::StatusOr<DataDirectory> OpenDataDirectory(const Config& config, http::TlsCredentials& tls) {
  const std::string member_dir = config.data_dir + "/member";
  storage::RaftLogOptions log_options;
  log_options.directory = LogDirectory(config);
  log_options.unsafe_no_sync = config.unsafe_no_fsync;

  // Before anything is made of a directory that is not there.
  std::error_code error;
  if (!fs::exists(member_dir, error)) KV_RETURN_IF_ERROR(CheckInitialCluster(config));
  KV_RETURN_IF_ERROR(MakeDirectory(member_dir));
  DataDirectory directory;
  KV_ASSIGN_OR_RETURN(storage::StoreDirectory states, storage::StoreDirectory::Open(member_dir));
  directory.states = std::make_unique<storage::StoreDirectory>(std::move(states));
  storage::StoreOptions store_options = directory.store_options;
  store_options.directory = directory.states->current();
  // The store first: it has the lock that keeps a second process out.
  KV_ASSIGN_OR_RETURN(std::unique_ptr<storage::Store> store, storage::Store::Open(store_options));
  directory.store = std::make_unique<storage::ReplaceableStore>(std::move(store));
  KV_RETURN_IF_ERROR(directory.states->RemoveLeftovers());
  const bool store_is_new = !directory.store->FindRecord(storage::Table::kCluster, kNameKey);
  const bool log_exists = storage::RaftLog::Exists(log_options.directory);
  FirstState first;
  if (store_is_new) {
    KV_ASSIGN_OR_RETURN(first, MakeFirstState(config, tls));
  }

  if (!log_exists) {
    if (!store_is_new) {
      // A member that forgot its votes could vote twice in a term.
      return absl::FailedPreconditionError(absl::StrCat(
          "the raft log ", log_options.directory, " is missing but ", store_options.directory,
          " is not; this member must not take part again: remove it from the cluster and add it "
          "anew"));
    }
    KV_ASSIGN_OR_RETURN(directory.log, storage::RaftLog::Create(log_options, first.identity()));
  } else {
    KV_ASSIGN_OR_RETURN(directory.log, storage::RaftLog::Open(log_options));
  }
  directory.identity = directory.log->identity();
  // Not the state's own directory: a snapshot that is installed puts another in its place.
  directory.paths = {log_options.directory, member_dir};

  if (store_is_new) {
    // The first start may have died between making the log and writing the store; a log with
    // entries means that there was a store.
    if (directory.log->LastIndex().value() != 0 || directory.identity != first.identity()) {
      return absl::FailedPreconditionError(absl::StrCat("the raft log ", log_options.directory,
                                                        " has entries or is another member's, but ",
                                                        store_options.directory, " is empty"));
    }
    KV_RETURN_IF_ERROR(WriteFirstState(config, first, *directory.store));
    return directory;
  }
  if (directory.store->FindRecord(storage::Table::kCluster, kMemberIdKey) !=
      Big64(directory.identity.member_id.value())) {
    return absl::FailedPreconditionError(absl::StrCat(
        log_options.directory, " and ", store_options.directory, " belong to different members"));
  }
  KV_RETURN_IF_ERROR(CheckIdentity(config, directory.identity, *directory.store));
  KV_RETURN_IF_ERROR(
      ResetLogBehindSnapshot(directory.states->installed(), *directory.store, *directory.log));
  KV_RETURN_IF_ERROR(CheckLogCoversStore(*directory.log, *directory.store));
  KV_RETURN_IF_ERROR(RecordMembership(*directory.store));
  if (config.force_new_cluster) {
    KV_RETURN_IF_ERROR(
        ForceNewCluster(directory.identity.member_id, *directory.store, *directory.log));
  }
  return directory;
}

}  // namespace keelson::server
