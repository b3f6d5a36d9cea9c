// Checkpoint: the files of a store at one applied index, kept by hard links for somebody who reads
// them while the store goes on, and removed with the object. While it lives the disk keeps what the
// store would have given up, so its owner must see to it that a reader comes to an end.
//
// Threads: any. Making one waits for the disk: it flushes the store and reads all of its files.
#ifndef KEELSON_STORAGE_CHECKPOINT_H_
#define KEELSON_STORAGE_CHECKPOINT_H_

#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "storage/file_system.h"
#include "storage/snapshot_format.h"
#include "storage/snapshot_stream.h"
#include "storage/state_medium.h"
#include "storage/store.h"

namespace keelson::storage {

// What the closed store in `directory`, on RocksDB and the real disk, says of itself, or, with an
// environment, one on the files of that. DataLoss: damaged, or no store.
absl::StatusOr<StoredState> ReadStoredState(const std::string& directory,
                                            RocksEnvironment* environment = nullptr);

class Checkpoint {
 public:
  // Of what `store` has applied by now, or a little later, in `directory`, which is not there. The
  // store is one of `medium`, which outlives the checkpoint.
  static absl::StatusOr<std::shared_ptr<const Checkpoint>> Make(
      Store& store, std::string directory, StateMedium& medium = RocksStates());
  Checkpoint(const Checkpoint&) = delete;
  Checkpoint& operator=(const Checkpoint&) = delete;
  ~Checkpoint();

  const SnapshotDescription& description() const { return description_; }
  // A record of Table::kCluster as of the checkpoint.
  std::optional<std::string> FindClusterRecord(const std::string& key) const;
  // Its bytes; must not outlive the checkpoint.
  std::unique_ptr<SnapshotSource> NewSource() const;

 private:
  Checkpoint(std::string directory, FileSystem& files)
      : directory_(std::move(directory)), files_(files) {}

  const std::string directory_;
  FileSystem& files_;
  SnapshotDescription description_;
  StoredState state_;
};

}  // namespace keelson::storage

#endif  // KEELSON_STORAGE_CHECKPOINT_H_
