#include "storage/checkpoint.h"

#include <cstdarg>
#include <utility>

#include "base/status_macros.h"
#include "rocksdb/db.h"
#include "rocksdb/env.h"
#include "storage/rocks.h"
#include "storage/rocks_environment.h"
#include "storage/store_format.h"

namespace keelson::storage {
namespace {

// RocksDB writes a log of its own beside the files even of what it only reads.
class NoLog final : public rocksdb::Logger {
 public:
  using rocksdb::Logger::Logv;
  void Logv(const char*, va_list) override {}
};

class RocksMedium final : public StateMedium {
 public:
  FileSystem& files() override { return PosixFileSystem(); }
  absl::StatusOr<std::unique_ptr<Store>> Open(const StoreOptions& options) override {
    return Store::Open(options);
  }
  absl::StatusOr<StoredState> ReadStored(const std::string& directory) override {
    return ReadStoredState(directory);
  }
};

}  // namespace

StateMedium& RocksStates() {
  static RocksMedium* const medium = new RocksMedium;
  return *medium;
}

absl::StatusOr<StoredState> ReadStoredState(const std::string& directory,
                                            RocksEnvironment* environment) {
  rocksdb::Options options;
  if (environment != nullptr) options.env = environment->env();
  options.info_log = std::make_shared<NoLog>();
  rocksdb::DB* opened = nullptr;
  KV_RETURN_IF_ERROR(FromRocks(rocksdb::DB::OpenForReadOnly(options, directory, &opened),
                               "cannot read the state store"));
  const std::unique_ptr<rocksdb::DB> db(opened);
  Position position;
  std::string bytes;
  KV_RETURN_IF_ERROR(FromRocks(db->Get({}, MetaKey(MetaTable::kPosition), &bytes),
                               "cannot read the position of the state store"));
  if (!ParsePosition(bytes, position)) {
    return absl::DataLossError("state store: malformed position");
  }
  StoredState state{.applied = position.applied,
                    .term = position.term,
                    .revision = position.revision,
                    .compacted = position.compacted,
                    .cluster = {}};
  const std::string prefix = RecordMetaKey(Table::kCluster, "");
  rocksdb::ReadOptions read;
  read.ignore_range_deletions = true;  // or it may pass over a damaged file (rocks.cc)
  const std::unique_ptr<rocksdb::Iterator> it(db->NewIterator(read));
  for (it->Seek(prefix); it->Valid() && it->key().starts_with(prefix); it->Next()) {
    state.cluster.emplace(ToView(it->key()).substr(prefix.size()), ToView(it->value()));
  }
  KV_RETURN_IF_ERROR(FromRocks(it->status(), "cannot read the state store"));
  return state;
}

absl::StatusOr<std::shared_ptr<const Checkpoint>> Checkpoint::Make(Store& store,
                                                                   std::string directory,
                                                                   StateMedium& medium) {
  const std::shared_ptr<Checkpoint> made(new Checkpoint(std::move(directory), medium.files()));
  KV_RETURN_IF_ERROR(store.LinkFiles(made->directory_));
  // The store goes on meanwhile: what has got into the files is known from them alone.
  KV_ASSIGN_OR_RETURN(made->state_, medium.ReadStored(made->directory_));
  made->description_ = {.applied = made->state_.applied,
                        .term = made->state_.term,
                        .revision = made->state_.revision,
                        .compacted = made->state_.compacted,
                        .files = {}};
  KV_ASSIGN_OR_RETURN(made->description_.files, DescribeFiles(made->directory_, medium.files()));
  return made;
}

Checkpoint::~Checkpoint() {
  // What cannot be removed is a leftover that the next start removes.
  files_.RemoveTree(directory_).IgnoreError();
}

std::optional<std::string> Checkpoint::FindClusterRecord(const std::string& key) const {
  const auto it = state_.cluster.find(key);
  if (it == state_.cluster.end()) return std::nullopt;
  return it->second;
}

std::unique_ptr<SnapshotSource> Checkpoint::NewSource() const {
  return std::make_unique<SnapshotSource>(directory_, description_, &files_);
}

}  // namespace keelson::storage
