#include "server/restore.h"

#include <unistd.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/crc32c.h"
#include "base/status_macros.h"
#include "server/data_directory.h"
#include "server/membership.h"
#include "server/sha256.h"
#include "storage/file_system.h"
#include "storage/key_history.h"
#include "storage/snapshot_stream.h"
#include "storage/store.h"
#include "storage/store_directory.h"

namespace keelson::server {
namespace {

constexpr uint64_t kReadBytes = 1 << 20;

storage::FileSystem& Files() { return storage::PosixFileSystem(); }

// Removes a directory unless it is kept.
class Cleanup {
 public:
  explicit Cleanup(std::string path) : path_(std::move(path)) {}
  Cleanup(const Cleanup&) = delete;
  Cleanup& operator=(const Cleanup&) = delete;
  ~Cleanup() {
    if (!path_.empty()) Files().RemoveTree(path_).IgnoreError();  // an error was told already
  }
  void Keep() { path_.clear(); }

 private:
  std::string path_;
};

struct Unpacked {
  uint32_t hash = 0;
  uint64_t file_bytes = 0;
};

absl::Status InFile(const std::string& file, const absl::Status& status) {
  return absl::Status(status.code(), absl::StrCat(file, ": ", status.message()));
}

// The stream in `file` into `directory`, checked whole. The sum at its end stands behind a multiple
// of 512 bytes, as in etcd's files.
absl::StatusOr<Unpacked> Unpack(const std::string& file, bool skip_hash_check,
                                const std::string& directory) {
  KV_ASSIGN_OR_RETURN(const auto opened, Files().Open(file, storage::OpenMode::kExisting));
  KV_ASSIGN_OR_RETURN(const uint64_t bytes, opened->Size());
  const bool has_sum = bytes % storage::kSnapshotAlignment == kSha256Bytes;
  if (!has_sum && !skip_hash_check) {
    return absl::DataLossError(
        "it has no SHA-256 at its end: cut short, or no snapshot (--skip-hash-check: go on)");
  }
  const uint64_t stream_bytes = has_sum ? bytes - kSha256Bytes : bytes;
  storage::SnapshotReceiver receiver(directory, &Files());
  Unpacked unpacked{.hash = 0, .file_bytes = bytes};
  Sha256 sum;
  std::string buffer(kReadBytes, '\0');
  for (uint64_t at = 0; at < stream_bytes;) {
    const uint64_t wanted = std::min(kReadBytes, stream_bytes - at);
    KV_ASSIGN_OR_RETURN(const uint64_t count, opened->Read(at, wanted, buffer.data()));
    if (count == 0) return absl::DataLossError("it was cut short while it was read");
    const std::string_view piece = std::string_view(buffer).substr(0, count);
    KV_RETURN_IF_ERROR(receiver.Append(piece));
    sum.Add(piece);
    unpacked.hash = Crc32cExtend(unpacked.hash, piece);
    at += count;
  }
  KV_RETURN_IF_ERROR(receiver.Finish());
  if (has_sum && !skip_hash_check) {
    std::string stored(kSha256Bytes, '\0');
    KV_ASSIGN_OR_RETURN(const uint64_t count,
                        opened->Read(stream_bytes, stored.size(), stored.data()));
    if (count != stored.size() || stored != sum.Finish()) {
      return absl::DataLossError("it does not match the SHA-256 at its end");
    }
  }
  return unpacked;
}

// A file's state, in a temporary directory beside it that goes with this.
struct OpenSnapshot {
  static absl::StatusOr<OpenSnapshot> Open(const std::string& file) {
    const std::string directory = absl::StrCat(file, ".unpacked.", ::getpid());
    OpenSnapshot snapshot;
    snapshot.cleanup = std::make_unique<Cleanup>(directory);
    const auto unpacked = Unpack(file, /*skip_hash_check=*/false, directory);
    if (!unpacked.ok()) return InFile(file, unpacked.status());
    snapshot.unpacked = *unpacked;
    storage::StoreOptions options;
    options.directory = directory;
    KV_ASSIGN_OR_RETURN(snapshot.store, storage::Store::Open(options));
    return snapshot;
  }

  std::unique_ptr<Cleanup> cleanup;  // first: the store is closed before
  Unpacked unpacked;
  std::unique_ptr<storage::Store> store;
};

// Above it are as many revisions again for what is written from then on.
constexpr int64_t kBumpedRevisionMax = storage::kRevisionMax / 2;

// What every member of the old cluster knew of it is replaced; the keys and leases stay.
absl::Status MakeFirstState(const RestoreOptions& options, const Bootstrap& bootstrap,
                            storage::Store& store) {
  if (options.bump_revision > kBumpedRevisionMax - store.revision().value()) {
    return absl::InvalidArgumentError(
        absl::StrCat("--bump-revision must not go past revision ", kBumpedRevisionMax));
  }
  const Revision revision = store.revision() + options.bump_revision;
  std::vector<std::pair<storage::Table, std::string>> old;
  for (const storage::Table table :
       {storage::Table::kCluster, storage::Table::kMembers, storage::Table::kAlarms}) {
    store.ForEachRecord(table, [&](std::string_view key, std::string_view) {
      old.emplace_back(table, std::string(key));
    });
  }
  store.BeginOwn();
  for (const auto& [table, key] : old) store.DeleteRecord(table, key);
  store.BeginAnew(revision);
  PutBootstrap(options.config, bootstrap, store);
  store.EndEntry();
  KV_RETURN_IF_ERROR(store.CommitBatch());
  return store.Flush();
}

absl::Status CheckMember(const Config& config) {
  const auto own = config.initial_cluster.find(config.name);
  if (own == config.initial_cluster.end()) {
    return absl::InvalidArgumentError(absl::StrCat("couldn't find local name \"", config.name,
                                                   "\" in the initial cluster configuration"));
  }
  std::set<std::string> advertised;
  for (const Url& url : config.initial_advertise_peer_urls) advertised.insert(url.text);
  if (advertised != std::set<std::string>(own->second.begin(), own->second.end())) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--initial-cluster has ", config.name, "=", own->second.front(),
        " but --initial-advertise-peer-urls is ", advertised.empty() ? "" : *advertised.begin()));
  }
  return absl::OkStatus();
}

absl::Status CheckAbsent(const std::string& directory) {
  const auto names = Files().List(directory);
  if (absl::IsNotFound(names.status())) return absl::OkStatus();
  KV_RETURN_IF_ERROR(names.status());
  if (names->size() <= 2) return absl::OkStatus();  // . and ..
  return absl::AlreadyExistsError(
      absl::StrCat("data-dir \"", directory, "\" not empty or could not be read"));
}

}  // namespace

absl::Status Restore(const RestoreOptions& options) {
  const Config& config = options.config;
  KV_RETURN_IF_ERROR(CheckMember(config));
  KV_RETURN_IF_ERROR(CheckAbsent(config.data_dir));
  if (!config.wal_dir.empty()) KV_RETURN_IF_ERROR(CheckAbsent(config.wal_dir));
  const std::string member_dir = config.data_dir + "/member";
  const bool made_here = absl::IsNotFound(Files().List(config.data_dir).status());
  Cleanup cleanup(made_here ? config.data_dir : member_dir);
  KV_ASSIGN_OR_RETURN(storage::StoreDirectory states, storage::StoreDirectory::Open(member_dir));
  if (const auto unpacked = Unpack(options.file, options.skip_hash_check, states.current());
      !unpacked.ok()) {
    return InFile(options.file, unpacked.status());
  }
  storage::StoreOptions store_options;
  store_options.directory = states.current();
  KV_ASSIGN_OR_RETURN(std::unique_ptr<storage::Store> store, storage::Store::Open(store_options));
  const Bootstrap bootstrap = MakeBootstrap(config.initial_cluster, config.initial_cluster_token);
  KV_RETURN_IF_ERROR(MakeFirstState(options, bootstrap, *store));
  store.reset();
  // The log last: without it no server takes the directory for a member's.
  storage::RaftLogOptions log_options;
  log_options.directory = LogDirectory(config);
  KV_ASSIGN_OR_RETURN(
      const auto log,
      storage::RaftLog::Create(log_options, {bootstrap.cluster_id,
                                             ComputeMemberId(config.initial_cluster.at(config.name),
                                                             config.initial_cluster_token)}));
  cleanup.Keep();
  return absl::OkStatus();
}

absl::StatusOr<SnapshotSummary> Summarize(const std::string& file) {
  KV_ASSIGN_OR_RETURN(const OpenSnapshot snapshot, OpenSnapshot::Open(file));
  return SnapshotSummary{.hash = snapshot.unpacked.hash,
                         .revision = snapshot.store->revision(),
                         .keys = snapshot.store->KeyCount(),
                         .bytes = snapshot.unpacked.file_bytes};
}

absl::StatusOr<storage::Store::KvHash> HashSnapshot(const std::string& file, Revision revision) {
  KV_ASSIGN_OR_RETURN(const OpenSnapshot snapshot, OpenSnapshot::Open(file));
  return snapshot.store->HashKv(revision);
}

}  // namespace keelson::server
