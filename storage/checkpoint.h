// Checkpoint: the files of a store at one applied index, kept by hard links for somebody who reads
// them while the store goes on, and removed with the object. While it lives the disk keeps what the
// store would have given up, so its owner must see to it that a reader comes to an end.
//
// Threads: any. Making one waits for the disk: it flushes the store and reads all of its files.
#ifndef KEELSON_STORAGE_CHECKPOINT_H_
#define KEELSON_STORAGE_CHECKPOINT_H_

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "storage/file_system.h"
#include "storage/snapshot_format.h"
#include "storage/snapshot_stream.h"
#include "storage/store.h"

namespace keelson::storage {

// What the closed store in `directory` says of itself, without opening it as one.
struct StoredState {
  LogIndex applied;
  Term term;
  Revision revision;
  Revision compacted;
  std::map<std::string, std::string> cluster;  // the records of Table::kCluster
};
// DataLoss: damaged, or no store.
absl::StatusOr<StoredState> ReadStoredState(const std::string& directory);

class Checkpoint {
 public:
  // Of what `store` has applied by now, or a little later, in `directory`, which is not there.
  static absl::StatusOr<std::shared_ptr<const Checkpoint>> Make(Store& store,
                                                                std::string directory);
  Checkpoint(const Checkpoint&) = delete;
  Checkpoint& operator=(const Checkpoint&) = delete;
  ~Checkpoint();

  const SnapshotDescription& description() const { return description_; }
  // A record of Table::kCluster as of the checkpoint.
  std::optional<std::string> FindClusterRecord(const std::string& key) const;
  // Its bytes; must not outlive the checkpoint.
  std::unique_ptr<SnapshotSource> NewSource() const;

 private:
  explicit Checkpoint(std::string directory) : directory_(std::move(directory)) {}

  const std::string directory_;
  SnapshotDescription description_;
  StoredState state_;
};

}  // namespace keelson::storage

#endif  // KEELSON_STORAGE_CHECKPOINT_H_
